package chartrepo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// yankedAnnotation is the key, among the index's own annotations, of the tombstones: a JSON list in a string, for Helm
// wants strings there. Helm and the tools that use its types keep annotations when they rewrite an index.
const yankedAnnotation = "pinnace.dev/yanked"

// Tombstone says that a version was published and is no longer offered. It keeps the version taken: nobody can publish
// it again, and no entry that was left pending brings it back.
type Tombstone struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Digest  string    `json:"digest,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Time    time.Time `json:"time"`
	// Entry is the entry as it stood, for Unyank to put back. Nothing: the version was removed for good.
	Entry json.RawMessage `json:"entry,omitempty"`
}

// Yanked are the tombstones in the order in which they were made. What cannot be read is left out.
func (ix Index) Yanked() []Tombstone {
	found, _ := ix.tombstones()
	return found
}

func (ix Index) annotations() (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if raw, ok := ix.fields["annotations"]; ok {
		if err := json.Unmarshal(raw, &all); err != nil {
			return nil, errors.New("its annotations are not a mapping")
		}
	}
	return all, nil
}

func (ix Index) tombstones() ([]Tombstone, error) {
	all, err := ix.annotations()
	if err != nil {
		return nil, err
	}
	raw, ok := all[yankedAnnotation]
	if !ok {
		return nil, nil
	}
	var text string
	var found []Tombstone
	if json.Unmarshal(raw, &text) != nil || json.Unmarshal([]byte(text), &found) != nil {
		return nil, fmt.Errorf("its annotation %s is not a list of tombstones", yankedAnnotation)
	}
	return found, nil
}

// withTombstones is the index with these tombstones and no others.
func (ix Index) withTombstones(list []Tombstone) (Index, error) {
	all, err := ix.annotations()
	if err != nil {
		return Index{}, err
	}
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	delete(all, yankedAnnotation)
	if len(list) > 0 {
		text, err := json.Marshal(list)
		if err != nil {
			return Index{}, err
		}
		if all[yankedAnnotation], err = json.Marshal(string(text)); err != nil {
			return Index{}, err
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return Index{}, err
	}
	next := ix.clone()
	if next.fields["annotations"] = raw; len(all) == 0 {
		delete(next.fields, "annotations")
	}
	return next, nil
}

// bury takes the versions of the tombstones out of the index and marks them so. A tombstone that is there already
// stays as it is.
func (ix Index) bury(dead ...Tombstone) (Index, error) {
	list, err := ix.tombstones()
	if err != nil {
		return Index{}, err
	}
	gone := map[string]map[string]bool{}
	for _, t := range dead {
		if !slices.ContainsFunc(list, t.same) {
			list = append(list, t)
		}
		if gone[t.Name] == nil {
			gone[t.Name] = map[string]bool{}
		}
		gone[t.Name][t.Version] = true
	}
	next, err := ix.withTombstones(list)
	if err != nil {
		return Index{}, err
	}
	for name, versions := range gone {
		if next, err = next.without(name, versions); err != nil {
			return Index{}, err
		}
	}
	return next, nil
}

// missingIn are tombstones for the versions that next lacks.
func (ix Index) missingIn(next Index, at time.Time) (dead []Tombstone) {
	for _, name := range ix.Names() {
		if bytes.Equal(ix.charts[name], next.charts[name]) {
			continue
		}
		kept := map[string]bool{}
		for _, e := range next.Versions(name) {
			kept[e.Version] = true
		}
		for _, e := range ix.Versions(name) {
			if !kept[e.Version] {
				dead = append(dead, Tombstone{
					Name: name, Version: e.Version, Digest: e.Digest, Reason: "removed", Time: at,
				})
			}
		}
	}
	return dead
}

func (t Tombstone) same(other Tombstone) bool {
	return t.Name == other.Name && t.Version == other.Version
}

// Yank takes a version out of the index, so that no Helm finds it any more, and leaves a tombstone with the reason. The
// archive stays, for whoever has locked its digest. Yanking it again changes nothing. A version that is not in the
// index is a problem.Usage.
func (r *Repository) Yank(ctx context.Context, name, version, reason string) error {
	err := r.change(ctx, func(ix Index) (Index, error) {
		if slices.ContainsFunc(ix.Yanked(), Tombstone{Name: name, Version: version}.same) {
			return ix, nil
		}
		e, ok := ix.Find(name, version)
		if !ok {
			return Index{}, r.noSuch(name, version)
		}
		return ix.bury(Tombstone{
			Name: name, Version: version, Digest: e.Digest, Reason: reason, Time: r.opts.Now().UTC(), Entry: e.raw,
		})
	})
	return wrap(err, "yanking %s %s", name, version)
}

// Unyank puts the entry of a yanked version back as it was, if its archive is still there and the same. A version that
// is in the index stays as it is.
func (r *Repository) Unyank(ctx context.Context, name, version string) error {
	err := r.unyank(ctx, Tombstone{Name: name, Version: version})
	return wrap(err, "taking back the yank of %s %s", name, version)
}

func (r *Repository) unyank(ctx context.Context, want Tombstone) error {
	ix, err := r.Index(ctx)
	if err != nil {
		return err
	}
	list := ix.Yanked()
	i := slices.IndexFunc(list, want.same)
	if i < 0 {
		if _, ok := ix.Find(want.Name, want.Version); ok {
			return nil
		}
		return r.noSuch(want.Name, want.Version)
	}
	e, err := r.buried(ctx, list[i])
	if err != nil {
		return err
	}
	return r.change(ctx, func(ix Index) (Index, error) {
		list := ix.Yanked()
		i := slices.IndexFunc(list, want.same)
		switch {
		case i < 0: // somebody else took it back meanwhile
			return ix, nil
		case list[i].Entry == nil:
			return Index{}, removed(list[i])
		}
		next, err := ix.withTombstones(slices.Delete(list, i, i+1))
		if err != nil {
			return Index{}, err
		}
		next, _, err = next.merge([]Entry{e})
		return next, err
	})
}

// buried is the entry below a tombstone, if its archive is still what it was.
func (r *Repository) buried(ctx context.Context, t Tombstone) (Entry, error) {
	gone := removed(t)
	var compact bytes.Buffer
	if t.Entry == nil || json.Compact(&compact, t.Entry) != nil {
		return Entry{}, gone
	}
	e := readEntry(compact.Bytes())
	key, ours := r.archiveKey(e)
	if !e.readable || e.Name != t.Name || e.Version != t.Version {
		return Entry{}, gone
	}
	if !ours { // its archive is somewhere else, as other tools may have it
		return e, nil
	}
	o, err := r.store.Get(ctx, key)
	if errors.Is(err, objstore.ErrNotFound) {
		return Entry{}, gone
	}
	if err != nil {
		return Entry{}, err
	}
	if got := digest(o.Body); e.Digest != "" && got != e.Digest {
		return Entry{}, problem.New(problem.Refused, "find out who replaced the archive",
			"%s has digest %s, its entry said %s", key, got, e.Digest)
	}
	return e, nil
}

// refusal says why the version cannot be published.
func (t Tombstone) refusal() error {
	if t.Entry == nil {
		return removed(t)
	}
	return problem.New(problem.Conflict, fmt.Sprintf(
		"raise the version in Chart.yaml, or take the yank back: pinnace yank --undo %s %s --repo REPO", t.Name, t.Version),
		"chart %s %s was yanked", t.Name, t.Version)
}

func removed(t Tombstone) error {
	return problem.New(problem.Conflict, "publish it under a new version: raise the version in Chart.yaml",
		"chart %s %s was removed for good", t.Name, t.Version)
}

// Deprecate marks a version of a chart, or with an empty version all of them, as deprecated in the index, as Helm
// shows it; undo takes the mark away. The archives do not change. What is not in the index is a problem.Usage.
func (r *Repository) Deprecate(ctx context.Context, name, version string, undo bool) error {
	err := r.change(ctx, func(ix Index) (Index, error) {
		all, err := ix.entries(name)
		if err != nil {
			return Index{}, err
		}
		found, changed := false, false
		for i, e := range all {
			if !e.readable || version != "" && e.Version != version {
				continue
			}
			found = true
			if e.Deprecated == undo {
				all[i], changed = e.deprecate(undo), true
			}
		}
		switch {
		case !found:
			return Index{}, r.noSuch(name, version)
		case !changed:
			return ix, nil
		}
		return ix.with(name, all), nil
	})
	return wrap(err, "deprecating %s", name)
}

func (r *Repository) noSuch(name, version string) error {
	return problem.New(problem.Usage, "look which charts and versions it has: pinnace ls --repo "+r.base(),
		"%s has no chart %s", r.base(), strings.TrimSpace(name+" "+version))
}

// wrap adds what was being done to an error, if there is one.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
