package loopback

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	staleEvery     = time.Second
	refreshTimeout = 10 * time.Second
)

// freshness remembers for a second whether an item may be given, so that a request need not ask the engine.
type freshness struct {
	last   atomic.Pointer[verdict]
	asking sync.Mutex
}

type verdict struct {
	at time.Time
	no *refusal // nil when the item may be given
}

// fresh refuses an item that is past its maximum age.
func (s *Sink) fresh(item string) *refusal {
	if s.config.Stale == nil {
		return nil
	}
	f := &s.items[item].freshness
	now := s.config.Now()
	if v := f.last.Load(); v.holds(now) {
		return v.no
	}
	f.asking.Lock()
	defer f.asking.Unlock()
	if v := f.last.Load(); v.holds(now) {
		return v.no
	}
	v := &verdict{at: now}
	if why, old := s.config.Stale(item); old {
		v.no = stale(item, why)
	}
	f.last.Store(v)
	return v.no
}

func (v *verdict) holds(now time.Time) bool {
	if v == nil {
		return false
	}
	age := now.Sub(v.at)
	return -staleEvery < age && age < staleEvery
}

// refresher lets one call for an item go out at a time, and not too often.
type refresher struct {
	mu     sync.Mutex
	flight chan struct{} // closed when the call under way is done; nil when there is none
	last   time.Time     // when the last one was done
	no     *refusal      // its outcome
}

// refresh asks the source of an item, or shares the outcome of a call that is under way or was just made.
func (s *Sink) refresh(ctx context.Context, item string) *refusal {
	if s.config.Refresh == nil {
		return nil
	}
	r := &s.items[item].refresher
	r.mu.Lock()
	if r.flight == nil && !r.last.IsZero() && s.config.Now().Sub(r.last) < s.config.RefreshEvery {
		defer r.mu.Unlock()
		return r.no
	}
	if r.flight == nil {
		r.flight = make(chan struct{})
		// Whoever else waits for it still wants it when this caller is gone.
		go s.call(context.WithoutCancel(ctx), item, r)
	}
	flight := r.flight
	r.mu.Unlock()
	select {
	case <-flight:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.no
	case <-ctx.Done():
		return errTimeout(item)
	}
}

func (s *Sink) call(ctx context.Context, item string, r *refresher) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	err := s.config.Refresh(ctx, item)
	if err != nil {
		s.config.Log.LogAttrs(ctx, slog.LevelWarn, "refresh failed", slog.String("item", item), slog.Any("error", err))
	}
	s.items[item].freshness.last.Store(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.no = refreshed(item, err)
	r.last = s.config.Now()
	close(r.flight)
	r.flight = nil
}

// refreshed is the outcome of a refresh, with the codes that the Secrets Manager Agent has for them.
func refreshed(item string, err error) *refusal {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout(item)
	}
	return &refusal{
		status: http.StatusBadGateway, code: "ConnectionError", item: item,
		message: "refreshing item " + item + ": " + short(err.Error()),
	}
}

func errTimeout(item string) *refusal {
	return &refusal{status: http.StatusGatewayTimeout, code: "TimeoutError", item: item, message: "Timeout"}
}
