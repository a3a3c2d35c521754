package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/pinnace-dev/pinnace/charts"
	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
)

// chartName is the chart that the demo is about.
const chartName = "opentelemetry"

// publish pushes the collector's chart while others push charts of their own, each with the pipeline's identity.
func publish(ctx context.Context, r *run) ([]string, error) {
	role, err := r.role(ctx, "publisher", "publisher-trust", "publisher", r.repositoryVars())
	if err != nil {
		return nil, err
	}
	r.publisherRole = role
	store, err := r.repositoryAs(ctx, role, "publisher")
	if err != nil {
		return nil, err
	}
	chart, err := packChart(filepath.Join(r.Dir, "charts"))
	if err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	var mine chartrepo.Result
	group.Go(func() (err error) {
		mine, err = r.repository(r.opts.WrapStore(store)).Publish(groupCtx, chart)
		return err
	})
	retries := make([]int, r.opts.Publishers)
	for i := range retries {
		group.Go(func() error {
			other, err := chartrepo.Pack(otherChart(filepath.Join(r.Dir, "charts"), i))
			if err != nil {
				return err
			}
			done, err := r.repository(r.opts.WrapStore(store)).Publish(groupCtx, other)
			retries[i] = done.Attempts - 1
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	index, err := r.repository(store).Index(ctx)
	if err != nil {
		return nil, err
	}
	if want := r.opts.Publishers + 1; index.Len() != want {
		return nil, fmt.Errorf("the index holds %d of the %d versions that were published", index.Len(), want)
	}
	lost := mine.Attempts - 1
	for _, n := range retries {
		lost += n
	}
	return []string{
		fmt.Sprintf("%s %s, sha256 %s…", chart.Name, chart.Version, chart.Digest[:12]),
		fmt.Sprintf("%d publishers, %d lost races repeated, %d charts in the index",
			r.opts.Publishers+1, lost, index.Len()),
	}, nil
}

// repository is the charts on a store, by the machine's clock and within the run's folder.
func (r *run) repository(store objstore.Store) *chartrepo.Repository {
	return chartrepo.New(store, chartrepo.Options{
		Location: chartrepo.Location{Scheme: chartrepo.SchemeS3, Bucket: bucket, Prefix: prefix},
		Now:      r.opts.Now, TempDir: r.Dir,
	})
}

// repositoryAs opens the repository with the identity of a pipeline's job.
func (r *run) repositoryAs(ctx context.Context, role, session string) (objstore.Store, error) {
	cfg, err := r.assume(ctx, r.pipeline, pipeline, role, session)
	if err != nil {
		return nil, err
	}
	return s3.Open(cfg, bucket, prefix), nil
}

// packChart writes the embedded chart to a folder and packs it, as a pipeline would from its checkout.
func packChart(dir string) (chartrepo.Package, error) {
	if err := os.CopyFS(dir, charts.FS); err != nil {
		return chartrepo.Package{}, fmt.Errorf("writing the chart: %w", err)
	}
	return chartrepo.Pack(filepath.Join(dir, chartName))
}

// otherChart makes the small chart of another team.
func otherChart(dir string, i int) string {
	name := fmt.Sprintf("service-%02d", i)
	folder := filepath.Join(dir, name)
	manifest := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: 1.%d.0\ndescription: one of many\n", name, i)
	_ = os.MkdirAll(filepath.Join(folder, "templates"), 0o700) // Pack reports what is missing
	_ = os.WriteFile(filepath.Join(folder, "Chart.yaml"), []byte(manifest), 0o600)
	_ = os.WriteFile(filepath.Join(folder, "values.yaml"), []byte("replicas: 1\n"), 0o600)
	return folder
}

// pull reads the repository as its readers do.
func pull(ctx context.Context, r *run) ([]string, error) {
	role, err := r.role(ctx, "reader", "reader-trust", "reader", r.repositoryVars())
	if err != nil {
		return nil, err
	}
	store, err := r.repositoryAs(ctx, role, "reader")
	if err != nil {
		return nil, err
	}
	repo := r.repository(store)
	index, err := repo.Index(ctx)
	if err != nil {
		return nil, err
	}
	versions := index.Versions(chartName)
	if len(versions) != 1 {
		return nil, fmt.Errorf("the index has %d versions of %s, want 1", len(versions), chartName)
	}
	r.version = versions[0].Version
	r.archive, err = repo.Pull(ctx, chartName, r.version)
	if err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("%s, %d bytes", r.archiveName(), len(r.archive))}, nil
}

// archiveName is that of the chart in the repository.
func (r *run) archiveName() string { return chartName + "-" + r.version + ".tgz" }

// overwrite tries to publish other bytes under a published version, first as pinnace, then as a client that does not
// ask.
func overwrite(ctx context.Context, r *run) ([]string, error) {
	dir := filepath.Join(r.Dir, "charts", chartName)
	notes := filepath.Join(dir, "README.md")
	text, err := os.ReadFile(notes)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(notes, append(text, "\nchanged\n"...), 0o600); err != nil {
		return nil, err
	}
	changed, err := chartrepo.Pack(dir)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(changed.Archive, r.archive) {
		return nil, errors.New("the changed chart has the same bytes")
	}
	return r.refuseOverwrite(ctx, changed)
}
