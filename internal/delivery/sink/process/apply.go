package process

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// askAgain is when a restart whose delay is over is worth asking for.
const askAgain = time.Second

// Apply starts the workload, or has it restarted when a variable changes. Its errors are a delivery.Pending when a
// restart is under way, ErrEnded when the workload is over, and else what stands in the way; ExitCode tells what a
// command that cannot be started has as its code.
func (s *Sink) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	env, err := s.environment(snapshot)
	if err != nil {
		return err
	}
	s.mu.Lock()
	over, delay, err := s.bringLocked(env)
	s.mu.Unlock()
	if err != nil || over == nil {
		return err
	}
	if delay > 0 {
		return &delivery.Pending{What: "the workload is to be restarted with the new values", In: delay}
	}
	select {
	case <-over:
		return s.outcome(env)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bringLocked starts the workload with env, or sees to it that it is restarted: over is closed when that has happened,
// which begins after the delay. Both are zero when env is in place.
func (s *Sink) bringLocked(env environment) (over <-chan struct{}, delay time.Duration, err error) {
	if s.life.Err() != nil {
		return nil, 0, problem.New(problem.Failed, "", "taking new values: %w", ErrEnded)
	}
	if s.child != nil && !s.child.stopping && s.child.env.equal(env) {
		s.wanted = env // which calls off a restart that waits
		return nil, 0, nil
	}
	cmd, err := s.command(env)
	if err != nil {
		return nil, 0, err
	}
	if s.restarting != nil {
		s.wanted = env
		return s.restarting, askAgain, nil
	}
	if s.child == nil {
		return nil, 0, s.startLocked(cmd, env)
	}
	s.wanted, s.restarting = env, make(chan struct{})
	if s.c.Stagger > 0 {
		delay = time.Duration(s.c.Rand() * float64(s.c.Stagger))
	}
	s.c.Log.InfoContext(s.life, "workload is to be restarted with new values", slog.String("in", seconds(delay)),
		slog.Any("variables", changed(s.child.env, env)))
	go s.restart(delay)
	return s.restarting, delay, nil
}

// restart waits, then replaces the child by one that has what is wanted by then.
func (s *Sink) restart(delay time.Duration) {
	var interrupted error
	if delay > 0 {
		interrupted = s.c.Wait(s.life, delay)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		close(s.restarting)
		s.restarting = nil
	}()
	c := s.child
	if interrupted != nil || s.life.Err() != nil || c.ended.Err() != nil || c.env.equal(s.wanted) {
		return
	}
	if _, err := s.command(s.wanted); err != nil {
		s.failed(err)
		return // the old child stays
	}
	c.stopping = true
	s.mu.Unlock()
	s.stop(c)
	s.mu.Lock()
	if s.life.Err() != nil { // it was told to end meanwhile
		s.finishLocked(c.exit)
		return
	}
	s.child = nil
	cmd, err := s.command(s.wanted)
	if err == nil {
		err = s.startLocked(cmd, s.wanted)
	}
	if err != nil {
		s.failed(err)
	}
}

// failed logs what stops a restart. The next Apply meets it again and returns it.
func (s *Sink) failed(err error) {
	s.c.Log.ErrorContext(s.life, "workload cannot be restarted", slog.Any("error", err),
		slog.String("hint", problem.HintOf(err)))
}

// outcome says whether a restart that is over has brought env.
func (s *Sink) outcome(env environment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.life.Err() != nil:
		return problem.New(problem.Failed, "", "taking new values: %w", ErrEnded)
	case s.child == nil || !s.child.env.equal(env):
		return fmt.Errorf("the workload was not restarted with the new values; the log says why")
	}
	return nil
}

// changed names the variables that differ.
func changed(from, to environment) []string {
	was := map[string]setting{}
	for _, s := range from {
		was[s.name] = s
	}
	var names []string
	for _, s := range to {
		if old, ok := was[s.name]; !ok || !old.value.Equal(s.value) {
			names = append(names, s.name)
		}
		delete(was, s.name)
	}
	for _, s := range from {
		if _, gone := was[s.name]; gone {
			names = append(names, s.name)
		}
	}
	return names
}

func seconds(d time.Duration) string { return d.Round(time.Millisecond).String() }
