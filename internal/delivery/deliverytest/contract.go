package deliverytest

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

// canary is in every value of the contracts; no error may contain it.
const canary = "CANARY-not-a-real-key"

// SourceCase is a source with its service behind it, both fresh. The source is to give the items "a" and "b".
type SourceCase struct {
	Source delivery.Source
	Set    func(values map[string]string) // what the service holds from now on
	Break  func()                         // the service fails from now on
	Mend   func()                         // the service works again
	Pass   func()                         // a poll interval passes
	// BreakItem makes the service fail for one item alone, until Mend. A source that gives its items whole or not at all
	// has none.
	BreakItem func(name string)
	// About is what the source says of an item's version beside its value; nil does not check it.
	About func(item string) delivery.About
}

// RunSource checks that a source keeps the contract of delivery.Source. open is called for each check.
func RunSource(t *testing.T, open func(t *testing.T) SourceCase) {
	first := map[string]string{"a": canary + "-1", "b": canary + "-2"}
	second := map[string]string{"a": canary + "-3", "b": canary + "-2"}

	t.Run("gives the snapshot, then says unchanged", func(t *testing.T) {
		c := open(t)
		c.Set(first)
		wantValues(t, fetch(t, c), first)
		for range 3 {
			c.Pass()
			if !fetch(t, c).Unchanged {
				t.Error("a source whose service holds the same did not say so")
			}
		}
	})
	t.Run("gives a change whole", func(t *testing.T) {
		c := open(t)
		c.Set(first)
		fetch(t, c)
		c.Set(second)
		c.Pass()
		wantValues(t, fetch(t, c), second)
	})
	t.Run("loses no change through a failure", func(t *testing.T) {
		c := open(t)
		c.Set(first)
		fetch(t, c)
		c.Set(second)
		c.Break()
		for range 2 {
			c.Pass()
			_ = wantFailure(t.Context(), t, c)
		}
		c.Mend()
		c.Pass()
		wantValues(t, fetch(t, c), second)
	})
	t.Run("recovers from a failure at the start", func(t *testing.T) {
		c := open(t)
		c.Set(first)
		c.Break()
		_ = wantFailure(t.Context(), t, c)
		c.Mend()
		c.Pass()
		wantValues(t, fetch(t, c), first)
	})
	t.Run("follows the others while one fails", func(t *testing.T) { failOne(t, open, first, second) })
	t.Run("says what it knows beside the values", func(t *testing.T) { sayAbout(t, open(t), first) })
	t.Run("stops with its context and goes on with the next", func(t *testing.T) {
		c := open(t)
		c.Set(first)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := wantFailure(ctx, t, c); !errors.Is(err, context.Canceled) {
			t.Errorf("the error does not wrap context.Canceled: %v", err)
		}
		c.Pass()
		wantValues(t, fetch(t, c), first)
	})
}

// sayAbout is for a source of which it is known what it says of a version.
func sayAbout(t *testing.T, c SourceCase, values map[string]string) {
	if c.About == nil {
		t.Skip("nothing is known of this source's versions")
	}
	c.Set(values)
	for item := range fetch(t, c).Snapshot.All() {
		if diff := cmp.Diff(c.About(item.Name), item.About); diff != "" {
			t.Errorf("about %s (-want +got)\n%s", item.Name, diff)
		}
	}
}

// failOne is for a source whose items are independent: "b" fails, at the start and later, and "a" is followed.
func failOne(t *testing.T, open func(t *testing.T) SourceCase, first, second map[string]string) {
	for _, started := range []bool{false, true} {
		c := open(t)
		if c.BreakItem == nil {
			t.Skip("this source gives its items whole or not at all")
		}
		if started {
			c.Set(first)
			fetch(t, c)
			c.Pass()
		}
		c.Set(second)
		c.BreakItem("b")
		answer := fetch(t, c)
		wantFailed(t, answer, "b")
		wantValues(t, answer, map[string]string{"a": second["a"]})
		c.Pass()
		if answer = fetch(t, c); !answer.Unchanged {
			t.Error("the source does not say unchanged of what is as it was")
		}
		wantFailed(t, answer, "b")
		c.Mend()
		c.Pass()
		if answer = fetch(t, c); len(answer.Failed) > 0 {
			t.Errorf("failed after it was mended: %v", answer.Failed)
		}
		if !started || !answer.Unchanged { // b has the same value as in the first snapshot
			wantValues(t, answer, second)
		}
	}
}

func wantFailed(t *testing.T, answer delivery.Answer, name string) {
	t.Helper()
	err := answer.Failed[name]
	if err == nil || len(answer.Failed) != 1 {
		t.Fatalf("failed are %v, want %s alone", answer.Failed, name)
	}
	secrettest.Find(t, err.Error(), canary)
}

func fetch(t *testing.T, c SourceCase) delivery.Answer {
	t.Helper()
	answer, err := c.Source.Fetch(t.Context())
	if err != nil {
		t.Fatalf("fetching: %v", err)
	}
	return answer
}

func wantValues(t *testing.T, answer delivery.Answer, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for item := range answer.Snapshot.All() {
		got[item.Name] = string(item.Value.Reveal())
	}
	if answer.Unchanged {
		t.Fatal("the source says unchanged")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func wantFailure(ctx context.Context, t *testing.T, c SourceCase) error {
	t.Helper()
	_, err := c.Source.Fetch(ctx)
	if err == nil {
		t.Fatal("no error")
	}
	secrettest.Find(t, err.Error(), canary)
	return err
}

// SinkCase is a sink, fresh, for the items "a" and "b".
type SinkCase struct {
	Sink delivery.Sink
	Read func() map[string]string // what a workload finds; an item that is not there is not in the map
	// Break makes the sink unable to take "b" until mend is called.
	Break func() (mend func())
	// Spoil changes what the sink has put in place, behind its back. A delivery.Checker needs it, others have none.
	Spoil func()
	// RefusesEmpty says that an empty value is an error for this sink.
	RefusesEmpty bool
}

// RunSink checks that a sink keeps the contract of delivery.Sink. open is called for each check.
func RunSink(t *testing.T, open func(t *testing.T) SinkCase) {
	first := map[string]string{"a": canary + "-1", "b": canary + "-2"}
	second := map[string]string{"a": canary + "-3", "b": canary + "-4"}

	t.Run("takes snapshots, again and changed", func(t *testing.T) {
		c := open(t)
		if c.Sink.Name() == "" {
			t.Error("the sink has no name")
		}
		for _, values := range []map[string]string{first, first, second, first} {
			if err := c.Sink.Apply(t.Context(), Snapshot(t, "v", values)); err != nil {
				t.Fatal(err)
			}
			wantRead(t, c, values)
		}
	})
	t.Run("takes nothing when it cannot take all", func(t *testing.T) {
		c := open(t)
		mend := c.Break()
		wantRefusal(t, c, second)
		if _, there := c.Read()["a"]; there {
			t.Error("half of a snapshot was taken")
		}
		mend()
		if err := c.Sink.Apply(t.Context(), Snapshot(t, "v", first)); err != nil {
			t.Fatalf("after it was mended: %v", err)
		}
		wantRead(t, c, first)
	})
	t.Run("keeps the last good values through a bad snapshot", func(t *testing.T) {
		c := open(t)
		if err := c.Sink.Apply(t.Context(), Snapshot(t, "v", first)); err != nil {
			t.Fatal(err)
		}
		if c.RefusesEmpty {
			bad := maps.Clone(second)
			bad["b"] = ""
			wantRefusal(t, c, bad)
			wantRead(t, c, first)
		}
		wantRefusal(t, c, map[string]string{"a": second["a"]})
		wantRead(t, c, first)
	})
	t.Run("knows what is in place", func(t *testing.T) { checkSink(t, open(t), first, second) })
	t.Run("does nothing when its context is done", func(t *testing.T) {
		c := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Sink.Apply(ctx, Snapshot(t, "v", first)); !errors.Is(err, context.Canceled) {
			t.Errorf("the error does not wrap context.Canceled: %v", err)
		}
		wantRead(t, c, map[string]string{})
	})
}

// checkSink is for a sink that is a delivery.Checker.
func checkSink(t *testing.T, c SinkCase, first, second map[string]string) {
	checker, ok := c.Sink.(delivery.Checker)
	if !ok {
		t.Skip("this sink cannot tell what is in place: it is no delivery.Checker")
	}
	one, two := Snapshot(t, "v", first), Snapshot(t, "v", second)
	wantLost(t, checker, one)
	for range 2 {
		if err := c.Sink.Apply(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		if err := checker.Check(t.Context(), one); err != nil {
			t.Errorf("what was applied is not in place: %v", err)
		}
		wantLost(t, checker, two)
		wantRead(t, c, first)
		c.Spoil()
		wantLost(t, checker, one)
	}
}

func wantLost(t *testing.T, c delivery.Checker, s delivery.Snapshot) {
	t.Helper()
	err := c.Check(t.Context(), s)
	if err == nil {
		t.Fatal("a snapshot that is not in place was not missed")
	}
	secrettest.Find(t, err.Error(), canary)
}

func wantRefusal(t *testing.T, c SinkCase, values map[string]string) {
	t.Helper()
	err := c.Sink.Apply(t.Context(), Snapshot(t, "bad", values))
	if err == nil {
		t.Fatal("no error")
	}
	secrettest.Find(t, err.Error(), canary)
}

func wantRead(t *testing.T, c SinkCase, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, c.Read()); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}
