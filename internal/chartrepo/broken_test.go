package chartrepo

import (
	"context"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

// Each way of breaking the protocol is found, with a schedule that shows how.
func TestExplorerFindsWhatIsBroken(t *testing.T) {
	c := newCast(t)
	for _, test := range []struct {
		scenario
		want string
	}{{
		scenario{name: "merging ignores tombstones", before: c.crash, broken: blind, actors: []actor{c.two, c.yank}},
		"1.0.0 was removed by yank and is in the index",
	}, {
		scenario{name: "reindex ignores tombstones", before: c.crash, broken: blind, actors: []actor{c.yank, c.reindex}},
		"1.0.0 was removed by yank and is in the index",
	}, {
		scenario{name: "prune deletes without a swap", before: c.outdated, broken: boastful, actors: []actor{c.three, c.prune}},
		"1.0.0 was removed by prune and is in the index",
	}, {
		scenario{name: "the pointer comes before the archive", broken: hasty, actors: []actor{c.one, c.two}},
		"is in the index without an archive",
	}, {
		scenario{name: "losing a race is taken for success", before: c.quiet, broken: boastful, actors: []actor{c.one, c.two}},
		"and is not in the index",
	}, {
		scenario{name: "the last writer wins", before: c.quiet, broken: careless, actors: []actor{c.one, c.two}},
		"and is not in the index",
	}} {
		t.Run(test.name, func(t *testing.T) {
			test.private = nobodys
			for faults := range 2 { // the simplest first
				x := explorer{scenario: test.scenario, faults: faults, switches: anyNumber, check: c.promises}
				_, err := x.explore()
				if err != nil && strings.Contains(err.Error(), test.want) {
					t.Log(err)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			t.Error("it is not found")
		})
	}
}

// blind sees no tombstone in any index.
func blind(s objstore.Store) objstore.Store { return blindStore{s} }

type blindStore struct{ objstore.Store }

func (s blindStore) Get(ctx context.Context, key string) (objstore.Object, error) {
	o, err := s.Store.Get(ctx, key)
	o.Body = []byte(strings.Replace(string(o.Body), yankedAnnotation, "unknown", 1))
	return o, err
}

// hasty puts the archive only after the index.
func hasty(s objstore.Store) objstore.Store { return &hastyStore{Store: s} }

type hastyStore struct {
	objstore.Store
	key     string
	archive objstore.Content
}

func (s *hastyStore) Create(ctx context.Context, key string, c objstore.Content) (objstore.Version, error) {
	if archives(key) {
		s.key, s.archive = key, c
		return objstore.Version{}, nil
	}
	return s.then(ctx)(s.Store.Create(ctx, key, c))
}

func (s *hastyStore) Replace(
	ctx context.Context, key string, old objstore.Version, c objstore.Content,
) (objstore.Version, error) {
	return s.then(ctx)(s.Store.Replace(ctx, key, old, c))
}

func (s *hastyStore) then(ctx context.Context) func(objstore.Version, error) (objstore.Version, error) {
	return func(v objstore.Version, err error) (objstore.Version, error) {
		if err == nil {
			_, err = s.Store.Create(ctx, s.key, s.archive)
		}
		return v, err
	}
}

// boastful takes a race that was lost for one that was won.
func boastful(s objstore.Store) objstore.Store { return boastfulStore{s} }

type boastfulStore struct{ objstore.Store }

func (s boastfulStore) Replace(
	ctx context.Context, key string, old objstore.Version, c objstore.Content,
) (objstore.Version, error) {
	v, err := s.Store.Replace(ctx, key, old, c)
	return v, unless(objstore.ErrChanged, err)
}

// careless replaces whatever is there, as an unconditional put does.
func careless(s objstore.Store) objstore.Store { return carelessStore{s} }

type carelessStore struct{ objstore.Store }

func (s carelessStore) Replace(
	ctx context.Context, key string, _ objstore.Version, c objstore.Content,
) (objstore.Version, error) {
	o, err := s.Get(ctx, key)
	if err != nil {
		return objstore.Version{}, err
	}
	return s.Store.Replace(ctx, key, o.Version, c)
}
