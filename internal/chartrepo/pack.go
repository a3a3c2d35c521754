// Package chartrepo publishes Helm charts to a repository of plain objects, which every Helm can read: archives that
// never change and an index that is replaced only by who has read it.
//
// It is the only importer of Helm's SDK.
package chartrepo

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// epoch is the time that every packaged file bears: the first that all archive formats can write.
var epoch = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// Package is a chart ready to publish. Only Pack and Open make one; its fields agree with its archive.
type Package struct {
	Name       string
	Version    string // semantic version, as in Chart.yaml
	AppVersion string // may be empty
	Digest     string // sha256 of Archive, hexadecimal
	Archive    []byte // the .tgz

	metadata *chart.Metadata
}

// Filename is the archive's name in a repository, NAME-VERSION.tgz.
func (p Package) Filename() string { return p.Name + "-" + p.Version + ".tgz" }

// Pack makes a package of a chart folder, or takes an archive (a file) as it is.
//
// A folder is linted as by "helm lint" and packaged reproducibly: the same tree gives the same bytes, whatever the
// modification times, modes and order of its files and whatever the machine, by one build of pinnace (another Go or
// Helm may compress or order otherwise). Files named by .helmignore stay out. Charts that it depends on must be below
// charts/ already.
//
// A chart that cannot be read is a problem.Usage, an error found by lint is a problem.Refused.
func Pack(path string) (Package, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Package{}, problem.New(problem.Usage, "name a chart folder or a packaged chart (.tgz)",
			"reading chart: %w", err)
	}
	if !info.IsDir() {
		archive, err := os.ReadFile(path)
		if err != nil {
			return Package{}, problem.New(problem.Usage, "check the file's mode", "reading chart: %w", err)
		}
		p, err := Open(archive)
		if err != nil {
			return Package{}, fmt.Errorf("reading %s: %w", path, err)
		}
		return p, nil
	}
	c, err := loadFolder(path)
	if err != nil {
		return Package{}, err
	}
	if err := check(path, c); err != nil {
		return Package{}, err
	}
	archive, err := archive(c)
	if err != nil {
		return Package{}, problem.New(problem.Usage, "correct the chart in "+path, "packaging chart %s: %w", path, err)
	}
	return Open(archive)
}

// Open reads the chart in the bytes of an archive. What is no packaged chart is a problem.Usage.
func Open(archive []byte) (Package, error) {
	c, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return Package{}, problem.New(problem.Usage, "name a chart folder or a packaged chart (.tgz)",
			"opening chart archive: %w", err)
	}
	sum := sha256.Sum256(archive)
	return Package{
		Name: c.Metadata.Name, Version: c.Metadata.Version, AppVersion: c.Metadata.AppVersion,
		Digest: hex.EncodeToString(sum[:]), Archive: archive, metadata: c.Metadata,
	}, nil
}

func loadFolder(path string) (*chart.Chart, error) {
	chartfile := filepath.Join(path, chartutil.ChartfileName)
	if _, err := os.Stat(chartfile); errors.Is(err, fs.ErrNotExist) {
		return nil, problem.New(problem.Usage, "name the folder that holds Chart.yaml",
			"reading chart %s: it has no Chart.yaml", path)
	}
	c, err := loader.LoadDir(path)
	if err != nil {
		hint := "correct the file named above, in " + path
		if _, ok := errors.AsType[chart.ValidationError](err); ok {
			hint = "correct " + chartfile + "; a version looks like 1.2.3"
		}
		return nil, problem.New(problem.Usage, hint, "reading chart %s: %w", path, err)
	}
	return c, nil
}

// check refuses what would not install. Values are checked against the schema here and not by Helm's linter, which
// would print the offending value.
func check(path string, c *chart.Chart) error {
	result := lint.RunAll(path, nil, "default", lint.WithSkipSchemaValidation(true))
	for _, m := range result.Messages {
		if m.Severity == support.ErrorSev {
			return problem.New(problem.Refused, "correct the chart; \"helm lint "+path+"\" shows the same",
				"chart %s does not pass lint: %s", path, oneLine(m.Error()))
		}
	}
	if missing := missingDependencies(c); len(missing) > 0 {
		return problem.New(problem.Refused, "run: helm dependency build "+path,
			"chart %s lacks the charts it depends on: %s", path, strings.Join(missing, ", "))
	}
	return refuse(path, checkSchema(c.Name(), c.Schema, c.Values))
}

func missingDependencies(c *chart.Chart) (missing []string) {
	for _, want := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(d *chart.Chart) bool { return d.Name() == want.Name }) {
			missing = append(missing, want.Name)
		}
	}
	return missing
}

// archive packages c so that nothing but its content decides the bytes.
func archive(c *chart.Chart) ([]byte, error) {
	c.StampModTimes(epoch)
	sortDependencies(c)
	dir, err := os.MkdirTemp("", "pinnace-pack-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	name, err := chartutil.Save(c, dir)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(name)
}

// sortDependencies puts subcharts in order: Helm loads them in the random order of a map.
func sortDependencies(c *chart.Chart) {
	deps := slices.SortedFunc(slices.Values(c.Dependencies()), func(a, b *chart.Chart) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.Metadata.Version, b.Metadata.Version))
	})
	for _, d := range deps {
		sortDependencies(d)
	}
	c.SetDependencies(deps...)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
