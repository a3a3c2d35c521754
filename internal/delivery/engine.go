package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	defaultInterval = 30 * time.Second
	minBackoff      = time.Second
	maxBackoff      = time.Minute
	defaultTimeout  = time.Minute
	maxJitter       = 500 * time.Millisecond // of a regular poll, so that a change is followed within one interval
)

// Engine keeps sinks at what the source wants them to have. It is level-triggered: it compares what is wanted with what
// each sink last took, or still has where it can tell, and works on the difference, so that a missed or failed step
// mends itself. Whatever fails, the last good value stays in place.
//
// The fields are set before the first call and not changed after it. Once and Run are called by one goroutine at a
// time; Status may be called by any.
type Engine struct {
	Source Source
	Sinks  []Sink

	// Interval is the time between two polls when the source names none; 30 s when zero.
	Interval time.Duration
	// Timeout bounds one Fetch, whatever the source's own clients allow; 1 min when zero.
	Timeout time.Duration
	// Log gets names, versions and fingerprints; nil discards.
	Log *slog.Logger
	// OnChange is told when every sink has taken a new snapshot; nil is nobody. It must not call Once or Run.
	OnChange func(Change)
	// Wait returns nil when d has passed, or the error of ctx when that is done; nil is a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Rand gives numbers in [0, 1) for jitter; nil is the global generator.
	Rand func() float64
	// Now tells the time for the ages in Status; nil is time.Now.
	Now func() time.Time

	mu        sync.Mutex
	wanted    Snapshot
	print     string // fingerprint of wanted; empty before the first success
	announced Snapshot
	told      string // fingerprint of announced
	confirmed time.Time
	sourceErr error
	failures  int // of the source, in a row
	sinks     []sinkState
	retries   int // rounds in a row in which a sink failed
}

// sinkState is what is known of one sink.
type sinkState struct {
	taken string // fingerprint of the snapshot last taken; empty before the first
	err   error  // of the last Apply
}

// Once asks the source once and brings every sink to its answer. It reports whatever failed, and retries nothing.
func (e *Engine) Once(ctx context.Context) error {
	if _, err := e.fetch(ctx); err != nil {
		return err
	}
	_, err := e.apply(ctx)
	return err
}

// Run delivers until ctx is done, then returns nil. Failures are logged, shown by Status and retried: the source and
// the sinks each with exponential backoff and jitter from 1 s to 1 min, never sooner than the source allows.
func (e *Engine) Run(ctx context.Context) error {
	var untilFetch time.Duration
	for ctx.Err() == nil {
		if untilFetch <= 0 {
			var err error
			if untilFetch, err = e.fetch(ctx); err != nil && ctx.Err() == nil {
				e.log().LogAttrs(ctx, slog.LevelWarn, "source failed, keeping the last good values",
					failed(err, untilFetch)...)
			}
		}
		pause := untilFetch
		if untilApply, err := e.apply(ctx); err != nil {
			pause = min(pause, untilApply)
			if ctx.Err() == nil {
				e.log().LogAttrs(ctx, slog.LevelError, "sink failed, its last good values stay", failed(err, pause)...)
			}
		}
		if err := e.wait(ctx, pause); err != nil {
			if ctx.Err() != nil {
				break
			}
			return fmt.Errorf("waiting for the next poll: %w", err)
		}
		untilFetch -= pause
	}
	return nil //nolint:nilerr // a context that is done is how Run ends
}

// fetch asks the source and says when to ask it again.
func (e *Engine) fetch(ctx context.Context) (time.Duration, error) {
	answer, err := e.ask(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil && answer.Unchanged && e.print == "" {
		err = errors.New("the source says unchanged but has given nothing yet")
	}
	e.sourceErr = err
	if err != nil {
		e.failures++
		return max(e.backoff(e.failures), answer.After), err
	}
	if e.failures > 0 {
		e.log().InfoContext(ctx, "source answers again", slog.Int("failures", e.failures),
			slog.Bool("unchanged", answer.Unchanged))
	}
	e.failures = 0
	e.confirmed = e.now()
	if !answer.Unchanged {
		e.wanted, e.print = answer.Snapshot, answer.Snapshot.Fingerprint()
	}
	e.log().DebugContext(ctx, "source answered", slog.Bool("unchanged", answer.Unchanged),
		slog.String("fingerprint", e.print))
	delay := answer.After
	if delay <= 0 {
		delay = e.interval()
	}
	return delay + e.jitter(delay), nil
}

// ask is one Fetch that ends: a source that is stuck must not stop the engine from trying again.
func (e *Engine) ask(ctx context.Context) (Answer, error) {
	timeout := e.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := e.Source.Fetch(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %v: %w", timeout, err)
	}
	return answer, err
}

// apply brings every sink to the wanted snapshot. When one fails it says when to try again.
func (e *Engine) apply(ctx context.Context) (time.Duration, error) {
	e.mu.Lock()
	wanted, print := e.wanted, e.print
	if e.sinks == nil {
		e.sinks = make([]sinkState, len(e.Sinks))
	}
	e.mu.Unlock()
	if print == "" {
		return 0, nil // nothing is wanted yet
	}
	var errs []error
	for i, sink := range e.Sinks {
		if err := e.bring(ctx, i, wanted, print); err != nil {
			errs = append(errs, fmt.Errorf("applying to %s: %w", sink.Name(), err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		e.retries++
		return e.backoff(e.retries), err
	}
	e.retries = 0
	e.announce(ctx, wanted, print)
	return 0, nil
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
	case lost != nil:
		state.taken = ""
	}
	if err == nil && lost != nil {
		e.log().InfoContext(ctx, "sink repaired", slog.String("sink", sink.Name()), slog.String("fingerprint", print))
	}
	return err
}

// announce logs and tells a change once.
func (e *Engine) announce(ctx context.Context, s Snapshot, print string) {
	if e.told == print {
		return
	}
	change := Change{Fingerprint: print, Items: difference(e.announced, s)}
	e.announced, e.told = s, print
	for _, c := range change.Items {
		e.log().InfoContext(ctx, "item delivered", slog.String("item", c.Name), slog.String("version", c.Version),
			slog.String("fingerprint", c.Fingerprint), slog.String("was", c.OldFingerprint))
	}
	if e.OnChange != nil {
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

func (e *Engine) interval() time.Duration {
	if e.Interval > 0 {
		return e.Interval
	}
	return defaultInterval
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
