package chartrepo_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// aged is a repository whose versions were published one a day, in this order, the last one today.
func aged(t *testing.T, s *mem.Store, versions ...string) *chartrepo.Repository {
	t.Helper()
	opts := options(chartrepo.Location{Scheme: "s3", Bucket: "charts"})
	for i, v := range versions {
		age := time.Duration(len(versions)-1-i) * 24 * time.Hour
		opts.Now = func() time.Time { return now.Add(-age) }
		name, version, _ := strings.Cut(v, " ")
		publish(t, chartrepo.New(s, opts), open(t, name, version, ""))
	}
	return chartrepo.New(s, opts)
}

func versions(entries []chartrepo.Entry) (found []string) {
	for _, e := range entries {
		found = append(found, e.Name+" "+e.Version)
	}
	return found
}

func TestPlanPrune(t *testing.T) {
	const day = 24 * time.Hour
	r := aged(t, mem.New(), "app 1.0.0", "app 1.1.0", "app 1.0.0+b", "app 2.0.0-rc.1", "app 2.0.0-rc.2", "pre 1.0.0-a",
		"pre 1.0.0-b", "one 1.0.0")
	for name, test := range map[string]struct {
		opts chartrepo.PruneOptions
		want []string
	}{
		"keep two":  {chartrepo.PruneOptions{Keep: 2}, []string{"app 1.0.0+b", "app 1.0.0"}},
		"keep four": {chartrepo.PruneOptions{Keep: 4}, []string{"app 1.0.0"}},
		"keep one": {chartrepo.PruneOptions{Keep: 1}, []string{
			"app 2.0.0-rc.1", "app 1.0.0+b", "app 1.0.0", "pre 1.0.0-a",
		}},
		"old":         {chartrepo.PruneOptions{OlderThan: 4 * day}, []string{"app 1.0.0+b", "app 1.0.0"}},
		"both":        {chartrepo.PruneOptions{Keep: 2, OlderThan: 5 * day}, []string{"app 1.0.0"}},
		"of one name": {chartrepo.PruneOptions{Keep: 1, Names: []string{"pre", "pre"}}, []string{"pre 1.0.0-a"}},
		"nothing":     {chartrepo.PruneOptions{Keep: 9}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := r.PlanPrune(t.Context(), test.opts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, versions(plan.Delete)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (plan.Token == "") != (len(test.want) == 0) {
				t.Errorf("token %q", plan.Token)
			}
		})
	}
	_, err := r.PlanPrune(t.Context(), chartrepo.PruneOptions{})
	wantProblem(t, err, problem.Usage, "no rule", "--keep")
	_, err = r.PlanPrune(t.Context(), chartrepo.PruneOptions{Keep: 1, Names: []string{"nothing"}})
	wantProblem(t, err, problem.Usage, "nothing", "look")
}

// What another tool wrote and pinnace cannot place is never deleted.
func TestPruneKeepsWhatItCannotPlace(t *testing.T) {
	s := mem.New()
	put(t, s, "index.yaml", []byte(`{"apiVersion":"v1","entries":{"app":[
		{"name":"app","version":"3.0.0","urls":["app-3.0.0.tgz"],"created":"2026-01-01T00:00:00Z"},
		{"name":"app","version":"nightly","urls":["app-nightly.tgz"],"created":"2020-01-01T00:00:00Z"},
		{"name":"app","version":"2.0.0","urls":["app-2.0.0.tgz"]},
		{"name":"app","version":"1.5.0","urls":["sub/app-1.5.0.tgz"],"created":"2020-01-01T00:00:00Z"},
		{"name":"app","version":"1.0.0","urls":["app-1.0.0.tgz"],"created":"2020-01-01T00:00:00Z"}]}}`))
	rules := chartrepo.PruneOptions{Keep: 1, OlderThan: time.Hour}
	plan, err := repository(s).PlanPrune(t.Context(), rules)
	if diff := cmp.Diff([]string{"app 1.0.0"}, versions(plan.Delete)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestApplyPrune(t *testing.T) {
	s := mem.New()
	r := aged(t, s, "app 1.0.0", "app 1.0.0+b", "app 2.0.0")
	put(t, s, "app-1.0.0.tgz.prov", []byte("signed"))
	rules := chartrepo.PruneOptions{Keep: 1}
	plan, err := r.PlanPrune(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.ApplyPrune(t.Context(), rules, "another")
	wantProblem(t, err, problem.Conflict, "plan another", "without --apply")
	done, err := r.ApplyPrune(t.Context(), rules, plan.Token)
	if err != nil || done.Archives != 2 || len(done.Versions) != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	if diff := cmp.Diff([]string{"app-2.0.0.tgz", "index.yaml"}, keys(t, s)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	_, err = r.Publish(t.Context(), open(t, "app", "1.0.0", ""))
	wantProblem(t, err, problem.Conflict, "removed for good", "raise the version")
	if err := r.Unyank(t.Context(), "app", "1.0.0"); problem.KindOf(err) != problem.Conflict {
		t.Errorf("a pruned version comes back: %v", err)
	}
	if done, err = r.ApplyPrune(t.Context(), rules, plan.Token); err != nil || len(done.Versions) != 2 {
		t.Errorf("applied again: %+v, %v", done, err)
	}
}

// A version published between the plan and its application changes what "the newest" is.
func TestApplyPruneRefusesAnotherPlan(t *testing.T) {
	s := mem.New()
	r := aged(t, s, "app 1.0.0", "app 2.0.0")
	rules := chartrepo.PruneOptions{Keep: 1}
	plan, err := r.PlanPrune(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, r, open(t, "app", "3.0.0", ""))
	before := keys(t, s)
	_, err = r.ApplyPrune(t.Context(), rules, plan.Token)
	wantProblem(t, err, problem.Conflict, "is not the plan of now", "without --apply")
	if diff := cmp.Diff(before, keys(t, s)); diff != "" {
		t.Error(diff)
	}
}

// A prune that fails at any call, before or after its effect, leaves no dangling entry, tells what is left, and goes on
// when it is run again with the same token.
func TestPruneResumes(t *testing.T) {
	rules := chartrepo.PruneOptions{Keep: 1}
	fault := errors.New("connection reset")
	for step := int64(1); ; step++ {
		var ran atomic.Int64
		for _, after := range []bool{false, true} {
			s := mem.New()
			r := aged(t, s, "app 1.0.0", "app 1.1.0", "app 2.0.0")
			plan, err := r.PlanPrune(t.Context(), rules)
			if err != nil {
				t.Fatal(err)
			}
			ran.Store(0)
			hook := func(here bool) func(mem.Op, string) error {
				return func(mem.Op, string) error {
					if here != after {
						return nil
					}
					if ran.Add(1) == step {
						return fault
					}
					return nil
				}
			}
			s.Before, s.After = hook(false), hook(true)
			_, err = r.ApplyPrune(t.Context(), rules, plan.Token)
			s.Before, s.After = nil, nil
			if ran.Load() >= step && !errors.Is(err, fault) {
				t.Errorf("step %d: %v", step, err)
			}
			report, err := r.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range report.Findings {
				if f.Kind != chartrepo.Leftover || !strings.Contains(f.Detail, plan.Token) {
					t.Errorf("step %d: %+v", step, f)
				}
			}
			if _, err := r.ApplyPrune(t.Context(), rules, plan.Token); err != nil {
				t.Errorf("again after step %d: %v", step, err)
			}
			if diff := cmp.Diff([]string{"app-2.0.0.tgz", "index.yaml"}, keys(t, s)); diff != "" {
				t.Errorf("after step %d (-want +got):\n%s", step, diff)
			}
		}
		if ran.Load() < step {
			if step < 8 {
				t.Errorf("only %d steps were tried", step)
			}
			return
		}
	}
}

// An archive that somebody swaps while it is being deleted is read again: what is deleted is what was seen.
func TestPruneDeletesByVersion(t *testing.T) {
	s := mem.New()
	r := aged(t, s, "app 1.0.0", "app 2.0.0")
	rules := chartrepo.PruneOptions{Keep: 1}
	plan, err := r.PlanPrune(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	deletes := 0
	s.Before = func(op mem.Op, key string) error {
		if op == mem.Delete && key == "app-1.0.0.tgz" {
			if deletes++; deletes == 1 {
				return objstore.ErrConflict
			}
		}
		return nil
	}
	if done, err := r.ApplyPrune(t.Context(), rules, plan.Token); err != nil || done.Archives != 1 || deletes != 2 {
		t.Errorf("%+v after %d deletes, %v", done, deletes, err)
	}
}

// Two charts can have one file name: a-1 2.0.0 and a 1-2.0.0. The archive stays as long as either is there.
func TestPruneKeepsASharedArchive(t *testing.T) {
	s := mem.New()
	r := repository(s)
	put(t, s, "index.yaml", []byte(`{"apiVersion":"v1","entries":{
		"a":[{"name":"a","version":"2.0.0","urls":["a-2.0.0.tgz"]},{"name":"a","version":"1-2.0.0","urls":["a-1-2.0.0.tgz"]}],
		"a-1":[{"name":"a-1","version":"2.0.0","urls":["a-1-2.0.0.tgz"]}]}}`))
	put(t, s, "a-1-2.0.0.tgz", tgz(t, "a-1", "2.0.0", ""))
	rules := chartrepo.PruneOptions{Keep: 1}
	plan, err := r.PlanPrune(t.Context(), rules)
	if diff := cmp.Diff([]string{"a 1-2.0.0"}, versions(plan.Delete)); diff != "" || err != nil {
		t.Fatalf("%v\n%s", err, diff)
	}
	if done, err := r.ApplyPrune(t.Context(), rules, plan.Token); err != nil || done.Archives != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if got := keys(t, s); len(got) != 2 {
		t.Errorf("objects %q", got)
	}
}

// A pruned version is published again, as by a pipeline that is repeated: it stays away, and the refusal does not
// promise what an undo cannot do. The archive that came first is found, and goes with the same prune.
func TestPrunedVersionIsPublishedAgain(t *testing.T) {
	s := mem.New()
	r := aged(t, s, "app 1.0.0", "app 2.0.0")
	rules := chartrepo.PruneOptions{Keep: 1}
	plan, err := r.PlanPrune(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ApplyPrune(t.Context(), rules, plan.Token); err != nil {
		t.Fatal(err)
	}
	_, err = r.Publish(t.Context(), pack(t, chartYAML("app", "1.0.0")))
	wantProblem(t, err, problem.Conflict, "app 1.0.0 was removed for good", "new version")
	report, err := r.Verify(t.Context(), chartrepo.VerifyOptions{})
	if err != nil || len(report.Findings) != 1 || !strings.Contains(report.Findings[0].Detail, "apply the prune again") {
		t.Fatalf("%+v, %v", report.Findings, err)
	}
	if _, err := r.ApplyPrune(t.Context(), rules, plan.Token); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"app-2.0.0.tgz", "index.yaml"}, keys(t, s)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}
