package chartrepo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/repo/v1"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Options configures a Repository.
type Options struct {
	// Location is where the store is, for URLs in results and for Helm. Its zero value is a repository without one.
	Location Location
	// Now stamps the index and its entries. Nil is time.Now.
	Now func() time.Time
	// Update tunes how the index is contended for. Publishers, who wait in line, look up to 600 times and at least every
	// 400 ms unless it says otherwise.
	Update objstore.UpdateOptions
	// TempDir holds what Helm caches during a Pull. Empty is the system's.
	TempDir string
}

// Repository is a chart repository on a store. It is safe for concurrent use, and so is the store by any number of
// repositories on any number of machines.
type Repository struct {
	store   objstore.Store
	opts    Options
	width   int           // how many small calls of the store to make at once
	heavy   int64         // bytes of an index that nobody moves in vain; 0: whatever its size, it is not asked
	newName func() string // makes names that nobody else makes
}

// New makes a repository of the objects in store.
func New(store objstore.Store, opts Options) *Repository {
	if opts.Now == nil {
		opts.Now = time.Now //nolint:forbidigo // the default of the injected clock
	}
	return &Repository{store, opts, 32, heavyIndex, rand.Text}
}

// Result tells what became of a package.
type Result struct {
	Name     string
	Version  string
	Digest   string // sha256 of the archive, hexadecimal
	URL      string // of the archive
	Already  bool   // the index named this very package before
	Attempts int    // at the index, from 1
	Err      error  // why it is not published; nil: it is
}

// Publish is PublishAll of one package.
func (r *Repository) Publish(ctx context.Context, p Package) (Result, error) {
	results, err := r.PublishAll(ctx, []Package{p})
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

// PublishAll puts the archives into the repository, several at a time, and then all their entries into the index at
// once. Publishing what is there again succeeds; a version that is there with another digest, or that was yanked, is a
// problem.Conflict and stays as it is. One package's failure does not keep the others out: the results are in the order
// of the packages, and the error joins theirs.
//
// Killed anywhere, it leaves archives that no index names, never an entry without an archive. Publishing the same
// package again completes it, and if the entries had been left pending, so does whoever publishes anything next.
func (r *Repository) PublishAll(ctx context.Context, ps []Package) ([]Result, error) {
	results := make([]Result, len(ps))
	entries := make([]Entry, len(ps))
	_ = each(ctx, r.width, len(ps), func(ctx context.Context, i int) error { // errors are in the results
		p := ps[i]
		results[i] = Result{Name: p.Name, Version: p.Version, Digest: p.Digest, URL: r.base() + "/" + escape(p.Filename())}
		entries[i], results[i].Err = r.putArchive(ctx, p)
		return nil
	})
	var own []Entry
	var published []*Result // of each of own
	for i := range results {
		if results[i].Err == nil {
			own, published = append(own, entries[i]), append(published, &results[i])
		}
	}
	if len(own) > 0 {
		verdicts, attempts, err := r.add(ctx, own)
		for i, res := range published {
			res.Attempts, res.Err = attempts, err
			if err == nil {
				res.Already = errors.Is(verdicts[i], objstore.ErrUnchanged)
				res.Err = unless(objstore.ErrUnchanged, verdicts[i])
			}
		}
	}
	return results, explainAll(results)
}

// explainAll says of each error which package it is about, and joins what is not the same.
func explainAll(results []Result) error {
	var all []error
	for i := range results {
		res := &results[i]
		if res.Err == nil {
			continue
		}
		res.Err = fmt.Errorf("publishing %s %s: %w", res.Name, res.Version, res.Err)
		cause := errors.Unwrap(res.Err)
		if !slices.ContainsFunc(all, func(err error) bool { return errors.Is(err, cause) }) {
			all = append(all, res.Err)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// immutableForever lets whoever may read an archive keep it, and nobody in between: the charts are private.
const immutableForever = "private, max-age=31536000, immutable"

// putArchive creates the archive, or finds it there with the same bytes, and then the package's own provenance. It
// answers the entry for the index.
func (r *Repository) putArchive(ctx context.Context, p Package) (Entry, error) {
	if p.metadata == nil {
		return Entry{}, errors.New("the package was not made by Pack or Open")
	}
	opts := r.opts.Update
	opts.ExpectAbsent = true
	_, err := objstore.Update(ctx, r.store, p.Filename(), opts,
		func(body []byte, exists bool) (objstore.Content, error) {
			switch {
			case !exists:
				return objstore.Content{
					Body: p.Archive, Type: "application/gzip", CacheControl: immutableForever,
				}, nil
			case digest(body) == p.Digest:
				return objstore.Content{}, objstore.ErrUnchanged
			default:
				return objstore.Content{}, occupied(p, body)
			}
		})
	if err == nil && p.Provenance != nil {
		err = r.putOwnProvenance(ctx, p)
	}
	if err != nil {
		return Entry{}, err
	}
	return newEntry(p, r.opts.Now())
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
	return problem.New(problem.Failed, "bring back an earlier version of the object; it was left as it is",
		"reading %s/%s: %w", r.base(), indexKey, err)
}

// archiveKey is where an entry's archive is among the objects of the repository, or false if it is somewhere else.
func (r *Repository) archiveKey(e Entry) (string, bool) {
	if len(e.URLs) == 0 {
		return "", false
	}
	full, err := repo.ResolveReferenceURL(r.base(), e.URLs[0])
	if err != nil {
		return "", false
	}
	base, err := url.Parse(r.base())
	if err != nil {
		return "", false
	}
	u, err := url.Parse(full)
	if err != nil || u.Scheme != base.Scheme || u.Host != base.Host {
		return "", false
	}
	key, below := strings.CutPrefix(u.Path, strings.TrimSuffix(base.Path, "/")+"/")
	return key, below && objstore.CheckKey(key) == nil
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
