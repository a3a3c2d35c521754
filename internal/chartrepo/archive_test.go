package chartrepo_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// member is a member of a handmade archive.
type member struct {
	name string
	body string
	kind byte // 0 is a plain file
}

// craft makes an archive as no decent tool would.
func craft(t testing.TB, entries ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o644, Size: int64(len(e.body))}
		switch e.kind {
		case 0:
			h.Typeflag = tar.TypeReg
		case tar.TypeSymlink, tar.TypeLink:
			h.Linkname = "/etc/passwd"
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const appYAML = "apiVersion: v2\nname: app\nversion: 1.0.0\n"

func TestOpenRefuses(t *testing.T) {
	app := member{name: "app/Chart.yaml", body: appYAML}
	bomb := string(craft(t, member{name: "db/Chart.yaml", body: appYAML}, member{name: "db/zeros", body: strings.Repeat("0", 8<<20)}))
	nested := craft(t, app)
	for range 6 {
		nested = craft(t, app, member{name: "app/charts/app.tgz", body: string(nested)})
	}
	many := []member{app}
	for i := range 10_001 {
		many = append(many, member{name: "app/files/" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + "-" + strings.Repeat("y", i/50)})
	}
	for name, test := range map[string]struct {
		archive []byte
		kind    problem.Kind
		text    string
	}{
		"no gzip":             {[]byte("apiVersion: v2"), problem.Usage, "no gzip file"},
		"empty":               {nil, problem.Usage, "no gzip file"},
		"cut off":             {craft(t, app)[:60], problem.Usage, "no tar archive"},
		"nothing":             {craft(t), problem.Usage, "no files"},
		"parent":              {craft(t, app, member{name: "app/../../etc/cron.d/x"}), problem.Refused, "leads out of its folder"},
		"parent at the front": {craft(t, app, member{name: "../app/x"}), problem.Refused, "leads out of its folder"},
		"parent of Windows":   {craft(t, app, member{name: `app\..\..\x`}), problem.Refused, "leads out of its folder"},
		"absolute":            {craft(t, app, member{name: "/etc/passwd"}), problem.Refused, "absolute path"},
		"absolute below":      {craft(t, app, member{name: "app//etc/passwd"}), problem.Refused, "not within the chart's folder"},
		"drive":               {craft(t, app, member{name: `C:\x`}), problem.Refused, "absolute path"},
		"drive below":         {craft(t, app, member{name: `app/c:/x`}), problem.Refused, "not within the chart's folder"},
		"outside":             {craft(t, app, member{name: "x"}), problem.Refused, "not within the chart's folder"},
		"control character":   {craft(t, app, member{name: "app/a\nb"}), problem.Refused, "no name for a file"},
		"symlink":             {craft(t, app, member{name: "app/values.yaml", kind: tar.TypeSymlink}), problem.Refused, "is a link"},
		"hard link":           {craft(t, app, member{name: "app/values.yaml", kind: tar.TypeLink}), problem.Refused, "is a link"},
		"device":              {craft(t, app, member{name: "app/null", kind: tar.TypeChar}), problem.Refused, "no plain file"},
		"pipe":                {craft(t, app, member{name: "app/pipe", kind: tar.TypeFifo}), problem.Refused, "no plain file"},
		"twice":               {craft(t, app, app), problem.Refused, `"Chart.yaml" twice`},
		"twice by two folders": {
			craft(t, app, member{name: "other/Chart.yaml", body: appYAML}), problem.Refused, `"Chart.yaml" twice`,
		},
		"zip bomb":          {craft(t, app, member{name: "app/zeros", body: strings.Repeat("0", 16<<20)}), problem.Refused, "200 times"},
		"zip bomb inside":   {craft(t, app, member{name: "app/charts/db-1.0.0.tgz", body: bomb}), problem.Refused, "200 times"},
		"too deep":          {nested, problem.Refused, "archives within archives"},
		"too many":          {craft(t, many...), problem.Refused, "more than 10000 files"},
		"bad inner archive": {craft(t, app, member{name: "app/charts/db-1.0.0.tgz", body: "x"}), problem.Usage, `"charts/db-1.0.0.tgz" in it: it is no gzip file`},
		"slash in the name": {
			craft(t, member{name: "app/Chart.yaml", body: "apiVersion: v2\nname: a/b\nversion: 1.0.0\n"}), problem.Usage, `"a/b" is invalid`,
		},
		"dots as the name": {
			craft(t, member{name: "app/Chart.yaml", body: "apiVersion: v2\nname: ..\nversion: 1.0.0\n"}), problem.Usage, `".." is not allowed`,
		},
		"dots in the name": {
			craft(t, member{name: "app/Chart.yaml", body: "apiVersion: v2\nname: a..b\nversion: 1.0.0\n"}), problem.Usage, `"a..b" is no name for a chart`,
		},
		"reserved name": {
			craft(t, member{name: "app/Chart.yaml", body: "apiVersion: v2\nname: .pinnace\nversion: 1.0.0\n"}), problem.Usage, "is no name for a chart",
		},
		"blank in the name": {
			craft(t, member{name: "app/Chart.yaml", body: "apiVersion: v2\nname: a b\nversion: 1.0.0\n"}), problem.Usage, "is no name for a chart",
		},
		"no version":  {craft(t, member{name: "app/Chart.yaml", body: "apiVersion: v2\nname: a\n"}), problem.Usage, "version is required"},
		"not SemVer":  {craft(t, member{name: "app/Chart.yaml", body: "apiVersion: v2\nname: a\nversion: one\n"}), problem.Usage, `version "one" is invalid`},
		"version ../": {craft(t, member{name: "app/Chart.yaml", body: "apiVersion: v2\nname: a\nversion: 1.0.0/../../b\n"}), problem.Usage, "is invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := chartrepo.Open(test.archive)
			wantProblem(t, err, test.kind, test.text, "")
			if problem.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, hint %q", err, problem.HintOf(err))
			}
		})
	}
}

// What other tools make is taken: global headers of git, folders, backslashes, versions with a v or with build
// metadata.
func TestOpenTakes(t *testing.T) {
	for name, entries := range map[string][]member{
		"folders":    {{name: "app/", kind: tar.TypeDir}, {name: "app/Chart.yaml", body: appYAML}},
		"Windows":    {{name: `app\Chart.yaml`, body: appYAML}, {name: `app\templates\a.yaml`, body: "a: b"}},
		"v1.0.0+a.b": {{name: "app/Chart.yaml", body: "apiVersion: v1\nname: app\nversion: v1.0.0+a.b\n"}},
	} {
		if _, err := chartrepo.Open(craft(t, entries...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPackRefusesLargeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.tgz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(100<<20 + 1); err != nil { // sparse: it takes no room
		t.Fatal(err)
	}
	_, err = chartrepo.Pack(path)
	wantProblem(t, err, problem.Refused, "larger than 100 MiB", ".tgz")
}

func TestFiles(t *testing.T) {
	inner := craft(t, member{name: "db/Chart.yaml", body: "apiVersion: v2\nname: db\nversion: 1.0.0\n"})
	p, err := chartrepo.Open(craft(t,
		member{name: "app/Chart.yaml", body: appYAML}, member{name: "app/charts/db-1.0.0.tgz", body: string(inner)},
		member{name: "app/charts/web/Chart.yaml", body: "apiVersion: v2\nname: web\nversion: 1.0.0\n"},
	))
	if err != nil {
		t.Fatal(err)
	}
	files, err := p.Files()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		got[f.Path] = string(f.Body)
	}
	want := map[string]string{
		"Chart.yaml": appYAML, "charts/db-1.0.0.tgz/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n",
		"charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzOpen: whatever is in an archive, what is opened has a name and a version that are safe in a key, and all of its
// files are within its folder.
func FuzzOpen(f *testing.F) {
	f.Add(appYAML, "app/values.yaml", []byte("a: b"), byte(tar.TypeReg))
	f.Add(appYAML, "app/charts/db/Chart.yaml", []byte(appYAML), byte(tar.TypeReg))
	f.Add(appYAML, "app/charts/db.tgz", craft(f, member{name: "db/Chart.yaml", body: appYAML}), byte(tar.TypeReg))
	f.Add("name: ../x\nversion: 1.0.0+/../x", "app/../../x", []byte("x"), byte(tar.TypeSymlink))
	f.Add("apiVersion: v1\nname: app\nversion: 1\ndependencies: [null]\n", `app\..\x`, []byte{0}, byte(tar.TypeReg))
	f.Add(appYAML, "app/Chart.lock", []byte("dependencies: [{}]"), byte(tar.TypeReg))
	name := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	f.Fuzz(func(t *testing.T, chart, path string, body []byte, kind byte) {
		var b bytes.Buffer
		zipped := gzip.NewWriter(&b)
		w := tar.NewWriter(zipped)
		_ = w.WriteHeader(&tar.Header{Name: "app/Chart.yaml", Typeflag: tar.TypeReg, Size: int64(len(chart))})
		_, _ = w.Write([]byte(chart))
		_ = w.WriteHeader(&tar.Header{Name: path, Typeflag: kind, Size: int64(len(body))})
		_, _ = w.Write(body)
		_, _ = w.Close(), zipped.Close()
		for _, archive := range [][]byte{b.Bytes(), body} {
			p, err := chartrepo.Open(archive)
			if err != nil {
				continue
			}
			if !name.MatchString(p.Name) || strings.ContainsAny(p.Version, "/\\ \n") || strings.Contains(p.Filename(), "..") {
				t.Errorf("opened %q %q", p.Name, p.Version)
			}
			files, err := p.Files()
			for _, file := range files {
				if !filepath.IsLocal(file.Path) {
					t.Errorf("a file at %q", file.Path)
				}
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
}
