package chartrepo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pinnace-dev/pinnace/internal/durable"
	"github.com/pinnace-dev/pinnace/internal/objstore"
)

// FindingKind is what is wrong with one thing in a repository.
type FindingKind string

// The kinds of findings.
const (
	Orphan     FindingKind = "orphan"          // an archive that no entry names; reindex adds it
	Dangling   FindingKind = "dangling"        // an entry whose archive is not there
	NoDigest   FindingKind = "no-digest"       // an entry without the digest of its archive; reindex adds it
	Mismatch   FindingKind = "digest-mismatch" // an archive with other bytes than its entry says
	Unreadable FindingKind = "unreadable"      // an archive that is no chart, or an entry that is none
	Misnamed   FindingKind = "misnamed"        // an archive or entry of another name or version than stands over it
	Unsigned   FindingKind = "unsigned"        // a version without provenance, or with one that does not verify
	Leftover   FindingKind = "leftover"        // what a crash left: a pending entry, a temporary file, a yanked archive
)

const danglingHint = "restore the archive, publish the same bytes again, or yank the version"

// Finding is one thing that is wrong.
type Finding struct {
	Kind    FindingKind `json:"kind"`
	Name    string      `json:"name,omitempty"`
	Version string      `json:"version,omitempty"`
	Key     string      `json:"key"` // the object, or the path of a temporary file
	Detail  string      `json:"detail"`
}

// VerifyOptions configures Verify.
type VerifyOptions struct {
	// Deep reads every archive that an entry names.
	Deep bool
	// Parallel is how many archives to read at once; 0 means 16.
	Parallel int
	// RequireSigned finds versions without provenance.
	RequireSigned bool
	// Keyring verifies the provenance that is there. It needs Deep.
	Keyring *Keyring
	// Grace leaves out what was written less than this ago: a publish may be under way. 0 leaves out nothing.
	Grace time.Duration
}

// Report is what Verify found.
type Report struct {
	Charts    int       `json:"charts"`
	Versions  int       `json:"versions"`  // entries of the index
	Yanked    int       `json:"yanked"`    // tombstones
	Archives  int       `json:"archives"`  // in the repository
	Bytes     int64     `json:"bytes"`     // of the archives
	Read      int       `json:"read"`      // archives that were read
	Elsewhere int       `json:"elsewhere"` // entries whose archive another server has; they are not checked
	Findings  []Finding `json:"findings"`  // by kind, key and version
}

// Verify holds the index and the archives against each other. It writes nothing, and what others publish or prune
// meanwhile is no finding.
func (r *Repository) Verify(ctx context.Context, opts VerifyOptions) (Report, error) {
	v := verifier{Repository: r, opts: opts, now: r.opts.Now()}
	if err := v.look(ctx); err != nil {
		return Report{}, fmt.Errorf("verifying %s: %w", r.base(), err)
	}
	if opts.Deep {
		if err := v.readAll(ctx); err != nil {
			return Report{}, fmt.Errorf("verifying %s: %w", r.base(), err)
		}
	}
	slices.SortFunc(v.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Version, b.Version))
	})
	return v.Report, nil
}

type verifier struct {
	*Repository
	Report
	opts  VerifyOptions
	now   time.Time
	there []Entry // entries whose archive is in the repository
}

// young tells what is not judged yet.
func (v *verifier) young(modified time.Time) bool {
	return v.opts.Grace > 0 && v.now.Sub(modified) < v.opts.Grace
}

func (v *verifier) find(kind FindingKind, name, version, key, detail string) {
	v.Findings = append(v.Findings, Finding{kind, name, version, key, detail})
}

// look compares names. The index is read before the listing and after it: an archive is put before its entry and
// removed after it, so that an entry in both whose archive is not listed dangles, and an archive that neither names is
// an orphan.
func (v *verifier) look(ctx context.Context) error {
	before, err := v.indexOrEmpty(ctx)
	if err != nil {
		return err
	}
	objects, err := v.list(ctx, "")
	if err != nil {
		return err
	}
	after, err := v.indexOrEmpty(ctx)
	if err != nil {
		return err
	}
	named := map[string]bool{} // keys; those of before are settled
	for e := range before.Entries() {
		if key, ok := v.locate(e); ok {
			named[key] = true
		}
	}
	v.Charts = after.Len()
	for e := range after.Entries() {
		v.Versions++
		key, ok := v.locate(e)
		v.lookAt(e, key, named[key], ok && objects.has(key), objects)
		named[key] = true
	}
	v.lookForUnreadable(after)
	v.lookForLeftovers(objects, named, after.Yanked())
	return v.lookForTemporaryFiles()
}

// lookAt judges an entry; known says that it was there before the listing.
func (v *verifier) lookAt(e Entry, key string, known, there bool, objects listing) {
	switch {
	case there:
		v.there = append(v.there, e)
	case v.elsewhere(e):
		v.Elsewhere++
		return
	case known:
		v.find(Dangling, e.Name, e.Version, key, danglingHint)
		return
	default: // published since the listing
		return
	}
	if normalDigest(e.Digest) == "" {
		v.find(NoDigest, e.Name, e.Version, key, "run reindex")
	}
	if v.opts.RequireSigned && !objects.has(key+provenanceSuffix) {
		v.find(Unsigned, e.Name, e.Version, key, "it has no provenance")
	}
}

// lookForUnreadable finds what makes Helm refuse the whole index, and entries in another chart's list.
func (v *verifier) lookForUnreadable(ix Index) {
	for _, name := range ix.Names() {
		all, err := ix.entries(name)
		if err != nil {
			v.find(Unreadable, name, "", indexKey, oneLine(err.Error()))
		}
		for _, e := range all {
			switch {
			case !e.readable || e.Version == "":
				v.find(Unreadable, name, e.Version, indexKey, "Helm refuses an index with such an entry: take it out by hand")
			case e.Name != name:
				v.find(Misnamed, e.Name, e.Version, indexKey, "it is among the entries of chart "+name)
			}
		}
	}
}

func (v *verifier) lookForLeftovers(objects listing, named map[string]bool, tombstones []Tombstone) {
	v.Yanked = len(tombstones)
	yanked := map[string]Tombstone{}
	for _, t := range tombstones {
		yanked[filename(t.Name, t.Version)] = t
	}
	for key, info := range objects {
		if isArchive(key) {
			v.Archives++
			v.Bytes += info.Size
		}
		t, isYanked := yanked[key]
		switch {
		case named[key] || v.young(info.Modified):
		case isYanked && t.Entry == nil:
			v.find(Leftover, t.Name, t.Version, key,
				"it was removed and its archive is there: apply the prune again ("+t.Reason+")")
		case isArchive(key) && !isYanked:
			v.find(Orphan, "", "", key, "no entry names it: publish it again, or run reindex")
		case strings.HasPrefix(key, pendingPrefix):
			v.find(Leftover, "", "", key, "a publish was interrupted: run reindex, or publish anything")
		}
	}
}

// lookForTemporaryFiles finds what a write that was killed left in a folder; no store lists it.
func (v *verifier) lookForTemporaryFiles() error {
	if v.Repository.opts.Location.Scheme != SchemeFile {
		return nil
	}
	root := v.Repository.opts.Location.Path
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !strings.HasPrefix(d.Name(), durable.TempPrefix) {
			return err
		}
		if info, err := d.Info(); err == nil && !v.young(info.ModTime()) {
			v.find(Leftover, "", "", path, "a write was interrupted: remove the file")
		}
		return nil
	})
}

// readAll reads the archives of the entries.
func (v *verifier) readAll(ctx context.Context) error {
	found := make([][]Finding, len(v.there))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(cmp.Or(v.opts.Parallel, defaultParallel))
	for i, e := range v.there {
		group.Go(func() (err error) {
			found[i], err = v.readOne(groupCtx, e)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	v.Read = len(v.there)
	v.Findings = append(v.Findings, slices.Concat(found...)...)
	return nil
}

func (v *verifier) readOne(ctx context.Context, e Entry) ([]Finding, error) {
	key, _ := v.locate(e)
	finding := func(kind FindingKind, detail string) ([]Finding, error) {
		return []Finding{{kind, e.Name, e.Version, key, detail}}, nil
	}
	o, err := v.store.Get(ctx, key)
	if errors.Is(err, objstore.ErrNotFound) { // pruned since the listing, unless the entry is still there
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if want, got := normalDigest(e.Digest), digest(o.Body); want != "" && got != want {
		return finding(Mismatch, fmt.Sprintf("its digest is %s, the index says %s", got, want))
	}
	p, err := Open(o.Body)
	if err != nil {
		return finding(Unreadable, oneLine(err.Error()))
	}
	if p.Name != e.Name || p.Version != e.Version {
		return finding(Misnamed, fmt.Sprintf("it is %s %s", p.Name, p.Version))
	}
	if v.opts.Keyring == nil {
		return nil, nil
	}
	prov, err := v.store.Get(ctx, key+provenanceSuffix)
	switch {
	case errors.Is(err, objstore.ErrNotFound): // RequireSigned has found it, if it matters
		return nil, nil
	case err != nil:
		return nil, err
	}
	if _, err := v.opts.Keyring.Verify(p, prov.Body); err != nil {
		return finding(Unsigned, oneLine(err.Error()))
	}
	return nil, nil
}
