package chartrepo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"helm.sh/helm/v4/pkg/repo/v1"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// foreign is an index in YAML with all that other tools leave in one: annotations, server data, unknown fields, a
// number without quotes where Helm takes it for a string, absolute URLs, a chart with nothing in it.
const foreign = `# kept by hand
apiVersion: v1
annotations: {team: "platform"}
serverInfo: {contextPath: /v1}
x-tool: {big: 12345678901234567, list: [1, null, true]}
generated: 2020-01-02T03:04:05.678901234+01:00
entries:
  app:
  - {name: app, version: 1.0.0, appVersion: "1.16", apiVersion: v1, created: 2020-01-01T00:00:00Z, digest: 700,
     urls: ["https://charts.example.com/app-1.0.0.tgz"], x-signed-by: {key: [A, B]}, annotations: {note: "1"}}
  - {name: app, version: "0.9.0", urls: [a.tgz], apiVersion: v1}
  other:
  - name: other
    version: 3.0.0-rc.1
    apiVersion: v2
    description: |
      Two
      <lines> & more
    urls: [other.tgz]
  empty: []
`

func addTo(t *testing.T, body string, p chartrepo.Package) string {
	t.Helper()
	next, err := chartrepo.AddTo([]byte(body), p, now)
	if err != nil {
		t.Fatal(err)
	}
	return string(next)
}

func TestIndexEntry(t *testing.T) {
	p := pack(t, map[string]string{
		"Chart.yaml": files["Chart.yaml"] + "dependencies:\n" +
			"- {name: db, version: 0.1.0, repository: \"https://x.example\"}\n",
		"charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 0.1.0\n",
	})
	want := `{"apiVersion":"v1","generated":"2026-11-05T06:07:08Z","entries":{"app":[{"name":"app","version":"1.2.3",` +
		`"description":"An app","keywords":["a","b"],"apiVersion":"v2","appVersion":"9.1",` +
		`"dependencies":[{"name":"db","version":"0.1.0","repository":"https://x.example"}],` +
		`"urls":["app-1.2.3.tgz"],"created":"2026-11-05T06:07:08Z","digest":"` + p.Digest + `"}]}}`
	for _, empty := range []string{"", "\n", "{}", `{"entries":null}`, "entries: {}\n", "apiVersion: v1\n"} {
		if diff := cmp.Diff(want, addTo(t, empty, p)); diff != "" {
			t.Errorf("index made from %q (-want +got):\n%s", empty, diff)
		}
	}
}

func TestIndexKeepsWhatOthersWrote(t *testing.T) {
	body := addTo(t, foreign, pack(t, nil))
	var got map[string]any
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	ours := got["entries"].(map[string]any)["app"].([]any)[0].(map[string]any)
	if ours["version"] != "1.2.3" {
		t.Errorf("first entry %v", ours)
	}
	got["entries"].(map[string]any)["app"] = got["entries"].(map[string]any)["app"].([]any)[1:]
	want := map[string]any{
		"apiVersion": "v1", "generated": "2026-11-05T06:07:08Z",
		"annotations": map[string]any{"team": "platform"},
		"serverInfo":  map[string]any{"contextPath": "/v1"},
		"x-tool": map[string]any{
			"big":  json.Number("12345678901234567"),
			"list": []any{json.Number("1"), nil, true},
		},
		"entries": map[string]any{
			"app": []any{
				map[string]any{
					"name": "app", "version": "1.0.0", "appVersion": "1.16", "apiVersion": "v1", "digest": "700",
					"created": "2020-01-01T00:00:00Z", "urls": []any{"https://charts.example.com/app-1.0.0.tgz"},
					"x-signed-by": map[string]any{"key": []any{"A", "B"}}, "annotations": map[string]any{"note": "1"},
				},
				map[string]any{"name": "app", "version": "0.9.0", "apiVersion": "v1", "urls": []any{"a.tgz"}},
			},
			"other": []any{map[string]any{
				"name": "other", "version": "3.0.0-rc.1", "apiVersion": "v2", "urls": []any{"other.tgz"},
				"description": "Two\n<lines> & more\n",
			}},
			"empty": []any{},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the rest of the index (-want +got):\n%s", diff)
	}
	second := addTo(t, body, pack(t, chartYAML("app", "1.2.4"))) // now JSON to JSON
	for _, kept := range []string{`"big":12345678901234567`, `"x-signed-by":{"key":["A","B"]}`, `"contextPath":"/v1"`} {
		if !strings.Contains(second, kept) {
			t.Errorf("lost from the second edit: %s", kept)
		}
	}
}

// Helm itself reads the index, also one that began as another tool's.
func TestHelmReadsTheIndex(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.yaml")
	for _, before := range []string{"", foreign} {
		body := addTo(t, addTo(t, before, pack(t, chartYAML("app", "2.0.0+build.7"))), pack(t, nil))
		write(t, path, body)
		index, err := repo.LoadIndexFile(path)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := index.Get("app", "")
		if err != nil || entry.Version != "2.0.0+build.7" || entry.URLs[0] != "app-2.0.0%2Bbuild.7.tgz" {
			t.Errorf("newest %+v, %v", entry, err)
		}
		if before != "" && (!index.Has("other", "3.0.0-rc.1") || index.Entries["app"][2].AppVersion != "1.16") {
			t.Errorf("lost from the other tool's index: %+v", index.Entries)
		}
	}
}

func TestIndexOrder(t *testing.T) {
	var body string
	for _, v := range []string{"1.0.0+a", "0.9.9", "1.0.0", "1.0.0-rc.2", "1.10.0", "1.0.0-rc.10", "1.9.0", "1.0.0+b"} {
		body = addTo(t, body, pack(t, chartYAML("app", v)))
	}
	ix, err := chartrepo.ParseIndex([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range ix.Versions("app") {
		got = append(got, e.Version)
	}
	want := []string{"1.10.0", "1.9.0", "1.0.0+b", "1.0.0+a", "1.0.0", "1.0.0-rc.10", "1.0.0-rc.2", "0.9.9"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

func TestIndexVersionsNeverChange(t *testing.T) {
	one, two := pack(t, nil), pack(t, map[string]string{"README.md": "changed"})
	body := addTo(t, "", one)
	if _, err := chartrepo.AddTo([]byte(body), one, now.Add(time.Hour)); !errors.Is(err, objstore.ErrUnchanged) {
		t.Errorf("the same package again: %v", err)
	}
	_, err := chartrepo.AddTo([]byte(body), two, now)
	wantProblem(t, err, problem.Conflict, "app 1.2.3", "raise the version")
}

func TestIndexThatCannotBeRead(t *testing.T) {
	p := pack(t, nil)
	for _, body := range []string{
		"[]", "null", "7", `"text"`, "{", "a: [", "apiVersion: v2\n",
		`{"apiVersion":7}`, `{"entries":[]}`, "entries: []\n",
		`{"entries":{"app":{}}}`, `{"entries":{"app":"x"}}`, "<html></html>",
		"apiVersion: v1\nentries: {app: [{name: app, version: 1.0}]}\n", // Helm does not read this one either

	} {
		if got, err := chartrepo.AddTo([]byte(body), p, now); err == nil {
			t.Errorf("%q became %s", body, got)
		}
	}
}

func TestIndexReading(t *testing.T) {
	ix, err := chartrepo.ParseIndex([]byte(foreign))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"app", "empty", "other"}, ix.Names()); diff != "" || ix.Len() != 3 {
		t.Errorf("%d charts:\n%s", ix.Len(), diff)
	}
	got := ix.Versions("app")
	want := []chartrepo.Entry{
		{
			Name: "app", Version: "1.0.0", AppVersion: "1.16", Digest: "700",
			URLs:    []string{"https://charts.example.com/app-1.0.0.tgz"},
			Created: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		},
		{Name: "app", Version: "0.9.0", URLs: []string{"a.tgz"}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(chartrepo.Entry{})); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if got := ix.Versions("absent"); got != nil {
		t.Errorf("entries of an absent chart: %v", got)
	}
}

// FuzzIndex: whatever the index holds, an edit loses nothing of it, can be read again, and does not do itself twice.
func FuzzIndex(f *testing.F) {
	for _, seed := range []string{
		foreign, "", "{}", `{"entries":{"app":[null,{"version":"1.2.3"}]}}`,
		`{"entries":{"app":null},"a":{"b":[1e400,"\u2028"]}}`,
		`{"apiVersion":"v1","entries":{"":[{}],"app":[{"version":"9","digest":7}]},"generated":null}`,
	} {
		f.Add([]byte(seed))
	}
	p := pack(f, nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		before, err := chartrepo.ParseIndex(body)
		if err != nil {
			return
		}
		next, err := chartrepo.AddTo(body, p, now)
		if err != nil {
			return
		}
		if !json.Valid(next) {
			t.Fatalf("not JSON: %s", next)
		}
		after, err := chartrepo.ParseIndex(next)
		if err != nil {
			t.Fatalf("reading back: %v", err)
		}
		charts := map[string]bool{p.Name: true}
		for _, name := range before.Names() {
			charts[name] = true
			added := 0
			if name == p.Name {
				added = 1
			}
			if was, is := len(before.Versions(name)), len(after.Versions(name)); is != was+added {
				t.Errorf("chart %q had %d readable entries, has %d", name, was, is)
			}
		}
		if len(charts) != after.Len() {
			t.Errorf("charts %v became %v", before.Names(), after.Names())
		}
		if _, err := chartrepo.AddTo(next, p, now); !errors.Is(err, objstore.ErrUnchanged) {
			t.Errorf("the second edit: %v", err)
		}
	})
}

// BenchmarkAddTo is what one publish does to the index in memory: it takes it apart, merges an entry and writes it.
func BenchmarkAddTo(b *testing.B) {
	p := pack(b, chartYAML("app-07", "1000.0.0"))
	for _, versions := range []int{20_000, 100_000} {
		b.Run(fmt.Sprintf("versions=%d", versions), func(b *testing.B) {
			body := corpus(versions)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := chartrepo.AddTo(body, p, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEntries reads every entry.
func BenchmarkEntries(b *testing.B) {
	body := corpus(100_000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		ix, err := chartrepo.ParseIndex(body)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for e := range ix.Entries() {
			n += len(e.URLs)
		}
		if n != 100_000 {
			b.Fatal(n)
		}
	}
}
