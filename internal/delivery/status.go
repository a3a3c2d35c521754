package delivery

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Status is what an engine holds and how it fares. It has no value in it, so it can be shown to anyone.
type Status struct {
	// Ready says that every needed item is in every sink, and that none is stale. A sink that is Pending counts with what
	// it had before, and a Follower does not count: the items are in place, whatever becomes of telling so.
	Ready       bool         `json:"ready"`
	NotReady    []string     `json:"notReady"`    // why not, a sentence each
	Fingerprint string       `json:"fingerprint"` // of the wanted snapshot; empty before the first
	Feeds       []FeedStatus `json:"sources"`
	Items       []ItemStatus `json:"items"`
	Sinks       []SinkStatus `json:"sinks"`
}

// FeedStatus is one source.
type FeedStatus struct {
	Name      string    `json:"name"`
	LastError string    `json:"lastError,omitempty"` // of the last poll; empty when it was good
	Hint      string    `json:"hint,omitempty"`      // what to do about it
	Failures  int       `json:"failures"`            // in a row
	Polls     uint64    `json:"polls"`
	Failed    uint64    `json:"failedPolls"`
	Age       Age       `json:"ageSeconds"` // since the source last answered well; 0 before that
	NextPoll  time.Time `json:"nextPoll,omitzero"`
}

// ItemStatus is one item that is wanted or was had.
type ItemStatus struct {
	Name        string `json:"name"`
	Source      string `json:"source"` // name of the feed
	Version     string `json:"version,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"` // of the value; empty before it was had
	Optional    bool   `json:"optional,omitempty"`
	Age         Age    `json:"ageSeconds"`              // since the source last confirmed it
	MaxAge      Age    `json:"maxAgeSeconds,omitempty"` // 0 is for ever
	Stale       bool   `json:"stale"`                   // older than MaxAge
	LastError   string `json:"lastError,omitempty"`     // why it could not be confirmed since
	Hint        string `json:"hint,omitempty"`
}

// SinkStatus is one sink.
type SinkStatus struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"` // of the snapshot in place; empty before the first, and when it was lost
	Applied     uint64 `json:"applied"`     // snapshots taken, repairs included
	Failed      uint64 `json:"failed"`
	LastError   string `json:"lastError,omitempty"`
	Hint        string `json:"hint,omitempty"`
}

// Age is a duration that JSON has in seconds.
type Age time.Duration

// MarshalJSON writes seconds with three decimals at most.
func (a Age) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(a).Round(time.Millisecond).Seconds(), 'f', -1, 64), nil
}

// Change says that every sink has taken a new snapshot.
type Change struct {
	Fingerprint string       // of the snapshot that is now in place
	Items       []ItemChange // those that differ, by name
}

// ItemChange is one item before and after. Fingerprint is empty for an item that is gone, OldFingerprint for a new one.
type ItemChange struct {
	Name                       string
	Version, Fingerprint       string
	OldVersion, OldFingerprint string
}

// Status is safe to call at any time, from any goroutine.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	s := Status{
		Fingerprint: e.print, NotReady: []string{}, Feeds: []FeedStatus{}, Items: []ItemStatus{}, Sinks: []SinkStatus{},
	}
	for _, f := range e.allLocked() {
		s.Feeds = append(s.Feeds, f.status(now))
		items := f.itemStatus(now)
		s.Items = append(s.Items, items...)
		s.NotReady = append(s.NotReady, f.notReady(items)...)
	}
	slices.SortFunc(s.Items, func(a, b ItemStatus) int { return cmp.Compare(a.Name, b.Name) })
	for i, sink := range e.Sinks {
		status := SinkStatus{Name: sink.Name()}
		var state sinkState
		if e.sinks != nil {
			state = e.sinks[i]
		}
		status.Fingerprint, status.Applied, status.Failed = state.taken, state.applied, state.failed
		status.LastError, status.Hint = text(state.err), problem.HintOf(state.err)
		if _, follows := sink.(Follower); !follows && !state.ready(e.print) {
			s.NotReady = append(s.NotReady, fmt.Sprintf("sink %s does not have what is wanted", status.Name))
		}
		s.Sinks = append(s.Sinks, status)
	}
	s.Ready = len(s.NotReady) == 0
	return s
}

// ready says that the workload has what is wanted, or has what was wanted before and will have the new one by itself: a
// fleet whose restarts are spread over half a minute must not be out of service for that long.
func (s sinkState) ready(wanted string) bool {
	return s.taken != "" && (s.taken == wanted || isPending(s.err))
}

func (f *feed) status(now time.Time) FeedStatus {
	s := FeedStatus{
		Name: f.Name, LastError: text(f.err), Hint: problem.HintOf(f.err), Failures: f.failures,
		Polls: f.polls, Failed: f.lost, NextPoll: f.due,
	}
	if !f.confirmed.IsZero() {
		s.Age = Age(now.Sub(f.confirmed))
	}
	return s
}

func (f *feed) itemStatus(now time.Time) []ItemStatus {
	names := map[string]bool{}
	for name := range f.want {
		names[name] = true
	}
	for name := range f.items {
		names[name] = true
	}
	var list []ItemStatus
	for name := range names {
		want, why := f.want[name], f.why(name)
		s := ItemStatus{
			Name: name, Source: f.Name, Optional: want.Optional, MaxAge: Age(want.MaxAge),
			LastError: text(why), Hint: problem.HintOf(why),
		}
		if h, ok := f.items[name]; ok {
			s.Version, s.Fingerprint = h.item.Version, h.item.Value.Fingerprint()
			s.Age, s.Stale = Age(now.Sub(h.confirmed)), f.stale(h, now)
		}
		list = append(list, s)
	}
	return list
}

// notReady says what of the feed keeps the workload from being ready.
func (f *feed) notReady(items []ItemStatus) []string {
	var reasons []string
	for _, name := range f.missing() {
		reasons = append(reasons, fmt.Sprintf("item %s is not had", name))
	}
	for _, item := range items {
		if item.Stale && !item.Optional {
			reasons = append(reasons, staleText(item.Name, time.Duration(item.Age), time.Duration(item.MaxAge)))
		}
	}
	slices.Sort(reasons)
	return reasons
}

// difference names the items that are new, gone, or have another value or version.
func difference(from, to Snapshot) []ItemChange {
	changes := map[string]ItemChange{}
	for item := range from.All() {
		changes[item.Name] = ItemChange{
			Name: item.Name, OldVersion: item.Version,
			OldFingerprint: item.Value.Fingerprint(),
		}
	}
	for item := range to.All() {
		c := changes[item.Name]
		c.Name, c.Version, c.Fingerprint = item.Name, item.Version, item.Value.Fingerprint()
		changes[item.Name] = c
	}
	maps.DeleteFunc(changes, func(_ string, c ItemChange) bool {
		return c.Version == c.OldVersion && c.Fingerprint == c.OldFingerprint
	})
	names := slices.Sorted(maps.Keys(changes))
	list := make([]ItemChange, len(names))
	for i, name := range names {
		list[i] = changes[name]
	}
	return list
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
