package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore/storetest/servers"
)

// getter is the program that Helm starts to read s3://, beside pinnace.
func (b *bench) getter() string { return filepath.Join(filepath.Dir(b.pinnace), "pinnace-getter") }

// repeatedly measures a command until it was measured often enough. Before each time it is prepared.
func (b *bench) repeatedly(ctx context.Context, prepare func() (command, error)) (usage, error) {
	var runs []usage
	for start := b.now(); len(runs) < b.repeat && b.now().Sub(start) < patience; {
		c, err := prepare()
		if err != nil {
			return usage{}, err
		}
		used, _, err := c.measure(ctx)
		if err != nil {
			return usage{}, err
		}
		runs = append(runs, used)
	}
	return median(runs), nil
}

// readFrom measures how an index of so many versions is read from a store by pinnace's getter, alone and within Helm.
func (b *bench) readFrom(ctx context.Context, server *servers.Server, versions int) error {
	b.say("reading %s versions from %s", count(versions), server.Kind)
	p, err := b.place(ctx, server, b.publishingTools()[0], versions)
	if err != nil {
		return err
	}
	row := func(tool, operation string, used usage) {
		b.Reading = append(b.Reading, readingRow{tool, operation, server.Kind, "JSON", versions, used})
	}
	fetch := func(home string) command {
		env := append(helmEnvironment(home), p.Environ()...)
		return command{b.getter(), []string{p.url() + "/index.yaml"}, b.environment(env...)}
	}
	used, err := b.repeatedly(ctx, func() (command, error) { return fetch(b.folder("getter")), nil })
	if err != nil {
		return err
	}
	row("pinnace-getter", "fetch the index", used)
	home := b.folder("getter")
	if _, _, err := fetch(home).run(ctx); err != nil {
		return err
	}
	if used, err = b.repeatedly(ctx, func() (command, error) { return fetch(home), nil }); err != nil {
		return err
	}
	row("pinnace-getter", "fetch it again, unchanged", used)
	for _, peer := range b.peers {
		if peer.kind != peerHelm {
			continue
		}
		env := append(helmEnvironment(b.folder("helm")), "HELM_PLUGINS="+filepath.Join(b.dir, "plugins"))
		h, err := b.helm(ctx, peer, p.url(), append(env, p.Environ()...))
		if err == nil {
			used, err = h.update(ctx)
		}
		if err != nil {
			b.note(fmt.Errorf("%s reading %d versions from %s: %w", peer.path, versions, server.Kind, err))
			continue
		}
		row(h.version, "repo update by pinnace-getter, unchanged", used)
	}
	return ctx.Err()
}

// folder names a folder that is not there yet.
func (b *bench) folder(what string) string {
	return filepath.Join(b.dir, fmt.Sprintf("%s-%d", what, b.next()))
}

// readOverHTTP measures what Helm's users wait for with the index as pinnace stores it (compact JSON) and as others do
// (YAML), served by plain HTTP.
func (b *bench) readOverHTTP(ctx context.Context, peer binary, versions int) error {
	c := corpus{b.seed, versions}
	compact, err := c.writeJSON()
	if err != nil {
		return err
	}
	for _, served := range []struct {
		format string
		body   []byte
	}{{"JSON", compact}, {"YAML", c.writeYAML()}} {
		if err := b.readServed(ctx, peer, versions, served.format, served.body); err != nil {
			b.note(fmt.Errorf("%s reading %d versions in %s: %w", peer.path, versions, served.format, err))
		}
	}
	return ctx.Err()
}

func (b *bench) readServed(ctx context.Context, peer binary, versions int, format string, body []byte) (err error) {
	server, url, err := serve(ctx, body)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	h, err := b.helm(ctx, peer, url, helmEnvironment(b.folder("helm")))
	if err != nil {
		return err
	}
	b.say("%s: reading %s versions in %s", h.version, count(versions), format)
	updated, err := h.update(ctx)
	if err != nil {
		return err
	}
	searched, err := h.search(ctx)
	if err != nil {
		return err
	}
	b.Reading = append(b.Reading,
		readingRow{h.version, "repo update", "http", format, versions, updated},
		readingRow{h.version, "search repo", "", format, versions, searched})
	return nil
}

// helm is a Helm that knows the repository at a URL.
type helm struct {
	*bench
	path, version string
	env           []string
}

func (b *bench) helm(ctx context.Context, peer binary, url string, env []string) (helm, error) {
	h := helm{bench: b, path: peer.path, env: b.environment(env...)}
	version, _, err := h.command("version", "--template", "{{.Version}}").run(ctx)
	if err != nil {
		return h, err
	}
	h.version = "helm " + string(bytes.TrimSpace(version))
	_, _, err = h.command("repo", "add", repositoryName, url).run(ctx)
	return h, err
}

func (h helm) command(args ...string) command { return command{h.path, args, h.env} }

func (h helm) update(ctx context.Context) (usage, error) {
	return h.repeatedly(ctx, func() (command, error) { return h.command("repo", "update"), nil })
}

func (h helm) search(ctx context.Context) (usage, error) {
	return h.repeatedly(ctx, func() (command, error) {
		return h.command("search", "repo", repositoryName+"/payments-api"), nil
	})
}

// layOutPlugins makes the Helm plugins of pinnace, for every Helm that is measured.
func (b *bench) layOutPlugins(ctx context.Context) error {
	if _, err := os.Stat(b.getter()); err != nil {
		return fmt.Errorf("looking for the getter beside pinnace: %w", err)
	}
	_, _, err := command{b.pinnace, []string{"plugin", filepath.Join(b.dir, "plugins")}, b.environment()}.run(ctx)
	return err
}

// serve serves an index on a loopback port, as a bucket behind an endpoint would.
func serve(ctx context.Context, index []byte) (*http.Server, string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("serving an index: %w", err)
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "index.yaml", epoch, bytes.NewReader(index))
		}),
	}
	go func() { _ = server.Serve(l) }() // it ends with Close
	return server, "http://" + l.Addr().String(), nil
}
