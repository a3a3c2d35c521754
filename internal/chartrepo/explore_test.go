package chartrepo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// anyNumber of switches from one actor to another: all orders are tried.
const anyNumber = -1

// bound is how far a scenario is explored: with so many faults in a schedule at most, and so many switches.
type bound struct{ faults, switches int }

// Whatever the order of their calls, and wherever one dies, loses a reply or is refused, the users of a repository lose
// nothing that was acknowledged and bring nothing back that was yanked. Each scenario is explored completely within its
// bound, which the log tells with the number of schedules. PINNACE_EXPLORE=deep takes the wider bounds (minutes, some
// gigabytes); -short and the race detector take the narrower ones.
func TestPublishProtocol(t *testing.T) {
	c := newCast(t)
	for _, test := range []struct {
		scenario
		short, bound, deep bound
	}{{
		scenario{name: "two publishers", actors: []actor{c.one, c.two}, alike: 2, private: archives},
		bound{1, anyNumber},
		bound{2, anyNumber},
		bound{4, anyNumber},
	}, {
		scenario{name: "three publishers", actors: []actor{c.one, c.two, c.three}, alike: 3, private: archives},
		bound{0, anyNumber},
		bound{1, anyNumber},
		bound{2, anyNumber},
	}, {
		scenario{name: "three publishers of one version", actors: c.rivals, alike: 3, private: nobodys},
		bound{0, anyNumber},
		bound{1, anyNumber},
		bound{2, anyNumber},
	}, {
		scenario{name: "two publishers of the same bytes", actors: []actor{c.one, c.again}, alike: 2, private: nobodys},
		bound{1, anyNumber},
		bound{2, anyNumber},
		bound{3, anyNumber},
	}, {
		scenario{name: "two publishers, a yank, a reindex", actors: []actor{c.one, c.two, c.yank, c.reindex}, private: nobodys},
		bound{0, 3},
		bound{0, anyNumber},
		bound{1, anyNumber},
	}, {
		scenario{name: "two publishers, a prune", actors: []actor{c.one, c.two, c.prune}, private: nobodys},
		bound{0, anyNumber},
		bound{1, anyNumber},
		bound{2, anyNumber},
	}, {
		scenario{
			name: "after a crash: two publishers, one of what is pruned, a prune", before: c.outdated, private: nobodys,
			actors: []actor{c.three, c.again, c.prune},
		},
		bound{0, anyNumber},
		bound{1, anyNumber},
		bound{2, anyNumber},
	}, {
		scenario{
			name: "three publishers, a yank, a reindex", private: nobodys,
			actors: []actor{c.one, c.two, c.three, c.yank, c.reindex},
		},
		bound{0, 1},
		bound{1, 2},
		bound{1, 4},
	}, {
		scenario{
			name: "after a crash: a publisher, a yank, a reindex", before: c.crash, private: nobodys,
			actors: []actor{c.two, c.yank, c.reindex},
		},
		bound{0, anyNumber},
		bound{1, anyNumber},
		bound{2, anyNumber},
	}, {
		scenario{
			name: "two publishers into a large index", heavy: true, before: c.quiet,
			actors: []actor{c.one, c.two}, alike: 2, private: archives,
		},
		bound{1, anyNumber},
		bound{1, anyNumber},
		bound{2, anyNumber},
	}, {
		scenario{
			name: "three publishers into a large index", heavy: true, before: c.quiet,
			actors: []actor{c.one, c.two, publisher("four", tiny(t, "4.0.0", ""))}, alike: 3, private: archives,
		},
		bound{0, 3},
		bound{1, 3},
		bound{1, anyNumber},
	}, {
		scenario{
			name: "two publishers into a large index, a yank, a reindex", heavy: true, before: c.quiet, private: nobodys,
			actors: []actor{c.one, c.two, c.yank, c.reindex},
		},
		bound{0, 3},
		bound{0, 4},
		bound{0, anyNumber},
	}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := test.bound
			switch {
			case testing.Short() || raceDetector:
				b = test.short
			case os.Getenv("PINNACE_EXPLORE") == "deep":
				b = test.deep
			}
			x := explorer{scenario: test.scenario, faults: b.faults, switches: b.switches, check: c.promises}
			schedules, err := x.explore()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%.3g schedules (all with up to %s), as %d calls between %d states, %d of them final",
				schedules, b, x.calls, len(x.visited), x.ends)
		})
	}
}

func (b bound) String() string {
	if b.switches == anyNumber {
		return fmt.Sprintf("%d faults", b.faults)
	}
	return fmt.Sprintf("%d faults and %d switches", b.faults, b.switches)
}

func archives(key string) bool { return strings.HasSuffix(key, ".tgz") }
func nobodys(string) bool      { return false }

// cast is who may meet at a repository.
type cast struct {
	one, two, three      actor // publish 1.0.0, 2.0.0 and 3.0.0
	again                actor // publishes 1.0.0 too, with the same bytes
	rivals               []actor
	yank, prune, reindex actor // of 1.0.0, of 1.0.0, of everything

	first Package // 1.0.0
	last  Package // what another one publishes when all is over
}

func newCast(t testing.TB) *cast {
	v1, v2, v3 := tiny(t, "1.0.0", ""), tiny(t, "2.0.0", ""), tiny(t, "3.0.0", "")
	c := &cast{
		one: publisher("one", v1), two: publisher("two", v2), three: publisher("three", v3),
		again: publisher("again", v1), first: v1, last: tiny(t, "9.9.9", ""),
		yank: actor{name: "yank", removes: &v1, run: func(ctx context.Context, r *Repository) error {
			return r.Yank(ctx, v1.Name, v1.Version, "broken")
		}},
		prune: actor{name: "prune", removes: &v1, run: func(ctx context.Context, r *Repository) error {
			return prune(ctx, r)
		}},
		reindex: actor{name: "reindex", run: func(ctx context.Context, r *Repository) error {
			_, err := r.Reindex(ctx, ReindexOptions{Parallel: 1})
			return err
		}},
	}
	for _, name := range []string{"red", "green", "blue"} {
		c.rivals = append(c.rivals, publisher(name, tiny(t, "1.0.0", name)))
	}
	return c
}

// tiny is about the smallest chart.
func tiny(t testing.TB, version, description string) Package {
	t.Helper()
	folder := t.TempDir()
	chart := fmt.Sprintf("apiVersion: v2\nname: app\nversion: %s\ndescription: %q\n", version, description)
	if err := os.WriteFile(filepath.Join(folder, "Chart.yaml"), []byte(chart), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Pack(folder)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func publisher(name string, p Package) actor {
	return actor{name: name, publishes: &p, run: func(ctx context.Context, r *Repository) error {
		_, err := r.Publish(ctx, p)
		return err
	}}
}

// prune lets go of all versions but the newest.
func prune(ctx context.Context, r *Repository) error {
	rules := PruneOptions{Keep: 1}
	plan, err := r.PlanPrune(ctx, rules)
	if err != nil {
		return err
	}
	if plan.Token == "" {
		return errNothing
	}
	_, err = r.ApplyPrune(ctx, rules, plan.Token)
	return err
}

var errNothing = problem.New(problem.Usage, "", "nothing to prune")

// quiet leaves an index.
func (c *cast) quiet(r *Repository) error { return c.three.run(context.Background(), r) }

// crash leaves 1.0.0 in the index and pending too: its winner died before it swept.
func (c *cast) crash(r *Repository) error {
	ctx := context.Background()
	if _, err := r.Publish(ctx, c.first); err != nil {
		return err
	}
	e, err := newEntry(c.first, epoch)
	if err != nil {
		return err
	}
	_, err = r.leave(ctx, []Entry{e})
	return err
}

// outdated leaves a newer version besides.
func (c *cast) outdated(r *Repository) error {
	if err := c.two.run(context.Background(), r); err != nil {
		return err
	}
	return c.crash(r)
}

// promises holds what must be true once everybody is over and another publisher has come by.
func (c *cast) promises(ctx context.Context, r *Repository, x *explorer, n *node) error {
	if _, err := r.Publish(ctx, c.last); err != nil {
		return fmt.Errorf("publishing afterwards: %w", err)
	}
	ix, err := r.Index(ctx)
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, t := range ix.Yanked() {
		gone[t.Version] = true
	}
	for i, a := range x.actors {
		if err := keepsItsWord(ix, gone, a, n.actors[i].err, n.used); err != nil {
			return err
		}
	}
	if err := pointsAtArchives(ctx, r, ix); err != nil {
		return err
	}
	for info := range r.store.List(ctx, pendingPrefix) {
		return fmt.Errorf("%s is left", info.Key)
	}
	return nil
}

// keepsItsWord: what was acknowledged holds. Where nothing went wrong, only a conflict or a thing that is not there
// keeps an actor from its aim, and of rivals somebody wins.
func keepsItsWord(ix Index, gone map[string]bool, a actor, err error, faults int) error {
	if p := a.removes; p != nil && err == nil {
		if _, there := ix.Find(p.Name, p.Version); there {
			return fmt.Errorf("%s was removed by %s and is in the index", p.Version, a.name)
		}
	}
	if p := a.publishes; p != nil && !gone[p.Version] {
		e, there := ix.Find(p.Name, p.Version)
		if err == nil && (!there || e.Digest != p.Digest) {
			return fmt.Errorf("%s was acknowledged to %s and is not in the index", p.Version, a.name)
		}
		if faults == 0 && !there {
			return fmt.Errorf("nobody published %s, though nothing went wrong", p.Version)
		}
	}
	kind := problem.KindOf(err)
	if faults == 0 && err != nil && kind != problem.Conflict && kind != problem.Usage {
		return fmt.Errorf("%s failed, though nothing went wrong: %w", a.name, err)
	}
	return nil
}

// pointsAtArchives: every entry has its archive, and every version one entry.
func pointsAtArchives(ctx context.Context, r *Repository, ix Index) error {
	seen := map[string]bool{}
	for e := range ix.Entries() {
		if seen[e.Version] {
			return fmt.Errorf("%s is twice in the index", e.Version)
		}
		seen[e.Version] = true
		key, _ := r.archiveKey(e)
		o, err := r.store.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("%s is in the index without an archive: %w", e.Version, err)
		}
		if digest(o.Body) != e.Digest {
			return fmt.Errorf("%s has another archive than the index says", e.Version)
		}
	}
	return nil
}

// The number of orders in which independent calls can be made is known: the explorer counts each of them, and with
// every fault.
func TestExplorerTriesEverything(t *testing.T) {
	reader := func(calls int) actor {
		return actor{name: fmt.Sprint("reads ", calls), run: func(ctx context.Context, r *Repository) error {
			for range calls {
				if _, err := r.store.Get(ctx, "index.yaml"); !errors.Is(err, objstore.ErrNotFound) {
					return err
				}
			}
			return nil
		}}
	}
	for _, test := range []struct {
		calls    []int
		faults   int
		switches int
		want     float64
	}{
		{[]int{3}, 0, anyNumber, 1},
		{[]int{3}, 1, anyNumber, 7}, // at each of three calls it dies or loses the reply, or nothing happens
		{[]int{2, 3}, 0, anyNumber, 10},
		{[]int{2, 3, 2}, 0, anyNumber, 210},
		{[]int{2, 3}, 0, 0, 2},
		{[]int{2, 3}, 0, 1, 5}, // the 2, then 1 of 2 before the 3; 1 or 2 of 3 before the 2
		{[]int{1, 1}, 1, anyNumber, 2 + 2*4},
		{[]int{1, 1}, 2, anyNumber, 2 + 2*4 + 2*4},
	} {
		x := explorer{faults: test.faults, switches: test.switches, scenario: scenario{private: nobodys}}
		x.check = func(context.Context, *Repository, *explorer, *node) error { return nil }
		for _, n := range test.calls {
			x.actors = append(x.actors, reader(n))
		}
		if got, err := x.explore(); err != nil || got != test.want {
			t.Errorf("%v calls with %d faults and %d switches: %v schedules, want %v (%v)",
				test.calls, test.faults, test.switches, got, test.want, err)
		}
	}
}
