package ingress

import (
	"context"
	"maps"
	"sync"
	"time"
)

// Record is what happened to one record, by its id.
type Record struct {
	Signal   string    // logs, traces or metrics
	Accepted int       // how often it was accepted: more than one is a duplicate
	Refused  int       // how often it came with a key that does not live
	First    time.Time // when it was first accepted; zero when it never was
	Key      string    // fingerprint of the key that it was first accepted with
}

// Key is what came with one key, in records.
type Key struct {
	Accepted, Refused int
	First, Last       time.Time // when it was first and last accepted; zero when it never was
	LastRefused       time.Time // when it was last refused; zero when it never was
}

// Totals are the sums of a ledger at one moment. Unnamed records have no id and count nowhere else.
type Totals struct {
	Records    int // different ids that were accepted at least once
	Duplicates int // acceptances beyond the first of an id
	Refused    int // refusals of records for their key
	Unnamed    int // accepted records without an id
	Exports    int // accepted requests
	Malformed  int // requests without exactly one Authorization value of the form Bearer KEY, or without a name
	Turned     int // requests that a mode turned away: Unavailable, or a reset connection
	Keys       map[string]Key
}

// Ledger counts every record that reached the ingress. It is safe for concurrent use.
type Ledger struct {
	mu      sync.Mutex
	records map[string]*Record
	totals  Totals
	changed chan struct{} // closed and replaced at each change
}

func newLedger() *Ledger {
	return &Ledger{records: map[string]*Record{}, totals: Totals{Keys: map[string]Key{}}, changed: make(chan struct{})}
}

// Record is a copy of what is known about an id; its zero value when it never came.
func (l *Ledger) Record(id string) Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.records[id]; r != nil {
		return *r
	}
	return Record{}
}

// Totals are the sums now.
func (l *Ledger) Totals() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.copyTotals()
}

func (l *Ledger) copyTotals() Totals {
	t := l.totals
	t.Keys = maps.Clone(t.Keys)
	return t
}

// Wait returns when the totals fulfil a condition, which is asked at each change and must not call the ledger, or with
// the context's error.
func (l *Ledger) Wait(ctx context.Context, until func(Totals) bool) error {
	for {
		l.mu.Lock()
		done, changed := until(l.copyTotals()), l.changed
		l.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitAccepted returns when every one of the ids was accepted at least once, or with the context's error.
func (l *Ledger) WaitAccepted(ctx context.Context, ids ...string) error {
	return l.WaitRecords(ctx, ids, func(r Record) bool { return r.Accepted > 0 })
}

// WaitRecords returns when the record of each id was once seen to be done, or with the context's error. done must not
// call the ledger.
func (l *Ledger) WaitRecords(ctx context.Context, ids []string, done func(Record) bool) error {
	return l.Wait(ctx, func(Totals) bool {
		for ; len(ids) > 0; ids = ids[1:] {
			if r := l.records[ids[0]]; r == nil || !done(*r) {
				return false
			}
		}
		return true
	})
}

// WaitKey returns when a record was accepted with the key of this fingerprint, or with the context's error.
func (l *Ledger) WaitKey(ctx context.Context, fingerprint string) error {
	return l.Wait(ctx, func(t Totals) bool { return t.Keys[fingerprint].Accepted > 0 })
}

// change runs one change of the ledger and wakes whoever waits.
func (l *Ledger) change(edit func(*Totals)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	edit(&l.totals)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Ledger) accept(b batch, key string, now time.Time) {
	l.change(func(t *Totals) {
		t.Exports++
		t.Unnamed += b.unnamed
		for _, id := range b.ids {
			r := l.record(id, b.signal)
			if r.Accepted++; r.Accepted == 1 {
				r.First, r.Key = now, key
				t.Records++
			} else {
				t.Duplicates++
			}
		}
		k := t.Keys[key]
		k.Accepted += len(b.ids)
		if k.Last = now; k.First.IsZero() {
			k.First = now
		}
		t.Keys[key] = k
	})
}

func (l *Ledger) refuse(b batch, key string, now time.Time) {
	l.change(func(t *Totals) {
		t.Refused += len(b.ids)
		for _, id := range b.ids {
			l.record(id, b.signal).Refused++
		}
		k := t.Keys[key]
		k.Refused += len(b.ids)
		k.LastRefused = now
		t.Keys[key] = k
	})
}

// record is called with the ledger locked.
func (l *Ledger) record(id, signal string) *Record {
	r := l.records[id]
	if r == nil {
		r = &Record{Signal: signal}
		l.records[id] = r
	}
	return r
}
