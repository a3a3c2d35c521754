package chartrepo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// maxMirrored bounds what one call mirrors: dependencies can name dependencies without an end.
const maxMirrored = 1000

// MirrorOptions configures Mirror.
type MirrorOptions struct {
	// Lock has the digests of what was mirrored before. They bind.
	Lock Lock
	// Update takes the newest of what is wanted, where otherwise a version of the lock is kept.
	Update bool
	// Open opens the http or https repository of a dependency. Nil leaves dependencies out.
	Open func(url string) (Source, error)
	// Inspect sees all charts, once, before anything is published, and may refuse them. Nil accepts all.
	Inspect func(ctx context.Context, ps []Package) error
	// Keyring verifies the provenance of every chart, which then must have one. Nil copies provenance as it is.
	Keyring *Keyring
	// DryRun does everything but publish.
	DryRun bool
}

// Mirrored is one chart of a MirrorResult.
type Mirrored struct {
	Locked
	RequiredBy string `json:"requiredBy,omitempty"` // NAME VERSION of the chart that depends on it
	Already    bool   `json:"already"`              // it was published in the target before
}

// MirrorResult tells what Mirror brought, in the order of need, and the lock that holds it all.
type MirrorResult struct {
	Charts []Mirrored
	Lock   Lock
}

// Mirror publishes charts of a foreign repository in to, the same bytes, with those that they depend on and do not
// carry. All are fetched and checked before the first is published, in one update of the index.
//
// A chart whose bytes differ from the digest of its index or of the lock, or whose name or version are not those of
// its entry, is a problem.Refused, and so is a dependency whose repository is not reached by http or https. A version
// that the target has with other bytes is a problem.Conflict.
func Mirror(ctx context.Context, from Source, to *Repository, wants []Want, opts MirrorOptions) (MirrorResult, error) {
	m := &mirror{opts: opts, remotes: map[string]func() (Source, Index, error){}}
	m.remember(ctx, from)
	var level []need
	for _, w := range wants {
		level = append(level, need{Want: w, repository: from.URL()})
	}
	found, err := m.fetchAll(ctx, level)
	if err != nil {
		return MirrorResult{}, fmt.Errorf("mirroring from %s: %w", from.URL(), err)
	}
	if err := m.inspect(ctx, found); err != nil {
		return MirrorResult{}, fmt.Errorf("mirroring from %s: %w", from.URL(), err)
	}
	res := MirrorResult{Lock: opts.Lock}
	for _, f := range found {
		line := Locked{f.Name, f.Version, f.repository, "sha256:" + f.Digest}
		res.Lock = res.Lock.With(line)
		res.Charts = append(res.Charts, Mirrored{Locked: line, RequiredBy: f.by})
	}
	if opts.DryRun {
		return res, nil
	}
	return res, m.publish(ctx, to, found, res.Charts)
}

// need is a chart that is wanted from one repository, by one chart or by the caller.
type need struct {
	Want
	repository, by string
}

// fetched is a chart that was read and checked.
type fetched struct {
	Package
	repository string
	by         string
	needs      []need
}

type mirror struct {
	opts    MirrorOptions
	mu      sync.Mutex
	remotes map[string]func() (Source, Index, error) // by URL; each index is read once
}

func (m *mirror) remember(ctx context.Context, s Source) func() (Source, Index, error) {
	read := sync.OnceValues(func() (Index, error) { return s.Index(ctx) })
	get := func() (Source, Index, error) {
		ix, err := read()
		return s, ix, err
	}
	m.remotes[s.URL()] = get
	return get
}

func (m *mirror) remote(ctx context.Context, at string) (Source, Index, error) {
	m.mu.Lock()
	get, ok := m.remotes[at]
	if !ok {
		s, err := m.opts.Open(at)
		if err != nil {
			m.mu.Unlock()
			return nil, Index{}, err
		}
		get = m.remember(ctx, s)
		m.remotes[at] = get
	}
	m.mu.Unlock()
	return get()
}

// fetchAll reads what is needed, then what that needs, until nothing is missing.
func (m *mirror) fetchAll(ctx context.Context, level []need) ([]fetched, error) {
	var all []fetched
	asked, have := map[need]bool{}, map[Locked]bool{}
	for len(level) > 0 {
		got := make([]fetched, len(level))
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(8)
		for i, n := range level {
			group.Go(func() (err error) {
				got[i], err = m.fetch(groupCtx, n)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		level = nil
		for _, f := range got {
			if line := (Locked{f.Name, f.Version, f.repository, f.Digest}); !have[line] {
				have[line] = true
				all = append(all, f)
			}
			for _, n := range f.needs {
				if unique := (need{Want: n.Want, repository: n.repository}); !asked[unique] {
					asked[unique] = true
					level = append(level, n)
				}
			}
		}
		if len(all)+len(level) > maxMirrored {
			return nil, problem.New(problem.Refused, "mirror fewer charts at once, or leave dependencies out",
				"more than %d charts are needed", maxMirrored)
		}
	}
	return all, nil
}

func (m *mirror) fetch(ctx context.Context, n need) (fetched, error) {
	source, ix, err := m.remote(ctx, n.repository)
	if err != nil {
		return fetched{}, err
	}
	lock := m.opts.Lock
	if m.opts.Update {
		lock = Lock{}
	}
	e, err := n.pick(ix, source.URL(), lock)
	if err != nil {
		return fetched{}, err
	}
	f := fetched{repository: source.URL(), by: n.by}
	if f.Package, err = m.archive(ctx, source, e); err != nil {
		return fetched{}, fmt.Errorf("chart %s %s: %w", e.Name, e.Version, err)
	}
	if f.Provenance, err = m.provenance(ctx, source, e, f.Package); err != nil {
		return fetched{}, fmt.Errorf("chart %s %s: %w", e.Name, e.Version, err)
	}
	if m.opts.Open != nil {
		f.needs, err = needs(f.Package, source.URL())
	}
	return f, err
}

func (m *mirror) inspect(ctx context.Context, found []fetched) error {
	if m.opts.Inspect == nil {
		return nil
	}
	packages := make([]Package, len(found))
	for i, f := range found {
		packages[i] = f.Package
	}
	return m.opts.Inspect(ctx, packages)
}

// archive fetches the entry's archive and holds it against the index, the lock and its own Chart.yaml.
func (m *mirror) archive(ctx context.Context, source Source, e Entry) (Package, error) {
	if len(e.URLs) == 0 {
		return Package{}, fmt.Errorf("the index of %s has no URL for it", source.URL())
	}
	body, err := source.Fetch(ctx, e.URLs[0])
	if err != nil {
		return Package{}, err
	}
	got, listed := digest(body), normalDigest(e.Digest)
	if locked, ok := m.opts.Lock.digest(source.URL(), e.Name, e.Version); ok && locked != "sha256:"+got {
		return Package{}, problem.New(problem.Refused,
			"do not install it: ask the repository's owner why a published version changed",
			"its digest was %s and is now sha256:%s", locked, got)
	}
	if listed != "" && listed != got {
		return Package{}, problem.New(problem.Refused, "do not install it: tell the repository's owner",
			"the archive has digest %s, the index says %s", got, listed)
	}
	return openAs(body, e.Name, e.Version)
}

// provenance fetches what lies beside the archive, if anything does.
func (m *mirror) provenance(ctx context.Context, source Source, e Entry, p Package) ([]byte, error) {
	body, err := source.Fetch(ctx, e.URLs[0]+provenanceSuffix)
	absent := errors.Is(err, objstore.ErrNotFound) || problem.KindOf(err) == problem.Denied // as some stores say it
	switch {
	case err == nil && isProvenance(body):
	case err == nil || absent:
		body = nil
	default:
		return nil, err
	}
	if m.opts.Keyring == nil {
		return body, nil
	}
	_, err = m.opts.Keyring.Verify(p, body)
	return body, err
}

// normalDigest is the digest of an entry in the form of ours, or empty if it is none.
func normalDigest(s string) string {
	s = strings.ToLower(strings.TrimPrefix(s, "sha256:"))
	if !isDigest(s) {
		return ""
	}
	return s
}

// openAs is Open for an archive that an entry promises to be this version of this chart.
func openAs(archive []byte, name, version string) (Package, error) {
	p, err := Open(archive)
	if err != nil {
		return Package{}, err
	}
	if p.Name != name || p.Version != version {
		return Package{}, problem.New(problem.Refused, "do not install it: tell the repository's owner",
			"the archive is of %s %s, the index says %s %s", p.Name, p.Version, name, version)
	}
	return p, nil
}

// needs are the charts that p declares and does not carry.
func needs(p Package, at string) ([]need, error) {
	c, err := loader.LoadArchive(bytes.NewReader(p.Archive))
	if err != nil {
		return nil, err
	}
	carried := map[string]bool{}
	for _, d := range c.Dependencies() {
		carried[d.Name()] = true
	}
	var missing []need
	for _, d := range c.Metadata.Dependencies {
		if carried[d.Name] {
			continue
		}
		n, err := needOf(d, at)
		if err != nil {
			return nil, fmt.Errorf("chart %s %s: %w", p.Name, p.Version, err)
		}
		n.by = p.Name + " " + p.Version
		missing = append(missing, n)
	}
	return missing, nil
}

// needOf reads a dependency of a foreign chart. It may lead over http, or to where the chart itself is from: a folder
// of this machine or a bucket that this identity may read are nothing that a foreign chart gets to name.
func needOf(d *chart.Dependency, at string) (need, error) {
	repository := strings.TrimRight(d.Repository, "/")
	if repository != at && !strings.HasPrefix(repository, "https://") && !strings.HasPrefix(repository, "http://") {
		return need{}, problem.New(problem.Refused, "mirror that chart by itself, and add --no-dependencies here",
			"it depends on %s from repository %q, which is not on the web", d.Name, d.Repository)
	}
	w, err := ParseWant(d.Name + "@" + cmp.Or(d.Version, "*"))
	return need{Want: w, repository: repository}, err
}

func (m *mirror) publish(ctx context.Context, to *Repository, found []fetched, charts []Mirrored) error {
	packages := map[string]Package{}
	for _, f := range found {
		if known, ok := packages[f.Filename()]; ok && known.Digest != f.Digest {
			return occupied(f.Package, known.Archive)
		}
		packages[f.Filename()] = f.Package
	}
	order := slices.Sorted(maps.Keys(packages))
	list := make([]Package, len(order))
	for i, name := range order {
		list[i] = packages[name]
	}
	results, err := to.PublishAll(ctx, list)
	if err != nil {
		return err
	}
	for i := range charts {
		at, _ := slices.BinarySearch(order, found[i].Filename())
		charts[i].Already = results[at].Already
	}
	return nil
}
