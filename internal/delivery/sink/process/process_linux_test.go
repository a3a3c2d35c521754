package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

func values(a, b string) map[string]string { return map[string]string{"a": a, "b": b} }

func apply(t *testing.T, s *Sink, version string, items map[string]string) error {
	t.Helper()
	err := s.Apply(t.Context(), deliverytest.Snapshot(t, version, items))
	if err != nil {
		secrettest.Find(t, err.Error()+problem.HintOf(err)+secrettest.Print(err), canary)
	}
	return err
}

func TestEnvironmentOfTheChild(t *testing.T) {
	base := []string{"HOME=/home/w", "A=default", "PINNACE_FILES=x", "AWS_REGION=eu-west-1", "AWS_ROLE_ARN=arn", "C=from base"}
	variables := []Variable{{Name: "A", Item: "a"}, {Name: "B", Item: "b"}, {Name: "C", Item: "/c", Optional: true}}
	tests := []struct {
		name  string
		hide  bool
		items map[string]string
		want  map[string]string
	}{
		{
			name: "items over what was injected", items: values("x\n", "two\nlines\r\n"),
			want: map[string]string{
				"HOME": "/home/w", "AWS_REGION": "eu-west-1", "AWS_ROLE_ARN": "arn", role: "workload",
				"A": "x", "B": "two\nlines", "C": "from base",
			},
		},
		{
			name: "no identity", hide: true, items: map[string]string{"a": "=", "b": "é \xff", "/c": ""},
			want: map[string]string{"HOME": "/home/w", "AWS_REGION": "eu-west-1", role: "workload", "A": "=", "B": "é \xff", "C": ""},
		},
		{
			name: "as long as the kernel takes", hide: true, items: values("x", strings.Repeat("b", maxString-len("B=")-1)),
			want: map[string]string{
				"HOME": "/home/w", "AWS_REGION": "eu-west-1", role: "workload", "A": "x", "C": "from base",
				"B": strings.Repeat("b", maxString-len("B=")-1),
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, Config{Base: base, Variables: variables, HideIdentity: test.hide}, "wait")
			must(t, apply(t, s, "1", test.items))
			if diff := cmp.Diff(test.want, read(t, s)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.pid()))
			if want := os.Args[0] + "\x00wait\x00"; string(args) != want || err != nil {
				t.Errorf("arguments %q, want %q (%v)", args, want, err)
			}
		})
	}
}

func TestValuesThatCannotBeInAVariable(t *testing.T) {
	for name, value := range map[string]string{
		"empty":                  "",
		"empty but for line end": "\n",
		"NUL":                    canary + "\x00",
		"too long":               canary + strings.Repeat("b", maxString-len("B=")-len(canary)),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Config{}, "wait")
			must(t, apply(t, s, "1", values("one", "two")))
			before := s.pid()
			err := apply(t, s, "2", values("other", value))
			if problem.KindOf(err) != problem.Refused || problem.HintOf(err) == "" || !strings.Contains(err.Error(), "item b for B") {
				t.Errorf("Apply = %v, hint %q", err, problem.HintOf(err))
			}
			if s.pid() != before || read(t, s)["A"] != "one" {
				t.Error("the child was touched")
			}
		})
	}
}

// Each value is short enough, all of them together are not.
func TestEnvironmentTooLargeForTheKernel(t *testing.T) {
	c, items := Config{Variables: []Variable{}}, map[string]string{}
	for i := range 60 {
		name := fmt.Sprintf("V%d", i)
		c.Variables = append(c.Variables, Variable{Name: name, Item: name})
		items[name] = strings.Repeat("v", maxString/2) + canary
	}
	s := open(t, c, "wait")
	small := map[string]string{}
	for name := range items {
		small[name] = "small"
	}
	must(t, apply(t, s, "1", small))
	before := s.pid()
	if argumentRoom() > 60*maxString/2 {
		t.Skip("this machine's stack lets in more than Linux ever took")
	}
	if err := apply(t, s, "2", items); problem.KindOf(err) != problem.Refused {
		t.Errorf("Apply = %v", err)
	}
	if s.pid() != before {
		t.Error("the child was touched")
	}
}

// A child whose environment is exactly as large as argumentRoom says is taken by this kernel: the check does not let a
// restart stop a child for one that cannot start.
func TestArgumentRoomIsThere(t *testing.T) {
	c, items := Config{Variables: []Variable{}}, map[string]string{}
	room := argumentRoom() - sizeOf(os.Args[0], []string{os.Args[0], "wait"}, []string{role + "=workload"})
	for i := 0; room > 100; i++ {
		name := fmt.Sprintf("V%04d", i)
		n := min(maxString-len(name)-2, room-len(name)-len("=\x00")-8)
		c.Variables = append(c.Variables, Variable{Name: name, Item: name})
		items[name] = strings.Repeat("v", n)
		room -= n + len(name) + len("=\x00") + 8
	}
	s := open(t, c, "wait")
	must(t, apply(t, s, "1", items))
	if s.pid() == 0 {
		t.Error("no child")
	}
}

func TestOnlyAChangeRestarts(t *testing.T) {
	s := open(t, Config{}, "wait")
	must(t, apply(t, s, "1", values("one", "two")))
	first := s.pid()
	must(t, apply(t, s, "2", values("one", "two")))
	must(t, apply(t, s, "3", map[string]string{"a": "one\n", "b": "two", "other": "item"}))
	if s.pid() != first {
		t.Error("a snapshot that changes no variable restarted the workload")
	}
	must(t, apply(t, s, "4", values("one", "three")))
	if s.pid() == first || read(t, s)["B"] != "three" {
		t.Errorf("the workload has %v", read(t, s))
	}
	if err := syscall.Kill(first, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the old child is there still: %v", err)
	}
}

// pauses is a Wait that is over when the test says so.
type pauses struct {
	asked  chan time.Duration
	permit chan struct{}
}

func newPauses() *pauses { return &pauses{make(chan time.Duration, 100), make(chan struct{}, 100)} }

func (p *pauses) wait(ctx context.Context, d time.Duration) error {
	p.asked <- d
	select {
	case <-p.permit:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestFiftyRotationsAreOneRestart(t *testing.T) {
	p, log := newPauses(), &journal{}
	s := open(t, Config{
		Stagger: 20 * time.Second, Rand: func() float64 { return 0.25 }, Wait: p.wait, Log: log.logger(),
	}, "wait")
	must(t, apply(t, s, "0", values("one", canary)))
	first := s.pid()
	for i := range 50 {
		err := apply(t, s, fmt.Sprint(i), values("one", fmt.Sprintf("%s-%d", canary, i)))
		pending, ok := errors.AsType[*delivery.Pending](err)
		if !ok || i == 0 && pending.In != 5*time.Second || pending.In <= 0 {
			t.Fatalf("rotation %d: %v, %+v", i, err, pending)
		}
	}
	if d := <-p.asked; d != 5*time.Second || s.pid() != first || read(t, s)["B"] != canary {
		t.Errorf("delay %v; the child has %v", d, read(t, s))
	}
	over := s.underWay()
	p.permit <- struct{}{}
	<-over
	must(t, apply(t, s, "49", values("one", canary+"-49")))
	if got := read(t, s)["B"]; got != canary+"-49" {
		t.Errorf("the child has %q", got)
	}
	if n := strings.Count(log.String(), "workload started"); n != 2 {
		t.Errorf("%d starts for 50 rotations:\n%s", n, log)
	}
	secrettest.Find(t, log.String(), canary)
}

func TestAWithdrawnChangeRestartsNothing(t *testing.T) {
	p := newPauses()
	s := open(t, Config{Stagger: time.Hour, Rand: func() float64 { return 0.5 }, Wait: p.wait}, "wait")
	must(t, apply(t, s, "1", values("one", "two")))
	first := s.pid()
	if err := apply(t, s, "2", values("one", "bad")); err == nil {
		t.Error("a restart that waits was told as done")
	}
	must(t, apply(t, s, "3", values("one", "two")))
	over := s.underWay()
	p.permit <- struct{}{}
	<-over
	if s.pid() != first {
		t.Error("the workload was restarted for nothing")
	}
}

// The workload ends while a restart waits: that is the end, whatever was to come.
func TestEndWhileARestartWaits(t *testing.T) {
	p := newPauses()
	s := open(t, Config{Stagger: time.Hour, Rand: func() float64 { return 0.5 }, Wait: p.wait}, "wait")
	must(t, apply(t, s, "1", values("one", "two")))
	_ = apply(t, s, "2", values("one", "three"))
	over := s.underWay()
	must(t, syscall.Kill(s.pid(), syscall.SIGKILL))
	if exit := s.Supervise(t.Context()); exit.Code != 137 || exit.Signal != syscall.SIGKILL {
		t.Errorf("exit %+v", exit)
	}
	<-over
	if err := apply(t, s, "3", values("one", "four")); !errors.Is(err, ErrEnded) || s.pid() != 0 {
		t.Errorf("Apply = %v", err)
	}
}

func TestAChildThatIgnoresSIGTERMIsKilled(t *testing.T) {
	out, log := newOutput(t), &journal{}
	grace := time.Duration(0)
	s := open(t, Config{
		Stdout: out.file, Log: log.logger(), Grace: 20 * time.Second,
		Wait: func(ctx context.Context, d time.Duration) error {
			if d < time.Second {
				return nil // until the group is empty
			}
			grace = d
			out.want(t, "started got terminated")
			return ctx.Err()
		},
	}, "ignore")
	must(t, apply(t, s, "1", values("one", canary)))
	out.want(t, "started")
	first := s.pid()
	must(t, apply(t, s, "2", values("one", canary+"-2")))
	out.want(t, "started")
	if grace != 20*time.Second || s.pid() == first || read(t, s)["B"] != canary+"-2" {
		t.Errorf("grace %v, the child has %v", grace, read(t, s))
	}
	if !strings.Contains(log.String(), "does not end, killing it") {
		t.Errorf("log:\n%s", log)
	}
	secrettest.Find(t, log.String(), canary)
}

// What the old child leaves in its group is asked to end before the new one starts.
func TestLeftoversOfTheOldChild(t *testing.T) {
	out := newOutput(t)
	s := open(t, Config{Stdout: out.file}, "leave")
	must(t, apply(t, s, "1", values("one", "two")))
	out.want(t, "left")
	must(t, apply(t, s, "2", values("one", "three")))
	out.want(t, "left got terminated")
}

func TestExit(t *testing.T) {
	tests := []struct {
		args []string
		want Exit
		text string
	}{
		{[]string{"exit", "0"}, Exit{}, "exit status 0"},
		{[]string{"exit", "3"}, Exit{Code: 3}, "exit status 3"},
		{[]string{"die", "9"}, Exit{Code: 137, Signal: syscall.SIGKILL}, "signal 9 (killed)"},
		{[]string{"die", "15"}, Exit{Code: 143, Signal: syscall.SIGTERM}, "signal 15 (terminated)"},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			s := open(t, Config{}, test.args...)
			must(t, apply(t, s, "1", values("one", "two")))
			if exit := s.Supervise(t.Context()); exit != test.want || exit.String() != test.text {
				t.Errorf("exit %+v (%v), want %+v", exit, exit, test.want)
			}
			if err := apply(t, s, "2", values("one", "two")); !errors.Is(err, ErrEnded) {
				t.Errorf("after the end Apply = %v", err)
			}
		})
	}
}

func TestCommandsThatCannotStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content), mode))
		return path
	}
	tests := []struct {
		name    string
		command string
		dir     string
		code    int
	}{
		{"missing", filepath.Join(dir, "no"), "", 127},
		{"not in PATH", "pinnace-no-such-command", "", 127},
		{"no permission", write("plain", "x", 0o600), "", 126},
		{"a folder", dir, "", 126},
		{"no permission, by PATH", "plain", "", 126},
		{"no program", write("text", "\x01\x02", 0o700), "", 126},
		{"no interpreter", write("script", "#!/no/such/shell\n", 0o700), "", 127},
		{"no working directory", os.Args[0], filepath.Join(dir, "none"), 0},
		{"a file as working directory", os.Args[0], filepath.Join(dir, "plain"), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, Config{Command: []string{test.command}, Dir: test.dir, Base: []string{"PATH=.:" + dir}})
			err := apply(t, s, "1", values("one", canary))
			code, ok := ExitCode(err)
			if err == nil || problem.HintOf(err) == "" || code != test.code || ok != (code != 0) {
				t.Errorf("Apply = %v, hint %q, code %d", err, problem.HintOf(err), code)
			}
			if exit := s.exit; exit != (Exit{}) {
				t.Errorf("exit %v", exit)
			}
		})
	}
}

// The program goes away while the workload runs: the old child goes on, and follows when the program is back.
func TestRestartThatCannotBegin(t *testing.T) {
	command := filepath.Join(t.TempDir(), "workload")
	must(t, os.Symlink(os.Args[0], command))
	s := open(t, Config{Command: []string{command, "wait"}})
	must(t, apply(t, s, "1", values("one", "two")))
	first := s.pid()
	must(t, os.Remove(command))
	if code, _ := ExitCode(apply(t, s, "2", values("one", canary))); code != 127 || s.pid() != first {
		t.Errorf("code %d; child %d was %d", code, s.pid(), first)
	}
	must(t, apply(t, s, "1", values("one", "two")))
	must(t, os.Symlink(os.Args[0], command))
	must(t, apply(t, s, "2", values("one", canary)))
	if read(t, s)["B"] != canary {
		t.Errorf("the child has %v", read(t, s))
	}
}

// What can only be found out by starting costs the old child; the next Apply starts the new one, without a delay.
func TestRestartThatFailsHalfWay(t *testing.T) {
	command, log := filepath.Join(t.TempDir(), "workload"), &journal{}
	good := []byte("#!/bin/sh\nexec " + os.Args[0] + " wait\n")
	must(t, os.WriteFile(command, good, 0o700))
	s := open(t, Config{Command: []string{command}, Log: log.logger()})
	must(t, apply(t, s, "1", values("one", "two")))
	must(t, os.WriteFile(command, []byte("#!/no/such/shell\n"), 0o700))
	if err := apply(t, s, "2", values("one", canary)); err == nil || s.pid() != 0 {
		t.Errorf("Apply = %v", err)
	}
	if code, _ := ExitCode(apply(t, s, "2", values("one", canary))); code != 127 {
		t.Errorf("code %d", code)
	}
	must(t, os.WriteFile(command, good, 0o700))
	must(t, apply(t, s, "2", values("one", canary)))
	if s.pid() == 0 || !strings.Contains(log.String(), "cannot be restarted") {
		t.Errorf("log:\n%s", log)
	}
	secrettest.Find(t, log.String(), canary)
}

func TestNothingShowsAValue(t *testing.T) {
	s := open(t, Config{Base: []string{"SECRET=" + canary}}, "wait")
	must(t, apply(t, s, "1", values(canary, canary)))
	s.mu.Lock()
	env := s.child.env
	s.mu.Unlock()
	secrettest.Find(t, secrettest.Print(s, []any{s}, struct{ s *Sink }{s}, env, struct{ e environment }{env}), canary)
}

func TestNewRefuses(t *testing.T) {
	good := []string{"true"}
	for name, c := range map[string]Config{
		"no command":     {},
		"empty command":  {Command: []string{""}},
		"no item":        {Command: good, Variables: []Variable{{Name: "A"}}},
		"no name":        {Command: good, Variables: []Variable{{Item: "a"}}},
		"equals sign":    {Command: good, Variables: []Variable{{Name: "A=B", Item: "a"}}},
		"NUL":            {Command: good, Variables: []Variable{{Name: "A\x00", Item: "a"}}},
		"digit first":    {Command: good, Variables: []Variable{{Name: "1A", Item: "a"}}},
		"dash":           {Command: good, Variables: []Variable{{Name: "A-B", Item: "a"}}},
		"one name twice": {Command: good, Variables: []Variable{{Name: "A", Item: "a"}, {Name: "A", Item: "b"}}},
		"negative grace": {Command: good, Grace: -1},
	} {
		if _, err := New(c); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
