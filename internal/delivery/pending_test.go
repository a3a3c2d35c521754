package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
)

// follower is a sink that acts on what the others took.
type follower struct{ *deliverytest.Sink }

func (follower) Follows() {}

// A follower is placed first here, and still gets nothing before the others have it.
func TestRunAppliesFollowersLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
		hook, file := follower{deliverytest.NewSink("hook")}, deliverytest.NewSink("file")
		file.Break(errDown)
		changes := 0
		e := &delivery.Engine{
			Feeds: of(deliverytest.NewSource(changed(one, 0), unchanged())), Sinks: []delivery.Sink{hook, file}, Rand: half,
			OnChange: func(delivery.Change) { changes++ },
		}
		run(t, e)
		pass(5 * time.Minute)
		if file.Calls() < 3 || hook.Calls() != 0 {
			t.Errorf("file was called %d times, hook %d times", file.Calls(), hook.Calls())
		}
		file.Break(nil)
		hook.Break(errDown)
		pass(5 * time.Minute)
		if taken := len(file.Taken()); taken != 1 || hook.Calls() < 3 || changes != 0 {
			t.Errorf("file took %d snapshots, hook was called %d times, %d changes told", taken, hook.Calls(), changes)
		}
		hook.Break(nil)
		pass(time.Minute)
		if len(hook.Taken()) != 1 || changes != 1 || e.Status().Sinks[0].Fingerprint != one.Fingerprint() {
			t.Errorf("hook took %v, %d changes told, status %+v", hook.Taken(), changes, e.Status())
		}
	})
}

// A sink that is pending is asked when it says, is not counted as failed, and is not taken for one that has it.
func TestRunAsksAPendingSinkAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
		process, hook := deliverytest.NewSink("process"), follower{deliverytest.NewSink("hook")}
		process.Break(fmt.Errorf("told: %w", &delivery.Pending{What: "restarts soon", In: 7 * time.Second}))
		var log bytes.Buffer
		e := &delivery.Engine{
			Feeds: of(deliverytest.NewSource(changed(one, 0), unchanged())), Sinks: []delivery.Sink{process, hook}, Rand: half,
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		run(t, e)
		pass(7*time.Second - 1)
		if process.Calls() != 1 || !strings.Contains(e.Status().Sinks[0].LastError, "restarts soon") {
			t.Errorf("asked %d times; status %+v", process.Calls(), e.Status())
		}
		pass(7 * time.Second)
		if process.Calls() != 2 || hook.Calls() != 0 || e.Status().Sinks[0].Fingerprint != "" {
			t.Errorf("asked %d times, hook %d times; status %+v", process.Calls(), hook.Calls(), e.Status())
		}
		process.Break(nil)
		pass(7 * time.Second)
		if len(process.Taken()) != 1 || len(hook.Taken()) != 1 {
			t.Errorf("process took %v, hook %v", process.Taken(), hook.Taken())
		}
		if strings.Contains(log.String(), "ERROR") || strings.Contains(log.String(), "WARN") {
			t.Errorf("logged as a failure:\n%s", &log)
		}
	})
}

// A failure beside a pending sink is still a failure, with its backoff; a pending sink that says zero is not asked in a
// tight loop.
func TestRunPendingBesideAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
		process, file := deliverytest.NewSink("process"), deliverytest.NewSink("file")
		process.Break(&delivery.Pending{What: "restarts soon"})
		file.Break(errDown)
		var log bytes.Buffer
		e := &delivery.Engine{
			Feeds: of(deliverytest.NewSource(changed(one, 0), unchanged())), Sinks: []delivery.Sink{process, file}, Rand: half,
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		run(t, e)
		if !strings.Contains(log.String(), "service down") || strings.Contains(log.String(), "restarts soon") {
			t.Errorf("log:\n%s", &log)
		}
		file.Break(nil)
		before := process.Calls()
		pass(20 * time.Second)
		if calls := process.Calls() - before; calls < 18 || calls > 21 {
			t.Errorf("asked %d times in 20 s", calls)
		}
		process.Break(nil)
		pass(time.Second)
		if err := e.Once(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
