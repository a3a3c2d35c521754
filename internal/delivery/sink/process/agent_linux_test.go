package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

// program is an agent in a process of its own.
type program struct {
	cmd   *exec.Cmd
	out   *output
	log   *bytes.Buffer // complete after exit
	stdin *os.File      // its end ends what reads it
}

func startAgent(t *testing.T, attr *syscall.SysProcAttr, args ...string) *program {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	p := &program{cmd: exec.Command(os.Args[0], args...), out: newOutput(t), log: &bytes.Buffer{}, stdin: w}
	p.cmd.Env = append(os.Environ(), role+"=agent")
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = r, p.out.file, p.log, attr
	if err := p.cmd.Start(); err != nil {
		if attr != nil && errors.Is(err, syscall.EPERM) {
			t.Skipf("this test needs a PID namespace: %v", err)
		}
		t.Fatal(err)
	}
	_ = r.Close()
	t.Cleanup(func() {
		_ = w.Close()
		_ = p.cmd.Process.Kill()
	})
	return p
}

func (p *program) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	must(t, p.cmd.Process.Signal(sig))
}

// exit waits for the end and gives the exit code.
func (p *program) exit(t *testing.T) int {
	t.Helper()
	_ = p.cmd.Wait()
	secrettest.Find(t, p.log.String(), canary)
	return p.cmd.ProcessState.ExitCode()
}

func TestSignalsReachTheChild(t *testing.T) {
	p := startAgent(t, nil, "report")
	p.out.want(t, "started")
	for _, sig := range []syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGWINCH, syscall.SIGCONT,
	} {
		p.signal(t, sig)
		if got := p.out.want(t, "started got "); got != sig.String() {
			t.Errorf("sent %v, the child got %s", sig, got)
		}
	}
	p.signal(t, syscall.SIGTERM)
	p.out.want(t, "started got terminated")
	if code := p.exit(t); code != 7 {
		t.Errorf("exit code %d, the child gave 7; log:\n%s", code, p.log)
	}
}

func TestSIGTERMIsTheStopSignalAndComesOnce(t *testing.T) {
	p := startAgent(t, nil, "-stop", strconv.Itoa(int(syscall.SIGHUP)), "report")
	p.out.want(t, "started")
	p.signal(t, syscall.SIGTERM)
	p.out.want(t, "started got hangup")
	p.signal(t, syscall.SIGTERM)
	p.signal(t, syscall.SIGQUIT)
	if got := p.out.want(t, "started got "); got != "quit" {
		t.Errorf("after a second SIGTERM the child got %s", got)
	}
	if code := p.exit(t); code != 7 {
		t.Errorf("exit code %d; log:\n%s", code, p.log)
	}
}

// The signal goes to the child alone, or to everybody in its group.
func TestSignalsToTheGroup(t *testing.T) {
	p := startAgent(t, nil, "-group", "leave")
	p.out.want(t, "left")
	p.signal(t, syscall.SIGWINCH)
	p.out.want(t, "left got window changed")
	p.signal(t, syscall.SIGTERM)
	p.out.want(t, "left got terminated")
	if code := p.exit(t); code != 143 {
		t.Errorf("exit code %d; log:\n%s", code, p.log)
	}
}

func TestExitCodeIsPassedOn(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
	}{{[]string{"exit", "42"}, 42}, {[]string{"die", "9"}, 137}, {[]string{"exit", "0"}, 0}} {
		if code := startAgent(t, nil, test.args...).exit(t); code != test.code {
			t.Errorf("%v: exit code %d, want %d", test.args, code, test.code)
		}
	}
}

// The end of the agent's own work ends the workload.
func TestEndOfTheContext(t *testing.T) {
	p := startAgent(t, nil, "-end", "report")
	p.out.want(t, "started")
	p.signal(t, syscall.SIGUSR1)
	p.out.want(t, "started got terminated")
	if code := p.exit(t); code != 7 {
		t.Errorf("exit code %d; log:\n%s", code, p.log)
	}
}

// A child that ignores every signal does not outlive an agent that is killed: nobody has the output open any more.
func TestTheChildDiesWithTheAgent(t *testing.T) {
	p := startAgent(t, nil, "ignore")
	p.out.want(t, "started")
	p.signal(t, syscall.SIGKILL)
	p.exit(t)
	p.out.ended(t)
}

// An orphan of the workload becomes a child of the agent, and is reaped when it ends.
func TestOrphansAreReaped(t *testing.T) {
	p := startAgent(t, nil, "-subreaper", "orphan")
	orphan, err := strconv.Atoi(strings.TrimSpace(p.out.want(t, "grandchild")))
	must(t, err)
	until(t, "the agent is the orphan's parent", func() bool { return parentOf(t, orphan) == p.cmd.Process.Pid })
	must(t, p.stdin.Close())
	until(t, "the orphan is gone", func() bool { return errors.Is(syscall.Kill(orphan, 0), syscall.ESRCH) })
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t); code != 143 {
		t.Errorf("exit code %d; log:\n%s", code, p.log)
	}
}

// As process 1 of a container the agent does the same unasked.
func TestProcessOne(t *testing.T) {
	p := startAgent(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}, "orphan")
	if pid := strings.TrimSpace(p.out.want(t, "grandchild")); pid == "" {
		t.Fatal("no pid")
	}
	until(t, "process 1 has the workload and the orphan", func() bool { return len(childrenOf(t, p.cmd.Process.Pid)) == 2 })
	must(t, p.stdin.Close())
	until(t, "the orphan is gone", func() bool { return len(childrenOf(t, p.cmd.Process.Pid)) == 1 })
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t); code != 143 {
		t.Errorf("exit code %d; log:\n%s", code, p.log)
	}
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	parent, err := strconv.Atoi(fields[1])
	must(t, err)
	return parent
}

// childrenOf lists the children of a process, those that ended and were not waited for included.
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	must(t, err)
	var list []int
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if err != nil {
			continue // it has just ended
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if fields[1] == strconv.Itoa(pid) {
			list = append(list, child)
		}
	}
	return list
}

// until looks again and again: the kernel tells nobody but its parent that a process is gone.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("it is not so that %s", what)
		}
	}
}
