package chartrepo_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// A preview says what publishing then does, and writes nothing.
func TestPreview(t *testing.T) {
	store := mem.New()
	repo := chartrepo.New(store, options(chartrepo.Location{}))
	there, yanked := pack(t, chartYAML("a", "1.0.0")), pack(t, chartYAML("b", "1.0.0"))
	if _, err := repo.PublishAll(t.Context(), []chartrepo.Package{there, yanked}); err != nil {
		t.Fatal(err)
	}
	if err := repo.Yank(t.Context(), "b", "1.0.0", "broken"); err != nil {
		t.Fatal(err)
	}
	orphan, taken := pack(t, chartYAML("c", "1.0.0")), pack(t, chartYAML("d", "1.0.0"))
	for key, body := range map[string][]byte{"c-1.0.0.tgz": orphan.Archive, "d-1.0.0.tgz": []byte("other bytes")} {
		put(t, store, key, body)
	}
	changed := chartYAML("a", "1.0.0")
	changed["values.yaml"] = "replicas: 2\n"
	all := []chartrepo.Package{
		there, pack(t, changed), yanked, orphan, taken, pack(t, chartYAML("a", "1.0.1")), pack(t, chartYAML("e", "1.0.0")),
	}
	before := keys(t, store)
	previewed, err := repo.Preview(t.Context(), all)
	if problem.KindOf(err) != problem.Conflict {
		t.Errorf("the error is %v", err)
	}
	want := []string{
		"a 1.0.0 already", "a 1.0.0 conflict", "b 1.0.0 conflict", "c 1.0.0 new", "d 1.0.0 conflict", "a 1.0.1 new", "e 1.0.0 new",
	}
	if diff := cmp.Diff(want, outcomes(previewed)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, keys(t, store)); diff != "" {
		t.Errorf("the preview writes: %s", diff)
	}
	published, _ := repo.PublishAll(t.Context(), all)
	if diff := cmp.Diff(want, outcomes(published)); diff != "" {
		t.Errorf("publishing does something else: %s", diff)
	}
}

// A repository that is not there yet has room for everything.
func TestPreviewOfNothing(t *testing.T) {
	repo := chartrepo.New(mem.New(), options(chartrepo.Location{}))
	results, err := repo.Preview(t.Context(), []chartrepo.Package{pack(t, nil)})
	if err != nil || len(results) != 1 || results[0].Already {
		t.Errorf("%v, %v", results, err)
	}
}

func outcomes(results []chartrepo.Result) (all []string) {
	for _, r := range results {
		outcome := "new"
		switch {
		case r.Already:
			outcome = "already"
		case problem.KindOf(r.Err) == problem.Conflict && r.Err != nil:
			outcome = "conflict"
		case r.Err != nil:
			outcome = r.Err.Error()
		}
		all = append(all, r.Name+" "+r.Version+" "+outcome)
	}
	return all
}

// The archives of two charts can have one name. The second is told so, and the first keeps its version.
func TestTwoChartsOfOneArchiveName(t *testing.T) {
	short, long := pack(t, chartYAML("app", "1.0.0-2.0.0")), pack(t, chartYAML("app-1.0.0", "2.0.0"))
	if short.Filename() != long.Filename() {
		t.Fatalf("%s and %s", short.Filename(), long.Filename())
	}
	for name, r := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			if _, err := r.Publish(t.Context(), short); err != nil {
				t.Fatal(err)
			}
			for _, do := range []func(context.Context, []chartrepo.Package) ([]chartrepo.Result, error){
				r.Preview, r.PublishAll,
			} {
				_, err := do(t.Context(), []chartrepo.Package{long})
				wantProblem(t, err, problem.Conflict, "chart app-1.0.0 2.0.0 and chart app 1.0.0-2.0.0, which is published, "+
					"are both archived as app-1.0.0-2.0.0.tgz", "name or the version of one of the two")
			}
			if archive, err := r.Pull(t.Context(), "app", "1.0.0-2.0.0"); err != nil || !bytes.Equal(archive, short.Archive) {
				t.Errorf("the first has %d bytes, %v", len(archive), err)
			}
			if ix, err := r.Index(t.Context()); err != nil || len(ix.Names()) != 1 {
				t.Errorf("the index has %v, %v", ix.Names(), err)
			}
		})
	}
}
