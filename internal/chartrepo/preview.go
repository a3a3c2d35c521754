package chartrepo

import (
	"context"
	"errors"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

// Preview answers what PublishAll would do at this moment, and writes nothing: Already for what is published, an error
// for what would be refused. Others may publish in between.
func (r *Repository) Preview(ctx context.Context, ps []Package) ([]Result, error) {
	ix, _, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	results, entries := make([]Result, len(ps)), make([]Entry, len(ps))
	for i, p := range ps {
		results[i] = Result{Name: p.Name, Version: p.Version, Digest: p.Digest, URL: r.base() + "/" + escape(p.Filename())}
		if entries[i], err = newEntry(p, r.opts.Now()); err != nil {
			return nil, err
		}
	}
	_, verdicts, err := ix.merge(entries)
	if err != nil {
		return nil, r.unreadable(err)
	}
	err = each(ctx, r.width, len(ps), func(ctx context.Context, i int) error {
		res, verdict := &results[i], verdicts[i]
		res.Already, res.Err = errors.Is(verdict, objstore.ErrUnchanged), unless(objstore.ErrUnchanged, verdict)
		if res.Already || res.Err != nil {
			return nil //nolint:nilerr // decided by the index; the error is in the result
		}
		o, err := r.store.Get(ctx, ps[i].Filename()) // one that no entry names: a publish that was cut off
		if err == nil && digest(o.Body) != ps[i].Digest {
			res.Err = occupied(ps[i], o.Body)
		}
		return unless(objstore.ErrNotFound, err)
	})
	if err != nil {
		return nil, err
	}
	return results, explainAll(results)
}
