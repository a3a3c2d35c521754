package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/objstore/storetest/servers"
)

// bench is one run.
type bench struct {
	options
	report
	dir      string // temporary
	now      func() time.Time
	progress io.Writer
	made     int // what needs a name of its own: buckets, charts, folders
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

// note keeps what did not work: one peer's failure is a line of the report and not its end.
func (b *bench) note(err error) {
	b.say("%v", err)
	b.Notes = append(b.Notes, err.Error())
}

func (b *bench) next() int {
	b.made++
	return b.made
}

func (b *bench) measure(ctx context.Context) error {
	if err := b.layOutPlugins(ctx); err != nil {
		return err
	}
	for _, store := range b.stores {
		if err := b.onStore(ctx, store); err != nil {
			return fmt.Errorf("measuring on %s: %w", store.kind, err)
		}
	}
	for _, peer := range b.peers {
		for _, versions := range b.sizes {
			if peer.kind != peerHelm {
				continue
			}
			if err := b.readOverHTTP(ctx, peer, versions); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) onStore(ctx context.Context, store binary) (err error) {
	dir, err := os.MkdirTemp(b.dir, store.kind+"-")
	if err != nil {
		return err
	}
	if store.kind == servers.LocalAWS && store.path == "" {
		store.path = b.pinnace
	}
	server, err := servers.Start(ctx, store.kind, store.path, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	for _, tool := range b.publishingTools() {
		for _, versions := range b.sizes {
			if err := b.publishInto(ctx, server, tool, versions); err != nil {
				return err
			}
		}
		for _, versions := range b.parallelSizes {
			for _, delay := range b.delays {
				if err := b.publishAtOnce(ctx, server, tool, versions, delay); err != nil {
					return err
				}
			}
		}
	}
	for _, versions := range b.sizes {
		if err := b.readFrom(ctx, server, versions); err != nil {
			return err
		}
	}
	return b.reindex(ctx, server)
}

// place is a repository on a store.
type place struct {
	*servers.Server
	bucket string
	index  []byte // as it was put there
	front  string // the URL at which tools reach the server
}

// Environ is the server's, by way of what is in front of it.
func (p place) Environ() []string { return append(p.Server.Environ(), "AWS_ENDPOINT_URL="+p.front) }

func (p place) url() string       { return "s3://" + p.bucket + "/charts" }
func (p place) indexPath() string { return "/" + p.bucket + "/charts/index.yaml" }

// place makes a repository in a bucket of its own, with the index of a corpus as the tool would have written it.
func (b *bench) place(ctx context.Context, server *servers.Server, t tool, versions int) (place, error) {
	p := place{Server: server, bucket: fmt.Sprintf("bench-%d", b.next()), front: server.URL}
	if err := server.CreateBucket(ctx, p.bucket, b.now); err != nil {
		return p, err
	}
	var err error
	if p.index, err = t.index(corpus{b.seed, versions}); err != nil {
		return p, err
	}
	_, err = b.put(ctx, p)
	return p, err
}

func (b *bench) put(ctx context.Context, p place) (time.Duration, error) {
	_, took, err := p.Send(ctx, servers.Request{Method: http.MethodPut, Path: p.indexPath(), Body: p.index}, b.now)
	return took, err
}

func (b *bench) get(ctx context.Context, p place) ([]byte, time.Duration, error) {
	return p.Send(ctx, servers.Request{Method: http.MethodGet, Path: p.indexPath()}, b.now)
}

// rawIO is what one plain request costs to fetch and to put the index, the median of several.
func (b *bench) rawIO(ctx context.Context, p place) (get, put time.Duration, err error) {
	var gets, puts []time.Duration
	for range b.repeat {
		took, err := b.put(ctx, p)
		if err != nil {
			return 0, 0, err
		}
		puts = append(puts, took)
		if _, took, err = b.get(ctx, p); err != nil {
			return 0, 0, err
		}
		gets = append(gets, took)
	}
	slices.Sort(gets)
	slices.Sort(puts)
	return gets[len(gets)/2], puts[len(puts)/2], nil
}

// patience is after how long a measurement is not repeated any more.
const patience = time.Minute

// publishInto measures one publish into an index of so many versions.
func (b *bench) publishInto(ctx context.Context, server *servers.Server, t tool, versions int) error {
	b.say("%s on %s: one publish into %s versions", t.name, server.Kind, count(versions))
	p, err := b.place(ctx, server, t, versions)
	if err != nil {
		return err
	}
	r := publishRow{Store: server.Kind, Tool: t.name, Versions: versions, Bytes: len(p.index)}
	if r.Get, r.Put, err = b.rawIO(ctx, p); err != nil {
		return err
	}
	r.usage, err = b.repeatedly(ctx, func() (command, error) { return b.publishing(t, p) })
	if err != nil {
		b.note(fmt.Errorf("%s into %d versions on %s: %w", t.name, versions, server.Kind, err))
		return ctx.Err()
	}
	b.Publish = append(b.Publish, r)
	return nil
}

// publishAtOnce measures publishers that are started together, each a process with a chart of its own, and counts what
// the index holds of theirs afterwards; before, what one of them takes alone.
func (b *bench) publishAtOnce(
	ctx context.Context, server *servers.Server, t tool, versions int, delay time.Duration,
) error {
	front := server.URL
	if delay > 0 {
		at, stop, err := inFront(ctx, server.URL, delay)
		if err != nil {
			return err
		}
		defer stop()
		front = at
	}
	p, err := b.place(ctx, server, t, versions)
	if err != nil {
		return err
	}
	p.front = front
	one, err := b.repeatedly(ctx, func() (command, error) { return b.publishing(t, p) })
	if err != nil {
		return err
	}
	for _, n := range b.publishers {
		b.say("%s on %s, answers after %v: %d publishers into %s versions", t.name, server.Kind, delay, n, count(versions))
		if p, err = b.place(ctx, server, t, versions); err != nil {
			return err
		}
		p.front = front
		r := parallelRow{Store: server.Kind, Tool: t.name, Versions: versions, Delay: delay, Publishers: n, One: one}
		if err := b.together(ctx, t, p, &r); err != nil {
			return err
		}
		if r.Indexed, err = b.ownCharts(ctx, p); err != nil {
			return err
		}
		b.Parallel = append(b.Parallel, r)
	}
	return nil
}

// together runs the publishers of a row and fills in how it went.
func (b *bench) together(ctx context.Context, t tool, p place, r *parallelRow) (err error) {
	commands := make([]command, r.Publishers)
	for i := range commands {
		if commands[i], err = b.publishing(t, p); err != nil {
			return err
		}
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	var failed error
	start := b.now()
	for _, c := range commands {
		group.Go(func() {
			_, cpu, err := c.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			r.CPU += cpu
			if err == nil {
				r.Succeeded++
			} else if failed == nil {
				failed = fmt.Errorf("%s, one of %d at once on %s: %w", t.name, r.Publishers, p.Kind, err)
			}
		})
	}
	group.Wait()
	r.Wall = b.now().Sub(start)
	if failed != nil {
		b.note(failed)
	}
	return ctx.Err()
}

// ownCharts counts the charts in the index that this run has published there.
func (b *bench) ownCharts(ctx context.Context, p place) (int, error) {
	body, _, err := b.get(ctx, p)
	if err != nil {
		return 0, err
	}
	var ix struct {
		Entries map[string]json.RawMessage `json:"entries"`
	}
	if json.Unmarshal(body, &ix) != nil {
		if err := yaml.Unmarshal(body, &ix); err != nil {
			return 0, fmt.Errorf("reading the index of %s: %w", p.url(), err)
		}
	}
	own := 0
	for name := range ix.Entries {
		if isOwnChart(name) {
			own++
		}
	}
	return own, nil
}

// reindex measures an index made from archives alone.
func (b *bench) reindex(ctx context.Context, server *servers.Server) error {
	if b.archives == 0 {
		return nil
	}
	for _, t := range b.publishingTools() {
		b.say("%s on %s: an index from %s archives", t.name, server.Kind, count(b.archives))
		p := place{Server: server, bucket: fmt.Sprintf("bench-%d", b.next()), front: server.URL}
		if err := b.fill(ctx, p); err != nil {
			return err
		}
		c, err := t.reindex(p)
		if err != nil {
			return err
		}
		used, _, err := c.measure(ctx)
		if err != nil {
			b.note(fmt.Errorf("%s reindexing on %s: %w", t.name, server.Kind, err))
			continue
		}
		b.Reindex = append(b.Reindex, reindexRow{server.Kind, t.name, b.archives, used})
	}
	return nil
}

// fill makes a bucket with the archives of a corpus and without an index.
func (b *bench) fill(ctx context.Context, p place) error {
	if err := p.CreateBucket(ctx, p.bucket, b.now); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for name, body := range (corpus{b.seed, b.archives}).archives() {
		group.Go(func() error {
			put := servers.Request{Method: http.MethodPut, Path: "/" + p.bucket + "/charts/" + name, Body: body}
			_, _, err := p.Send(ctx, put, b.now)
			return err
		})
	}
	return group.Wait()
}
