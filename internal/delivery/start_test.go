package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
)

// afterwards answers after a while.
type afterwards struct {
	delivery.Source
	after time.Duration
}

func (s *afterwards) Fetch(ctx context.Context) (delivery.Answer, error) {
	select {
	case <-time.After(s.after):
		return s.Source.Fetch(ctx)
	case <-ctx.Done():
		return delivery.Answer{}, ctx.Err()
	}
}

// The first delivery waits a moment for optional items: a workload is not started without one that is there, only to be
// started again. A source that failed, or says nothing for long, is not waited for.
func TestFirstDeliveryHasWhatIsThere(t *testing.T) {
	key := deliverytest.Snapshot(t, "1", map[string]string{"key": "k"})
	extra := deliverytest.Snapshot(t, "1", map[string]string{"extra": "e"})
	for name, c := range map[string]struct {
		after time.Duration
		step  deliverytest.Step
		at    time.Duration // of the first delivery
		items int           // in it
	}{
		"it comes soon":  {time.Second, changed(extra, 0), time.Second, 2},
		"it fails":       {2 * time.Second, down(0), 2 * time.Second, 1},
		"it is not soon": {time.Minute / 2, changed(extra, 0), 3 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := deliverytest.NewSink("s")
				run(t, &delivery.Engine{
					Feeds: []delivery.Feed{
						feed("needed", deliverytest.NewSource(changed(key, 0), unchanged()), delivery.Want{Item: "key"}),
						feed("extra", &afterwards{deliverytest.NewSource(c.step, unchanged()), c.after},
							delivery.Want{Item: "extra", Optional: true}),
					},
					Sinks: []delivery.Sink{sink}, Rand: none,
				})
				pass(c.at - 1)
				if sink.Calls() != 0 {
					t.Errorf("delivered %v too early", sink.Read())
				}
				pass(1)
				if sink.Calls() != 1 || len(sink.Read()) != c.items {
					t.Errorf("after %v the sink was called %d times and has %v", c.at, sink.Calls(), sink.Read())
				}
			})
		})
	}
}

// Once does without optional items as Run does, and says so.
func TestOnceWithoutOptionalItems(t *testing.T) {
	key := deliverytest.Snapshot(t, "1", map[string]string{"key": "k"})
	for _, optional := range []bool{true, false} {
		sink := deliverytest.NewSink("s")
		var log bytes.Buffer
		e := &delivery.Engine{
			Feeds: []delivery.Feed{
				feed("needed", deliverytest.NewSource(changed(key, 0)), delivery.Want{Item: "key"}),
				feed("extra", deliverytest.NewSource(down(0)), delivery.Want{Item: "extra", Optional: optional}),
			},
			Sinks: []delivery.Sink{sink}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		err := e.Once(t.Context())
		if optional && (err != nil || sink.Read()["key"] != "k" || !strings.Contains(log.String(), errDown.Error())) {
			t.Errorf("optional: %v, the sink has %v, log %s", err, sink.Read(), &log)
		}
		if !optional && (!errors.Is(err, errDown) || sink.Calls() != 0) {
			t.Errorf("needed: %v, the sink was called %d times", err, sink.Calls())
		}
	}
}

// While a restart is put off the workload has what it had, and stays in service; a hook that fails takes nothing away.
// A sink that has nothing yet, or refuses what is new, is not ready.
func TestReadiness(t *testing.T) {
	one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
	two := deliverytest.Snapshot(t, "2", map[string]string{"key": "two"})
	pending := &delivery.Pending{What: "restarts soon", In: time.Second}
	for _, c := range []struct {
		name          string
		process, hook error // from the first snapshot on, or from the second
		second        bool
		ready         bool
	}{
		{"all is well", nil, nil, true, true},
		{"pending before the first", pending, nil, false, false},
		{"pending after it", pending, nil, true, true},
		{"refused after it", errDown, nil, true, false},
		{"the hook fails at the first", nil, errDown, false, true},
		{"the hook fails after it", nil, errDown, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				process, hook := deliverytest.NewSink("process"), follower{deliverytest.NewSink("hook")}
				e := &delivery.Engine{
					Feeds: of(deliverytest.NewSource(changed(one, 0), changed(two, 0), unchanged())),
					Sinks: []delivery.Sink{process, hook}, Rand: none,
				}
				broken := func() { process.Break(c.process); hook.Break(c.hook) }
				if !c.second {
					broken()
				}
				run(t, e)
				pass(0)
				if c.second {
					broken()
					pass(30 * time.Second)
				}
				if s := e.Status(); s.Ready != c.ready {
					t.Errorf("ready %v: %q", s.Ready, s.NotReady)
				}
			})
		})
	}
}

// sluggish takes its time to fail.
type sluggish struct{ *deliverytest.Sink }

func (s sluggish) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	time.Sleep(20 * time.Second)
	return s.Sink.Apply(ctx, snapshot)
}

// A sink that is slow to fail does not put off the polls.
func TestSlowSinkDoesNotDelayPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
		sink := sluggish{deliverytest.NewSink("slow")}
		sink.Break(errDown)
		source := deliverytest.NewSource(changed(one, 0), unchanged())
		e := &delivery.Engine{
			Feeds: []delivery.Feed{{Name: "here", Source: source, Interval: 10 * time.Minute}},
			Sinks: []delivery.Sink{sink}, Rand: none,
		}
		run(t, e)
		pass(time.Hour)
		if late := time.Since(e.Status().Feeds[0].NextPoll); source.Calls() < 6 || late > 20*time.Second {
			t.Errorf("asked %d times in an hour, the next poll is late by %v", source.Calls(), late)
		}
	})
}
