package chartrepo_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// umbrella has enough charts below it to show whether their order is left to chance.
func umbrella() map[string]string {
	all := map[string]string{"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.2.3\ndependencies:\n"}
	for _, name := range []string{"f", "b", "d", "a", "e", "c"} {
		all["Chart.yaml"] += "- {name: " + name + ", version: 0.1.0, repository: \"\"}\n"
		all["charts/"+name+"/Chart.yaml"] = "apiVersion: v2\nname: " + name + "\nversion: 0.1.0\n"
	}
	all["Chart.lock"] = "dependencies: []\ndigest: sha256:00\ngenerated: \"2026-11-05T06:07:08.999+01:00\"\n"
	all["values.schema.json"] = "{}"
	return all
}

func TestPackIsReproducible(t *testing.T) {
	for name, overlay := range map[string]map[string]string{"plain": nil, "umbrella": umbrella()} {
		t.Run(name, func(t *testing.T) {
			first := pack(t, overlay)
			for range 3 {
				folder := chartFolder(t, overlay) // elsewhere, with other times
				disturb(t, folder)
				again, err := chartrepo.Pack(folder)
				if err != nil {
					t.Fatal(err)
				}
				if again.Digest != first.Digest || !bytes.Equal(again.Archive, first.Archive) {
					t.Errorf("digest %s, then %s", first.Digest, again.Digest)
				}
			}
		})
	}
}

// disturb changes what must not matter.
func disturb(t *testing.T, folder string) {
	t.Helper()
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	write(t, filepath.Join(folder, "notes.bak"), "ignored")
	write(t, filepath.Join(folder, "private", "key"), "ignored")
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = errors.Join(os.Chmod(path, 0o700), os.Chtimes(path, time.Now(), time.Unix(1e9, 123)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPackSeesContent(t *testing.T) {
	plain := pack(t, nil)
	changes := map[string]string{"values.yaml": "replicas: 2\n", "README.md": "# other\n", "new.txt": "x"}
	for file, body := range changes {
		if other := pack(t, map[string]string{file: body}); other.Digest == plain.Digest {
			t.Errorf("another %s gives the same digest", file)
		}
	}
}

func TestPackage(t *testing.T) {
	p := pack(t, map[string]string{"a.bak": "x", "private/key": "x"})
	got := []string{p.Name, p.Version, p.AppVersion, p.Filename()}
	if diff := cmp.Diff([]string{"app", "1.2.3", "9.1", "app-1.2.3.tgz"}, got); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"app/Chart.yaml 644 1980", "app/values.yaml 644 1980", "app/templates/NOTES.txt 644 1980",
		"app/templates/_helpers.tpl 644 1980", "app/templates/configmap.yaml 644 1980",
		"app/templates/empty.yaml 644 1980", "app/.helmignore 644 1980", "app/README.md 644 1980",
	}
	if diff := cmp.Diff(want, tarEntries(t, p.Archive)); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
}

func TestPackTakesArchivesAsTheyAre(t *testing.T) {
	p := pack(t, nil)
	path := filepath.Join(t.TempDir(), "renamed.tgz")
	if err := os.WriteFile(path, p.Archive, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := chartrepo.Pack(path)
	if err != nil || again.Digest != p.Digest || again.Filename() != p.Filename() {
		t.Errorf("%s %s, %v", again.Digest, again.Filename(), err)
	}
}

func TestPackLintsArchives(t *testing.T) {
	for name, members := range map[string][]member{
		"template without a meaning":  {{name: "app/Chart.yaml", body: appYAML}, {name: "app/templates/a.yaml", body: "{{ nonsense }}"}},
		"template that is no YAML":    {{name: "app/Chart.yaml", body: appYAML}, {name: "app/templates/a.yaml", body: "a: ["}},
		"API version that is unknown": {{name: "app/Chart.yaml", body: strings.Replace(appYAML, "v2", "v9", 1)}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app-1.0.0.tgz")
			write(t, path, string(craft(t, members...)))
			_, err := chartrepo.Pack(path)
			wantProblem(t, err, problem.Refused, "app-1.0.0.tgz does not pass lint", "helm lint")
		})
	}
	path := filepath.Join(t.TempDir(), "app-1.0.0.tgz")
	lacking := appYAML + "dependencies: [{name: db, version: 1.x, repository: \"\"}]\n"
	write(t, path, string(craft(t, member{name: "app/Chart.yaml", body: lacking})))
	_, err := chartrepo.Pack(path)
	wantProblem(t, err, problem.Refused, "lacks the charts it depends on: db 1.x", "helm package")
}

func TestPackRefuses(t *testing.T) {
	const secret = "example-not-a-real-key-0000"
	schema := `{"properties": {"key": {"maxLength": 3}, "count": {"type": "integer"}}, "required": ["r"]}`
	for name, test := range map[string]struct {
		overlay map[string]string
		kind    problem.Kind
		text    string
		hint    string
	}{
		"no Chart.yaml": {map[string]string{"Chart.yaml": ""}, problem.Usage, "no Chart.yaml", "Chart.yaml"},
		"broken Chart.yaml": {
			map[string]string{"Chart.yaml": "name: [\n"}, problem.Usage, "Chart.yaml", "correct the file",
		},
		"bad version": {chartYAML("app", "one"), problem.Usage, "version", "Chart.yaml; a name looks like web-app, a version like 1.2.3"},
		"no version":  {chartYAML("app", ""), problem.Usage, "version is required", "Chart.yaml"},
		"bad name":    {chartYAML("../app", "1.0.0"), problem.Usage, "name", "Chart.yaml"},
		"broken values": {
			map[string]string{"values.yaml": "a: [\n"}, problem.Usage, "values.yaml", "correct the file",
		},
		"broken template": {
			map[string]string{"templates/a.yaml": "{{ nonsense }}"}, problem.Refused, "templates/", "helm lint",
		},
		"missing chart": {
			map[string]string{
				"Chart.yaml": files["Chart.yaml"] + "dependencies: [{name: db, version: 1.x, repository: \"\"}]\n",
			},
			problem.Refused, "lacks the charts it depends on: db", "helm dependency build",
		},
		"values against the schema": {
			map[string]string{"values.schema.json": schema, "values.yaml": "key: " + secret + "\ncount: x\n"},
			problem.Refused, "app: / (missing: r); app: /count (type: want integer); app: /key (maxLength)", "schema",
		},
		"broken schema": {
			map[string]string{"values.schema.json": `{"type": 7}`}, problem.Refused, "values.schema.json", "schema",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := chartrepo.Pack(chartFolder(t, test.overlay))
			wantProblem(t, err, test.kind, test.text, test.hint)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
	_, err := chartrepo.Pack(filepath.Join(t.TempDir(), "absent"))
	wantProblem(t, err, problem.Usage, "absent", "chart folder")
	_, err = chartrepo.Open([]byte("not a gzip stream"))
	wantProblem(t, err, problem.Usage, "opening chart archive", ".tgz")
}

func wantProblem(t *testing.T, err error, kind problem.Kind, text, hint string) {
	t.Helper()
	if err == nil || problem.KindOf(err) != kind || !strings.Contains(err.Error(), text) ||
		!strings.Contains(problem.HintOf(err), hint) || strings.Contains(problem.HintOf(err), "\n") {
		t.Errorf("kind %d, error %v, hint %q; want kind %d, %q, %q",
			problem.KindOf(err), err, problem.HintOf(err), kind, text, hint)
	}
}

func tarEntries(t *testing.T, archive []byte) (entries []string) {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(zipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, fmt.Sprintf("%s %o %d", h.Name, h.Mode, h.ModTime.UTC().Year()))
	}
}
