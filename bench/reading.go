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
)

// reading measures what Helm's users wait for, with the index as pinnace stores it (compact JSON) and as others do
// (YAML), served by plain HTTP.
func (b *bench) reading(ctx context.Context) error {
	for _, peer := range b.peers {
		if peer.kind != peerHelm {
			continue
		}
		for _, versions := range b.sizes {
			c := corpus{b.seed, versions}
			compact, err := c.writeJSON()
			if err != nil {
				return err
			}
			for _, served := range []struct {
				format string
				body   []byte
			}{{"JSON", compact}, {"YAML", c.writeYAML()}} {
				if err := b.readWithHelm(ctx, peer, versions, served.format, served.body); err != nil {
					b.note(fmt.Errorf("%s reading %d versions in %s: %w", peer.path, versions, served.format, err))
				}
			}
		}
	}
	return ctx.Err()
}

func (b *bench) readWithHelm(ctx context.Context, peer binary, versions int, format string, body []byte) (err error) {
	server, url, err := serve(ctx, body)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	home := filepath.Join(b.dir, fmt.Sprintf("helm-%d", b.next()))
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	env := b.environment(helmEnvironment(home)...)
	version, _, err := command{peer.path, []string{"version", "--template", "{{.Version}}"}, env}.run(ctx)
	if err != nil {
		return err
	}
	name := "helm " + string(bytes.TrimSpace(version))
	b.say("%s: reading %s versions in %s", name, count(versions), format)
	if _, _, err := (command{peer.path, []string{"repo", "add", repositoryName, url}, env}).run(ctx); err != nil {
		return err
	}
	for _, operation := range [][]string{{"repo", "update"}, {"search", "repo", repositoryName + "/payments-api"}} {
		var runs []usage
		for start := b.now(); len(runs) < b.repeat && b.now().Sub(start) < patience; {
			used, _, err := command{peer.path, operation, env}.measure(ctx)
			if err != nil {
				return err
			}
			runs = append(runs, used)
		}
		b.Reading = append(b.Reading, readingRow{name, operation[0] + " " + operation[1], format, versions, median(runs)})
	}
	return nil
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
