package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

func none() float64 { return 0 }

func feed(name string, s delivery.Source, items ...delivery.Want) delivery.Feed {
	return delivery.Feed{Name: name, Source: s, Items: items}
}

// The items of several sources go to the sinks together, and only when all are there that the workload needs.
func TestFeedsAreDeliveredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := deliverytest.Snapshot(t, "1", map[string]string{"key": "k1"})
		next := deliverytest.Snapshot(t, "2", map[string]string{"key": "k2"})
		domain := deliverytest.Snapshot(t, "1", map[string]string{"domain": "d"})
		sink := deliverytest.NewSink("s")
		e := &delivery.Engine{
			Feeds: []delivery.Feed{
				feed("fast", deliverytest.NewSource(changed(key, 0), changed(next, 0), unchanged()), delivery.Want{Item: "key"}),
				feed("late", deliverytest.NewSource(down(0), down(0), changed(domain, 0), unchanged()),
					delivery.Want{Item: "domain"}),
				feed("never", deliverytest.NewSource(down(time.Hour)), delivery.Want{Item: "extra", Optional: true}),
			},
			Sinks: []delivery.Sink{sink}, Rand: none,
		}
		run(t, e)
		if s := e.Status(); s.Ready || sink.Calls() != 0 || !strings.Contains(s.NotReady[0], "item domain is not had") {
			t.Errorf("before all are there: %+v, %d applied", s, sink.Calls())
		}
		pass(3 * time.Second)
		if got := sink.Read(); got["key"] != "k1" || got["domain"] != "d" || sink.Calls() != 1 {
			t.Errorf("the sink has %v after %d calls", got, sink.Calls())
		}
		if s := e.Status(); !s.Ready || s.Items[1].LastError != errDown.Error() {
			t.Errorf("an optional item that is missing: %+v", s)
		}
		pass(30 * time.Second)
		if got := sink.Read(); got["key"] != "k2" || got["domain"] != "d" {
			t.Errorf("after a change of one the sink has %v", got)
		}
	})
}

// A source that is stuck holds up no other.
func TestStuckSourceHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := deliverytest.Snapshot(t, "1", map[string]string{"key": "k1"})
		next := deliverytest.Snapshot(t, "2", map[string]string{"key": "k2"})
		sink := deliverytest.NewSink("s")
		run(t, &delivery.Engine{
			Feeds: []delivery.Feed{
				feed("stuck", &stuck{}, delivery.Want{Item: "extra", Optional: true}),
				feed("good", deliverytest.NewSource(changed(key, 0), changed(next, 0), unchanged()), delivery.Want{Item: "key"}),
			},
			Sinks: []delivery.Sink{sink}, Rand: none,
		})
		pass(30 * time.Second)
		if got := sink.Read()["key"]; got != "k2" {
			t.Errorf("the sink has %q", got)
		}
	})
}

func partial(s delivery.Snapshot, failed map[string]error) deliverytest.Step {
	return deliverytest.Step{Answer: delivery.Answer{Snapshot: s, Failed: failed}}
}

// Of a source whose items are independent, one that fails keeps its last good value and the others move on.
func TestItemFailsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		both := deliverytest.Snapshot(t, "1", map[string]string{"a": canary + "-a1", "b": canary + "-b1"})
		onlyB := deliverytest.Snapshot(t, "2", map[string]string{"b": canary + "-b2"})
		denied := problem.New(problem.Denied, "allow it", "reading a: AccessDenied")
		still := deliverytest.Step{Answer: delivery.Answer{Unchanged: true, Failed: map[string]error{"a": denied}}}
		sink := deliverytest.NewSink("s")
		e := &delivery.Engine{
			Feeds: []delivery.Feed{feed("secrets", deliverytest.NewSource(
				partial(both, nil), partial(onlyB, map[string]error{"a": denied}), still, still, partial(both, nil), unchanged()),
				delivery.Want{Item: "a", MaxAge: time.Minute}, delivery.Want{Item: "b", MaxAge: time.Minute})},
			Sinks: []delivery.Sink{sink}, Rand: none, Log: slog.New(slog.NewJSONHandler(&out, nil)),
		}
		run(t, e)
		pass(30 * time.Second)
		if got := sink.Read(); got["a"] != canary+"-a1" || got["b"] != canary+"-b2" {
			t.Error("the good item did not move, or the bad one did")
		}
		s := e.Status()
		if !s.Ready || s.Items[0].Hint != "allow it" || s.Items[0].Stale || s.Items[1].LastError != "" {
			t.Errorf("while one fails: %+v", s)
		}
		pass(time.Minute)
		if s = e.Status(); s.Ready || !s.Items[0].Stale || s.Items[1].Stale ||
			!strings.Contains(s.NotReady[0], "item a is stale: not confirmed for 1m30s, at most 1m0s are allowed") {
			t.Errorf("past its age: %+v", s)
		}
		if got := sink.Read()["a"]; got != canary+"-a1" {
			t.Error("a stale item was taken away")
		}
		if why, stale := e.Stale("a"); !stale || why != s.NotReady[0] {
			t.Errorf("Stale says %v: %s", stale, why)
		}
		if why, stale := e.Stale("b"); stale {
			t.Errorf("Stale says of b: %s", why)
		}
		pass(30 * time.Second)
		if s = e.Status(); !s.Ready || s.Items[0].Age != 0 {
			t.Errorf("when it is had again: %+v", s)
		}
		for _, want := range []string{`"msg":"item failed, keeping its last good value","item":"a"`, `"item is had again"`} {
			if strings.Count(out.String(), want) != 1 {
				t.Errorf("the log does not say %s once: %s", want, out.String())
			}
		}
		secrettest.Find(t, out.String()+secrettest.Print(s, e), canary)
	})
}

// An item that a source no longer has goes away, unless the workload needs it.
func TestItemGoesAway(t *testing.T) {
	for _, optional := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			both := deliverytest.Snapshot(t, "1", map[string]string{"a": "1", "b": "1"})
			onlyB := deliverytest.Snapshot(t, "1", map[string]string{"b": "2"})
			sink := deliverytest.NewSink("s")
			e := &delivery.Engine{
				Feeds: []delivery.Feed{feed("f", deliverytest.NewSource(changed(both, 0), changed(onlyB, 0), unchanged()),
					delivery.Want{Item: "a", Optional: optional}, delivery.Want{Item: "b"})},
				Sinks: []delivery.Sink{sink}, Rand: none,
			}
			run(t, e)
			pass(30 * time.Second)
			_, there := sink.Read()["a"]
			if there == optional || e.Status().Ready != optional {
				t.Errorf("optional %v: the item is there: %v; %+v", optional, there, e.Status())
			}
		})
	}
}

// slow is a source whose answers take a second.
type slow struct{ *deliverytest.Source }

func (s slow) Fetch(ctx context.Context) (delivery.Answer, error) {
	time.Sleep(time.Second)
	return s.Source.Fetch(ctx)
}

// Whoever asks while a poll is under way shares the next one.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := deliverytest.Snapshot(t, "1", map[string]string{"key": "k1"})
		next := deliverytest.Snapshot(t, "2", map[string]string{"key": "k2"})
		source := deliverytest.NewSource(changed(key, time.Hour), unchanged(), changed(next, time.Hour), down(0))
		sink := deliverytest.NewSink("s")
		e := &delivery.Engine{
			Feeds: []delivery.Feed{feed("f", slow{source}, delivery.Want{Item: "key"})}, Sinks: []delivery.Sink{sink}, Rand: none,
		}
		run(t, e)
		pass(10 * time.Second)
		go func() { _ = e.Refresh(t.Context(), "key") }()
		synctest.Wait()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if err := e.Refresh(t.Context(), "key"); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		synctest.Wait()
		if source.Calls() != 3 || sink.Read()["key"] != "k2" {
			t.Errorf("%d polls, the sink has %v", source.Calls(), sink.Read())
		}
		if err := e.Refresh(t.Context(), "key"); !errors.Is(err, errDown) {
			t.Errorf("a refresh that fails says %v", err)
		}
		if err := e.Refresh(t.Context(), "nobody's"); err != nil {
			t.Errorf("nothing to refresh: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = e.Refresh(ctx, "key") // ends, whatever it says
	})
}

func TestOnceWithoutANeededItem(t *testing.T) {
	s := deliverytest.Snapshot(t, "1", map[string]string{"a": "1"})
	denied := errors.New("denied")
	for want, step := range map[string]deliverytest.Step{
		"f gives no item key": partial(s, nil),
		"denied":              partial(s, map[string]error{"key": denied}),
	} {
		sink := deliverytest.NewSink("s")
		e := &delivery.Engine{
			Feeds: []delivery.Feed{feed("f", deliverytest.NewSource(step), delivery.Want{Item: "key"})},
			Sinks: []delivery.Sink{sink},
		}
		if err := e.Once(t.Context()); err == nil || err.Error() != want || sink.Calls() != 0 {
			t.Errorf("Once = %v, want %s; %d applied", err, want, sink.Calls())
		}
	}
}

func TestStatusAsJSON(t *testing.T) {
	s := deliverytest.Snapshot(t, "1", map[string]string{"key": canary})
	e := &delivery.Engine{Feeds: of(deliverytest.NewSource(changed(s, 0))), Sinks: []delivery.Sink{deliverytest.NewSink("s")}}
	if err := e.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(e.Status())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"ready":true,"notReady":[]`, `"source":"here","version":"1"`, `"ageSeconds":0`} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("the status does not say %s: %s", want, data)
		}
	}
	secrettest.Find(t, string(data), canary)
}

// The second poll comes early by a random part of Spread, not before the source allows, and the third an interval later.
func TestSpread(t *testing.T) {
	for name, test := range map[string]struct {
		rand   float64
		after  time.Duration
		second time.Duration
	}{
		"at most":           {1, 0, 15*time.Second + 500*time.Millisecond},
		"somewhat":          {0.5, 0, 22*time.Second + 750*time.Millisecond},
		"not at all":        {0, 0, 30 * time.Second},
		"the source's word": {1, 20 * time.Second, 20*time.Second + 500*time.Millisecond},
		"longer":            {1, time.Minute, time.Minute + 500*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
				source := deliverytest.NewSource(changed(one, test.after), deliverytest.Step{
					Answer: delivery.Answer{Unchanged: true, After: test.after},
				})
				run(t, &delivery.Engine{
					Feeds: []delivery.Feed{{Name: "f", Source: source, Interval: 30 * time.Second, Spread: 15 * time.Second}},
					Rand:  func() float64 { return test.rand },
				})
				pass(test.second - time.Millisecond)
				if got := source.Calls(); got != 1 {
					t.Errorf("%d polls before %v", got, test.second)
				}
				pass(time.Millisecond)
				if got := source.Calls(); got != 2 {
					t.Errorf("%d polls at %v", got, test.second)
				}
				third := max(30*time.Second, test.after) + time.Duration(test.rand*float64(500*time.Millisecond))
				pass(third - time.Millisecond)
				if got := source.Calls(); got != 2 {
					t.Errorf("%d polls before another %v", got, third)
				}
				pass(time.Millisecond)
				if got := source.Calls(); got != 3 {
					t.Errorf("%d polls after another %v", got, third)
				}
			})
		})
	}
}
