package chartrepo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

// pendingPrefix is where publishers that lost the race for the index leave their entries for whoever wins next. Helm
// never looks there, for it reads the index and what the index names.
const pendingPrefix = ".pending/"

// maxPending is how many pending objects one update takes in at most.
const maxPending = 1000

// pending is one object below pendingPrefix. It is created once, under a name that nobody else uses, and never changes.
// Its body is {"entries":[…]}, each entry as it shall stand in the index.
type pending struct {
	key     string
	version objstore.Version
	entries []Entry
}

type pendingBody struct {
	Entries []json.RawMessage `json:"entries"`
}

// leave puts entries where the next winner finds them.
func (r *Repository) leave(ctx context.Context, entries []Entry) (*pending, error) {
	p := &pending{key: pendingPrefix + strings.ToLower(r.newName()) + ".json", entries: entries}
	var b pendingBody
	for _, e := range entries {
		b.Entries = append(b.Entries, e.raw)
	}
	body, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("describing pending entries: %w", err)
	}
	p.version, err = r.store.Create(ctx, p.key, objstore.Content{Body: body, Type: "application/json"})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// pendingKeys are the keys of the pending objects that are there now, in order.
func (r *Repository) pendingKeys(ctx context.Context) ([]string, error) {
	var keys []string
	for info, err := range r.store.List(ctx, pendingPrefix) {
		if err != nil {
			return nil, err
		}
		if keys = append(keys, info.Key); len(keys) == maxPending {
			break
		}
	}
	return keys, nil
}

// pendings reads pending objects. They never change, so what is known is not read again. One that is gone meanwhile is
// merged; one that cannot be read is nobody's and stays.
func (r *Repository) pendings(ctx context.Context, keys []string, known map[string]pending) ([]pending, error) {
	found := make([]pending, len(keys))
	err := each(ctx, r.width, len(found), func(ctx context.Context, i int) error {
		if p, ok := known[keys[i]]; ok {
			found[i] = p
			return nil
		}
		o, err := r.store.Get(ctx, keys[i])
		if errors.Is(err, objstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		found[i] = pending{keys[i], o.Version, readPending(o.Body)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, p := range found {
		known[keys[i]] = p
	}
	return slices.DeleteFunc(found, func(p pending) bool { return len(p.entries) == 0 }), nil
}

// readPending answers nothing when any part of the body is not as leave writes it.
func readPending(body []byte) []Entry {
	var b pendingBody
	var compact bytes.Buffer
	if json.Compact(&compact, body) != nil || json.Unmarshal(compact.Bytes(), &b) != nil {
		return nil
	}
	entries := make([]Entry, len(b.Entries))
	for i, raw := range b.Entries {
		entries[i] = readEntry(raw)
		if e := entries[i]; !e.readable || e.Name == "" || e.Version == "" || e.Digest == "" {
			return nil
		}
	}
	return entries
}

// sweep deletes pending objects whose entries the index holds, or will never hold. Somebody else may have done it
// already, and if it fails the next publisher does it: nothing is told to anybody by their absence but "look again".
func (r *Repository) sweep(ctx context.Context, done []pending) {
	_ = each(ctx, r.width, len(done), func(ctx context.Context, i int) error {
		_ = r.store.Delete(ctx, done[i].key, done[i].version)
		return nil
	})
}
