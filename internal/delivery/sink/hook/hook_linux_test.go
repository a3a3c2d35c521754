package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

const canary = "CANARY-not-a-real-key"

var _ delivery.Follower = (*Sink)(nil)

// TestMain makes of the test binary the command of a hook.
func TestMain(m *testing.M) {
	switch os.Getenv("TEST_ROLE") {
	case "append": // what it was told and its environment to a file, and fail if another file is there
		f, _ := os.OpenFile(os.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		fmt.Fprintf(f, "%q\n", os.Getenv("PINNACE_CHANGED"))
		_, err := os.Stat(os.Args[1] + ".bad")
		fmt.Println("said to stdout")
		fmt.Fprintln(os.Stderr, "said to stderr", strings.Repeat("x", 2*maxOutput))
		if err == nil {
			os.Exit(5)
		}
	case "environment":
		fmt.Print(strings.Join(os.Environ(), " "))
	case "stuck": // with a child that has the output, too
		cmd := exec.Command("/bin/sh", "-c", "sleep 3600")
		cmd.Stdout = os.Stdout
		_ = cmd.Start()
		for {
			_ = syscall.Pause()
		}
	case "receiver":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGHUP)
		fmt.Println("ready")
		fmt.Println(<-signals)
	default:
		os.Exit(m.Run())
	}
}

func open(t *testing.T, c Config, role string, args ...string) (*Sink, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if role != "" {
		c.Command, c.Base = append([]string{os.Args[0]}, args...), append(c.Base, "TEST_ROLE="+role)
	}
	s, err := New(c)
	must(t, err)
	t.Cleanup(func() { secrettest.Find(t, log.String()+secrettest.Print(s, []any{s}), canary) })
	return s, log
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, s *Sink, version string, values map[string]string) error {
	t.Helper()
	for name := range values {
		values[name] = canary + values[name]
	}
	err := s.Apply(t.Context(), deliverytest.Snapshot(t, version, values))
	if err != nil {
		secrettest.Find(t, err.Error()+problem.HintOf(err), canary)
	}
	return err
}

type items = map[string]string

func TestCommandRunsAfterAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "told")
	told := func() string { data, _ := os.ReadFile(path); return string(data) }
	s, log := open(t, Config{}, "append", path)
	must(t, apply(t, s, "1", items{"a": "1", "b": "1"}))
	must(t, apply(t, s, "2", items{"a": "1", "b": "1"})) // another version of the same values
	if told() != "" {
		t.Errorf("before any change the hook was told %s", told())
	}
	must(t, apply(t, s, "3", items{"a": "2", "/c": "1"}))
	want := "\"/c\\na\\nb\"\n"
	if told() != want {
		t.Errorf("told %s, want %s", told(), want)
	}
	must(t, os.WriteFile(path+".bad", nil, 0o600))
	for range 2 {
		if err := apply(t, s, "4", items{"a": "3", "/c": "1"}); err == nil || problem.HintOf(err) == "" {
			t.Errorf("a hook that fails: %v", err)
		}
	}
	must(t, os.Remove(path+".bad"))
	must(t, apply(t, s, "5", items{"a": "3", "/c": "2"})) // what failed before is still to be told
	must(t, apply(t, s, "5", items{"a": "3", "/c": "2"}))
	if want += "\"a\"\n\"a\"\n\"/c\\na\"\n"; told() != want {
		t.Errorf("told\n%swant\n%s", told(), want)
	}
	for _, text := range []string{"hook ran", "hook failed", "said to stdout", "said to stderr", "exit status 5", "…"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("the log lacks %q", text)
		}
	}
	if lines := strings.Count(log.String(), "\n"); log.Len() > lines*(maxOutput+1000) {
		t.Errorf("the log has %d bytes in %d lines", log.Len(), lines)
	}
}

func TestAtStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "told")
	s, _ := open(t, Config{AtStart: true}, "append", path)
	must(t, apply(t, s, "1", items{"a": "1", "b": "1"}))
	if data, _ := os.ReadFile(path); string(data) != "\"a\\nb\"\n" {
		t.Errorf("told %s", data)
	}
}

func TestEnvironmentHasNoValue(t *testing.T) {
	s, log := open(t, Config{AtStart: true, Base: []string{"HOME=/h"}}, "environment")
	must(t, apply(t, s, "1", items{"a": "1"}))
	if !strings.Contains(log.String(), `output="HOME=/h TEST_ROLE=environment PINNACE_CHANGED=a"`) {
		t.Errorf("log:\n%s", log)
	}
}

func TestCommandThatIsStuckIsKilled(t *testing.T) {
	s, _ := open(t, Config{AtStart: true, Timeout: 50 * time.Millisecond}, "stuck")
	err := apply(t, s, "1", items{"a": "1"})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "50ms") {
		t.Errorf("Apply = %v", err)
	}
	s, _ = open(t, Config{AtStart: true}, "stuck")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Apply(ctx, deliverytest.Snapshot(t, "1", items{"a": "1"})) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Apply = %v", err)
	}
}

func TestCommandThatCannotStart(t *testing.T) {
	s, _ := open(t, Config{AtStart: true, Command: []string{"pinnace-no-such-command"}}, "")
	if err := apply(t, s, "1", items{"a": "1"}); err == nil || problem.HintOf(err) == "" {
		t.Errorf("Apply = %v", err)
	}
}

// receiver is a process that waits for SIGHUP.
func receiver(t *testing.T, program string) (pid int, got func() string) {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Env = []string{"TEST_ROLE=receiver"}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	ready := make([]byte, len("ready\n"))
	_, err = io.ReadFull(out, ready)
	must(t, err)
	return cmd.Process.Pid, func() string {
		rest, _ := io.ReadAll(out)
		return strings.TrimSpace(string(rest))
	}
}

// The signal is sent once for a change, even when the command after it has to be tried again.
func TestSignalByPIDFile(t *testing.T) {
	dir := t.TempDir()
	pidFile, told := filepath.Join(dir, "pid"), filepath.Join(dir, "told")
	s, log := open(t, Config{Signal: syscall.SIGHUP, PIDFile: pidFile}, "append", told)
	must(t, apply(t, s, "1", items{"a": "1"}))
	for _, content := range []string{"", "0", "-1", "1 2", fmt.Sprint(os.Getpid())} {
		must(t, os.WriteFile(pidFile, []byte(content), 0o600))
		if err := apply(t, s, "2", items{"a": "2"}); err == nil || problem.HintOf(err) == "" {
			t.Errorf("PID file %q: %v", content, err)
		}
	}
	if _, err := os.Stat(told); err == nil {
		t.Error("the command ran without the signal before it")
	}
	pid, got := receiver(t, os.Args[0])
	must(t, os.WriteFile(pidFile, fmt.Appendf(nil, "%d\n", pid), 0o600))
	must(t, os.WriteFile(told+".bad", nil, 0o600))
	for range 3 {
		if err := apply(t, s, "2", items{"a": "2"}); err == nil {
			t.Error("the failing command was not told")
		}
	}
	must(t, os.Remove(told+".bad"))
	must(t, apply(t, s, "2", items{"a": "2"}))
	if text := got(); text != "hangup" {
		t.Errorf("the process got %q", text)
	}
	if n := strings.Count(log.String(), "hook sent a signal"); n != 1 {
		t.Errorf("%d signals sent", n)
	}
}

func TestSignalByName(t *testing.T) {
	comm := fmt.Sprintf("rcv %d", os.Getpid())
	program := filepath.Join(t.TempDir(), comm)
	must(t, os.Symlink(os.Args[0], program))
	_, got := receiver(t, program)
	s, _ := open(t, Config{Signal: syscall.SIGHUP, Process: comm}, "")
	must(t, apply(t, s, "1", items{"a": "1"}))
	must(t, apply(t, s, "2", items{"a": "2"}))
	if text := got(); text != "hangup" {
		t.Errorf("the process got %q", text)
	}
	s, _ = open(t, Config{Signal: syscall.SIGHUP, Process: "no such name", AtStart: true}, "")
	if err := apply(t, s, "1", items{"a": "1"}); !strings.Contains(problem.HintOf(err), "shareProcessNamespace") {
		t.Errorf("Apply = %v", err)
	}
}

// The master gets the signal and its workers do not; ours and those that have ended are none.
func TestNamed(t *testing.T) {
	proc := fstest.MapFS{}
	for pid, stat := range map[int]string{
		1: "(pause) S 0", 9: "(agent) S 1", 10: "(nginx) S 1", 11: "(nginx) S 10", 12: "(nginx) S 10", 20: "(nginx) S 7",
		30: "(nginx) Z 1", 40: "(nginx) S 1", 50: "(a) b (c) S 1", 51: "broken", 52: "(nginx) S",
	} {
		proc[fmt.Sprintf("%d/stat", pid)] = &fstest.MapFile{Data: fmt.Appendf(nil, "%d %s 1 1 0", pid, stat)}
	}
	proc["52/stat"] = &fstest.MapFile{Data: []byte("52 (nginx) S")}
	proc["sys/stat"] = &fstest.MapFile{Data: []byte("3 (nginx) S 1")}
	got, err := named(proc, "nginx", 40)
	if diff := cmp.Diff([]int{10, 20}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if got, err := named(proc, "a) b (c", 40); err != nil || !cmp.Equal(got, []int{50}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestDoesNothingWhenItsContextIsDone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "told")
	s, _ := open(t, Config{AtStart: true}, "append", path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Apply(ctx, deliverytest.Snapshot(t, "1", items{"a": "1"})); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply = %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the command ran")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"nothing":            {},
		"empty command":      {Command: []string{""}},
		"no receiver":        {Signal: syscall.SIGHUP},
		"two receivers":      {Signal: syscall.SIGHUP, PIDFile: "/p", Process: "x"},
		"no signal":          {Command: []string{"true"}, PIDFile: "/p"},
		"a name too long":    {Signal: syscall.SIGHUP, Process: "sixteen-letters-"},
		"a negative timeout": {Command: []string{"true"}, Timeout: -1},
	} {
		if _, err := New(c); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
