package chartrepo

import (
	"context"
	"fmt"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Source is a Helm repository that charts are mirrored from, whoever made it. It is safe for concurrent use.
type Source interface {
	// URL is the repository's own, without credentials and without a slash at its end.
	URL() string
	// Index reads the repository's index.
	Index(ctx context.Context) (Index, error)
	// Fetch reads what a URL of the index refers to, absolute or relative, into bounded memory. A missing one wraps
	// objstore.ErrNotFound, one that leads out of the repository where it must not is a problem.Refused.
	Fetch(ctx context.Context, ref string) ([]byte, error)
}

// Source is the repository as a place to mirror from.
func (r *Repository) Source() Source { return storeSource{r} }

type storeSource struct{ *Repository }

func (s storeSource) URL() string { return s.base() }

func (s storeSource) Fetch(ctx context.Context, ref string) ([]byte, error) {
	key, ok := s.archiveKey(Entry{URLs: []string{ref}})
	if !ok {
		return nil, problem.New(problem.Refused, "mirror from the repository that the URL belongs to",
			"%s is outside of the repository %s", ref, s.base())
	}
	o, err := s.store.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	return o.Body, nil
}
