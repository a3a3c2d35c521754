package chartrepo_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/repo/v1"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// A yanked version is not found any more, stays taken, and comes back as it was.
func TestYank(t *testing.T) {
	one, two := open(t, "app", "1.0.0+b", ""), open(t, "app", "2.0.0", "")
	for name, r := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			publish(t, r, one, two)
			before := indexed(t, r)
			for range 2 { // the second changes nothing
				if err := r.Yank(t.Context(), "app", "1.0.0+b", "leaks"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.Pull(t.Context(), "app", "1.0.0+b"); err == nil {
				t.Error("Helm finds it")
			}
			ix, err := r.Index(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			dead := ix.Yanked()
			if len(dead) != 1 || dead[0].Entry == nil {
				t.Fatalf("tombstones %+v", dead)
			}
			dead[0].Entry = nil
			want := chartrepo.Tombstone{Name: "app", Version: "1.0.0+b", Digest: one.Digest, Reason: "leaks", Time: now}
			if diff := cmp.Diff(want, dead[0]); diff != "" {
				t.Errorf("tombstone (-want +got):\n%s", diff)
			}
			for _, p := range []chartrepo.Package{one, open(t, "app", "1.0.0+b", "description: other\n")} {
				_, err := r.Publish(t.Context(), p)
				wantProblem(t, err, problem.Conflict, "publishing app 1.0.0+b", "")
			}
			_, err = r.Publish(t.Context(), one)
			wantProblem(t, err, problem.Conflict, "was yanked", "pinnace yank --undo app 1.0.0+b")
			for range 2 {
				if err := r.Unyank(t.Context(), "app", "1.0.0+b"); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(before, indexed(t, r)); diff != "" {
				t.Errorf("taken back (-want +got):\n%s", diff)
			}
			if _, err := r.Pull(t.Context(), "app", "1.0.0+b"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestYankRefuses(t *testing.T) {
	s := mem.New()
	r := chartrepo.New(s, options(chartrepo.Location{}))
	wantProblem(t, r.Yank(t.Context(), "app", "1.0.0", ""), problem.Usage, "yanking app 1.0.0", "charts and versions")
	p := open(t, "app", "1.0.0", "")
	publish(t, r, p)
	for _, err := range []error{
		r.Yank(t.Context(), "app", "2.0.0", ""), r.Unyank(t.Context(), "app", "2.0.0"),
		r.Deprecate(t.Context(), "app", "2.0.0", false), r.Deprecate(t.Context(), "other", "", true),
	} {
		wantProblem(t, err, problem.Usage, "has no chart", "charts and versions")
	}
	if err := r.Yank(t.Context(), "app", "1.0.0", ""); err != nil {
		t.Fatal(err)
	}
	o, err := s.Get(t.Context(), p.Filename())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Replace(t.Context(), p.Filename(), o.Version, objstore.Content{Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, r.Unyank(t.Context(), "app", "1.0.0"), problem.Refused, "has digest", "who replaced")
	if o, err = s.Get(t.Context(), p.Filename()); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), p.Filename(), o.Version); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, r.Unyank(t.Context(), "app", "1.0.0"), problem.Conflict, "removed for good", "new version")
}

// Tombstones survive what Helm's own types do to an index, beside the annotations of others, and an index whose
// tombstones cannot be read is not written.
func TestTombstonesAmongAnnotations(t *testing.T) {
	s := mem.New()
	r := chartrepo.New(s, options(chartrepo.Location{}))
	index := `{"apiVersion":"v1","annotations":{"team":"platform"},"entries":{"app":[` +
		`{"name":"app","version":"1.0.0","apiVersion":"v2","urls":["app-1.0.0.tgz"],"digest":"00","x":[1]}]}}`
	if _, err := s.Create(t.Context(), "index.yaml", objstore.Content{Body: []byte(index)}); err != nil {
		t.Fatal(err)
	}
	if err := r.Yank(t.Context(), "app", "1.0.0", "<b>&"); err != nil {
		t.Fatal(err)
	}
	o, err := s.Get(t.Context(), "index.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var model repo.IndexFile
	if err := json.Unmarshal(o.Body, &model); err != nil || model.Annotations["team"] != "platform" || len(model.Entries) != 0 {
		t.Errorf("Helm reads %+v, %v", model, err)
	}
	rewritten, err := json.MarshalIndent(model, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	ix, err := chartrepo.ParseIndex(rewritten)
	if err != nil {
		t.Fatal(err)
	}
	if dead := ix.Yanked(); len(dead) != 1 || dead[0].Reason != "<b>&" || !strings.Contains(string(dead[0].Entry), `"x":[1]`) {
		t.Errorf("tombstones %+v", dead)
	}
	for _, bad := range []string{`{"pinnace.dev/yanked":"{"}`, `{"pinnace.dev/yanked":7}`, `[]`} {
		v, err := replace(t, s, "index.yaml", `{"apiVersion":"v1","annotations":`+bad+`,"entries":{}}`)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Publish(t.Context(), open(t, "app", "1.0.0", ""))
		wantProblem(t, err, problem.Failed, "annotation", "earlier version")
		if o, err := s.Get(t.Context(), "index.yaml"); err != nil || o.Version != v {
			t.Errorf("it was changed to %s, %v", o.Body, err)
		}
	}
}

func replace(t *testing.T, s objstore.Store, key, body string) (objstore.Version, error) {
	t.Helper()
	o, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return s.Replace(t.Context(), key, o.Version, objstore.Content{Body: []byte(body)})
}

func TestDeprecate(t *testing.T) {
	s := mem.New()
	r := chartrepo.New(s, options(chartrepo.Location{}))
	publish(t, r, open(t, "app", "1.0.0", ""), open(t, "app", "2.0.0", ""), open(t, "other", "1.0.0", ""))
	before, err := s.Get(t.Context(), "index.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		version string
		undo    bool
		want    string
	}{
		{"1.0.0", false, "app 1.0.0"},
		{"1.0.0", false, "app 1.0.0"},
		{"", false, "app 2.0.0, app 1.0.0"},
		{"2.0.0", true, "app 1.0.0"},
		{"", true, ""},
	} {
		if err := r.Deprecate(t.Context(), "app", step.version, step.undo); err != nil {
			t.Fatal(err)
		}
		ix, err := r.Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for e := range ix.Entries() {
			if e.Deprecated {
				got = append(got, e.Name+" "+e.Version)
			}
		}
		if strings.Join(got, ", ") != step.want {
			t.Errorf("after %q, undo %t: %v are deprecated", step.version, step.undo, got)
		}
	}
	after, err := s.Get(t.Context(), "index.yaml")
	if err != nil || string(after.Body) != string(before.Body) {
		t.Errorf("undone, the index is %s, %v", after.Body, err)
	}
}

// One package's failure is its own: the others are published, the results are in order, the error names it once.
func TestPublishAll(t *testing.T) {
	for name, r := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			old, yanked := open(t, "app", "1.0.0", ""), open(t, "app", "1.1.0", "")
			publish(t, r, old, yanked)
			if err := r.Yank(t.Context(), "app", "1.1.0", ""); err != nil {
				t.Fatal(err)
			}
			packages := []chartrepo.Package{
				open(t, "app", "2.0.0", ""), open(t, "app", "1.0.0", "description: other\n"), old,
				{Name: "hand", Version: "1.0.0"},
				yanked, open(t, "other", "1.0.0", ""),
			}
			results, err := r.PublishAll(t.Context(), packages)
			var got []string
			for _, res := range results {
				outcome := "published"
				switch {
				case res.Err != nil:
					outcome = "failed"
				case res.Already:
					outcome = "already"
				}
				got = append(got, res.Name+" "+res.Version+" "+outcome)
			}
			want := []string{
				"app 2.0.0 published", "app 1.0.0 failed", "app 1.0.0 already", "hand 1.0.0 failed", "app 1.1.0 failed",
				"other 1.0.0 published",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			wantProblem(t, err, problem.Conflict, "publishing app 1.0.0", "raise the version")
			for _, i := range []int{1, 3, 4} {
				if strings.Count(err.Error(), results[i].Err.Error()) != 1 || !errors.Is(err, results[i].Err) {
					t.Errorf("the error does not name %v once:\n%v", results[i].Err, err)
				}
			}
			if got := len(indexed(t, r)); got != 3 {
				t.Errorf("%d entries", got)
			}
		})
	}
	if results, err := chartrepo.New(mem.New(), options(chartrepo.Location{})).PublishAll(t.Context(), nil); err != nil || len(results) != 0 {
		t.Errorf("nothing: %v, %v", results, err)
	}
}

// What fails for all is told once.
func TestPublishAllFailsTogether(t *testing.T) {
	s := mem.New()
	fault := errors.New("disk full")
	s.Before = func(op mem.Op, key string) error {
		if op == mem.Create && key == "index.yaml" {
			return fault
		}
		return nil
	}
	r := chartrepo.New(s, options(chartrepo.Location{}))
	results, err := r.PublishAll(t.Context(), []chartrepo.Package{open(t, "a", "1.0.0", ""), open(t, "b", "1.0.0", "")})
	if strings.Count(err.Error(), "disk full") != 1 || slices.ContainsFunc(results, func(res chartrepo.Result) bool {
		return !errors.Is(res.Err, fault)
	}) {
		t.Errorf("%v, %+v", err, results)
	}
}

// Whoever comes when others wait leaves its entry and waits too; whoever publishes next takes along what was left, except
// what cannot be read.
func TestPendingEntries(t *testing.T) {
	s := mem.New()
	r := chartrepo.New(s, options(chartrepo.Location{}))
	pendingEntry := func(key, body string) {
		if _, err := s.Create(t.Context(), ".pending/"+key, objstore.Content{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	left := func(version string) string {
		return `{"entries": [{"name":"left","version":"` + version + `","apiVersion":"v2","urls":["left.tgz"],"digest":"00"}]}`
	}
	for _, key := range []string{"1", "2", "3", "4", "5"} {
		pendingEntry(key+".json", left(key+".0.0"))
	}
	pendingEntry("6.json", left("5.0.0")) // the same again
	unreadable := map[string]string{
		"a": "", "b": "{", "c": "[]", "d": `{"entries":[]}`, "e": `{"entries":[{"name":"left","version":"9.0.0"}]}`,
		"f": `{"entries":[7]}`,
	}
	for key, body := range unreadable {
		pendingEntry(key, body)
	}
	res, err := r.Publish(t.Context(), open(t, "app", "1.0.0", ""))
	if err != nil || res.Already || res.Attempts < 2 {
		t.Errorf("%+v, %v", res, err)
	}
	want := []string{"app 1.0.0", "left 5.0.0", "left 4.0.0", "left 3.0.0", "left 2.0.0", "left 1.0.0"}
	var got []string
	for _, line := range indexed(t, r) {
		got = append(got, line[:strings.LastIndex(line, " ")])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	n := 0
	for info, err := range s.List(t.Context(), ".pending/") {
		if _, ok := unreadable[strings.TrimPrefix(info.Key, ".pending/")]; !ok || err != nil {
			t.Errorf("%s is left, %v", info.Key, err)
		}
		n++
	}
	if n != len(unreadable) {
		t.Errorf("%d of %d are left", n, len(unreadable))
	}
}
