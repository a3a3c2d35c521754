package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	poll     = 15 * time.Second // of the agent in all measurements
	patience = time.Minute      // for what is to happen
)

func writeHead(w io.Writer) {
	_, _ = fmt.Fprintf(w, "# What the agent costs\n\nMade by `go run ./bench/agent --out docs/bench/agent.md`, %s, "+
		"%s %s/%s, %d cores, load average at the start %s. AWS is localaws, on the same cores.\n",
		now().UTC().Format("2006-01-02 15:04 MST"), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		loadAverage())
}

// measureAgent builds the program and writes the table of what it costs.
func measureAgent(ctx context.Context, p plan, dir string, w io.Writer) error {
	a, err := newAccount(ctx, dir)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.deploy(ctx, "first"); err != nil {
		return err
	}
	b := &bench{account: a, dir: dir, program: filepath.Join(dir, "pinnace-agent")}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.program,
		"github.com/pinnace-dev/pinnace/cmd/pinnace-agent")
	build.Env, build.Stderr = append(build.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the agent: %w", err)
	}
	info, err := os.Stat(b.program)
	if err != nil {
		return err
	}
	const mega = 1 << 20
	_, _ = fmt.Fprintf(w, "\n## The process\n\n| what | target | measured |\n|---|---|---|\n")
	_, _ = fmt.Fprintf(w, "| binary, stripped | 20 MB | %.1f MB |\n", float64(info.Size())/mega)
	started, err := b.starts(ctx, p.starts)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "| key in place after the start, median of %d; p99 | 300 ms | %v; %v |\n", p.starts,
		started.at(0.5), started.at(0.99))
	followed, resident, err := b.follow(ctx, p)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "| resident with %d items, after %v and ten scrapes; of it not shared (RssAnon); most ever "+
		"| 20 MB | %s; %s; %s |\n", items, p.settle, resident["VmRSS"], resident["RssAnon"], resident["VmHWM"])
	_, _ = fmt.Fprintf(w, "| rollout followed, polling each %v: median of %d; longest | %v | %v; %v |\n", poll,
		p.rollouts, poll+time.Second, followed.at(0.5).Round(time.Millisecond), followed.at(1).Round(time.Millisecond))
	_, _ = fmt.Fprintf(w, "\nA start is from fork(2) to the key in its file: IRSA's exchange at STS, a session of "+
		"AppConfig, the document, the secrets that it refers to, fsync and rename. Half of the items are fields of the "+
		"document, half are secrets; all are files, and the loopback sink and the status server run.\n")
	return nil
}

// bench runs the program.
type bench struct {
	*account
	dir, program string
}

func (b *bench) start(ctx context.Context, args ...string) (*exec.Cmd, error) {
	args = append([]string{"run", "--poll-interval", poll.String(), "--log-level", "error"}, args...)
	cmd := exec.CommandContext(ctx, b.program, args...)
	cmd.Env, cmd.Stderr = b.env, os.Stderr
	return cmd, cmd.Start()
}

// end asks the program to end and waits for that.
func end(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return cmd.Wait()
}

// starts times n starts with one item.
func (b *bench) starts(ctx context.Context, n int) (result, error) {
	var r result
	for i := range n {
		path := filepath.Join(b.dir, "start"+strconv.Itoa(i))
		began := now()
		cmd, err := b.start(ctx, "--appconfig", "otel-config/prod/coralogix", "--token-file", path+"=key0")
		if err != nil {
			return r, err
		}
		took, err := await(ctx, began, func() bool { _, err := os.Stat(path); return err == nil })
		if err := errors.Join(err, end(cmd)); err != nil {
			return r, err
		}
		r.took = append(r.took, took)
	}
	slices.Sort(r.took)
	return r, nil
}

// await looks again and again whether something is so, and gives the time since then.
func await(ctx context.Context, since time.Time, is func() bool) (time.Duration, error) {
	for ctx.Err() == nil && now().Sub(since) < patience {
		if is() {
			return now().Sub(since), nil
		}
		time.Sleep(200 * time.Microsecond) //nolint:forbidigo // what is measured is real time
	}
	return 0, errors.Join(errors.New("it did not happen in time"), ctx.Err())
}

// follow runs the program with all items, looks at its memory, and times how rollouts are followed.
func (b *bench) follow(ctx context.Context, p plan) (followed result, memory map[string]string, err error) {
	config := filepath.Join(b.dir, "agent.yaml")
	domain := filepath.Join(b.dir, "domain")
	status, err := freeAddress(ctx)
	if err != nil {
		return followed, nil, err
	}
	if err := os.WriteFile(config, []byte(b.configuration(status)), 0o600); err != nil {
		return followed, nil, err
	}
	cmd, err := b.start(ctx, "--config", config)
	if err != nil {
		return followed, nil, err
	}
	defer func() { err = errors.Join(err, end(cmd)) }()
	holds := func(text string) func() bool {
		return func() bool {
			data, err := os.ReadFile(domain)
			return err == nil && string(data) == text
		}
	}
	if _, err := await(ctx, now(), holds("first")); err != nil {
		return followed, nil, err
	}
	time.Sleep(p.settle) //nolint:forbidigo // what is measured is real time
	if err := scrape(ctx, "http://"+status+"/metrics"); err != nil {
		return followed, nil, err
	}
	memory = memoryOf(cmd.Process.Pid)
	for i := range p.rollouts {
		time.Sleep(rand.N(poll)) //nolint:forbidigo // likewise
		text := "rollout-" + strconv.Itoa(i)
		if err := b.deploy(ctx, text); err != nil {
			return followed, memory, err
		}
		took, err := await(ctx, now(), holds(text))
		if err != nil {
			return followed, memory, err
		}
		followed.took = append(followed.took, took)
	}
	slices.Sort(followed.took)
	return followed, memory, nil
}

// configuration has twenty items, the domain of the document for one, and every sink that stays.
func (b *bench) configuration(status string) string {
	var list, files strings.Builder
	write := func(name, of string) {
		_, _ = fmt.Fprintf(&list, "- {name: %s, %s}\n", name, of)
		_, _ = fmt.Fprintf(&files, "- {item: %s, path: %s}\n", name, filepath.Join(b.dir, name))
	}
	const document = "appconfig: otel-config/prod/coralogix, field: "
	write("domain", document+"domain")
	for i := range items - 1 {
		if i < items/2-1 {
			write(fmt.Sprintf("key%d", i), document+fmt.Sprintf("key%d", i))
		} else {
			write(fmt.Sprintf("secret%d", i), "secret: "+secretName(i))
		}
	}
	return "items:\n" + list.String() + "files:\n" + files.String() +
		"loopback: {address: '127.0.0.1:0', withoutToken: true}\nstatus: {address: '" + status + "'}\n"
}

// freeAddress is one on which nobody listens.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// scrape reads a page ten times, as Prometheus would in some minutes.
func scrape(ctx context.Context, url string) error {
	for range 10 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
	}
	return nil
}

// memoryOf reads what Linux says of a process.
func memoryOf(pid int) map[string]string {
	data, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	values := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			values[name] = strings.TrimSpace(value)
		}
	}
	return values
}
