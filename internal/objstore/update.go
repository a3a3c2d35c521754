package objstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// UpdateOptions tunes Update. Its zero value suits a busy S3 key.
type UpdateOptions struct {
	// Attempts is how many times to try at most; 0 means 100, enough for two hundred writers of one key.
	Attempts int
	// Delay is the longest wait after the first lost attempt; it doubles with each one up to MaxDelay. The waits are
	// drawn evenly between zero and that bound. 0 means 25 ms and 2 s.
	Delay, MaxDelay time.Duration
	// ExpectAbsent skips the first read and tries to create: right where the object is most likely not there yet.
	ExpectAbsent bool
	// Wait pauses for d or until ctx is done, then answers ctx's error. Nil waits on a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Rand draws from [0, 1). Nil uses math/rand/v2.
	Rand func() float64
}

func (o UpdateOptions) withDefaults() UpdateOptions {
	if o.Attempts == 0 {
		o.Attempts = 100
	}
	if o.Delay == 0 {
		o.Delay = 25 * time.Millisecond
	}
	if o.MaxDelay == 0 {
		o.MaxDelay = 2 * time.Second
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return o
}

// UpdateResult tells how an update went.
type UpdateResult struct {
	Version  Version // that holds now: written, or found by an edit that changed nothing
	Attempts int     // rounds of read, edit and swap, from 1
}

// Update reads the object, edits it and swaps it, again and again until nobody came in between.
//
// The edit sees the current body (nil and false when there is no object) and answers what to write, or ErrUnchanged to
// stop without a write, or another error, which Update returns as it is. It must be pure, for it runs once an attempt,
// and it should know its own work when it meets it: if a write lands, its reply is lost and somebody writes on top,
// the edit runs again over its own result.
//
// Losing too often is a problem.Conflict that wraps the last sentinel.
func Update(
	ctx context.Context, s Store, key string, opts UpdateOptions,
	edit func(body []byte, exists bool) (Content, error),
) (UpdateResult, error) {
	var v Version
	attempts, err := Retry(ctx, key, opts, func(attempt int) (err error) {
		v, err = updateOnce(ctx, s, key, attempt == 1 && opts.ExpectAbsent, edit)
		return err
	})
	return UpdateResult{v, attempts}, err
}

// Retry is the loop of Update for those who write the object of the key in their own way: it calls try, with the number
// of the attempt from 1, until it answers something else than a race that was Lost, and answers how often that was.
func Retry(ctx context.Context, key string, opts UpdateOptions, try func(attempt int) error) (int, error) {
	opts = opts.withDefaults()
	bound := opts.Delay
	for attempt := 1; ; attempt++ {
		err := try(attempt)
		if err == nil || !Lost(err) {
			return attempt, err
		}
		if attempt == opts.Attempts {
			return attempt, problem.New(problem.Conflict,
				"others keep writing the same object: run the command again when they are done",
				"updating %s: lost the race %d times: %w", key, attempt, err)
		}
		if err := opts.Wait(ctx, time.Duration(opts.Rand()*float64(bound))); err != nil {
			return attempt, fmt.Errorf("updating %s: waiting for another writer: %w", key, err)
		}
		bound = min(2*bound, opts.MaxDelay)
	}
}

func updateOnce(
	ctx context.Context, s Store, key string, absent bool, edit func([]byte, bool) (Content, error),
) (Version, error) {
	var old Object
	if !absent {
		var err error
		if old, err = s.Get(ctx, key); err != nil && !errors.Is(err, ErrNotFound) {
			return Version{}, err
		}
	}
	exists := !old.Version.IsZero()
	next, err := edit(old.Body, exists)
	switch {
	case errors.Is(err, ErrUnchanged):
		return old.Version, nil
	case err != nil:
		return Version{}, err
	case exists:
		return s.Replace(ctx, key, old.Version, next)
	default:
		return s.Create(ctx, key, next)
	}
}

// Lost tells a race that was lost, so that the same call may succeed later, from a failure.
func Lost(err error) bool {
	return errors.Is(err, ErrChanged) || errors.Is(err, ErrConflict) || errors.Is(err, ErrExists)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
