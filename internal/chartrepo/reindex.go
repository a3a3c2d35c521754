package chartrepo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

const (
	defaultParallel = 16
	// reindexBatch is how many archives are read between two writes of the index: what an interruption costs at most.
	reindexBatch = 1000
)

// ReindexOptions configures Reindex.
type ReindexOptions struct {
	// Parallel is how many archives to read at once; 0 means 16.
	Parallel int
	// DryRun reads, and writes nothing.
	DryRun bool
	// Progress is told after each archive how many are read, of how many. Calls do not overlap. Nil is told nothing.
	Progress func(read, of int)
}

// Reindexed tells what Reindex did, or would do.
type Reindexed struct {
	Archives int       `json:"archives"` // in the repository
	Read     int       `json:"read"`     // the others have an entry that is right, or are yanked
	Added    []string  `json:"added"`    // NAME VERSION, in order
	Mended   []string  `json:"mended"`   // entries that lacked a digest or whose URL led nowhere
	Findings []Finding `json:"findings"` // what stays wrong; it is as it was
}

// Reindex gives every archive its entry. Archives whose entry is right are not read, entries that are right stay as
// they are to the byte, and what is yanked stays away. It merges what it read into the index of that moment, so it
// loses nothing that others publish meanwhile, and writes as it goes: run again after an interruption, it goes on.
//
// It takes nothing away and never changes a digest. An archive with other bytes than its entry says, and an entry
// without an archive, are findings.
func (r *Repository) Reindex(ctx context.Context, opts ReindexOptions) (Reindexed, error) {
	x := reindex{Repository: r, opts: opts}
	if err := x.run(ctx); err != nil {
		return x.Reindexed, fmt.Errorf("reindexing %s: %w", r.base(), err)
	}
	return x.Reindexed, nil
}

type reindex struct {
	*Repository
	Reindexed
	opts    ReindexOptions
	objects listing
}

// archived is an archive that was read.
type archived struct {
	Package
	key      string
	modified time.Time
}

func (x *reindex) run(ctx context.Context) error {
	ix, err := x.indexOrEmpty(ctx)
	if err != nil {
		return err
	}
	if x.objects, err = x.list(ctx, ""); err != nil {
		return err
	}
	keys := x.unsettled(ix)
	for batch := range slices.Chunk(keys, reindexBatch) {
		read, err := x.readAll(ctx, batch, len(keys))
		if err != nil {
			return err
		}
		if err := x.merge(ctx, ix, read); err != nil {
			return err
		}
	}
	return nil
}

// unsettled are the archives that have no entry, or one that is not right, in order.
func (x *reindex) unsettled(ix Index) []string {
	settled := map[string]bool{}
	for _, t := range ix.Yanked() {
		settled[filename(t.Name, t.Version)] = true
	}
	for e := range ix.Entries() {
		key, ok := x.locate(e)
		switch {
		case !ok:
		case x.objects.has(key):
			settled[key] = normalDigest(e.Digest) != ""
		case !x.elsewhere(e) && !x.objects.has(filename(e.Name, e.Version)):
			x.find(Dangling, e.Name, e.Version, key, danglingHint)
		}
	}
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(x.objects)) {
		if !isArchive(key) {
			continue
		}
		x.Archives++
		if !settled[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

func (x *reindex) find(kind FindingKind, name, version, key, detail string) {
	x.Findings = append(x.Findings, Finding{kind, name, version, key, detail})
}

// readAll reads the archives, and leaves out those that are gone and those that are no charts.
func (x *reindex) readAll(ctx context.Context, keys []string, of int) ([]archived, error) {
	read := make([]archived, len(keys))
	bad := make([]string, len(keys))
	var mu sync.Mutex
	parallel := cmp.Or(x.opts.Parallel, defaultParallel)
	err := each(ctx, parallel, len(keys), func(ctx context.Context, i int) (err error) {
		read[i], bad[i], err = x.readOne(ctx, keys[i])
		mu.Lock()
		defer mu.Unlock()
		if x.Read++; x.opts.Progress != nil && err == nil {
			x.opts.Progress(x.Read, of)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, why := range bad {
		if why != "" {
			x.find(Unreadable, "", "", keys[i], why)
		}
	}
	return slices.DeleteFunc(read, func(a archived) bool { return a.key == "" }), nil
}

func (x *reindex) readOne(ctx context.Context, key string) (read archived, bad string, err error) {
	o, err := x.store.Get(ctx, key)
	if errors.Is(err, objstore.ErrNotFound) { // pruned since the listing
		return archived{}, "", nil
	}
	if err != nil {
		return archived{}, "", err
	}
	p, err := Open(o.Body)
	if err != nil {
		return archived{}, oneLine(err.Error()), nil //nolint:nilerr // one bad archive does not keep the others out
	}
	p.Archive = nil // a batch of them would not fit into memory
	return archived{p, key, x.objects[key].Modified}, "", nil
}

// merge brings what was read into the index as it is now.
func (x *reindex) merge(ctx context.Context, seen Index, read []archived) error {
	var done Reindexed
	edit := func(ix Index) (next Index, err error) {
		done = Reindexed{}
		return x.apply(ix, read, &done)
	}
	var err error
	if x.opts.DryRun {
		_, err = edit(seen)
	} else {
		err = x.edit(ctx, edit)
	}
	if err != nil {
		return err
	}
	x.Added = append(x.Added, done.Added...)
	x.Mended = append(x.Mended, done.Mended...)
	x.Findings = append(x.Findings, done.Findings...)
	return nil
}

// apply is ix with the entries that it lacks, and with those mended that lack a digest or lead nowhere.
func (x *reindex) apply(ix Index, read []archived, done *Reindexed) (Index, error) {
	byChart := map[string][]archived{}
	for _, a := range read {
		byChart[a.Name] = append(byChart[a.Name], a)
	}
	var missing []Entry
	for _, name := range slices.Sorted(maps.Keys(byChart)) {
		all, err := ix.entries(name)
		if err != nil {
			return Index{}, x.unreadable(err)
		}
		at := map[string]int{}
		for i, e := range all {
			at[e.Version] = i
		}
		changed := false
		for _, a := range byChart[name] {
			i, there := at[a.Version]
			switch {
			case there:
				changed = x.mend(&all[i], a, done) || changed
			case a.key != a.Filename():
				done.Findings = append(done.Findings, Finding{
					Misnamed, a.Name, a.Version, a.key, "rename it to " + a.Filename(),
				})
			default:
				e, err := newEntry(a.Package, a.modified)
				if err != nil {
					return Index{}, err
				}
				missing = append(missing, e)
			}
		}
		if changed {
			ix = ix.with(name, all)
		}
	}
	next, verdicts, err := ix.merge(missing)
	for i, e := range missing {
		if err == nil && verdicts[i] == nil { // else it was yanked meanwhile
			done.Added = append(done.Added, e.Name+" "+e.Version)
		}
	}
	return next, err
}

// mend corrects the entry of an archive and tells whether it had to.
func (x *reindex) mend(e *Entry, a archived, done *Reindexed) bool {
	key, ok := x.locate(*e)
	stray := !ok || key != a.key && !x.objects.has(key)
	switch d := normalDigest(e.Digest); {
	case d != "" && d != a.Digest:
		done.Findings = append(done.Findings, Finding{
			Mismatch, a.Name, a.Version, a.key, fmt.Sprintf("its digest is %s, the index says %s", a.Digest, d),
		})
		return false
	case d != "" && !stray:
		return false
	}
	*e = e.point(a.key, a.Digest)
	done.Mended = append(done.Mended, a.Name+" "+a.Version)
	return true
}

// point is the entry with this archive and digest; everything else stays as it is.
func (e Entry) point(key, digest string) Entry {
	urls, _ := json.Marshal([]string{escape(key)}) // strings always marshal
	var b bytes.Buffer
	b.WriteByte('{')
	for name, value := range members(e.raw) {
		if !strings.EqualFold(name, "urls") && !strings.EqualFold(name, "digest") {
			writeMember(&b, name, value)
			b.WriteByte(',')
		}
	}
	writeMember(&b, "urls", urls)
	b.WriteByte(',')
	writeMember(&b, "digest", json.RawMessage(`"`+digest+`"`))
	b.WriteByte('}')
	return readEntry(b.Bytes())
}
