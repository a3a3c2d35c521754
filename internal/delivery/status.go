package delivery

import (
	"maps"
	"slices"
	"time"
)

// Status is what an engine holds and how it fares. It has no value in it, so it can be shown to anyone.
type Status struct {
	Fingerprint string        `json:"fingerprint"`         // of the wanted snapshot; empty before the first success
	LastError   string        `json:"lastError,omitempty"` // of the source's last answer; empty when it was good
	Failures    int           `json:"failures"`            // of the source, in a row
	Age         time.Duration `json:"age"`                 // since the source last answered well; 0 before that
	Items       []ItemStatus  `json:"items"`
	Sinks       []SinkStatus  `json:"sinks"`
}

// ItemStatus is one item of the wanted snapshot.
type ItemStatus struct {
	Name        string        `json:"name"`
	Version     string        `json:"version"`
	Fingerprint string        `json:"fingerprint"`         // of the value
	Age         time.Duration `json:"age"`                 // since the source last confirmed it
	LastError   string        `json:"lastError,omitempty"` // why it could not be confirmed since
}

// SinkStatus is one sink.
type SinkStatus struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"` // of the snapshot in place; empty before the first, and when it was lost
	LastError   string `json:"lastError,omitempty"`
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
	s := Status{
		Fingerprint: e.print, LastError: text(e.sourceErr), Failures: e.failures,
		Items: []ItemStatus{}, Sinks: []SinkStatus{},
	}
	if !e.confirmed.IsZero() {
		s.Age = e.now().Sub(e.confirmed)
	}
	for item := range e.wanted.All() {
		s.Items = append(s.Items, ItemStatus{
			Name: item.Name, Version: item.Version,
			Fingerprint: item.Value.Fingerprint(), Age: s.Age, LastError: s.LastError,
		})
	}
	for i, sink := range e.Sinks {
		status := SinkStatus{Name: sink.Name()}
		if e.sinks != nil {
			status.Fingerprint, status.LastError = e.sinks[i].taken, text(e.sinks[i].err)
		}
		s.Sinks = append(s.Sinks, status)
	}
	return s
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
