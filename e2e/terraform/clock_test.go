package terraform_test

import (
	"context"
	"sync"
	"time"
)

// clock is the machine's, set forward by what the test says. It is safe for concurrent use.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
	moved chan struct{} // closed when the clock is set forward
}

func newClock() *clock { return &clock{moved: make(chan struct{})} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Wait returns when the clock was set forward by d, or ctx is done.
func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for until := c.ahead + d; c.ahead < until; {
		moved := c.moved
		c.mu.Unlock()
		var err error
		select {
		case <-moved:
		case <-ctx.Done():
			err = ctx.Err()
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// Forward sets the clock forward.
func (c *clock) Forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
	close(c.moved)
	c.moved = make(chan struct{})
}
