package process

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

const canary = "CANARY-not-a-real-key"

// role makes of the test binary the program that a test needs.
const role = "TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "workload":
		workload(os.Args[1:])
	case "agent":
		os.Exit(agent(os.Args[1:]))
	default:
		os.Exit(m.Run())
	}
}

// workload is the child. It says in lines what happens to it.
func workload(args []string) {
	switch args[0] {
	case "exit":
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "die":
		sig, _ := strconv.Atoi(args[1])
		_ = syscall.Kill(os.Getpid(), syscall.Signal(sig))
	case "report": // every signal; SIGTERM and SIGQUIT end it
		report("started", syscall.SIGTERM, syscall.SIGQUIT)
	case "ignore": // but report; nothing ends it
		report("started")
	case "leave": // a process in the group that is told nothing when this one ends
		run("report-as", "left")
		say("started")
	case "report-as":
		report(args[1], syscall.SIGTERM)
	case "orphan": // a process whose parent is gone, and which ends with standard input
		run("middle")
		say("started")
	case "middle":
		run("grandchild")
		os.Exit(0)
	case "grandchild":
		say("grandchild %d", os.Getpid())
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	default:
		say("started")
	}
	for {
		_ = syscall.Pause()
	}
}

func say(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

func report(name string, last ...os.Signal) {
	signals := make(chan os.Signal, 32)
	signal.Notify(signals, forwarded()...)
	say("%s", name)
	for sig := range signals {
		say("%s got %v", name, sig)
		for _, end := range last {
			if sig == end {
				os.Exit(7)
			}
		}
	}
}

// run starts the test binary once more, with the same files; "middle" is waited for.
func run(args ...string) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	start := cmd.Start
	if args[0] == "middle" {
		start = cmd.Run
	}
	if err := start(); err != nil {
		say("cannot start: %v", err)
	}
}

// agent is a process around a sink, as the real one is.
func agent(args []string) int {
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	subreaper, stop := flags.Bool("subreaper", false, ""), flags.Int("stop", 0, "")
	group, end := flags.Bool("group", false, ""), flags.Bool("end", false, "")
	if err := flags.Parse(args); err != nil {
		return 99
	}
	s, err := New(Config{
		Command: append([]string{os.Args[0]}, flags.Args()...), Base: append(os.Environ(), role+"=workload"),
		Variables: []Variable{{Name: "KEY", Item: "key"}}, Subreaper: *subreaper, Stop: syscall.Signal(*stop), Group: *group,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return 98
	}
	snapshot, _ := delivery.NewSnapshot(delivery.Item{Name: "key", Value: secret.FromString(canary)})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if *end { // as if something else of the agent failed when SIGUSR1 arrives
		usr1 := make(chan os.Signal, 1)
		signal.Notify(usr1, syscall.SIGUSR1)
		go func() { <-usr1; cancel() }()
	}
	go func() {
		if err := s.Apply(ctx, snapshot); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(97)
		}
	}()
	return s.Supervise(ctx).Code
}

// output is what a workload writes, line by line.
type output struct {
	file  *os.File // for the workload
	lines chan string
}

func newOutput(t *testing.T) *output {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o := &output{file: w, lines: make(chan string, 1000)}
	go func() {
		defer close(o.lines)
		for scan := bufio.NewScanner(r); scan.Scan(); {
			o.lines <- scan.Text()
		}
	}()
	t.Cleanup(func() { _ = w.Close(); _ = r.Close() })
	return o
}

// want waits for a line that starts so, and gives the rest of it.
func (o *output) want(t *testing.T, prefix string) string {
	t.Helper()
	var seen []string
	for {
		select {
		case line, ok := <-o.lines:
			if rest, found := strings.CutPrefix(line, prefix); found {
				return rest
			}
			if seen = append(seen, line); !ok {
				t.Fatalf("the output ended without %q; it has %q", prefix, seen)
			}
		case <-time.After(time.Minute): // so that a failure is told, instead of by the limit of the whole test
			t.Fatalf("no line %q came; those that did: %q", prefix, seen)
		}
	}
}

// ended waits for the end of the output: nobody has it open any more.
func (o *output) ended(t *testing.T) {
	t.Helper()
	_ = o.file.Close()
	for {
		select {
		case _, ok := <-o.lines:
			if !ok {
				return
			}
		case <-time.After(time.Minute):
			t.Fatal("somebody has the output open still")
		}
	}
}

// journal is a log that several goroutines write.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// open makes a sink that runs the test binary as a workload, and ends it with the test. It restarts without a delay
// unless the test says otherwise.
func open(t *testing.T, c Config, args ...string) *Sink {
	t.Helper()
	if c.Command == nil {
		c.Command = append([]string{os.Args[0]}, args...)
	}
	if c.Variables == nil {
		c.Variables = []Variable{{Name: "A", Item: "a"}, {Name: "B", Item: "b"}}
	}
	if c.Stagger == 0 {
		c.Stagger = -1
	}
	c.Base = append(c.Base, role+"=workload")
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Supervise(ctx)
	})
	return s
}

// pid is that of the child, or zero.
func (s *Sink) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return 0
	}
	return s.child.process.Pid
}

// underWay is closed when the restart that is under way is over.
func (s *Sink) underWay() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restarting
}

// read gives the environment of the child, as the kernel tells it.
func read(t *testing.T, s *Sink) map[string]string {
	t.Helper()
	env := map[string]string{}
	pid := s.pid()
	if pid == 0 {
		return env
	}
	var data []byte
	until(t, "the kernel has laid out the new process", func() (there bool) { // it does so after it closed the files
		var err error
		if data, err = os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err != nil {
			t.Fatal(err)
		}
		return len(data) > 0
	})
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x00"), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return env
}
