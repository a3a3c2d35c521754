package chartrepo

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"helm.sh/helm/v4/pkg/getter"
	"helm.sh/helm/v4/pkg/repo/v1"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Pull fetches a chart's archive as Helm does, by Helm's own repository code, and checks its digest. The version may be
// a constraint such as ^1.2; empty is the newest that is no prerelease. What is not in the index is a problem.Usage,
// an archive with another digest than the index has is a problem.Refused.
func (r *Repository) Pull(ctx context.Context, name, version string) ([]byte, error) {
	cache, err := os.MkdirTemp(r.opts.TempDir, "pinnace-pull-")
	if err != nil {
		return nil, fmt.Errorf("making a cache for Helm: %w", err)
	}
	defer func() { _ = os.RemoveAll(cache) }()
	archive, err := r.pull(ctx, name, version, cache)
	if err != nil {
		return nil, fmt.Errorf("pulling %s: %w", strings.TrimSpace(name+" "+version), err)
	}
	return archive, nil
}

func (r *Repository) pull(ctx context.Context, name, version, cache string) ([]byte, error) {
	base, err := url.Parse(r.base())
	if err != nil {
		return nil, err
	}
	providers := getter.Providers{{
		Schemes: []string{base.Scheme},
		New:     func(...getter.Option) (getter.Getter, error) { return objectGetter{ctx, r, base}, nil },
	}}
	remote, err := repo.NewChartRepository(&repo.Entry{Name: "pinnace", URL: base.String()}, providers)
	if err != nil {
		return nil, err
	}
	remote.CachePath = cache
	file, err := remote.DownloadIndexFile()
	if err != nil {
		return nil, err
	}
	index, err := repo.LoadIndexFile(file)
	if err != nil {
		return nil, r.unreadable(err)
	}
	entry, err := index.Get(name, version)
	if err != nil {
		return nil, problem.New(problem.Usage, "look which charts and versions the repository has",
			"%s: %w", r.base(), err)
	}
	if len(entry.URLs) == 0 {
		return nil, fmt.Errorf("version %s has no URL in the index", entry.Version)
	}
	from, err := repo.ResolveReferenceURL(base.String(), entry.URLs[0])
	if err != nil {
		return nil, err
	}
	archive, err := remote.Client.Get(from)
	if err != nil {
		return nil, err
	}
	if got := digest(archive.Bytes()); got != entry.Digest {
		return nil, problem.New(problem.Refused, "do not install it: find out who replaced the archive",
			"%s has digest %s, the index says %q", from, got, entry.Digest)
	}
	return archive.Bytes(), nil
}

// objectGetter lets Helm fetch URLs below base from the repository's own store, for the length of one call.
type objectGetter struct {
	ctx  context.Context
	repo *Repository
	base *url.URL
}

var _ getter.Getter = objectGetter{}

func (g objectGetter) Get(ref string, _ ...getter.Option) (*bytes.Buffer, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, err
	}
	key, below := strings.CutPrefix(u.Path, strings.TrimSuffix(g.base.Path, "/")+"/")
	if u.Scheme != g.base.Scheme || u.Host != g.base.Host || !below {
		return nil, problem.New(problem.Refused, "fetch it with Helm itself if you trust the other place",
			"%s is outside of the repository %s", ref, g.base)
	}
	o, err := g.repo.get(g.ctx, key)
	if err != nil {
		return nil, err
	}
	return bytes.NewBuffer(o.Body), nil
}
