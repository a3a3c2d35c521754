package chartrepo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

const archiveSuffix = ".tgz"

// listing is what the store has, by key.
type listing map[string]objstore.Info

func (r *Repository) list(ctx context.Context, prefix string) (listing, error) {
	found := listing{}
	for info, err := range r.store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", r.base(), err)
		}
		found[info.Key] = info
	}
	return found, nil
}

func (l listing) has(key string) bool {
	_, ok := l[key]
	return ok
}

// isArchive tells whether the key is where this repository keeps an archive. What lies in a folder below may belong to
// another repository.
func isArchive(key string) bool {
	return strings.HasSuffix(key, archiveSuffix) && !strings.Contains(key, "/")
}

// locate is the object of an entry: the one that its URL refers to or, where that leads elsewhere (an index made for a
// web server has absolute URLs), the one that bears its name. False says that it can be neither.
func (r *Repository) locate(e Entry) (key string, ok bool) {
	if key, ok := r.archiveKey(e); ok {
		return key, true
	}
	key = filename(e.Name, e.Version)
	return key, objstore.CheckKey(key) == nil
}

// elsewhere tells whether the entry's URL leads out of this repository.
func (r *Repository) elsewhere(e Entry) bool {
	_, ours := r.archiveKey(e)
	return len(e.URLs) > 0 && !ours
}

// filename is the name of an archive in a repository.
func filename(name, version string) string { return Package{Name: name, Version: version}.Filename() }

// indexOrEmpty is Index, but a repository without one is empty: it may have archives.
func (r *Repository) indexOrEmpty(ctx context.Context) (Index, error) {
	ix, err := r.Index(ctx)
	if errors.Is(err, objstore.ErrNotFound) {
		return parseIndex(nil)
	}
	return ix, err
}

// ArchiveSize is the number of bytes of an entry's archive, by one listing; false says that it is not in this
// repository.
func (r *Repository) ArchiveSize(ctx context.Context, e Entry) (size int64, ok bool, err error) {
	key, ok := r.locate(e)
	if !ok {
		return 0, false, nil
	}
	found, err := r.list(ctx, key)
	return found[key].Size, found.has(key), err
}

// Latest is the version of a chart that Helm installs when none is asked for: the newest that is no prerelease. Where
// there are prereleases only, it is the newest of them.
func (ix Index) Latest(name string) (Entry, bool) {
	list, newest := ranked(ix.Versions(name))
	if len(list) == 0 {
		return Entry{}, false
	}
	return list[newest], true
}

// ranked are those of the entries whose version is semantic, newest first whatever their order was, and which of them
// is the latest.
func ranked(entries []Entry) (list []Entry, latest int) {
	for _, e := range entries {
		if _, err := semver.NewVersion(e.Version); err == nil {
			list = append(list, e)
		}
	}
	newestFirst(list)
	stable := func(e Entry) bool {
		v, err := semver.NewVersion(e.Version)
		return err == nil && v.Prerelease() == ""
	}
	return list, max(0, slices.IndexFunc(list, stable))
}
