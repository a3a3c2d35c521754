package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	defaultInterval = 30 * time.Second
	minBackoff      = time.Second
	maxBackoff      = time.Minute
	defaultTimeout  = time.Minute
	maxJitter       = 500 * time.Millisecond // of a regular poll, so that a change is followed within one interval
	// patience is for how long the first delivery waits for sources of optional items to say anything at all. Without it
	// a workload would start without an item that is there, and be told of a change a moment later.
	patience = 3 * time.Second
)

// Engine keeps sinks at what the feeds want them to have. It is level-triggered: it compares what is wanted with what
// each sink last took, or still has where it can tell, and works on the difference, so that a missed or failed step
// mends itself. Whatever fails, the last good value stays in place.
//
// The fields are set before the first call and not changed after it. Once and Run are called by one goroutine at a
// time; Status and Refresh may be called by any.
type Engine struct {
	Feeds []Feed // no two of one name, and no item in two of them
	Sinks []Sink

	// Timeout bounds one Fetch, whatever the source's own clients allow; 1 min when zero.
	Timeout time.Duration
	// Log gets names, versions and fingerprints; nil discards.
	Log *slog.Logger
	// OnChange is told when every sink has taken a new snapshot; nil is nobody. It must not call the engine.
	OnChange func(Change)
	// Wait returns nil when d has passed, or the error of ctx when that is done; nil is a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Rand gives numbers in [0, 1) for jitter, to any goroutine; nil is the global generator.
	Rand func() float64
	// Now tells the time for the ages in Status; nil is time.Now.
	Now func() time.Time

	applying sync.Mutex // held by whoever brings the sinks to what is wanted
	dirty    atomic.Bool
	told     Snapshot // what OnChange knows; guarded by applying
	retries  int      // rounds in a row in which a sink failed; guarded by applying

	mu     sync.Mutex
	feeds  []*feed
	begun  time.Time // when the feeds were first looked at
	wanted Snapshot
	print  string // fingerprint of wanted; empty before the first
	sinks  []sinkState
}

// sinkState is what is known of one sink.
type sinkState struct {
	taken   string // fingerprint of the snapshot last taken; empty before the first
	err     error  // of the last Apply
	applied uint64
	failed  uint64
}

// Once asks every source once and brings every sink to the answers. It reports whatever failed, and retries nothing. A
// source of optional items alone may fail: that is logged.
func (e *Engine) Once(ctx context.Context) error {
	feeds := e.all()
	errs := make([]error, len(feeds))
	var group sync.WaitGroup
	for i, f := range feeds {
		group.Go(func() { _, errs[i] = e.fetch(ctx, f) })
	}
	group.Wait()
	for i, f := range feeds {
		if errs[i] != nil && f.optional() && ctx.Err() == nil {
			e.log().LogAttrs(ctx, slog.LevelWarn, "source failed, going on without its optional items",
				slog.Any("error", errs[i]), slog.String("hint", problem.HintOf(errs[i])), slog.String("source", f.Name))
			errs[i] = nil
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := e.missing(); err != nil {
		return err
	}
	_, err := e.apply(ctx)
	return err
}

// missing says why nothing can be delivered yet, or nil.
func (e *Engine) missing() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.feeds {
		names := f.missing()
		if len(names) == 0 {
			continue
		}
		if err := f.why(names[0]); err != nil {
			return err
		}
		return fmt.Errorf("%s gives no item %s", f.Name, names[0])
	}
	return nil
}

// Run delivers until ctx is done, then returns nil. Failures are logged, shown by Status and retried: each source and
// the sinks with exponential backoff and jitter from 1 s to 1 min, never sooner than the source allows. A source that
// is stuck holds up no other.
func (e *Engine) Run(ctx context.Context) error {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	feeds := e.all()
	e.begin()
	errs := make([]error, len(feeds))
	var group sync.WaitGroup
	for i, f := range feeds {
		group.Go(func() {
			if errs[i] = e.follow(running, f); errs[i] != nil {
				cancel() // an engine that cannot wait must not spin
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// follow polls one feed.
func (e *Engine) follow(ctx context.Context, f *feed) error {
	var untilFetch time.Duration
	for ctx.Err() == nil {
		var asks []chan error
		var polled error
		if untilFetch <= 0 {
			asks = e.takeAsks(f)
			if untilFetch, polled = e.fetch(ctx, f); polled != nil && ctx.Err() == nil {
				e.log().LogAttrs(ctx, slog.LevelWarn, "source failed, keeping the last good values",
					append(failed(polled, untilFetch), slog.String("source", f.Name))...)
			}
		}
		begun := e.now()
		pause := e.settle(ctx, untilFetch)
		e.answer(asks, polled)
		// Slow sinks take of the time to the next poll, not more than all of it.
		untilFetch = max(0, untilFetch-max(0, e.now().Sub(begun)))
		pause = min(pause, untilFetch)
		poked, err := e.pause(ctx, pause, f.poke)
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return fmt.Errorf("waiting for the next poll: %w", err)
		}
		if untilFetch -= pause; poked {
			untilFetch = 0
		}
	}
	return nil //nolint:nilerr // a context that is done is how following ends
}

// settle brings the sinks to what is wanted, says what hinders, and gives the time until that is tried again, at most
// d.
func (e *Engine) settle(ctx context.Context, d time.Duration) time.Duration {
	until, err := e.apply(ctx)
	if err == nil {
		return d
	}
	d = min(d, until)
	if isPending(err) {
		e.log().LogAttrs(ctx, slog.LevelDebug, "sink is about to follow", failed(err, d)...)
	} else if ctx.Err() == nil {
		e.log().LogAttrs(ctx, slog.LevelError, "sink failed, its last good values stay", failed(err, d)...)
	}
	return d
}

// pause waits until d has passed or somebody pokes.
func (e *Engine) pause(ctx context.Context, d time.Duration, poke <-chan struct{}) (poked bool, err error) {
	waiting, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.wait(waiting, d) }()
	defer cancel()
	select {
	case <-poke:
		return true, nil
	case err := <-done:
		return false, err
	}
}

// fetch asks a source and says when to ask it again.
func (e *Engine) fetch(ctx context.Context, f *feed) (until time.Duration, err error) {
	answer, err := e.ask(ctx, f.Source)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil && answer.Unchanged && !f.given {
		err = errors.New("the source says unchanged but has given nothing yet")
	}
	f.polls++
	f.err = err
	if err == nil {
		before := f.failed
		f.take(answer, e.now())
		if err = e.wantLocked(); isPending(err) {
			err = nil // the sinks wait, the source is fine
		}
		e.noteItems(ctx, f, before)
	}
	if err != nil {
		f.err = err
		f.failures++
		f.lost++
		until = max(e.backoff(f.failures), answer.After)
		f.due = e.now().Add(until)
		return until, err
	}
	if f.failures > 0 {
		e.log().InfoContext(ctx, "source answers again", slog.Int("failures", f.failures),
			slog.Bool("unchanged", answer.Unchanged), slog.String("source", f.Name))
	}
	f.failures = 0
	e.log().DebugContext(ctx, "source answered", slog.Bool("unchanged", answer.Unchanged),
		slog.String("fingerprint", e.print), slog.String("source", f.Name))
	until = e.regular(f, answer.After)
	f.due = e.now().Add(until)
	return until, nil
}

// noteItems says of single items that they began to fail, or that they are had again.
func (e *Engine) noteItems(ctx context.Context, f *feed, before map[string]error) {
	for name, err := range f.failed {
		if text(before[name]) != text(err) {
			e.log().WarnContext(ctx, "item failed, keeping its last good value", slog.String("item", name),
				slog.String("source", f.Name), slog.Any("error", err), slog.String("hint", problem.HintOf(err)))
		}
	}
	for name := range before {
		if f.failed[name] == nil {
			e.log().InfoContext(ctx, "item is had again", slog.String("item", name), slog.String("source", f.Name))
		}
	}
}

// ask is one Fetch that ends: a source that is stuck must not stop the engine from trying again.
func (e *Engine) ask(ctx context.Context, s Source) (Answer, error) {
	timeout := e.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := s.Fetch(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %v: %w", timeout, err)
	}
	return answer, err
}

// apply brings every sink to the wanted snapshot. When one fails or is pending it says when to try again; the error
// is a Pending only when nothing failed. Of several callers one works for all: the others need not wait for slow sinks.
func (e *Engine) apply(ctx context.Context) (until time.Duration, err error) {
	e.dirty.Store(true)
	for e.dirty.Load() && e.applying.TryLock() {
		for e.dirty.Swap(false) {
			until, err = e.applyOnce(ctx)
		}
		e.applying.Unlock() // whoever made it dirty since has seen the lock taken: look again
	}
	return until, err
}

// applyOnce is called by one goroutine at a time.
func (e *Engine) applyOnce(ctx context.Context) (time.Duration, error) {
	wanted, print, err := e.goal()
	if pending, ok := errors.AsType[*Pending](err); ok {
		return max(pending.In, minBackoff), err
	}
	if print == "" {
		return 0, nil
	}
	err = e.applyTo(ctx, wanted, print, false)
	if err == nil {
		err = e.applyTo(ctx, wanted, print, true)
	}
	if pending, ok := errors.AsType[*Pending](err); ok {
		e.retries = 0
		return max(pending.In, minBackoff), err
	}
	if err != nil {
		e.retries++
		return e.backoff(e.retries), err
	}
	e.retries = 0
	e.announce(ctx, wanted, print)
	return 0, nil
}

// applyTo brings the followers, or all other sinks, to the wanted snapshot.
func (e *Engine) applyTo(ctx context.Context, wanted Snapshot, print string, followers bool) error {
	var failures []error
	var pending error
	for i, sink := range e.Sinks {
		if _, ok := sink.(Follower); ok != followers {
			continue
		}
		err := e.bring(ctx, i, wanted, print)
		if err == nil {
			continue
		}
		err = fmt.Errorf("applying to %s: %w", sink.Name(), err)
		if isPending(err) {
			pending = err
		} else {
			failures = append(failures, err)
		}
	}
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	return pending
}

// bring makes one sink take what is wanted, unless it has it.
func (e *Engine) bring(ctx context.Context, i int, wanted Snapshot, print string) error {
	sink, state := e.Sinks[i], &e.sinks[i]
	var lost error
	if state.taken == print {
		checker, ok := sink.(Checker)
		if !ok {
			return nil
		}
		if lost = checker.Check(ctx, wanted); lost == nil || ctx.Err() != nil {
			return nil
		}
		e.log().WarnContext(ctx, "sink lost what it had, applying it again", slog.String("sink", sink.Name()),
			slog.Any("error", lost))
	}
	err := sink.Apply(ctx, wanted)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch state.err = err; {
	case err == nil:
		state.taken = print
		state.applied++
	case lost != nil:
		state.taken = ""
	}
	if err != nil && !isPending(err) {
		state.failed++
	}
	if err == nil && lost != nil {
		e.log().InfoContext(ctx, "sink repaired", slog.String("sink", sink.Name()), slog.String("fingerprint", print))
	}
	return err
}

// announce logs and tells a change once.
func (e *Engine) announce(ctx context.Context, s Snapshot, print string) {
	if len(e.told.items) > 0 && e.told.Fingerprint() == print {
		return
	}
	change := Change{Fingerprint: print, Items: difference(e.told, s)}
	e.told = s
	for _, c := range change.Items {
		e.log().InfoContext(ctx, "item delivered", slog.String("item", c.Name), slog.String("version", c.Version),
			slog.String("fingerprint", c.Fingerprint), slog.String("was", c.OldFingerprint))
	}
	if e.OnChange != nil && len(change.Items) > 0 {
		e.OnChange(change)
	}
}

// failed describes a failure that will be retried.
func failed(err error, retryIn time.Duration) []slog.Attr {
	return []slog.Attr{
		slog.Any("error", err), slog.String("hint", problem.HintOf(err)),
		slog.String("retry_in", retryIn.Round(time.Millisecond).String()),
	}
}

// backoff is the pause after n failures in a row: doubling, bounded, and half of it random.
func (e *Engine) backoff(n int) time.Duration {
	d := maxBackoff
	if shift := n - 1; shift < 6 {
		d = min(minBackoff<<shift, maxBackoff)
	}
	return d/2 + time.Duration(e.rand()*float64(d/2))
}

// jitter spreads the polls of a fleet without making anyone late.
func (e *Engine) jitter(d time.Duration) time.Duration {
	return time.Duration(e.rand() * float64(min(d/20, maxJitter)))
}

// regular is the time until the next poll after a good one: the interval, or what the server asks for if that is more.
func (e *Engine) regular(f *feed, after time.Duration) time.Duration {
	d := f.Interval
	if first := f.polls-f.lost == 1; first {
		d -= time.Duration(e.rand() * float64(f.Spread))
	}
	if d = max(d, after); d <= 0 {
		d = defaultInterval
	}
	return d + e.jitter(d)
}

func (e *Engine) log() *slog.Logger {
	if e.Log != nil {
		return e.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (e *Engine) now() time.Time {
	if e.Now != nil {
		return e.Now()
	}
	return time.Now() //nolint:forbidigo // the default of the injected clock
}

func (e *Engine) rand() float64 {
	if e.Rand != nil {
		return e.Rand()
	}
	return rand.Float64()
}

func (e *Engine) wait(ctx context.Context, d time.Duration) error {
	if e.Wait != nil {
		return e.Wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
