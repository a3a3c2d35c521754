package chartrepo

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

// patience is how many races for the index a publisher loses before it leaves its entries to whoever wins next.
const patience = 1

// view is the index as it was read, with the pending objects that were there a moment before. The pending ones are read
// first: the time between reading the index and swapping it, in which others can come in between, then stays short.
type view struct {
	index   Index
	version objstore.Version // zero: there is no index yet
	pending []pending
}

func (r *Repository) look(ctx context.Context, known map[string]pending) (view, error) {
	pending, err := r.pendings(ctx, known)
	if err != nil {
		return view{}, err
	}
	ix, version, err := r.read(ctx)
	return view{ix, version, pending}, err
}

// read is the index as it is now, empty with a zero version if there is none.
func (r *Repository) read(ctx context.Context) (Index, objstore.Version, error) {
	o, err := r.store.Get(ctx, indexKey)
	if err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return Index{}, objstore.Version{}, err
	}
	ix, err := parseIndex(o.Body)
	if err != nil {
		return Index{}, objstore.Version{}, r.unreadable(err)
	}
	return ix, o.Version, nil
}

// withPending is an index with all pending entries of the view that may be in it.
func (v view) withPending(ix Index) (Index, error) {
	var all []Entry
	for _, p := range v.pending {
		all = append(all, p.entries...)
	}
	next, _, err := ix.merge(all)
	return next, err
}

// swap writes next in place of the index that was seen, unless they are the same, and then takes away the pending
// objects, which next must have in it.
func (r *Repository) swap(ctx context.Context, seen view, next Index) error {
	if !next.equal(seen.index) {
		body, err := next.marshal(r.opts.Now())
		if err != nil {
			return err
		}
		c := objstore.Content{Body: body, Type: "application/yaml", CacheControl: "no-cache"}
		if seen.version.IsZero() {
			_, err = r.store.Create(ctx, indexKey, c)
		} else {
			_, err = r.store.Replace(ctx, indexKey, seen.version, c)
		}
		if err != nil {
			return err
		}
	}
	r.sweep(ctx, seen.pending)
	return nil
}

// change edits the index in one swap, after what was left pending has been merged into it. The edit must be pure; to
// leave the index as it is, it answers what it was given.
func (r *Repository) change(ctx context.Context, f func(Index) (Index, error)) error {
	known := map[string]pending{}
	_, err := objstore.Retry(ctx, indexKey, r.opts.Update, func(int) error {
		seen, err := r.look(ctx, known)
		if err != nil {
			return err
		}
		full, err := seen.withPending(seen.index)
		if err != nil {
			return r.unreadable(err)
		}
		next, err := f(full)
		if err != nil {
			return err
		}
		return r.swap(ctx, seen, next)
	})
	return err
}

// edit is the way to rewrite the index, for whoever finds out that it does not agree with the archives: f gets it with
// all pending entries merged, must be pure, and may run several times. A version that f leaves out gets a tombstone,
// and tombstones stay, whatever f does about them, so that nothing that was left pending can bring a version back. A
// version with a tombstone does not come in. If f answers what it was given, only pending entries are written.
//
// Whoever deletes an archive takes its version out of the index before, by this.
func (r *Repository) edit(ctx context.Context, f func(Index) (Index, error)) error {
	return r.change(ctx, func(ix Index) (Index, error) {
		next, err := f(ix)
		if err != nil || next.equal(ix) {
			return ix, err
		}
		dead, err := ix.tombstones()
		if err != nil {
			return Index{}, r.unreadable(err)
		}
		return next.bury(append(dead, ix.missingIn(next, r.opts.Now().UTC())...)...)
	})
}

// add brings the entries into the index, together with all that others left pending. A verdict is nil for an entry that
// this call brought in, objstore.ErrUnchanged for one that was there before, and a problem.Conflict for a version that
// is taken. It returns without an error only when an index that bears the verdicts out has been written or read.
func (r *Repository) add(ctx context.Context, own []Entry) (verdicts []error, attempts int, err error) {
	t := &turn{Repository: r, own: own, verdicts: make([]error, len(own)), known: map[string]pending{}}
	for i := range own {
		t.open = append(t.open, i)
	}
	attempts, err = objstore.Retry(ctx, indexKey, r.opts.Update, func(attempt int) error { return t.take(ctx, attempt) })
	return t.verdicts, attempts, err
}

// turn is one caller's way into the index.
type turn struct {
	*Repository
	own      []Entry
	verdicts []error            // of each of own
	open     []int              // which of own are not settled yet
	left     *pending           // the open ones, waiting for another winner
	waited   bool               // they were left once
	known    map[string]pending // by key, what was read before
}

// take tries once. Whoever loses leaves its entries for the winner to take along; when it comes back they are in the
// index, most of the time.
func (t *turn) take(ctx context.Context, attempt int) error {
	if merged, err := t.merged(ctx); merged || err != nil {
		return err
	}
	seen, err := t.look(ctx, t.known)
	if err != nil {
		return err
	}
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
	return t.lost(ctx, attempt, t.swap(ctx, seen, next))
}

// judge says what becomes of each open entry in this index, and answers the index with those that may come in. Once
// they are pending, an entry that is found there is one that this call brought in.
func (t *turn) judge(ix Index) (Index, error) {
	open := make([]Entry, len(t.open))
	for k, i := range t.open {
		open[k] = t.own[i]
	}
	next, verdicts, err := ix.merge(open)
	if err != nil {
		return Index{}, t.unreadable(err)
	}
	for k, i := range t.open {
		if t.verdicts[i] = verdicts[k]; t.waited {
			t.verdicts[i] = unless(objstore.ErrUnchanged, verdicts[k])
		}
	}
	return next, nil
}

// merged tells whether somebody took the own entries along. The sign is that the pending object is gone, which costs
// little to see; the proof is the index.
func (t *turn) merged(ctx context.Context) (bool, error) {
	if t.left == nil {
		return false, nil
	}
	_, err := t.store.GetIfChanged(ctx, t.left.key, t.left.version)
	if !errors.Is(err, objstore.ErrNotFound) {
		return false, unless(objstore.ErrUnchanged, err)
	}
	t.left = nil
	ix, _, err := t.read(ctx)
	if err != nil {
		return false, err
	}
	next, err := t.judge(ix)
	return err == nil && next.equal(ix), err
}

// lost answers the error, and if it is that a race was lost, leaves the open entries to the winner, once.
func (t *turn) lost(ctx context.Context, attempt int, err error) error {
	if attempt < patience || t.left != nil || !objstore.Lost(err) {
		return err
	}
	var entries []Entry
	var open []int
	for _, i := range t.open {
		if t.verdicts[i] == nil {
			entries, open = append(entries, t.own[i]), append(open, i)
		}
	}
	if len(open) == 0 {
		return err
	}
	left, failed := t.leave(ctx, entries)
	if failed != nil {
		return failed
	}
	t.left, t.waited, t.open, t.known[left.key] = left, true, open, *left
	return err
}

func unless(expected, err error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// each calls f with 0 to n-1, some at a time, and answers the first error. With a width of one it is a plain loop.
func (r *Repository) each(n int, f func(int) error) error {
	if n == 0 {
		return nil
	}
	var group errgroup.Group
	group.SetLimit(r.width)
	for i := range n {
		if r.width == 1 || n == 1 {
			if err := f(i); err != nil {
				return err
			}
			continue
		}
		group.Go(func() error { return f(i) })
	}
	return group.Wait()
}
