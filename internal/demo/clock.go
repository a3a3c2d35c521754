package demo

import (
	"context"
	"sync"
	"time"
)

// warp is a clock that runs faster than the machine's, so that a rollout of minutes passes in seconds. Its speed can be
// changed while it runs; it never jumps and never goes back. It is safe for concurrent use.
type warp struct {
	now   func() time.Time // the machine's clock
	mu    sync.Mutex
	real  time.Time // when the speed was last set, by the machine's clock
	told  time.Time // what the warp told at that moment
	speed float64
}

func newWarp(now func() time.Time, speed float64) *warp {
	start := now()
	return &warp{now: now, real: start, told: start, speed: speed}
}

// Now is the warped time.
func (w *warp) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nowLocked()
}

func (w *warp) nowLocked() time.Time {
	return w.told.Add(time.Duration(float64(w.now().Sub(w.real)) * w.speed))
}

// SetSpeed changes how many warped seconds pass in one second.
func (w *warp) SetSpeed(speed float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told, w.real = w.nowLocked(), w.now()
	w.speed = speed
}

// Wait waits until d of warped time has passed or ctx is done.
func (w *warp) Wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	speed := w.speed
	w.mu.Unlock()
	timer := time.NewTimer(time.Duration(float64(d) / speed))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
