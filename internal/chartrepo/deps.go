package chartrepo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Builder makes packages, with the charts that they depend on. It reads the index of each repository once and is safe
// for concurrent use.
type Builder struct{ remotes *mirror }

// NewBuilder makes a builder that opens the repositories of dependencies, by URL or, where Chart.yaml says @NAME or
// alias:NAME, by name. Without a function nothing is fetched: what is below charts/ must do.
func NewBuilder(open func(ref string) (Source, error)) *Builder {
	if open == nil {
		return &Builder{}
	}
	return &Builder{&mirror{
		opts: MirrorOptions{Open: open}, remotes: map[string]func() (Source, Index, error){},
	}}
}

// maxFolders bounds how deep dependencies on folders lead to others.
const maxFolders = 8

// complete adds to the chart of a folder those that it depends on and that are not below charts/, and tells whether
// there were any. Their versions are those of Chart.lock, if there is one, else the newest that Chart.yaml allows. The
// folder itself is not written.
func (b *Builder) complete(ctx context.Context, folder string, c *chart.Chart, depth int) (bool, error) {
	missing := missingDependencies(c)
	if len(missing) == 0 {
		return false, nil
	}
	if b.remotes == nil {
		return false, problem.New(problem.Refused, "run: helm dependency build "+folder,
			"chart %s lacks the charts it depends on: %s", folder, describe(c, missing))
	}
	wanted, err := lockedDependencies(folder, c)
	if err != nil {
		return false, err
	}
	fetched := make([]*chart.Chart, len(missing))
	var group errgroup.Group // without a context of its own: an index that is read is read for other charts too
	group.SetLimit(8)
	for i, at := range missing {
		group.Go(func() error {
			var err error
			if fetched[i], err = b.dependency(ctx, folder, wanted[at], depth); err != nil {
				return fmt.Errorf("chart %s depends on %s: %w", folder, wanted[at].Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	keep := slices.DeleteFunc(slices.Clone(c.Dependencies()), func(d *chart.Chart) bool { // another version of the same
		return slices.ContainsFunc(fetched, func(f *chart.Chart) bool { return f.Name() == d.Name() }) && !isWanted(c, d)
	})
	c.SetDependencies(append(keep, distinct(fetched)...)...)
	return true, nil
}

// missingDependencies are the positions in Chart.yaml of those that no chart below charts/ fits. As on an installation,
// one of another version does not.
func missingDependencies(c *chart.Chart) (missing []int) {
	for i, want := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(d *chart.Chart) bool { return fits(want, d) }) {
			missing = append(missing, i)
		}
	}
	return missing
}

func fits(want *chart.Dependency, d *chart.Chart) bool {
	return d.Name() == want.Name &&
		(want.Version == "" || want.Version == d.Metadata.Version ||
			chartutil.IsCompatibleRange(want.Version, d.Metadata.Version))
}

func isWanted(c, d *chart.Chart) bool {
	return slices.ContainsFunc(c.Metadata.Dependencies, func(want *chart.Dependency) bool { return fits(want, d) })
}

// distinct leaves out charts that are there already: the same one under several aliases.
func distinct(charts []*chart.Chart) (list []*chart.Chart) {
	for _, c := range charts {
		if !slices.ContainsFunc(list, func(k *chart.Chart) bool {
			return k.Name() == c.Name() && k.Metadata.Version == c.Metadata.Version
		}) {
			list = append(list, c)
		}
	}
	return list
}

// checkFolders refuses several versions of one chart below: in an archive each is in the folder of its name.
func checkFolders(folder string, c *chart.Chart) error {
	versions := map[string]string{}
	for _, d := range c.Dependencies() {
		if other, ok := versions[d.Name()]; ok {
			return problem.New(problem.Refused, "let Chart.yaml allow one version, under as many aliases as are needed",
				"chart %s has %s %s and %s below it; Helm can package one version only",
				folder, d.Name(), other, d.Metadata.Version)
		}
		versions[d.Name()] = d.Metadata.Version
		if err := checkFolders(folder, d); err != nil {
			return err
		}
	}
	return nil
}

func describe(c *chart.Chart, missing []int) string {
	var names []string
	for _, i := range missing {
		d := c.Metadata.Dependencies[i]
		names = append(names, strings.TrimSpace(d.Name+" "+d.Version))
	}
	return strings.Join(names, ", ")
}

// lockedDependencies are those of Chart.yaml, at the versions of Chart.lock. A lock that was made for other
// dependencies is a problem.Refused, as in Helm.
func lockedDependencies(folder string, c *chart.Chart) ([]*chart.Dependency, error) {
	want := c.Metadata.Dependencies
	if c.Lock == nil {
		return want, nil
	}
	stale := problem.New(problem.Refused, "run: helm dependency update "+folder,
		"the lock file of chart %s is out of date: it was made for other dependencies", folder)
	if len(c.Lock.Dependencies) != len(want) {
		return nil, stale
	}
	resolved := make([]*chart.Dependency, len(want))
	for i, d := range want {
		copied := *d
		if isAlias(d.Repository) { // the lock has the URL that the name stood for
			copied.Repository = c.Lock.Dependencies[i].Repository
		}
		resolved[i] = &copied
	}
	sums := []string{lockSum([2][]*chart.Dependency{resolved, c.Lock.Dependencies})}
	if c.Metadata.APIVersion == chart.APIVersionV1 { // as Helm 2 made them
		sums = append(sums, lockSum(map[string][]*chart.Dependency{"dependencies": want}))
	}
	if !slices.Contains(sums, c.Lock.Digest) {
		return nil, stale
	}
	return c.Lock.Dependencies, nil
}

// lockSum is the digest in a Chart.lock: over the JSON of what Chart.yaml asks for and what it was resolved to.
func lockSum(v any) string {
	body, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func isAlias(repository string) bool {
	return strings.HasPrefix(repository, "@") || strings.HasPrefix(repository, "alias:")
}

// dependency fetches one chart.
func (b *Builder) dependency(
	ctx context.Context, folder string, want *chart.Dependency, depth int,
) (*chart.Chart, error) {
	at := strings.TrimRight(want.Repository, "/")
	path, isFile := strings.CutPrefix(at, "file://")
	switch {
	case at == "":
		return nil, problem.New(problem.Usage, "put it below charts/, or give it a repository in Chart.yaml",
			"it has no repository, and is not below charts/")
	case strings.HasPrefix(at, "oci://"):
		return nil, problem.New(problem.Usage, "run: helm dependency build "+folder, "%s is an OCI registry", at)
	case isFile:
		if !filepath.IsAbs(path) {
			path = filepath.Join(folder, path)
		}
		if isChart(path) {
			return b.folderDependency(ctx, path, want, depth)
		}
		at = "file://" + filepath.ToSlash(path)
	case isAlias(at):
		at = strings.TrimPrefix(strings.TrimPrefix(at, "@"), "alias:")
	}
	source, ix, err := b.remotes.remote(ctx, at)
	if err != nil {
		return nil, err
	}
	e, err := Want{Name: want.Name, Range: cmp.Or(want.Version, "*")}.pick(ix, source.URL(), Lock{})
	if err != nil {
		return nil, err
	}
	p, err := b.remotes.archive(ctx, source, e)
	if err != nil {
		return nil, err
	}
	return loader.LoadArchive(bytes.NewReader(p.Archive))
}

// folderDependency is a chart in another folder, which Chart.yaml names by file://.
func (b *Builder) folderDependency(
	ctx context.Context, folder string, want *chart.Dependency, depth int,
) (*chart.Chart, error) {
	if depth >= maxFolders {
		return nil, problem.New(problem.Usage, "find the folder that depends on itself",
			"the folders depend on each other more than %d deep", maxFolders)
	}
	c, err := loadFolder(folder)
	if err != nil {
		return nil, err
	}
	if !fits(want, c) {
		return nil, problem.New(problem.Usage, "correct the version in one of the two files Chart.yaml",
			"folder %s has %s %s", folder, c.Name(), c.Metadata.Version)
	}
	_, err = b.complete(ctx, folder, c, depth+1)
	return c, err
}
