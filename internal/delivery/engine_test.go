package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

const canary = "CANARY-not-a-real-key"

var errDown = errors.New("service down")

// half is the middle of every jitter: a backoff of d waits ¾ d, a poll of d waits d + min(d/20, 500 ms)/2.
func half() float64 { return 0.5 }

func changed(s delivery.Snapshot, after time.Duration) deliverytest.Step {
	return deliverytest.Step{Answer: delivery.Answer{Snapshot: s, After: after}}
}

func unchanged() deliverytest.Step {
	return deliverytest.Step{Answer: delivery.Answer{Unchanged: true}}
}

// of is a feed of everything that a source gives.
func of(s delivery.Source) []delivery.Feed { return []delivery.Feed{{Name: "here", Source: s}} }

func down(after time.Duration) deliverytest.Step {
	return deliverytest.Step{Err: errDown, Answer: delivery.Answer{After: after}}
}

// run starts the engine in a bubble and stops it when the test ends.
func run(t *testing.T, e *delivery.Engine) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	synctest.Wait()
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRunFollowsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one", "domain": "d"})
		two := deliverytest.Snapshot(t, "2", map[string]string{"key": "two", "domain": "d"})
		sink := deliverytest.NewSink("s")
		var changes []delivery.Change
		run(t, &delivery.Engine{
			Feeds: of(deliverytest.NewSource(changed(one, 0), unchanged(), changed(two, 0), unchanged())),
			Sinks: []delivery.Sink{sink}, Rand: half,
			OnChange: func(c delivery.Change) { changes = append(changes, c) },
		})
		if got := sink.Read()["key"]; got != "one" {
			t.Errorf("at the start the sink has %q", got)
		}
		pass(60 * time.Second)
		if got := sink.Read()["key"]; got != "one" {
			t.Errorf("after one poll the sink has %q", got)
		}
		pass(time.Second)
		if got := sink.Read()["key"]; got != "two" {
			t.Errorf("after two polls the sink has %q", got)
		}
		pass(time.Hour)
		if got := sink.Calls(); got != 2 {
			t.Errorf("the sink was called %d times, want 2", got)
		}
		if len(changes) != 2 || len(changes[0].Items) != 2 || changes[1].Fingerprint != two.Fingerprint() {
			t.Fatalf("changes %+v", changes)
		}
		want := []delivery.ItemChange{
			{
				Name: "domain", Version: "2", OldVersion: "1",
				Fingerprint: fingerprint("d"), OldFingerprint: fingerprint("d"),
			},
			{
				Name: "key", Version: "2", OldVersion: "1",
				Fingerprint: fingerprint("two"), OldFingerprint: fingerprint("one"),
			},
		}
		if diff := cmp.Diff(want, changes[1].Items); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func fingerprint(s string) string { return secret.FromString(s).Fingerprint() }

func TestRunKeepsTheLastGoodValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
		source := deliverytest.NewSource(changed(one, 10*time.Second), down(0))
		sink := deliverytest.NewSink("s")
		e := &delivery.Engine{Feeds: of(source), Sinks: []delivery.Sink{sink}, Rand: half}
		run(t, e)
		pass(10*time.Second + 500*time.Millisecond)
		status := e.Status()
		if f := status.Feeds[0]; f.LastError != errDown.Error() || time.Duration(f.Age) < 10*time.Second || f.Failures != 1 {
			t.Errorf("status %+v", status)
		}
		if len(status.Items) != 1 || status.Items[0].LastError == "" || status.Items[0].Version != "1" {
			t.Errorf("items %+v", status.Items)
		}
		calls := source.Calls()
		pass(10 * time.Minute)
		if got := sink.Read()["key"]; got != "one" || sink.Calls() != 1 {
			t.Errorf("the sink has %q after %d calls", got, sink.Calls())
		}
		// ¾ of 1, 2, 4 … 32 s take 47 s; then ¾ of 60 s each.
		if more := source.Calls() - calls; more < 15 || more > 19 {
			t.Errorf("%d calls in ten minutes of failure: the backoff does not grow or is not bounded", more)
		}
	})
}

func TestRunObeysTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
		source := deliverytest.NewSource(changed(one, time.Hour), down(30*time.Minute), unchanged())
		e := &delivery.Engine{Feeds: of(source), Rand: func() float64 { return 0 }}
		run(t, e)
		for _, step := range []struct {
			pass  time.Duration
			calls int
		}{{59*time.Minute + 59*time.Second, 1}, {time.Second, 2}, {30*time.Minute - time.Second, 2}, {time.Second, 3}} {
			pass(step.pass)
			if got := source.Calls(); got != step.calls {
				t.Fatalf("%d calls, want %d", got, step.calls)
			}
		}
		if s := e.Status().Feeds[0]; s.LastError != "" || s.Failures != 0 {
			t.Errorf("after a good answer: %+v", s)
		}
	})
}

func TestRunRetriesAFailedSinkWithoutAskingTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
		source := deliverytest.NewSource(changed(one, time.Hour))
		good, bad := deliverytest.NewSink("good"), deliverytest.NewSink("bad")
		bad.Break(errDown)
		var changes int
		e := &delivery.Engine{
			Feeds: of(source), Sinks: []delivery.Sink{bad, good}, Rand: half,
			OnChange: func(delivery.Change) { changes++ },
		}
		run(t, e)
		pass(5 * time.Second)
		if good.Calls() != 1 || good.Read()["key"] != "one" {
			t.Errorf("the good sink was called %d times", good.Calls())
		}
		if bad.Calls() != 3 || changes != 0 {
			t.Errorf("the bad sink was called %d times, %d changes were told", bad.Calls(), changes)
		}
		if s := e.Status(); s.Sinks[0].LastError == "" || s.Sinks[0].Fingerprint != "" || s.Sinks[1].LastError != "" {
			t.Errorf("sinks %+v", s.Sinks)
		}
		bad.Break(nil)
		pass(time.Minute)
		if bad.Read()["key"] != "one" || changes != 1 || source.Calls() != 1 {
			t.Errorf("mended: %v, %d changes, %d calls", bad.Read(), changes, source.Calls())
		}
	})
}

// stuck is a source that answers nothing until its context is done.
type stuck struct{ calls int }

func (s *stuck) Fetch(ctx context.Context) (delivery.Answer, error) {
	s.calls++
	<-ctx.Done()
	return delivery.Answer{}, ctx.Err()
}

// A source that never answers is given up and asked again, and both are said.
func TestRunGivesUpASourceThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		source := &stuck{}
		e := &delivery.Engine{Feeds: of(source), Rand: half, Log: slog.New(slog.NewJSONHandler(&out, nil))}
		run(t, e)
		pass(time.Minute)
		const want = "no answer within 1m0s: context deadline exceeded"
		if s := e.Status().Feeds[0]; s.LastError != want || s.Failures != 1 {
			t.Errorf("status %+v", s)
		}
		if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), `"retry_in":"750ms"`) {
			t.Errorf("the log says %s", out.String())
		}
		pass(time.Second)
		if source.calls != 2 {
			t.Errorf("asked %d times", source.calls)
		}
	})
}

func TestOnceGivesUpASourceThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &delivery.Engine{Feeds: of(&stuck{}), Timeout: 5 * time.Second}
		if err := e.Once(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Once = %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Once(ctx); err == nil || err.Error() != "context canceled" {
			t.Errorf("Once with a context that is done = %v", err)
		}
	})
}

func TestRunSaysThatTheSourceRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := deliverytest.Snapshot(t, "1", map[string]string{"key": canary})
		e := &delivery.Engine{
			Feeds: of(deliverytest.NewSource(changed(s, 0), down(0), down(0), unchanged())), Rand: half,
			Log: slog.New(slog.NewJSONHandler(&out, nil)),
		}
		run(t, e)
		pass(10 * time.Minute)
		const want = `"msg":"source answers again","failures":2,"unchanged":true,"source":"here"`
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("the log does not say %s once: %s", want, out.String())
		}
	})
}

// A sink that is in trouble for long does not keep the engine from asking the source in time.
func TestRunAsksTheSourceWhileASinkFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
		source := deliverytest.NewSource(changed(one, 10*time.Second), changed(one, 10*time.Second))
		bad := deliverytest.NewSink("bad")
		bad.Break(errDown)
		run(t, &delivery.Engine{Feeds: of(source), Sinks: []delivery.Sink{bad}, Rand: func() float64 { return 0 }})
		pass(10*time.Minute + time.Second)
		if got := source.Calls(); got != 61 {
			t.Errorf("asked %d times in ten minutes, want 61", got)
		}
	})
}

// careful is a sink that knows whether it still has what it took.
type careful struct {
	*deliverytest.Sink

	mu     sync.Mutex
	lost   error
	checks int
}

func (s *careful) Check(context.Context, delivery.Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks++
	return s.lost
}

func (s *careful) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	err := s.Sink.Apply(ctx, snapshot)
	if err == nil {
		s.lose(nil)
	}
	return err
}

func (s *careful) lose(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = why
}

func (s *careful) state() (checks int, lost error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checks, s.lost
}

// What a sink lost is put back at the next poll, whether or not the source answers, and told to the log alone.
func TestRunRepairsASink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var changes int
		s := deliverytest.Snapshot(t, "1", map[string]string{"key": canary})
		sink := &careful{Sink: deliverytest.NewSink("s")}
		e := &delivery.Engine{
			Feeds: of(deliverytest.NewSource(changed(s, 0), unchanged(), unchanged(), down(0))), Rand: half,
			Sinks: []delivery.Sink{sink}, Log: slog.New(slog.NewJSONHandler(&out, nil)),
			OnChange: func(delivery.Change) { changes++ },
		}
		run(t, e)
		pass(31 * time.Second)
		if checks, _ := sink.state(); sink.Calls() != 1 || checks != 1 {
			t.Errorf("%d applied, %d checked", sink.Calls(), checks)
		}
		sink.lose(errors.New("the file is gone"))
		pass(30 * time.Second)
		if sink.Calls() != 2 || changes != 1 {
			t.Errorf("%d applied, %d changes told", sink.Calls(), changes)
		}
		sink.lose(errors.New("gone again"))
		sink.Break(errDown)
		pass(31 * time.Second)
		if got := e.Status().Sinks[0]; got.Fingerprint != "" || got.LastError != errDown.Error() {
			t.Errorf("while it cannot be repaired: %+v", got)
		}
		sink.Break(nil)
		pass(time.Minute)
		_, lost := sink.state()
		if got := e.Status().Sinks[0]; got.Fingerprint != s.Fingerprint() || lost != nil {
			t.Errorf("repaired: %+v", got)
		}
		for _, want := range []string{"the file is gone", `"msg":"sink repaired","sink":"s"`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the log does not say %s: %s", want, out.String())
			}
		}
	})
}

func TestRunStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		e := &delivery.Engine{Feeds: of(deliverytest.NewSource(down(24 * time.Hour)))}
		if err := e.Run(ctx); err != nil {
			t.Errorf("a clean stop gave %v", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("stopped after %v", took)
		}
	})
}

func TestRunEndsWhenWaitingFails(t *testing.T) {
	e := &delivery.Engine{
		Feeds: of(deliverytest.NewSource(down(0))),
		Wait:  func(context.Context, time.Duration) error { return errDown },
	}
	if err := e.Run(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("Run = %v", err)
	}
}

func TestOnce(t *testing.T) {
	one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
	broken := deliverytest.NewSink("broken")
	broken.Break(errDown)
	tests := []struct {
		name   string
		source *deliverytest.Source
		sink   *deliverytest.Sink
		want   string
	}{
		{"good", deliverytest.NewSource(changed(one, 0)), deliverytest.NewSink("s"), "<nil>"},
		{"source down", deliverytest.NewSource(down(0)), deliverytest.NewSink("s"), "service down"},
		{"sink down", deliverytest.NewSource(changed(one, 0)), broken, "applying to broken: service down"},
		{
			"liar", deliverytest.NewSource(unchanged()), deliverytest.NewSink("s"),
			"the source says unchanged but has given nothing yet",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := &delivery.Engine{Feeds: of(test.source), Sinks: []delivery.Sink{test.sink}}
			if got := fmt.Sprint(e.Once(t.Context())); got != test.want {
				t.Errorf("Once = %s, want %s", got, test.want)
			}
			if test.source.Calls() != 1 {
				t.Errorf("the source was asked %d times", test.source.Calls())
			}
		})
	}
}

// The fake sink keeps the contract, so that what is tested with it holds for the real ones.
func TestSinkContract(t *testing.T) {
	deliverytest.RunSink(t, func(t *testing.T) deliverytest.SinkCase {
		sink := deliverytest.NewSink("fake")
		picky := pickySink{sink}
		return deliverytest.SinkCase{Sink: picky, Read: sink.Read, Break: func() func() {
			sink.Break(errDown)
			return func() { sink.Break(nil) }
		}}
	})
}

// pickySink needs the items a and b, as the contract's cases do.
type pickySink struct{ *deliverytest.Sink }

func (s pickySink) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	for _, name := range []string{"a", "b"} {
		if _, ok := snapshot.Get(name); !ok {
			return fmt.Errorf("item %s is missing", name)
		}
	}
	return s.Sink.Apply(ctx, snapshot)
}
