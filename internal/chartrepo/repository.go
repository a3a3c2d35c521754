package chartrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Options configures a Repository.
type Options struct {
	// Location is where the store is, for URLs in results and for Helm. Its zero value is a repository without one.
	Location Location
	// Now stamps the index and its entries. Nil is time.Now.
	Now func() time.Time
	// Update tunes how the index is contended for.
	Update objstore.UpdateOptions
	// TempDir holds what Helm caches during a Pull. Empty is the system's.
	TempDir string
}

// Repository is a chart repository on a store. It is safe for concurrent use, and so is the store by any number of
// repositories on any number of machines.
type Repository struct {
	store objstore.Store
	opts  Options
}

// New makes a repository of the objects in store.
func New(store objstore.Store, opts Options) *Repository {
	if opts.Now == nil {
		opts.Now = time.Now //nolint:forbidigo // the default of the injected clock
	}
	return &Repository{store, opts}
}

// Result tells what Publish did.
type Result struct {
	Name     string
	Version  string
	Digest   string // sha256 of the archive, hexadecimal
	URL      string // of the archive
	Already  bool   // the index named this very package before
	Attempts int    // at the index, from 1
}

// Publish puts the archive into the repository and then its entry into the index. Publishing what is there again
// succeeds; a version that is there with another digest is a problem.Conflict and stays as it is.
//
// Killed between the two writes it leaves an archive that no index names, never an entry without an archive; publishing
// the same package again completes it.
func (r *Repository) Publish(ctx context.Context, p Package) (Result, error) {
	if p.metadata == nil {
		return Result{}, errors.New("publishing a package that was not made by Pack or Open")
	}
	res := Result{Name: p.Name, Version: p.Version, Digest: p.Digest, URL: r.base() + "/" + escape(p.Filename())}
	if err := r.putArchive(ctx, p); err != nil {
		return Result{}, fmt.Errorf("publishing %s %s: %w", p.Name, p.Version, err)
	}
	updated, err := objstore.Update(ctx, r.store, indexKey, r.opts.Update,
		func(body []byte, _ bool) (objstore.Content, error) {
			next, err := r.addTo(body, p)
			res.Already = errors.Is(err, objstore.ErrUnchanged)
			return objstore.Content{Body: next, Type: "application/yaml", CacheControl: "no-cache"}, err
		})
	if err != nil {
		return Result{}, fmt.Errorf("publishing %s %s: %w", p.Name, p.Version, err)
	}
	res.Attempts = updated.Attempts
	return res, nil
}

// putArchive creates the archive, or finds it there with the same bytes.
func (r *Repository) putArchive(ctx context.Context, p Package) error {
	opts := r.opts.Update
	opts.ExpectAbsent = true
	_, err := objstore.Update(ctx, r.store, p.Filename(), opts,
		func(body []byte, exists bool) (objstore.Content, error) {
			switch {
			case !exists:
				return objstore.Content{
					Body: p.Archive, Type: "application/gzip", CacheControl: "public, max-age=31536000, immutable",
				}, nil
			case digest(body) == p.Digest:
				return objstore.Content{}, objstore.ErrUnchanged
			default:
				return objstore.Content{}, immutable(p)
			}
		})
	return err
}

func (r *Repository) addTo(body []byte, p Package) ([]byte, error) {
	ix, err := parseIndex(body)
	if err != nil {
		return nil, r.unreadable(err)
	}
	now := r.opts.Now()
	next, err := ix.with(p, now)
	if err != nil {
		return nil, err
	}
	return next.marshal(now)
}

// Index reads the index. A repository without one is a problem.Usage that wraps objstore.ErrNotFound.
func (r *Repository) Index(ctx context.Context) (Index, error) {
	o, err := r.get(ctx, indexKey)
	if err != nil {
		return Index{}, err
	}
	ix, err := parseIndex(o.Body)
	if err != nil {
		return Index{}, r.unreadable(err)
	}
	return ix, nil
}

// get reads an object that a person expects to be there.
func (r *Repository) get(ctx context.Context, key string) (objstore.Object, error) {
	o, err := r.store.Get(ctx, key)
	if errors.Is(err, objstore.ErrNotFound) {
		return o, problem.New(problem.Usage, "check the bucket and the prefix, or publish a chart there first",
			"repository %s has no %s: %w", r.base(), key, err)
	}
	return o, err
}

func (r *Repository) unreadable(err error) error {
	return problem.New(problem.Failed, "bring back an earlier version of the object; nothing was changed",
		"reading %s/%s: %w", r.base(), indexKey, err)
}

// base is the repository's URL.
func (r *Repository) base() string {
	if r.opts.Location == (Location{}) {
		return "objects://repository"
	}
	return r.opts.Location.String()
}

// escape makes a file name a relative URL. A plus sign is escaped, for S3 and others read a bare one as a blank.
func escape(name string) string { return strings.ReplaceAll(url.PathEscape(name), "+", "%2B") }

func digest(archive []byte) string {
	sum := sha256.Sum256(archive)
	return hex.EncodeToString(sum[:])
}
