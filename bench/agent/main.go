// Command agent measures pinnace-agent, the very program in a process of its own, against localaws: how large it is,
// how much memory it has with twenty items, how long after its start the key is in place, and how long after a rollout
// the new one.
//
// It measures the loopback sink as applications meet it: over TCP with connections that are kept alive, the server in a
// process of its own that may use one core (GOMAXPROCS=1). For each kind of request it finds how many are answered in a
// second when every connection asks again at once, and the latencies when requests come at a fixed rate, each counted
// from the moment at which it was due.
//
// It prints Markdown, and writes it to a file, too.
//
//	go run ./bench/agent --out docs/bench/agent.md
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

const (
	serveVerb = "serve" // this program as the server
	token     = "not-a-real-token"
	items     = 20
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if len(os.Args) == 3 && os.Args[1] == serveVerb {
		err = serve(ctx, os.Args[2], os.Stdin, os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // a command is where it ends
	}
}

// serve answers from twenty items until stdin ends. It prints its address.
func serve(ctx context.Context, tokenFile string, stdin io.Reader, stdout io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config := loopback.Config{TokenFile: tokenFile, Stale: func(string) (string, bool) { return "", false }}
	var held []delivery.Item
	for i := range items {
		n := strconv.Itoa(i)
		item := delivery.Item{Name: n, Version: n, Value: secret.FromString(`{"flag":{"enabled":true,"limit":` + n +
			`},"text":"` + strings.Repeat("x", 1000) + `"}`)}
		held = append(held, item)
		config.Expose = append(config.Expose, loopback.Exposed{
			Item: n, Application: "app", Environment: "env", Profile: n, Secret: "secret/" + n,
		})
	}
	sink, err := loopback.New(config)
	if err != nil {
		return err
	}
	snapshot, err := delivery.NewSnapshot(held...)
	if err != nil {
		return err
	}
	if err := sink.Apply(ctx, snapshot); err != nil {
		return err
	}
	l, err := loopback.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(stdout, l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	return sink.Serve(ctx, l)
}

// request is one kind of request, as the bytes that a client sends.
type request struct{ name, raw string }

func requests() []request {
	get := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: localhost:2773\r\nUser-Agent: bench\r\nAccept: */*\r\n" +
			"X-Aws-Parameters-Secrets-Token: " + token + "\r\n\r\n"
	}
	const body = `{"SecretId": "secret/7"}`
	return []request{
		{"AppConfig Agent, 1 KB document", get("/applications/app/environments/env/configurations/7")},
		{"AppConfig Agent, one flag", get("/applications/app/environments/env/configurations/7?flag=flag")},
		{"Secrets Manager Agent", get("/secretsmanager/get?secretId=secret/7")},
		{"Secrets Manager, GetSecretValue", "POST / HTTP/1.1\r\nHost: localhost:2773\r\nUser-Agent: bench\r\n" +
			"X-Amz-Target: secretsmanager.GetSecretValue\r\nContent-Type: application/x-amz-json-1.1\r\n" +
			"X-Amz-Security-Token: " + token + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body},
	}
}

// plan is what is measured, and for how long.
type plan struct {
	out               string
	duration, settle  time.Duration
	connections, rate int
	starts, rollouts  int
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var p plan
	flags.StringVar(&p.out, "out", "", "file to write to, beside the output")
	flags.DurationVar(&p.duration, "duration", 10*time.Second, "of each measurement of the loopback sink")
	flags.IntVar(&p.connections, "connections", 16, "that are kept alive")
	flags.IntVar(&p.rate, "rate", 20_000, "requests a second, all connections together, for the latencies")
	flags.DurationVar(&p.settle, "settle", time.Minute, "before the memory is looked at")
	flags.IntVar(&p.starts, "starts", 50, "of the agent, of which each is timed")
	flags.IntVar(&p.rollouts, "rollouts", 5, "that are followed, each at a random moment")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-agent")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var text bytes.Buffer
	w := io.MultiWriter(stdout, &text)
	writeHead(w)
	if err := measureAgent(ctx, p, dir, w); err != nil {
		return err
	}
	if err := measureLoopback(ctx, p, dir, w); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "\nAt the end: load average %s; somebody waited for a core in %s of the last minute. "+
		"A latency counts that wait, too: above a few percent the p99 is the machine's and not the agent's.\n",
		loadAverage(), waiting())
	if p.out == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(p.out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(p.out, text.Bytes(), 0o644)
}

func measureLoopback(ctx context.Context, p plan, dir string, w io.Writer) error {
	s, err := start(ctx, filepath.Join(dir, "loopback-token"))
	if err != nil {
		return err
	}
	defer s.stop()
	_, _ = fmt.Fprintf(w, "\n## The loopback sink\n\nServer GOMAXPROCS=1, %d items, %d connections kept alive, %v each, "+
		"load average %s. Targets: 20000 a second on one core, p99 under 2ms.\n\n", items, p.connections, p.duration,
		loadAverage())
	_, _ = fmt.Fprintf(w, "| request | answered/s, at once | server's cores | per core | at %d/s: answered/s "+
		"| p50 | p99 | p99.9 |\n|---|---|---|---|---|---|---|---|\n", p.rate)
	for _, r := range requests() {
		busy, err := s.cores(func() (result, error) { return load(ctx, s.address, r.raw, p.connections, 0, p.duration) })
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		paced, err := load(ctx, s.address, r.raw, p.connections, p.rate, p.duration)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		_, _ = fmt.Fprintf(w, "| %s | %.0f | %.2f | %.0f | %.0f | %v | %v | %v |\n", r.name, busy.perSecond,
			busy.cores, busy.perSecond/busy.cores, paced.perSecond, paced.at(0.5), paced.at(0.99), paced.at(0.999))
	}
	_, _ = fmt.Fprintf(w, "\nResident at the end: %s.\n", s.resident())
	return nil
}

// server is this program's other process.
type server struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
}

func start(ctx context.Context, tokenFile string) (*server, error) {
	if err := os.WriteFile(tokenFile, []byte(token), 0o400); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, serveVerb, tokenFile)
	cmd.Env = []string{"GOMAXPROCS=1"}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("the server did not say where it listens: %w", err)
	}
	return &server{cmd: cmd, stdin: stdin, address: strings.TrimSpace(line)}, nil
}

func (s *server) stop() {
	_ = s.stdin.Close()
	_ = s.cmd.Wait()
}
