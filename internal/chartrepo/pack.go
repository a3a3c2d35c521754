// Package chartrepo publishes Helm charts to a repository of plain objects, which every Helm can read: archives that
// never change and an index that is replaced only by who has read it.
//
// It is the only importer of Helm's SDK.
package chartrepo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
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
	Provenance []byte // published beside it, if there is any; Signer.Sign makes it

	metadata *chart.Metadata
}

// Filename is the archive's name in a repository, NAME-VERSION.tgz.
func (p Package) Filename() string { return p.Name + "-" + p.Version + ".tgz" }

// Pack is Build of a builder that fetches nothing.
func Pack(path string) (Package, error) { return NewBuilder(nil).Build(context.Background(), path) }

// Build makes a package of a chart folder, or takes an archive (a file) as it is, with the provenance (.prov) that lies
// beside it. Either is linted as by "helm lint" and must have the charts that it depends on.
//
// A folder is packaged reproducibly: the same tree gives the same bytes, whatever the
// modification times, modes and order of its files and whatever the machine, by one build of pinnace (another Go or
// Helm may compress or order otherwise). Files named by .helmignore stay out. Charts that it needs and that are not
// below charts/ are fetched; the folder stays as it is.
//
// A chart that cannot be read is a problem.Usage, an error found by lint is a problem.Refused.
func (b *Builder) Build(ctx context.Context, path string) (Package, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Package{}, problem.New(problem.Usage, archiveHint, "reading chart: %w", err)
	}
	if !info.IsDir() {
		return openFile(path, info.Size())
	}
	c, err := loadFolder(path)
	if err != nil {
		return Package{}, err
	}
	completed, err := b.complete(ctx, path, c, 0)
	if err != nil {
		return Package{}, err
	}
	sortDependencies(c)
	if err := checkFolders(path, c); err != nil {
		return Package{}, err
	}
	if err := check(path, c, completed); err != nil {
		return Package{}, err
	}
	archive, err := archive(c)
	if err != nil {
		return Package{}, problem.New(problem.Usage, "correct the chart in "+path, "packaging chart %s: %w", path, err)
	}
	return Open(archive)
}

func openFile(path string, size int64) (Package, error) {
	if size > maxArchive {
		return Package{}, problem.New(problem.Refused, archiveHint, "%s is larger than %d MiB", path, maxArchive>>20)
	}
	archive, err := os.ReadFile(path)
	if err != nil {
		return Package{}, problem.New(problem.Usage, "check the file's mode", "reading chart: %w", err)
	}
	p, c, err := open(archive)
	if err != nil {
		return Package{}, fmt.Errorf("reading %s: %w", path, err)
	}
	if missing := missingDependencies(c); len(missing) > 0 {
		return Package{}, problem.New(problem.Refused, "package it again: helm package --dependency-update FOLDER",
			"chart %s lacks the charts it depends on: %s", path, describe(c, missing))
	}
	const onlyInMemory = true
	if err := check(path, c, onlyInMemory); err != nil {
		return Package{}, err
	}
	prov, err := os.ReadFile(path + provenanceSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return Package{}, problem.New(problem.Usage, "check the file's mode", "reading provenance: %w", err)
	}
	if p, err = p.withProvenance(prov); err != nil {
		return Package{}, fmt.Errorf("reading %s: %w", path+provenanceSuffix, err)
	}
	return p, nil
}

// Open reads the chart in the bytes of an archive. What is no packaged chart is a problem.Usage. One with anything but
// plain files in one folder, or with more in it than it may have, is a problem.Refused.
func Open(archive []byte) (Package, error) {
	p, _, err := open(archive)
	return p, err
}

func open(archive []byte) (Package, *chart.Chart, error) {
	if _, err := unpack(archive); err != nil {
		return Package{}, nil, err
	}
	c, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		hint := archiveHint
		if _, ok := errors.AsType[chart.ValidationError](err); ok {
			hint = "correct its Chart.yaml; " + identityHint
		}
		return Package{}, nil, problem.New(problem.Usage, hint, "opening chart archive: %s", oneLine(err.Error()))
	}
	p := Package{
		Name: c.Metadata.Name, Version: c.Metadata.Version, AppVersion: c.Metadata.AppVersion,
		Digest: digest(archive), Archive: archive, metadata: c.Metadata,
	}
	if err := checkIdentity(p); err != nil {
		return Package{}, nil, err
	}
	return p, c, nil
}

const identityHint = "a name looks like web-app, a version like 1.2.3"

func loadFolder(path string) (*chart.Chart, error) {
	chartfile := filepath.Join(path, chartutil.ChartfileName)
	if !isChart(path) {
		return nil, problem.New(problem.Usage, "name the folder that holds Chart.yaml",
			"reading chart %s: it has no Chart.yaml", path)
	}
	c, err := loader.LoadDir(path)
	if err != nil {
		hint := "correct the file named above, in " + path
		if _, ok := errors.AsType[chart.ValidationError](err); ok {
			hint = "correct " + chartfile + "; " + identityHint
		}
		return nil, problem.New(problem.Usage, hint, "reading chart %s: %w", path, err)
	}
	leaveOut(c, scanBaseline)
	return c, nil
}

func isChart(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, chartutil.ChartfileName))
	return !errors.Is(err, fs.ErrNotExist)
}

// scanBaseline is the file of a chart's folder that is about its secrets and not for those who install it.
const scanBaseline = ".pinnace-scan.json"

func leaveOut(c *chart.Chart, name string) {
	is := func(f *common.File) bool { return f.Name == name }
	c.Files, c.Raw = slices.DeleteFunc(c.Files, is), slices.DeleteFunc(c.Raw, is)
	for _, d := range c.Dependencies() {
		leaveOut(d, name)
	}
}

// check refuses what would not install. Values are checked against the schema here and not by Helm's linter, which
// would print the offending value. Lint reads a folder: for a chart that is whole only in memory it is a temporary one.
func check(path string, c *chart.Chart, onlyInMemory bool) error {
	folder := path
	if onlyInMemory {
		dir, err := os.MkdirTemp("", "pinnace-lint-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if folder, err = write(c, dir); err != nil {
			return fmt.Errorf("writing chart %s to lint it: %w", path, err)
		}
	}
	result := lint.RunAll(folder, nil, "default", lint.WithSkipSchemaValidation(true))
	for _, m := range result.Messages {
		if m.Severity == support.ErrorSev {
			return problem.New(problem.Refused, "correct the chart; \"helm lint "+path+"\" shows the same",
				"chart %s does not pass lint: %s", path, oneLine(m.Error()))
		}
	}
	return refuse(path, checkSchema(c.Name(), c.Schema, c.Values))
}

// write makes a folder of the chart below dir, with Chart.yaml as its author wrote it.
func write(c *chart.Chart, dir string) (string, error) {
	if err := chartutil.SaveDir(c, dir); err != nil {
		return "", err
	}
	folder := filepath.Join(dir, c.Name())
	for _, f := range c.Raw {
		if f.Name == chartutil.ChartfileName {
			return folder, os.WriteFile(filepath.Join(folder, f.Name), f.Data, 0o600)
		}
	}
	return folder, nil
}

// archive packages c so that nothing but its content decides the bytes.
func archive(c *chart.Chart) ([]byte, error) {
	c.StampModTimes(epoch)
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
