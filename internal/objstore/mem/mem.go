// Package mem keeps objects in a map. It is the checking double of tests: what it does to a key can be made to fail
// before or after its effect.
package mem

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/internal/version"
)

// Op names an operation to the hooks.
type Op string

// The operations; Get is also GetIfChanged.
const (
	Get     Op = "get"
	Create  Op = "create"
	Replace Op = "replace"
	Delete  Op = "delete"
	List    Op = "list" // the key is the prefix
)

// Store is an objstore.Store in memory; make it with New. Set the hooks before the first use: they are called without
// the lock held, possibly concurrently, and what they return is what the caller gets.
type Store struct {
	// Before runs first; its error keeps the operation from having any effect.
	Before func(op Op, key string) error
	// After runs after an operation that took effect; its error is a reply that was lost.
	After func(op Op, key string) error
	// Now stamps what is written; New sets time.Now.
	Now func() time.Time

	mu      sync.Mutex
	writes  map[string]int // by key, numbers the versions: a state never comes back, not even with the same bytes
	objects map[string]stored
}

type stored struct {
	objstore.Object
	modified time.Time
}

var _ objstore.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store {
	return &Store{
		Now:     time.Now, //nolint:forbidigo // the default of the injected clock
		writes:  map[string]int{},
		objects: map[string]stored{},
	}
}

// Clone makes a store with the same objects in the same versions, which then goes its own way. The hooks are shared.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Store{
		Before: s.Before, After: s.After, Now: s.Now, writes: maps.Clone(s.writes), objects: maps.Clone(s.objects),
	}
}

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string) (objstore.Object, error) {
	return s.GetIfChanged(ctx, key, objstore.Version{})
}

// GetIfChanged implements objstore.Store.
func (s *Store) GetIfChanged(ctx context.Context, key string, held objstore.Version) (objstore.Object, error) {
	var found objstore.Object
	err := s.do(ctx, Get, key, func() error {
		o, ok := s.objects[key]
		switch {
		case !ok:
			return objstore.ErrNotFound
		case o.Version == held:
			return objstore.ErrUnchanged
		}
		found = objstore.Object{Content: clone(o.Content), Version: o.Version}
		return nil
	})
	if err != nil {
		return objstore.Object{}, err
	}
	return found, nil
}

// Create implements objstore.Store.
func (s *Store) Create(ctx context.Context, key string, c objstore.Content) (objstore.Version, error) {
	return s.write(ctx, Create, key, c, func(_ stored, ok bool) error {
		if ok {
			return objstore.ErrExists
		}
		return nil
	})
}

// Replace implements objstore.Store.
func (s *Store) Replace(
	ctx context.Context, key string, old objstore.Version, c objstore.Content,
) (objstore.Version, error) {
	return s.write(ctx, Replace, key, c, func(o stored, ok bool) error {
		if !ok || o.Version != old {
			return objstore.ErrChanged
		}
		return nil
	})
}

func (s *Store) write(
	ctx context.Context, op Op, key string, c objstore.Content, check func(stored, bool) error,
) (objstore.Version, error) {
	var v objstore.Version
	err := s.do(ctx, op, key, func() error {
		o, ok := s.objects[key]
		if err := check(o, ok); err != nil {
			return err
		}
		s.writes[key]++
		v = version.Of(strconv.Itoa(s.writes[key]))
		s.objects[key] = stored{objstore.Object{Content: clone(c), Version: v}, s.Now()}
		return nil
	})
	if err != nil {
		return objstore.Version{}, err
	}
	return v, nil
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string, old objstore.Version) error {
	return s.do(ctx, Delete, key, func() error {
		if o, ok := s.objects[key]; !ok || o.Version != old {
			return objstore.ErrChanged
		}
		delete(s.objects, key)
		return nil
	})
}

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		var infos []objstore.Info
		err := s.run(ctx, List, prefix, func() error {
			for _, key := range slices.Sorted(maps.Keys(s.objects)) {
				if o := s.objects[key]; strings.HasPrefix(key, prefix) {
					infos = append(infos, objstore.Info{Key: key, Size: int64(len(o.Body)), Modified: o.modified})
				}
			}
			return nil
		})
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (s *Store) do(ctx context.Context, op Op, key string, effect func() error) error {
	if err := objstore.CheckKey(key); err != nil {
		return err
	}
	return s.run(ctx, op, key, effect)
}

// run performs the effect under the lock, between the hooks.
func (s *Store) run(ctx context.Context, op Op, key string, effect func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", op, key, err)
	}
	if s.Before != nil {
		if err := s.Before(op, key); err != nil {
			return err
		}
	}
	s.mu.Lock()
	err := effect()
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, key, err)
	}
	if s.After != nil {
		return s.After(op, key)
	}
	return nil
}

func clone(c objstore.Content) objstore.Content {
	c.Body, c.Metadata = bytes.Clone(c.Body), maps.Clone(c.Metadata)
	return c
}
