// Package config reads pinnace.yaml: the repositories and environments of a project by name. docs/pinnace-yaml.md is
// its reference.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/strict"
)

// Name is what the file is called.
const Name = "pinnace.yaml"

// Config is a pinnace.yaml. Its zero value is what there is without one.
type Config struct {
	Repositories map[string]Repository  `yaml:"repositories"`
	Environments map[string]Environment `yaml:"environments"`
}

// Repository says where charts are and how they are written there.
type Repository struct {
	URL      string            `yaml:"url"`      // s3://BUCKET/PREFIX, file:///FOLDER, or https://… to read from
	Region   string            `yaml:"region"`   // of the bucket; empty: that of the AWS configuration
	Endpoint string            `yaml:"endpoint"` // of an S3 that is not Amazon's; empty: Amazon's
	KMSKeyID string            `yaml:"kmsKeyID"` // id, alias or ARN; empty: the bucket's own encryption
	Tags     map[string]string `yaml:"tags"`     // of every object written, at most 10
}

// Environment is a place where charts are installed.
type Environment struct {
	Repository string   `yaml:"repository"` // the name of a repository
	Values     []string `yaml:"values"`     // values files beside each chart, later ones win
}

// Find answers the path of the pinnace.yaml in dir or the nearest folder above it, or "" when there is none.
func Find(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", Name, err)
	}
	for {
		path := filepath.Join(dir, Name)
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("looking for %s: %w", Name, err)
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", nil
		}
		dir = above
	}
}

// Load reads a file as Parse does. One that cannot be read is a problem.Usage.
func Load(path string) (Config, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return Config{}, problem.New(problem.Usage, "name an existing "+Name+" with --config", "reading %s: %w", Name, err)
	}
	return Parse(path, body)
}

// Parse reads the content of the file called name. What is not understood is a problem.Usage that names the line;
// nothing is ignored.
func Parse(name string, body []byte) (Config, error) {
	var c Config
	if err := strict.YAML(name, body, &c, "docs/pinnace-yaml.md"); err != nil {
		return Config{}, err
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("reading %s: %w", name, err)
	}
	return c, nil
}

// Lookup answers the repository of that name, or that of the environment of that name.
func (c Config) Lookup(name string) (Repository, bool) {
	if e, ok := c.Environments[name]; ok {
		name = e.Repository
	}
	r, ok := c.Repositories[name]
	return r, ok
}

// Names are what Lookup knows, in order.
func (c Config) Names() []string {
	var names []string
	for name := range c.Repositories {
		names = append(names, name)
	}
	for name := range c.Environments {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// IsName tells whether a reference is a name for Lookup, and no URL or path.
func IsName(ref string) bool { return nameForm.MatchString(ref) }

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func (c Config) check() error {
	for _, name := range c.Names() {
		if !IsName(name) {
			return problem.New(problem.Usage, "use letters, digits, dots, hyphens and underscores",
				"%q is no name for a repository or an environment", name)
		}
		r, isRepository := c.Repositories[name]
		e, isEnvironment := c.Environments[name]
		if isRepository {
			if err := r.check(name); err != nil {
				return err
			}
		}
		if _, ok := c.Repositories[e.Repository]; isEnvironment && !ok {
			return problem.New(problem.Usage, "name one of the repositories of the same file",
				"environment %s has the repository %q, which is not defined", name, e.Repository)
		}
		if isRepository && isEnvironment && e.Repository != name {
			return problem.New(problem.Usage, "give one of them another name",
				"%s is a repository, and an environment with another repository (%s)", name, e.Repository)
		}
		if slices.ContainsFunc(e.Values, func(file string) bool { return !filepath.IsLocal(file) }) {
			return problem.New(problem.Usage, "name the files as they are called within each chart's folder",
				"environment %s has a values file outside of the chart", name)
		}
	}
	return nil
}

// maxTags is how many tags S3 lets an object have.
const maxTags = 10

func (r Repository) check(name string) error {
	u, err := url.Parse(r.URL)
	if err != nil || !slices.Contains([]string{"s3", "file", "http", "https"}, u.Scheme) {
		return problem.New(problem.Usage, "use url: s3://BUCKET/PREFIX, file:///FOLDER, or https://… to read from",
			"repository %s has the url %q", name, r.URL)
	}
	onS3 := r.Region + r.Endpoint + r.KMSKeyID
	if u.Scheme != "s3" && (onS3 != "" || len(r.Tags) > 0) {
		return problem.New(problem.Usage, "remove region, endpoint, kmsKeyID and tags: they are for s3:// only",
			"repository %s is no bucket", name)
	}
	if len(r.Tags) > maxTags {
		return problem.New(problem.Usage, "keep the 10 that matter", "repository %s has %d tags; S3 takes %d",
			name, len(r.Tags), maxTags)
	}
	return nil
}
