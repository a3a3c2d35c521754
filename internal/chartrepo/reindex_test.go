package chartrepo_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
)

func TestReindexRebuildsALostIndex(t *testing.T) {
	for name, r := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			publish(t, r, open(t, "app", "1.0.0", ""), open(t, "app", "1.0.0+b.1", ""), open(t, "app", "1.1.0-rc.1", ""),
				open(t, "other", "0.1.0", "description: x\n"))
			want := indexed(t, r)
			put(t, chartrepo.StoreOf(r), "index.yaml", nil)
			dry, err := r.Reindex(t.Context(), chartrepo.ReindexOptions{DryRun: true})
			if err != nil || len(dry.Added) != 4 {
				t.Errorf("dry run: %+v, %v", dry, err)
			}
			if slices.Contains(keys(t, chartrepo.StoreOf(r)), "index.yaml") {
				t.Error("the dry run wrote an index")
			}
			got, err := r.Reindex(t.Context(), chartrepo.ReindexOptions{})
			if diff := cmp.Diff(dry, got); diff != "" || err != nil {
				t.Errorf("%v (-dry run +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(want, indexed(t, r)); diff != "" {
				t.Errorf("index (-want +got):\n%s", diff)
			}
			if _, err := r.Pull(t.Context(), "app", "1.0.0+b.1"); err != nil {
				t.Error(err)
			}
			again, err := r.Reindex(t.Context(), chartrepo.ReindexOptions{})
			if diff := cmp.Diff(chartrepo.Reindexed{Archives: 4}, again); diff != "" || err != nil {
				t.Errorf("again: %v\n%s", err, diff)
			}
		})
	}
}

// What is right stays as it is; what lacks a digest or leads nowhere is mended and keeps all else; what reindex may not
// decide stays, and is told.
func TestReindexMends(t *testing.T) {
	right, bare, lost, taken := open(t, "app", "1.0.0", ""), open(t, "app", "2.0.0", ""), open(t, "app", "3.0.0", ""),
		open(t, "app", "4.0.0", "")
	s := mem.New()
	r := repository(s)
	put(t, s, "index.yaml", []byte(`{"apiVersion":"v1","annotations":{"team":"x"},"entries":{"app":[
		{"name":"app","version":"1.0.0","urls":["https://charts.example.com/app-1.0.0.tgz"],"digest":"`+right.Digest+`","x":1},
		{"name":"app","version":"2.0.0","urls":["s3://charts/uat/app-2.0.0.tgz"],"digest":"700","x":[2],"created":"2020-01-01T00:00:00Z"},
		{"name":"app","version":"3.0.0","urls":["old/app-3.0.0.tgz"],"digest":"`+lost.Digest+`","annotations":{"a":"b"}},
		{"name":"app","version":"4.0.0","urls":["app-4.0.0.tgz"],"digest":"`+right.Digest+`"},
		{"name":"app","version":"5.0.0","urls":["app-5.0.0.tgz"],"digest":"`+right.Digest+`"},
		{"name":"app","version":"6.0.0","urls":["http://192.0.2.1/app-6.0.0.tgz"],"digest":"x"}]}}`))
	for _, p := range []chartrepo.Package{right, bare, lost, taken} {
		put(t, s, p.Filename(), p.Archive)
	}
	put(t, s, "wrong-1.0.0.tgz", open(t, "app", "7.0.0", "").Archive)
	put(t, s, "garbage-1.0.0.tgz", []byte("garbage"))
	put(t, s, "nested/app-8.0.0.tgz", open(t, "app", "8.0.0", "").Archive)
	want := rawEntries(t, s, "app")
	want[1]["digest"], want[1]["urls"] = bare.Digest, []any{"app-2.0.0.tgz"}
	want[2]["urls"] = []any{"app-3.0.0.tgz"}
	slices.Reverse(want)

	var progress []string
	got, err := r.Reindex(t.Context(), chartrepo.ReindexOptions{
		Parallel: 1, Progress: func(n, of int) { progress = append(progress, fmt.Sprint(n, "/", of)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"app 2.0.0", "app 3.0.0"}, got.Mended); diff != "" || len(got.Added) != 0 {
		t.Errorf("added %q, mended:\n%s", got.Added, diff)
	}
	if diff := cmp.Diff([]string{"1/4", "2/4", "3/4", "4/4"}, progress); diff != "" {
		t.Errorf("progress:\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"dangling app-5.0.0.tgz", "unreadable garbage-1.0.0.tgz", "misnamed wrong-1.0.0.tgz",
	}, kinds(got.Findings)); diff != "" {
		t.Errorf("findings:\n%s", diff)
	}
	if diff := cmp.Diff(want, rawEntries(t, s, "app")); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// A well-formed digest is a promise to whoever installed the version: reindex does not make it agree with other bytes.
func TestReindexNeverChangesADigest(t *testing.T) {
	s := mem.New()
	r := repository(s)
	publish(t, r, open(t, "app", "1.0.0", ""))
	before := indexed(t, r)
	put(t, s, "index.yaml", []byte(strings.Replace(string(get(t, s, "index.yaml")), "app-1.0.0.tgz", "gone.tgz", 1)))
	put(t, s, "app-1.0.0.tgz", tgz(t, "app", "1.0.0", "description: other\n"))
	got, err := r.Reindex(t.Context(), chartrepo.ReindexOptions{})
	if diff := cmp.Diff([]string{"digest-mismatch app-1.0.0.tgz"}, kinds(got.Findings)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if diff := cmp.Diff(before, indexed(t, r)); diff != "" {
		t.Error(diff)
	}
}

func get(t testing.TB, s objstore.Store, key string) []byte {
	t.Helper()
	o, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return o.Body
}

func TestReindexLeavesTheYankedAlone(t *testing.T) {
	s := mem.New()
	r := repository(s)
	publish(t, r, open(t, "app", "1.0.0", ""), open(t, "app", "1.0.0+b", ""))
	if err := r.Yank(t.Context(), "app", "1.0.0+b", "broken"); err != nil {
		t.Fatal(err)
	}
	got, err := r.Reindex(t.Context(), chartrepo.ReindexOptions{})
	if diff := cmp.Diff(chartrepo.Reindexed{Archives: 2}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestReindexKeepsAnIndexThatItCannotRead(t *testing.T) {
	s := mem.New()
	put(t, s, "index.yaml", []byte("entries: ["))
	put(t, s, "app-1.0.0.tgz", tgz(t, "app", "1.0.0", ""))
	if _, err := repository(s).Reindex(t.Context(), chartrepo.ReindexOptions{}); err == nil {
		t.Error("it was taken for an index")
	}
	if got := string(get(t, s, "index.yaml")); got != "entries: [" {
		t.Errorf("it was changed to %s", got)
	}
}

// thousands is a store with 2,000 archives and no index; each of its calls takes 30 ms on the clock of the test.
func thousands(t *testing.T) (*mem.Store, *atomic.Int64) {
	s := mem.New()
	for i := range 2000 {
		name, version := fmt.Sprintf("app%d", i%50), fmt.Sprintf("1.%d.0", i/50)
		put(t, s, name+"-"+version+".tgz", tgz(t, name, version, ""))
	}
	var reads atomic.Int64
	s.Before = func(op mem.Op, key string) error {
		if op == mem.Get && strings.HasSuffix(key, ".tgz") {
			reads.Add(1)
		}
		time.Sleep(30 * time.Millisecond)
		return nil
	}
	return s, &reads
}

// 2,000 archives at 30 ms a call: at least 8 times faster than one at a time. The clock is synctest's, so the numbers
// are exact: what they leave out is the processor's time, which the test itself takes.
func TestReindexIsParallel(t *testing.T) {
	elapsed := func(parallel int) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s, _ := thousands(t)
			start := time.Now()
			got, err := repository(s).Reindex(t.Context(), chartrepo.ReindexOptions{Parallel: parallel})
			if err != nil || len(got.Added) != 2000 {
				t.Fatalf("%d added, %v", len(got.Added), err)
			}
			d = time.Since(start)
		})
		return d
	}
	one, many := elapsed(1), elapsed(0)
	t.Logf("one at a time %v, by default %v: %.1f times faster", one, many, float64(one)/float64(many))
	if one < 60*time.Second || many*8 > one {
		t.Errorf("one at a time %v, by default %v", one, many)
	}
}

// An interruption costs what was read since the last write of the index: run again, it does not read the rest twice.
func TestReindexResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, reads := thousands(t)
		fault := errors.New("connection reset")
		s.After = func(mem.Op, string) error {
			if reads.Load() > 1500 {
				return fault
			}
			return nil
		}
		if _, err := repository(s).Reindex(t.Context(), chartrepo.ReindexOptions{}); !errors.Is(err, fault) {
			t.Fatal(err)
		}
		s.After = nil
		if got := len(indexed(t, repository(s))); got != 1000 {
			t.Errorf("%d entries were written", got)
		}
		got, err := repository(s).Reindex(t.Context(), chartrepo.ReindexOptions{})
		if err != nil || got.Read != 1000 || len(got.Added) != 1000 {
			t.Errorf("again: %d read, %d added, %v", got.Read, len(got.Added), err)
		}
	})
}

// Twenty publishers, with reindexes and prunes among them, each on a machine of its own: nothing that is not pruned is
// lost, nothing that is pruned comes back, and no entry dangles.
func TestReindexAndPruneAmongPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		s.Before = func(mem.Op, string) error { time.Sleep(time.Millisecond); return nil }
		machine := func() *chartrepo.Repository { return repository(s) }
		for i := range 10 {
			publish(t, machine(), open(t, "old", fmt.Sprintf("1.%d.0", i), ""))
			put(t, s, fmt.Sprintf("orphan-1.%d.0.tgz", i), tgz(t, "orphan", fmt.Sprintf("1.%d.0", i), ""))
		}
		rules := chartrepo.PruneOptions{Keep: 3, Names: []string{"old"}}
		var want []string
		var group sync.WaitGroup
		for i := range 20 {
			p := open(t, "app", fmt.Sprintf("1.%d.0", i), "")
			want = append(want, line(p))
			group.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if _, err := machine().Publish(t.Context(), p); err != nil {
					t.Error(err)
				}
			})
		}
		for range 3 {
			group.Go(func() {
				if _, err := machine().Reindex(t.Context(), chartrepo.ReindexOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Go(func() {
			plan, err := machine().PlanPrune(t.Context(), rules)
			if err != nil || len(plan.Delete) != 7 {
				t.Errorf("%d to delete, %v", len(plan.Delete), err)
			}
			if _, err := machine().ApplyPrune(t.Context(), rules, plan.Token); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		for i := range 10 {
			want = append(want, line(open(t, "orphan", fmt.Sprintf("1.%d.0", i), "")))
		}
		for i := 7; i < 10; i++ {
			want = append(want, line(open(t, "old", fmt.Sprintf("1.%d.0", i), "")))
		}
		slices.Sort(want)
		got := indexed(t, machine())
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("index (-want +got):\n%s", diff)
		}
		report, err := machine().Verify(t.Context(), chartrepo.VerifyOptions{Deep: true})
		if err != nil || len(report.Findings) != 0 {
			t.Errorf("%v, %v", report.Findings, err)
		}
	})
}
