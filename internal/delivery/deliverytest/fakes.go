// Package deliverytest has what tests of delivery need: a scripted source, a recording sink, and the contracts that
// every Source and every Sink must keep.
package deliverytest

import (
	"context"
	"sync"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// Snapshot makes a snapshot of names and values, all of one version.
func Snapshot(t testing.TB, version string, values map[string]string) delivery.Snapshot {
	t.Helper()
	var items []delivery.Item
	for name, value := range values {
		items = append(items, delivery.Item{Name: name, Value: secret.FromString(value), Version: version})
	}
	s, err := delivery.NewSnapshot(items...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Step is one answer of a scripted source.
type Step struct {
	Answer delivery.Answer
	Err    error
}

// Source answers by its script, step by step, and repeats the last step for ever.
type Source struct {
	mu    sync.Mutex
	steps []Step
	calls int
}

// NewSource scripts a source; there is at least one step.
func NewSource(steps ...Step) *Source { return &Source{steps: steps} }

// Fetch plays the next step, or fails when ctx is done.
func (s *Source) Fetch(ctx context.Context) (delivery.Answer, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Answer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	step := s.steps[min(s.calls, len(s.steps)-1)]
	s.calls++
	return step.Answer, step.Err
}

// Calls is how often Fetch was played.
func (s *Source) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Sink keeps what it takes in memory.
type Sink struct {
	name string

	mu    sync.Mutex
	err   error
	calls int
	taken []delivery.Snapshot
}

// NewSink makes a sink that takes everything.
func NewSink(name string) *Sink { return &Sink{name: name} }

// Name is the name given to NewSink.
func (s *Sink) Name() string { return s.name }

// Apply keeps the snapshot, unless the sink is broken.
func (s *Sink) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.err != nil {
		return s.err
	}
	s.taken = append(s.taken, snapshot)
	return nil
}

// Break makes Apply fail with err from now on; nil mends the sink.
func (s *Sink) Break(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Calls is how often Apply was called.
func (s *Sink) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Taken lists what the sink took, oldest first.
func (s *Sink) Taken() []delivery.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivery.Snapshot(nil), s.taken...)
}

// Read gives the value of every item that the sink took last.
func (s *Sink) Read() map[string]string {
	values := map[string]string{}
	taken := s.Taken()
	if len(taken) == 0 {
		return values
	}
	for item := range taken[len(taken)-1].All() {
		values[item.Name] = string(item.Value.Reveal())
	}
	return values
}
