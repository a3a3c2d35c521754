package cli

import (
	"cmp"
	"context"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/config"
	"github.com/pinnace-dev/pinnace/internal/identity"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/dir"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// storeOptions are what a command line says about a store; they go before what pinnace.yaml says.
type storeOptions struct {
	region   string
	kmsKeyID string
	tags     map[string]string // added to those of pinnace.yaml
	// watch, if any, sees the store's requests on their way.
	watch func(aws.HTTPClient) aws.HTTPClient
}

// openRepository opens the repository that a reference means: a URL (s3://BUCKET/PREFIX, file:///FOLDER), or the name
// of a repository or an environment of pinnace.yaml.
func (a *app) openRepository(ctx context.Context, ref, region string) (*chartrepo.Repository, error) {
	store, at, err := a.openStore(ctx, ref, storeOptions{region: region})
	if err != nil {
		return nil, err
	}
	return chartrepo.New(store, chartrepo.Options{Location: at}), nil
}

// openStore opens the store of the repository that a reference means, with the person's own AWS identity, and says
// where it is.
func (a *app) openStore(ctx context.Context, ref string, o storeOptions) (objstore.Store, chartrepo.Location, error) {
	named, err := a.resolve(ref)
	if err != nil {
		return nil, chartrepo.Location{}, err
	}
	at, err := chartrepo.ParseRef(named.URL)
	if err != nil {
		return nil, at, err
	}
	if at.Scheme == chartrepo.SchemeFile {
		if o.kmsKeyID != "" || len(o.tags) > 0 {
			return nil, at, problem.New(problem.Usage, "leave out --kms-key-id and --tag: they are for s3:// only",
				"repository %s is a folder", ref)
		}
		return dir.New(at.Path), at, nil
	}
	cfg, err := identity.Person(ctx, identity.Options{Region: cmp.Or(o.region, named.Region)})
	if err != nil {
		return nil, at, err
	}
	if named.Endpoint != "" {
		cfg.BaseEndpoint = aws.String(named.Endpoint)
	}
	if o.watch != nil {
		cfg.HTTPClient = o.watch(cfg.HTTPClient)
	}
	attributes := s3.Attributes{KMSKeyID: cmp.Or(o.kmsKeyID, named.KMSKeyID), Tags: maps.Clone(named.Tags)}
	if attributes.Tags == nil {
		attributes.Tags = map[string]string{}
	}
	maps.Copy(attributes.Tags, o.tags)
	return s3.Open(cfg, at.Bucket, at.Prefix).With(attributes), at, nil
}

// resolve reads a reference. A URL means itself, without what pinnace.yaml may say about it.
func (a *app) resolve(ref string) (config.Repository, error) {
	if !config.IsName(ref) {
		return config.Repository{URL: ref}, nil
	}
	c, err := a.config()
	if err != nil {
		return config.Repository{}, err
	}
	found, ok := c.Lookup(ref)
	if ok {
		return found, nil
	}
	if names := c.Names(); len(names) > 0 {
		return found, problem.New(problem.Usage, "use one of: "+strings.Join(names, ", ")+"; or a URL",
			"repository %q is not in %s", ref, config.Name)
	}
	return found, problem.New(problem.Usage,
		"define it in "+config.Name+", or use s3://BUCKET/PREFIX or file:///FOLDER",
		"repository %q is no URL, and no %s names it", ref, config.Name)
}

// nameOf is the name of the repository of pinnace.yaml that has this URL, so that its region and endpoint count, or
// what it was given.
func (a *app) nameOf(ref string) (string, error) {
	c, err := a.config()
	if err != nil {
		return "", err
	}
	for name, r := range c.Repositories {
		if strings.TrimRight(r.URL, "/") == ref {
			return name, nil
		}
	}
	return ref, nil
}

// config reads the pinnace.yaml that --config names, or else the nearest one. Without any it is empty.
func (a *app) config() (config.Config, error) {
	path := a.configPath
	if path == "" {
		var err error
		if path, err = config.Find("."); err != nil || path == "" {
			return config.Config{}, err
		}
	}
	return config.Load(path)
}
