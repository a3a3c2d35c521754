package chartrepo

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

// view is the index as it was read, with the pending objects that were there a moment before. The pending ones are read
// first: the time between reading the index and swapping it, in which others can come in between, then stays short.
type view struct {
	index   Index
	version objstore.Version // zero: there is no index yet
	pending []pending
}

func (r *Repository) look(ctx context.Context, keys []string, known map[string]pending) (view, error) {
	pending, err := r.pendings(ctx, keys, known)
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
		keys, err := r.pendingKeys(ctx)
		if err != nil {
			return err
		}
		seen, err := r.look(ctx, keys, known)
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

func unless(expected, err error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// each calls f with 0 to n-1, so many at a time, and answers the first error, which ends the context of the others. One
// at a time, it is a plain loop.
func each(ctx context.Context, width, n int, f func(ctx context.Context, i int) error) error {
	if width == 1 || n == 1 {
		for i := range n {
			if err := f(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(width)
	for i := range n {
		group.Go(func() error { return f(ctx, i) })
	}
	return group.Wait()
}
