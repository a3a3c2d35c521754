package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The peers that can be named.
const (
	peerHelm   = "helm"    // reads, Helm 3 or 4
	peerHelmS3 = "helm-s3" // publishes; 0.17.2 is what its environment was written for
)

// tool is a program that publishes.
type tool struct {
	name    string
	index   func(corpus) ([]byte, error) // as it writes it
	publish func(place, packaged) (command, error)
	reindex func(place) (command, error)
}

// packaged is a chart to publish, in the two forms that tools take.
type packaged struct{ folder, archive string }

// publishingTools are pinnace and the peers that publish.
func (b *bench) publishingTools() []tool {
	all := []tool{{
		name: "pinnace",
		publish: func(p place, c packaged) (command, error) {
			return b.pinnaceCommand(p, "publish", c.folder, "--repo", p.url()), nil
		},
		reindex: func(p place) (command, error) { return b.pinnaceCommand(p, "reindex", "--repo", p.url()), nil },
		index:   corpus.writeJSON,
	}}
	for _, peer := range b.peers {
		if peer.kind != peerHelmS3 {
			continue
		}
		all = append(all, tool{
			name: peer.kind,
			publish: func(p place, c packaged) (command, error) {
				return b.helmS3Command(peer, p, "push", c.archive, repositoryName)
			},
			reindex: func(p place) (command, error) { return b.helmS3Command(peer, p, "reindex", repositoryName) },
			index:   func(c corpus) ([]byte, error) { return c.writeYAML(), nil },
		})
	}
	return all
}

// publishing is the command that publishes another new chart.
func (b *bench) publishing(t tool, p place) (command, error) {
	c, err := b.newChart()
	if err != nil {
		return command{}, err
	}
	return t.publish(p, c)
}

// environment is what every process gets: a home of its own and a path.
func (b *bench) environment(more ...string) []string {
	return slices.Concat([]string{"HOME=" + b.dir, "PATH=" + os.Getenv("PATH")}, more) //nolint:forbidigo // a command
}

func (b *bench) pinnaceCommand(p place, args ...string) command {
	return command{b.pinnace, args, b.environment(p.Environ()...)}
}

const repositoryName = "bench"

// helmS3Command is helm-s3 as Helm runs it: it reads Helm's list of repositories and wants Helm's cache to be there.
func (b *bench) helmS3Command(peer binary, p place, args ...string) (command, error) {
	home := filepath.Join(b.dir, "helm-s3", p.bucket)
	env := append(helmEnvironment(home), p.Environ()...)
	env = append(env, "AWS_ENDPOINT="+strings.TrimPrefix(p.front, "http://"), "AWS_DISABLE_SSL=true",
		"HELM_S3_MODE=3", "HELM_S3_DYNAMIC_REGION_ENABLED=false")
	if err := os.MkdirAll(filepath.Join(home, "cache", "repository"), 0o700); err != nil {
		return command{}, err
	}
	list := fmt.Sprintf("apiVersion: v1\nrepositories:\n- name: %s\n  url: %s\n", repositoryName, p.url())
	err := os.WriteFile(filepath.Join(home, "repositories.yaml"), []byte(list), 0o600)
	return command{peer.path, args, b.environment(env...)}, err
}

// helmEnvironment keeps Helm within a folder.
func helmEnvironment(home string) []string {
	return []string{
		"HELM_CACHE_HOME=" + filepath.Join(home, "cache"), "HELM_CONFIG_HOME=" + filepath.Join(home, "config"),
		"HELM_DATA_HOME=" + filepath.Join(home, "data"), "HELM_PLUGINS=" + filepath.Join(home, "plugins"),
		"HELM_REPOSITORY_CACHE=" + filepath.Join(home, "cache", "repository"),
		"HELM_REPOSITORY_CONFIG=" + filepath.Join(home, "repositories.yaml"),
	}
}

const ownCharts = "bench-"

// isOwnChart tells the charts that a run publishes from those of the corpus.
func isOwnChart(name string) bool { return strings.HasPrefix(name, ownCharts) }

// newChart writes a chart that was not published yet, as a folder and as an archive.
func (b *bench) newChart() (packaged, error) {
	e := makeEntry(newRandom(b.seed, 0), 0, 0)
	e.Name = fmt.Sprintf("%s%05d", ownCharts, b.next())
	e.URLs, e.Dependencies = []string{e.Name + "-" + e.Version + ".tgz"}, nil
	c := packaged{
		folder:  filepath.Join(b.dir, "charts", e.Name),
		archive: filepath.Join(b.dir, "charts", e.URLs[0]),
	}
	for name, body := range e.files() {
		file := filepath.Join(c.folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return c, err
		}
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			return c, err
		}
	}
	return c, os.WriteFile(c.archive, e.archive(), 0o600)
}
