package chartrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// PruneOptions says which versions a repository no longer needs: those that every given rule lets go.
type PruneOptions struct {
	Keep      int           // newest versions of each chart to keep; 0: this rule is not given
	OlderThan time.Duration // age since the version was published; 0: this rule is not given
	Names     []string      // charts to prune; none: all
}

// PrunePlan is what a prune deletes.
type PrunePlan struct {
	// Token stands for exactly these versions in this repository. Empty: there is nothing to delete.
	Token  string
	Delete []Entry // by chart, newest first
}

// prunedBy begins the reason of a pruned version's tombstone; the token of its plan follows.
const prunedBy = "pruned by plan "

// PlanPrune answers what ApplyPrune would delete, and changes nothing. The newest version of a chart that is no
// prerelease stays, whatever the rules say; where there are prereleases only, the newest of them does. Versions that
// are not semantic, whose age the index does not say (where age is asked for), or whose archive has another name than
// NAME-VERSION.tgz stay too. Without any rule it is a problem.Usage.
func (r *Repository) PlanPrune(ctx context.Context, opts PruneOptions) (PrunePlan, error) {
	ix, err := r.Index(ctx)
	if err == nil {
		var plan PrunePlan
		if plan, err = r.plan(ix, opts, r.opts.Now()); err == nil {
			return plan, nil
		}
	}
	return PrunePlan{}, fmt.Errorf("pruning %s: %w", r.base(), err)
}

// Pruned tells what ApplyPrune did.
type Pruned struct {
	Versions []Tombstone // of the plan, whether removed by this call or by an earlier one that was interrupted
	Archives int         // deleted by this call
}

// ApplyPrune deletes what the plan of this token deletes: first all entries, in one update of the index that leaves
// tombstones, then their archives and provenance. Interrupted after the first step, it goes on when it is called again
// with the same token; until then Verify names what is left. A plan that would now be another one is a
// problem.Conflict, and nothing is deleted.
func (r *Repository) ApplyPrune(ctx context.Context, opts PruneOptions, token string) (Pruned, error) {
	done, err := r.applyPrune(ctx, opts, token)
	if err != nil {
		return done, fmt.Errorf("pruning %s: %w", r.base(), err)
	}
	return done, nil
}

func (r *Repository) applyPrune(ctx context.Context, opts PruneOptions, token string) (Pruned, error) {
	now := r.opts.Now()
	var done Pruned
	var kept Index
	err := r.edit(ctx, func(ix Index) (Index, error) {
		if done.Versions = prunedWith(ix, token); len(done.Versions) > 0 {
			kept = ix
			return ix, nil
		}
		plan, err := r.plan(ix, opts, now)
		if err != nil {
			return Index{}, err
		}
		if plan.Token != token {
			return Index{}, problem.New(problem.Conflict, "run it without --apply to see the plan of now",
				"plan %s is not the plan of now: the repository or the rules have changed", token)
		}
		for _, e := range plan.Delete {
			done.Versions = append(done.Versions, Tombstone{
				Name: e.Name, Version: e.Version, Digest: e.Digest, Reason: prunedBy + token, Time: now.UTC(),
			})
		}
		kept, err = ix.bury(done.Versions...)
		return kept, err
	})
	if err != nil {
		return Pruned{}, err
	}
	done.Archives, err = r.deleteArchives(ctx, kept, done.Versions)
	return done, err
}

func prunedWith(ix Index, token string) []Tombstone {
	return slices.DeleteFunc(ix.Yanked(), func(t Tombstone) bool { return t.Entry != nil || t.Reason != prunedBy+token })
}

// deleteArchives deletes the archives of versions that no entry names any more.
func (r *Repository) deleteArchives(ctx context.Context, kept Index, versions []Tombstone) (int, error) {
	named := map[string]bool{}
	for e := range kept.Entries() {
		key, _ := r.locate(e)
		named[key] = true
	}
	deleted := make([]int, len(versions))
	parallel := min(r.width, defaultParallel)
	err := each(ctx, parallel, len(versions), func(ctx context.Context, i int) (err error) {
		key := filename(versions[i].Name, versions[i].Version)
		if named[key] { // two charts can share a name and version read together, such as a-1 2.0.0 and a 1-2.0.0
			return nil
		}
		if _, err := r.deleteObject(ctx, key+provenanceSuffix); err != nil {
			return err
		}
		deleted[i], err = r.deleteObject(ctx, key)
		return err
	})
	n := 0
	for _, d := range deleted {
		n += d
	}
	return n, err
}

// deleteObject deletes what is there, in the version that was read, and answers how many objects that were.
func (r *Repository) deleteObject(ctx context.Context, key string) (n int, err error) {
	_, err = objstore.Retry(ctx, key, r.opts.Update, func(int) error {
		o, err := r.store.Get(ctx, key)
		if err == nil {
			err = r.store.Delete(ctx, key, o.Version)
		}
		if err == nil {
			n = 1
		}
		return err
	})
	if errors.Is(err, objstore.ErrNotFound) {
		return 0, nil
	}
	return n, err
}

func (r *Repository) plan(ix Index, opts PruneOptions, now time.Time) (PrunePlan, error) {
	if opts.Keep <= 0 && opts.OlderThan <= 0 {
		return PrunePlan{}, problem.New(problem.Usage, "add --keep N, --older-than 90d or both",
			"no rule says what to delete")
	}
	names := opts.Names
	if len(names) == 0 {
		names = ix.Names()
	}
	var plan PrunePlan
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		all := ix.Versions(name)
		if len(all) == 0 && len(opts.Names) > 0 {
			return PrunePlan{}, r.noSuch(name, "")
		}
		plan.Delete = append(plan.Delete, r.expendable(all, opts, now)...)
	}
	if len(plan.Delete) > 0 {
		plan.Token = r.token(plan.Delete)
	}
	return plan, nil
}

// expendable are the versions of one chart that the rules let go.
func (r *Repository) expendable(all []Entry, opts PruneOptions, now time.Time) []Entry {
	list, newest := ranked(all)
	var found []Entry
	for i, e := range list {
		young := opts.OlderThan > 0 && (e.Created.IsZero() || now.Sub(e.Created) <= opts.OlderThan)
		key, ok := r.locate(e)
		if i != newest && i >= opts.Keep && !young && ok && key == filename(e.Name, e.Version) {
			found = append(found, e)
		}
	}
	return found
}

// token is a short digest of what a plan deletes, and where.
func (r *Repository) token(entries []Entry) string {
	h := sha256.New()
	_, _ = io.WriteString(h, "pinnace/prune/v1\n"+r.base()+"\n")
	for _, e := range entries {
		_, _ = io.WriteString(h, strings.Join([]string{e.Name, e.Version, e.Digest}, " ")+"\n")
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}
