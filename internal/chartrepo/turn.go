package chartrepo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

// heavyIndex is an index, in bytes, that nobody moves in vain: whoever publishes into one that large waits in line
// first, and those that wait look once more for each so many bytes before they move up.
const heavyIndex = 2 << 20

// Looks cost little: they come in quick succession, so that the last in line waits for nobody too long, and there are
// two minutes of them before a publisher gives up.
const (
	maxLook  = 400 * time.Millisecond
	maxLooks = 600
)

// errWaiting says that somebody else is expected to bring the own entries into the index.
var errWaiting = fmt.Errorf("others are writing the index: %w", objstore.ErrConflict)

// turn is one publisher's way into the index.
//
// Alone, it reads the index and swaps it. Whoever loses the race, finds others waiting, or finds a heavy index, leaves
// its entries pending for the next winner to take along, and looks from time to time whether they are. Of those that
// wait only the first in the order of keys tries itself; but when it has looked in vain a publisher takes itself for a
// place further to the front, so that nobody depends on anybody.
type turn struct {
	*Repository
	own      []Entry
	verdicts []error            // of each of own
	left     *pending           // of own, what is pending; nil: nothing
	waited   bool               // something was
	place    int                // among those that wait, from 0; halved with each look until it is worth listing again
	looks    int                // that were in vain
	size     int64              // of the index, bytes, as far as it is known
	known    map[string]pending // by key, what was read before
}

// add brings the entries into the index, together with all that others left pending. A verdict is nil for an entry that
// this call brought in, objstore.ErrUnchanged for one that was there before, and a problem.Conflict for a version that
// is taken. It returns without an error only when an index that bears the verdicts out has been written or read.
func (r *Repository) add(ctx context.Context, own []Entry) (verdicts []error, attempts int, err error) {
	t := &turn{Repository: r, own: own, verdicts: make([]error, len(own)), known: map[string]pending{}}
	opts := r.opts.Update
	opts.MaxDelay, opts.Attempts = cmp.Or(opts.MaxDelay, maxLook), cmp.Or(opts.Attempts, maxLooks)
	attempts, err = objstore.Retry(ctx, indexKey, opts, func(attempt int) error { return t.take(ctx, attempt) })
	return t.verdicts, attempts, err
}

func (t *turn) take(ctx context.Context, attempt int) error {
	if t.left != nil && t.place > 0 {
		return t.poll(ctx)
	}
	keys, err := t.arrive(ctx, attempt == 1)
	if err != nil {
		return err
	}
	if attempt == 1 && (len(keys) > 0 || t.heavy > 0 && t.size >= t.heavy) {
		return t.wait(ctx, errWaiting)
	}
	if t.left != nil {
		if t.place = slices.Index(keys, t.left.key); t.place < 0 {
			return t.confirm(ctx)
		}
		if t.looks++; t.place > t.moves() {
			return errWaiting
		}
	}
	return t.try(ctx, attempt, keys)
}

// poll looks whether the own entries are still pending. That they are not is the sign that somebody took them along,
// and costs little to see.
func (t *turn) poll(ctx context.Context) error {
	_, err := t.store.GetIfChanged(ctx, t.left.key, t.left.version)
	if errors.Is(err, objstore.ErrNotFound) {
		return t.confirm(ctx)
	}
	before := t.moves()
	if t.looks++; t.moves() > before {
		t.place /= 2
	}
	return cmp.Or(unless(objstore.ErrUnchanged, err), errWaiting)
}

// moves is how often the publisher may have moved up.
func (t *turn) moves() int { return (t.looks - 1) / int(1+t.size/heavyIndex) }

// arrive lists who waits, and at first how large the index is.
func (t *turn) arrive(ctx context.Context, first bool) (keys []string, err error) {
	if !first || t.heavy == 0 {
		return t.pendingKeys(ctx)
	}
	err = each(ctx, t.width, 2, func(ctx context.Context, i int) (err error) {
		if i == 0 {
			keys, err = t.pendingKeys(ctx)
			return err
		}
		for info, err := range t.store.List(ctx, indexKey) {
			if err != nil {
				return err
			}
			if info.Key == indexKey {
				t.size = info.Size
			}
		}
		return nil
	})
	return keys, err
}

// confirm reads the index, which is the proof.
func (t *turn) confirm(ctx context.Context) error {
	t.left = nil
	ix, _, err := t.read(ctx)
	if err != nil {
		return err
	}
	next, err := t.judge(ix)
	if err == nil && !next.equal(ix) { // something else took them away
		err = errWaiting
	}
	return err
}

// try reads the index and swaps it.
func (t *turn) try(ctx context.Context, attempt int, keys []string) error {
	seen, err := t.look(ctx, keys, t.known)
	if err != nil {
		return err
	}
	t.size = int64(seen.index.size())
	next, err := t.judge(seen.index)
	if err != nil {
		return err
	}
	if attempt > 1 && next.equal(seen.index) {
		if t.left != nil {
			t.sweep(ctx, []pending{*t.left})
		}
		return nil
	}
	// The first attempt goes on even if it has nothing to add: it completes what others may have left behind.
	if next, err = seen.withPending(next); err != nil {
		return t.unreadable(err)
	}
	if err = t.swap(ctx, seen, next); objstore.Lost(err) {
		return t.wait(ctx, err)
	}
	return err
}

// judge says what becomes of the own entries in this index, and answers the index with those that may come in.
func (t *turn) judge(ix Index) (next Index, err error) {
	if next, t.verdicts, err = ix.merge(t.own); err != nil {
		return Index{}, t.unreadable(err)
	}
	for i, e := range t.own {
		if t.waited && errors.Is(t.verdicts[i], objstore.ErrUnchanged) {
			if there, _ := ix.Find(e.Name, e.Version); bytes.Equal(there.raw, e.raw) { // it is this very one
				t.verdicts[i] = nil
			}
		}
	}
	return next, nil
}

// wait leaves pending, unless something is, what may still come into the index, and answers why: the error that makes
// the turn come again.
func (t *turn) wait(ctx context.Context, why error) error {
	var entries []Entry
	for i, verdict := range t.verdicts {
		if verdict == nil {
			entries = append(entries, t.own[i])
		}
	}
	if t.left != nil || len(entries) == 0 {
		return why
	}
	left, err := t.leave(ctx, entries)
	if err != nil {
		return err
	}
	t.left, t.waited, t.place, t.looks, t.known[left.key] = left, true, 0, 0, *left
	return why
}
