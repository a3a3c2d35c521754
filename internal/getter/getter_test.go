package getter_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/getter"
	"github.com/pinnace-dev/pinnace/localaws"
)

func TestUnchangedIndexCostsNoBody(t *testing.T) {
	w := newWorld(t)
	w.put(t, "stable/index.yaml", index1)
	mustFetch(t, indexURL, index1)
	w.wantAnswers(t, "first", answer{200, len(index1)})
	mustFetch(t, indexURL, index1)
	w.wantAnswers(t, "unchanged", answer{304, 0})

	w.put(t, "stable/index.yaml", index2)
	mustFetch(t, indexURL, index2)
	w.wantAnswers(t, "changed", answer{200, len(index2)})
	mustFetch(t, indexURL, index2)
	w.wantAnswers(t, "unchanged again", answer{304, 0})
}

// Archives are many, never change, and Helm keeps those that it needs.
func TestArchivesAreNotKept(t *testing.T) {
	w := newWorld(t)
	w.put(t, "stable/web-1.0.0.tgz", "archive")
	mustFetch(t, "s3://acme-charts/stable/web-1.0.0.tgz", "archive")
	if files := w.kept(t); len(files) != 0 {
		t.Errorf("kept %v", files)
	}
}

// Whatever byte of a copy is wrong, and wherever it ends, the index is fetched again and delivered right.
func TestDamagedCopyIsFetchedAgain(t *testing.T) {
	w := newWorld(t)
	w.put(t, "stable/index.yaml", index1)
	mustFetch(t, indexURL, index1)
	files := w.kept(t)
	if len(files) != 1 {
		t.Fatalf("kept %v, want one file", files)
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	damage := func(what string, b []byte) {
		if err := os.WriteFile(files[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		w.seen()
		mustFetch(t, indexURL, index1)
		w.wantAnswers(t, what, answer{200, len(index1)})
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		damage("flipped", bad)
		damage("cut", good[:i])
	}
	mustFetch(t, indexURL, index1)
	w.wantAnswers(t, "mended", answer{304, 0})
}

func TestCopiesArePrivateAndApart(t *testing.T) {
	w := newWorld(t)
	w.put(t, "stable/index.yaml", index1)
	w.put(t, "other/index.yaml", index1)
	mustFetch(t, indexURL, index1)
	mustFetch(t, "s3://acme-charts/other/index.yaml", index1)
	w.wantAnswers(t, "another key", answer{200, len(index1)}, answer{200, len(index1)})

	// Another identity never gets a body from this one's copy, not even when it may not read the bucket.
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE")
	code, out, errs := fetch(indexURL)
	if code != 5 || out != "" || !strings.Contains(errs, "InvalidAccessKeyId") {
		t.Errorf("another identity: exit status %d, %q, %s", code, out, errs)
	}
	for _, file := range w.kept(t) {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, mode %v, want 0600", file, err, info.Mode())
		}
	}
	if len(w.kept(t)) != 2 {
		t.Errorf("kept %v, want two files", w.kept(t))
	}
}

func TestNoCacheIsNoError(t *testing.T) {
	w := newWorld(t)
	w.put(t, "stable/index.yaml", index1)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, home := range []string{"", file, "/proc/nowhere"} {
		t.Setenv("HELM_CACHE_HOME", home)
		mustFetch(t, indexURL, index1)
		w.wantAnswers(t, "cache "+home, answer{200, len(index1)})
	}
}

func TestConcurrentGettersShareACopy(t *testing.T) {
	w := newWorld(t)
	w.put(t, "stable/index.yaml", index1)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if code, out, errs := fetch(indexURL); code != 0 || out != index1 {
				t.Errorf("exit status %d, %q, %s", code, out, errs)
			}
		})
	}
	group.Wait()
	if files := w.kept(t); len(files) != 1 {
		t.Errorf("kept %v, want one whole file", files)
	}
	w.seen()
	mustFetch(t, indexURL, index1)
	w.wantAnswers(t, "afterwards", answer{304, 0})
}

func TestObjectsAreDeliveredPlain(t *testing.T) {
	w := newWorld(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, index1)
	_ = z.Close()
	encoded := func(in *s3.PutObjectInput) { in.ContentEncoding = aws.String("gzip") }
	w.put(t, "stable/index.yaml", packed.String(), encoded)
	w.put(t, "stable/web-1.0.0.tgz", packed.String(), encoded)
	mustFetch(t, indexURL, index1)
	w.wantAnswers(t, "compressed", answer{200, packed.Len()})
	mustFetch(t, indexURL, index1)
	w.wantAnswers(t, "unchanged", answer{304, 0})
	mustFetch(t, "s3://acme-charts/stable/web-1.0.0.tgz", packed.String())
}

// A name in a URL is unescaped once, but for the plus sign of an archive, which Helm 3 escapes twice.
func TestNamesAreUnescaped(t *testing.T) {
	w := newWorld(t)
	w.put(t, "my charts/web-1.0.0+b.tgz", "plus")
	w.put(t, "my charts/100%25.txt", "percent")
	for _, name := range []string{"web-1.0.0%2Bb.tgz", "web-1.0.0+b.tgz", "web-1.0.0%252Bb.tgz", "web-1.0.0%252bb.tgz"} {
		mustFetch(t, "s3://acme-charts/my%20charts/"+name, "plus")
	}
	mustFetch(t, "s3://acme-charts/my%20charts/100%2525.txt", "percent")
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "web-1.0.0+b.tgz.prov"), []byte("file"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustFetch(t, "file://"+folder+"/web-1.0.0%2Bb.tgz.prov", "file")
	mustFetch(t, "file://"+folder+"/web-1.0.0%252Bb.tgz.prov", "file")
}

func TestRegionIsFound(t *testing.T) {
	for _, region := range []string{"us-west-2", ""} {
		w := newWorld(t)
		w.put(t, "stable/index.yaml", index1)
		if region == "" {
			unset(t, "AWS_REGION")
		} else {
			t.Setenv("AWS_REGION", region)
		}
		mustFetch(t, indexURL, index1)
		mustFetch(t, indexURL, index1)
		if got := w.seen(); len(got) != 4 || got[3] != (answer{304, 0}) {
			t.Errorf("region %q: answers %v, want two requests each, the last unchanged", region, got)
		}
	}
}

// A pod's sessions are new in every process; its copy is found all the same.
func TestSessionsOfOneRoleShareACopy(t *testing.T) {
	w := newWorld(t)
	w.put(t, "stable/index.yaml", index1)
	mustFetch(t, indexURL, index1)
	pod(t, w)
	mustFetch(t, indexURL, index1)
	mustFetch(t, indexURL, index1)
	got := slices.DeleteFunc(w.seen(), func(a answer) bool { return a.Status == 200 && a.Bytes != len(index1) }) // of STS
	if diff := cmp.Diff([]answer{{200, len(index1)}, {304, 0}}, got); diff != "" {
		t.Errorf("a pod after somebody else, twice: answers (-want +got):\n%s", diff)
	}
}

func TestErrorsAreTwoLines(t *testing.T) {
	w := newWorld(t)
	w.put(t, "stable/index.yaml", index1)
	folder := t.TempDir()
	tests := []struct {
		name string
		args []string
		code int
		want string
		hint string
	}{
		{"no object", []string{"s3://acme-charts/none/index.yaml"}, 2, "no such object", "check the repository's URL"},
		{"no bucket", []string{"s3://acme-nothing/index.yaml"}, 2, "does not exist", "check the bucket's name"},
		{"no file", []string{"file://" + folder + "/index.yaml"}, 2, "no such file", "check the repository's URL"},
		{"a folder", []string{"file://" + folder}, 2, "not a regular file", "check the repository's URL"},
		{"a host", []string{"file://server/share/index.yaml"}, 2, "names a host", "use s3://"},
		{"another scheme", []string{"gs://acme/index.yaml"}, 2, "neither on S3", "use s3://"},
		{"a query", []string{"s3://acme-charts/x?versionId=1"}, 2, "query", "use s3://"},
		{"outside", []string{"s3://acme-charts/../x"}, 2, "relative path", "use s3://"},
		{"a certificate", []string{"", "", "ca.pem", indexURL}, 2, "certificates", "AWS_CA_BUNDLE"},
		{"arguments", []string{"a", "b"}, 2, "2 arguments", "pinnace-getter help"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := getter.Main(t.Context(), tt.args, os.Getenv, &out, &errs)
			lines := strings.Split(strings.TrimSuffix(errs.String(), "\n"), "\n")
			if code != tt.code || out.Len() > 0 || len(lines) != 2 {
				t.Fatalf("exit status %d, want %d; %q, %s", code, tt.code, &out, &errs)
			}
			if !strings.Contains(lines[0], tt.want) || !strings.HasPrefix(lines[1], "hint: "+tt.hint) &&
				!strings.Contains(lines[1], tt.hint) {
				t.Errorf("want %q and hint %q, got:\n%s", tt.want, tt.hint, &errs)
			}
		})
	}
	t.Run("slow down", func(t *testing.T) {
		defer w.Inject(localaws.Throttle("s3:GetObject", 0))()
		if code, _, errs := fetch(indexURL); code != 1 || !strings.Contains(errs, "hint: S3 asks to slow down") {
			t.Errorf("exit status %d, %s", code, errs)
		}
	})
	t.Run("another prefix", func(t *testing.T) {
		w.put(t, "secret/index.yaml", index1)
		pod(t, w)
		code, out, errs := fetch("s3://acme-charts/secret/index.yaml")
		if code != 5 || out != "" || !strings.Contains(errs, "hint: allow this identity s3:GetObject on arn:aws:s3:::acme") {
			t.Errorf("exit status %d, %q, %s", code, out, errs)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		unset(t, "AWS_ACCESS_KEY_ID")
		unset(t, "AWS_SECRET_ACCESS_KEY")
		if code, _, errs := fetch(indexURL); code != 5 || !strings.Contains(errs, "hint: sign in") {
			t.Errorf("exit status %d, %s", code, errs)
		}
	})
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"--help"}} {
		var out, errs bytes.Buffer
		if code := getter.Main(t.Context(), args, os.Getenv, &out, &errs); code != 0 || !strings.Contains(out.String(),
			"HELM_CACHE_HOME") {
			t.Errorf("%v: exit status %d, %s%s", args, code, &out, &errs)
		}
	}
}
