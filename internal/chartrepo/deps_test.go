package chartrepo_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/downloader"
	"helm.sh/helm/v4/pkg/getter"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/dir"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// shelf is a repository in a folder that is served over HTTP too.
type shelf struct {
	url     string // of the web server
	folder  string // as a file:// URL
	repo    *chartrepo.Repository
	indexes atomic.Int32 // times that the index was read over HTTP
}

// newShelf has the versions 1.0.0, 1.1.0 and 2.0.0 of a chart db, whose template makes a ConfigMap.
func newShelf(t *testing.T) *shelf {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shelf")
	at := chartrepo.Location{Scheme: "file", Path: path}
	s := &shelf{folder: at.String(), repo: chartrepo.New(dir.New(path), options(at))}
	for _, version := range []string{"1.0.0", "1.1.0", "2.0.0"} {
		overlay := chartYAML("db", version)
		overlay["templates/_helpers.tpl"] = "{{ define \"db.version\" }}" + version + "{{ end }}\n"
		if _, err := s.repo.Publish(t.Context(), pack(t, overlay)); err != nil {
			t.Fatal(err)
		}
	}
	files := http.FileServer(http.Dir(path))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/index.yaml" {
			s.indexes.Add(1)
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// open opens the shelf by its URLs and by the name "shelf".
func (s *shelf) open(ref string) (chartrepo.Source, error) {
	switch {
	case ref == "shelf" || ref == s.folder:
		return s.repo.Source(), nil
	case strings.HasPrefix(ref, "http"):
		return chartrepo.HTTPSource(ref, chartrepo.HTTPOptions{})
	}
	return nil, fmt.Errorf("no such repository: %s", ref)
}

func dependsOn(repository, constraint string) map[string]string {
	return map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.2.3\ndependencies:\n- name: db\n  version: \"" + constraint +
			"\"\n  repository: \"" + repository + "\"\n",
		// Lint and rendering need what the chart below defines.
		"templates/configmap.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {v: {{ include \"db.version\" . | quote }}}\n",
	}
}

// subcharts are the charts below that are in the archive, as NAME VERSION.
func subcharts(t *testing.T, p chartrepo.Package) []string {
	t.Helper()
	files, err := p.Files()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if strings.HasPrefix(f.Path, "charts/") && strings.HasSuffix(f.Path, "/Chart.yaml") {
			var m chart.Metadata
			if err := yaml.Unmarshal(f.Body, &m); err != nil {
				t.Fatal(err)
			}
			found = append(found, m.Name+" "+m.Version)
		}
	}
	slices.Sort(found)
	return found
}

func TestBuildFetchesDependencies(t *testing.T) {
	s := newShelf(t)
	for name, test := range map[string]struct{ repository, constraint, want string }{
		"http":           {s.url, "^1", "db 1.1.0"},
		"a slash more":   {s.url + "/", "1.x", "db 1.1.0"},
		"exact":          {s.url, "1.0.0", "db 1.0.0"},
		"any":            {s.url, "", "db 2.0.0"},
		"folder of ours": {s.folder, ">=1.1", "db 2.0.0"},
		"name":           {"@shelf", "~1.0", "db 1.0.0"},
		"alias":          {"alias:shelf", "^1", "db 1.1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := chartFolder(t, dependsOn(test.repository, test.constraint))
			before := fingerprint(t, folder)
			p, err := chartrepo.NewBuilder(s.open).Build(t.Context(), folder)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{test.want}, subcharts(t, p)); diff != "" {
				t.Error(diff)
			}
			if fingerprint(t, folder) != before {
				t.Error("the folder was written to")
			}
		})
	}
}

// fingerprint changes with any file of a folder.
func fingerprint(t *testing.T, folder string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var body []byte
			body, err = os.ReadFile(path)
			fmt.Fprintf(sum, "%s %d %s", path, len(body), body)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Helm makes the lock file and fetches by it; ours takes the same versions from it, whatever is newer, and the package
// is the same to the byte.
func TestBuildAsHelmDoes(t *testing.T) {
	s := newShelf(t)
	folder := chartFolder(t, dependsOn(s.url, "^1"))
	helm := func(folder string) *downloader.Manager {
		cache := t.TempDir()
		return &downloader.Manager{
			Out: t.Output(), ChartPath: folder, Getters: getter.Providers{{Schemes: []string{"http"}, New: getter.NewHTTPGetter}},
			RepositoryConfig: filepath.Join(cache, "repositories.yaml"), RepositoryCache: cache, ContentCache: cache,
		}
	}
	if err := helm(folder).Update(); err != nil {
		t.Fatal(err)
	}
	byHelm, err := chartrepo.Pack(folder)
	if err != nil {
		t.Fatal(err)
	}
	overlay := chartYAML("db", "1.2.0") // newer than the lock
	if _, err := s.repo.Publish(t.Context(), pack(t, overlay)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(folder, "charts")); err != nil {
		t.Fatal(err)
	}
	byUs, err := chartrepo.NewBuilder(s.open).Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"db 1.1.0"}, subcharts(t, byUs)); diff != "" || byUs.Digest != byHelm.Digest {
		t.Errorf("digests %s and %s; %s", byUs.Digest, byHelm.Digest, diff)
	}

	// A lock for other dependencies is refused by both.
	write(t, filepath.Join(folder, "Chart.yaml"), dependsOn(s.url, "^2")["Chart.yaml"])
	if err := helm(folder).Build(); err == nil || !strings.Contains(err.Error(), "out of sync") {
		t.Errorf("Helm takes the stale lock: %v", err)
	}
	_, err = chartrepo.NewBuilder(s.open).Build(t.Context(), folder)
	wantProblem(t, err, problem.Refused, "out of date", "helm dependency update")
}

func TestBuildKeepsWhatIsThere(t *testing.T) {
	s := newShelf(t)
	overlay := dependsOn(s.url, "^1")
	overlay["charts/db/Chart.yaml"] = "apiVersion: v2\nname: db\nversion: 1.0.0\n"
	overlay["charts/db/templates/_helpers.tpl"] = `{{ define "db.version" }}mine{{ end }}`
	overlay["Chart.yaml"] += "- {name: other, version: 0.1.0, repository: \"\"}\n"
	overlay["charts/other/Chart.yaml"] = "apiVersion: v2\nname: other\nversion: 0.1.0\n"
	build := func() chartrepo.Package {
		p, err := chartrepo.NewBuilder(s.open).Build(t.Context(), chartFolder(t, overlay))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if diff := cmp.Diff([]string{"db 1.0.0", "other 0.1.0"}, subcharts(t, build())); diff != "" || s.indexes.Load() != 0 {
		t.Errorf("%d indexes were read; %s", s.indexes.Load(), diff)
	}
	// One that does not fit would not be installed; it makes place for one that does.
	overlay["charts/db/Chart.yaml"] = "apiVersion: v2\nname: db\nversion: 0.9.0\n"
	if diff := cmp.Diff([]string{"db 1.1.0", "other 0.1.0"}, subcharts(t, build())); diff != "" {
		t.Error(diff)
	}
}

// One chart under two names is there once, and each index is read once. Two versions of one chart would overwrite each
// other: Helm keeps the charts below in folders by their names.
func TestBuildSeveral(t *testing.T) {
	s := newShelf(t)
	aliased := func(constraints ...string) string {
		yaml := "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n"
		for i, constraint := range constraints {
			yaml += fmt.Sprintf("- {name: db, alias: db%d, version: %q, repository: %q}\n", i, constraint, s.url)
		}
		return chartFolder(t, map[string]string{"Chart.yaml": yaml})
	}
	b := chartrepo.NewBuilder(s.open)
	for range 3 {
		p, err := b.Build(t.Context(), aliased("1.1.0", "^1.1"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"db 1.1.0"}, subcharts(t, p)); diff != "" {
			t.Error(diff)
		}
	}
	if n := s.indexes.Load(); n != 1 {
		t.Errorf("the index was read %d times", n)
	}
	_, err := b.Build(t.Context(), aliased("^1", "^2"))
	wantProblem(t, err, problem.Refused, "db 1.1.0 and 2.0.0", "one version")
}

// Folders that a chart depends on are completed themselves.
func TestBuildFolders(t *testing.T) {
	s := newShelf(t)
	parent := t.TempDir()
	put := func(name, dependencies string) string {
		folder := filepath.Join(parent, name)
		write(t, filepath.Join(folder, "Chart.yaml"), "apiVersion: v2\nname: "+name+"\nversion: 1.0.0\ndependencies:\n"+dependencies)
		return folder
	}
	put("middle", "- {name: db, version: 1.x, repository: \""+s.url+"\"}\n")
	top := put("top", "- {name: middle, version: ~1.0, repository: \"file://../middle\"}\n")
	before := fingerprint(t, parent)
	p, err := chartrepo.NewBuilder(s.open).Build(t.Context(), top)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"db 1.1.0", "middle 1.0.0"}, subcharts(t, p)); diff != "" {
		t.Error(diff)
	}
	if fingerprint(t, parent) != before {
		t.Error("a folder was written to")
	}

	put("middle", "- {name: top, version: 1.x, repository: \"file://../top\"}\n")
	_, err = chartrepo.NewBuilder(s.open).Build(t.Context(), top)
	wantProblem(t, err, problem.Usage, "depend on each other", "depends on itself")
}

func TestBuildRefuses(t *testing.T) {
	s := newShelf(t)
	broken := errors.New("no way in")
	for name, test := range map[string]struct {
		overlay map[string]string
		open    func(string) (chartrepo.Source, error)
		kind    problem.Kind
		text    string
	}{
		"no such version":         {dependsOn(s.url, "^9"), s.open, problem.Usage, "no version of db@^9"},
		"no such chart":           {map[string]string{"Chart.yaml": strings.Replace(dependsOn(s.url, "1")["Chart.yaml"], "name: db", "name: dc", 1)}, s.open, problem.Usage, "no chart dc"},
		"no such repository":      {dependsOn(s.url+"/none", "1"), s.open, problem.Usage, "index.yaml"},
		"nothing to open it with": {dependsOn(s.url, "1"), nil, problem.Refused, "lacks the charts it depends on: db 1"},
		"open fails":              {dependsOn(s.url, "1"), func(string) (chartrepo.Source, error) { return nil, broken }, problem.Failed, "depends on db: no way in"},
		"no repository":           {dependsOn("", "1"), s.open, problem.Usage, "it has no repository"},
		"registry":                {dependsOn("oci://registry.example.com/charts", "1"), s.open, problem.Usage, "OCI registry"},
		"no such folder":          {dependsOn("file://../none", "1"), s.open, problem.Failed, "depends on db"},
		"folder of another chart": {dependsOn("file://.", "1"), s.open, problem.Usage, "has app 1.2.3"},
		"lint still speaks": {
			func() map[string]string {
				o := dependsOn(s.url, "1.x")
				o["templates/bad.yaml"] = "{{ nonsense }}"
				return o
			}(), s.open, problem.Refused, "does not pass lint",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := chartrepo.NewBuilder(test.open).Build(t.Context(), chartFolder(t, test.overlay))
			wantProblem(t, err, test.kind, test.text, "")
		})
	}
}

// An archive that is not what its index promises is not built in.
func TestBuildChecksDigests(t *testing.T) {
	s := newShelf(t)
	folder := strings.TrimPrefix(s.folder, "file://")
	other := pack(t, chartYAML("db", "1.1.0"))
	write(t, filepath.Join(folder, "db-1.1.0.tgz"), string(other.Archive))
	_, err := chartrepo.NewBuilder(s.open).Build(t.Context(), chartFolder(t, dependsOn(s.url, "^1")))
	wantProblem(t, err, problem.Refused, "the archive has digest "+other.Digest, "do not install it")
}

// What is accepted of a chart's secrets stays with its authors.
func TestBuildLeavesTheBaselineOut(t *testing.T) {
	overlay := umbrella()
	without := pack(t, overlay)
	overlay[".pinnace-scan.json"], overlay["charts/a/.pinnace-scan.json"] = "{}", "{}"
	with := pack(t, overlay)
	if with.Digest != without.Digest {
		t.Error("the baseline is in the archive")
	}
}
