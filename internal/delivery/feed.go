package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Feed is a source and what the workload wants of it. An engine follows each of its feeds on a schedule of its own.
type Feed struct {
	Name   string // unique in the engine; says where the items come from in logs, Status and metrics
	Source Source
	// Items are those that the workload wants. None means whatever the source gives, and that it must give something.
	Items []Want
	// Interval is the time between two polls; the source may ask for more. When zero it is what the source says, else
	// 30 s.
	Interval time.Duration
	// Spread is by how much, at most, the second poll comes early, at random: a fleet that was started in one instant
	// then does not poll in one instant for ever. It is less than Interval.
	Spread time.Duration
}

// Want is an item and how much the workload depends on it.
type Want struct {
	Item string
	// Optional lets the workload start without it. Nothing is delivered until every other item was had once.
	Optional bool
	// MaxAge is how long the last good value may stand in while the source does not confirm it. Past it the item is
	// stale: it stays where it is, and the engine is not ready. Zero is for ever.
	MaxAge time.Duration
}

// feed is a Feed that is followed. The engine's mutex guards what follows name.
type feed struct {
	Feed
	want map[string]Want // by item

	items     map[string]held // what was last had
	failed    map[string]error
	given     bool // a snapshot, once
	err       error
	failures  int // in a row
	polls     uint64
	lost      uint64 // polls that failed
	confirmed time.Time
	due       time.Time // of the next poll

	poke chan struct{} // of size 1: somebody asks for a poll now
	asks []chan error  // who waits for the next poll that begins
}

// held is an item and when its source last confirmed it.
type held struct {
	item      Item
	confirmed time.Time
}

func newFeed(f Feed) *feed {
	want := map[string]Want{}
	for _, w := range f.Items {
		want[w.Item] = w
	}
	return &feed{Feed: f, want: want, items: map[string]held{}, poke: make(chan struct{}, 1)}
}

// take keeps a good answer.
func (f *feed) take(a Answer, now time.Time) {
	f.confirmed, f.failed = now, a.Failed
	if !a.Unchanged {
		f.given = true
		was := f.items
		f.items = map[string]held{}
		for name := range a.Failed {
			if h, ok := was[name]; ok {
				f.items[name] = h
			}
		}
		for item := range a.Snapshot.All() {
			f.items[item.Name] = held{item: item}
		}
	}
	for name, h := range f.items {
		if a.Failed[name] == nil {
			h.confirmed = now
			f.items[name] = h
		}
	}
}

// missing names the items without which the workload cannot start.
func (f *feed) missing() []string {
	if !f.given && len(f.want) == 0 {
		return []string{"whatever " + f.Name + " gives"}
	}
	var names []string
	for _, w := range f.Items {
		if _, ok := f.items[w.Item]; !ok && !w.Optional {
			names = append(names, w.Item)
		}
	}
	return names
}

// optional says that the workload can do without whatever the feed gives.
func (f *feed) optional() bool {
	return len(f.Items) > 0 && !slices.ContainsFunc(f.Items, func(w Want) bool { return !w.Optional })
}

// why an item could not be had at the last poll; nil when it could.
func (f *feed) why(item string) error {
	if f.err != nil {
		return f.err
	}
	return f.failed[item]
}

// stale says whether the last good value of an item has stood in for too long.
func (f *feed) stale(h held, now time.Time) bool {
	most := f.want[h.item.Name].MaxAge
	return most > 0 && now.Sub(h.confirmed) > most
}

// Refresh polls the feed that gives an item now, and waits for the outcome. Callers that come while a poll is under way
// share the next one. When it returns, the sinks have been brought to what came. An item that no feed names is no
// error: there is nothing to refresh. It works while Run does.
func (e *Engine) Refresh(ctx context.Context, item string) error {
	for _, f := range e.all() {
		if _, ok := f.want[item]; !ok {
			continue
		}
		done := make(chan error, 1)
		e.mu.Lock()
		f.asks = append(f.asks, done)
		e.mu.Unlock()
		select {
		case f.poke <- struct{}{}:
		default:
		}
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// takeAsks gives those who wait for a poll that begins now.
func (e *Engine) takeAsks(f *feed) []chan error {
	e.mu.Lock()
	defer e.mu.Unlock()
	asks := f.asks
	f.asks = nil
	return asks
}

// answer tells those who asked for a poll how it ended, once the sinks have what came.
func (e *Engine) answer(asks []chan error, err error) {
	if len(asks) == 0 {
		return
	}
	e.applying.Lock() // somebody else may be at it
	defer e.applying.Unlock()
	for _, done := range asks {
		done <- err
	}
}

// Stale says whether the last good value of an item has stood in for longer than its Want allows, and why.
func (e *Engine) Stale(item string) (why string, stale bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for _, f := range e.allLocked() {
		if h, ok := f.items[item]; ok && f.stale(h, now) {
			return staleText(item, now.Sub(h.confirmed), f.want[item].MaxAge), true
		}
	}
	return "", false
}

func staleText(item string, age, most time.Duration) string {
	return fmt.Sprintf("item %s is stale: not confirmed for %v, at most %v are allowed",
		item, age.Round(time.Second), most)
}

// all are the feeds as they are followed.
func (e *Engine) all() []*feed {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.allLocked()
}

func (e *Engine) allLocked() []*feed {
	if e.feeds == nil {
		for _, f := range e.Feeds {
			e.feeds = append(e.feeds, newFeed(f))
		}
	}
	return e.feeds
}

// begin notes when the sources were first asked.
func (e *Engine) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begun = e.now()
}

// goal is what the sinks are to have; print is empty while nothing is wanted yet. The error is a Pending or nil.
func (e *Engine) goal() (wanted Snapshot, print string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sinks == nil {
		e.sinks = make([]sinkState, len(e.Sinks))
	}
	if e.print == "" { // a failure or time may have made it complete
		if err := e.wantLocked(); isPending(err) {
			return Snapshot{}, "", err
		}
	}
	return e.wanted, e.print, nil
}

// wantLocked makes what was had the wanted snapshot, once it is complete.
func (e *Engine) wantLocked() error {
	s, complete, err := e.wishLocked()
	if complete {
		e.wanted, e.print = s, s.Fingerprint()
	}
	return err
}

func isPending(err error) bool {
	_, ok := errors.AsType[*Pending](err)
	return ok
}

// wishLocked is the snapshot of all that was had, or false while something is missing that the workload needs. The
// error is a Pending while only the first word of a source of optional items is waited for.
func (e *Engine) wishLocked() (Snapshot, bool, error) {
	var items []Item
	var unheard *feed
	for _, f := range e.allLocked() {
		if len(f.missing()) > 0 {
			return Snapshot{}, false, nil
		}
		if f.polls == 0 {
			unheard = f
		}
		for h := range maps.Values(f.items) {
			items = append(items, h.item)
		}
	}
	if left := patience - e.now().Sub(e.begun); unheard != nil && e.print == "" && left > 0 {
		return Snapshot{}, false, &Pending{What: "waiting for the first answer of " + unheard.Name, In: left}
	}
	s, err := NewSnapshot(items...)
	return s, err == nil, err
}
