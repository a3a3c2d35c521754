package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinnace-dev/pinnace/internal/agent"
	"github.com/pinnace-dev/pinnace/localaws"
)

const (
	speed      = 60                   // by which the clock of agents in processes of their own, and of their AWS, is fast
	epochValue = "PINNACE_TEST_EPOCH" // tells this binary to be an agent, and when that clock started
	panicValue = "PINNACE_TEST_PANIC" // makes it panic after the first poll
)

// TestMain is this test, or an agent with a fast clock.
func TestMain(m *testing.M) {
	epoch, err := time.Parse(time.RFC3339Nano, os.Getenv(epochValue))
	if err != nil {
		os.Exit(m.Run())
	}
	if err := agent.HideMemory(); err != nil {
		panic(err)
	}
	if len(os.Args) == 2 && os.Args[1] == "dumpable" {
		n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		fmt.Println("dumpable", n, err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := agent.Program{
		Getenv: os.Getenv, Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Now: fast(epoch), Wait: func(ctx context.Context, d time.Duration) error {
			if os.Getenv(panicValue) != "" {
				panic("as the test wants it")
			}
			timer := time.NewTimer(d / speed)
			defer timer.Stop()
			select {
			case <-timer.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}.Main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func fast(epoch time.Time) func() time.Time {
	return func() time.Time { return epoch.Add(speed * time.Since(epoch)) }
}

// newFastAccount is one on sockets, whose clock is that of programs.
func newFastAccount(t *testing.T) *account {
	t.Helper()
	epoch := time.Now()
	server, err := localaws.Start(localaws.Config{Now: fast(epoch)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	issuer, err := localaws.StartIssuer(fast(epoch))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { issuer.Close() })
	a := newAccount(t, server, issuer, server.URL(), nil)
	a.env[epochValue] = epoch.Format(time.RFC3339Nano)
	return a
}

// program is an agent in a process of its own.
type program struct {
	cmd *exec.Cmd
	out output
	end chan struct{} // closed when it has ended
}

// output is what a program wrote.
type output struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.String()
}

func runProgram(t *testing.T, env map[string]string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(os.Args[0], args...), end: make(chan struct{})}
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.end)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.end
		wantHidden(t, p.out.String())
	})
	return p
}

func (p *program) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// exit waits for the end and gives the exit code.
func (p *program) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.end:
	case <-time.After(time.Minute):
		t.Fatalf("it does not end:\n%s", p.out.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// until looks again and again, since nobody tells when another process has done something.
func (p *program) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("it is not so that %s:\n%s", what, p.out.String())
		}
	}
}

// has says that a file has a text.
func has(path, text string) func() bool {
	return func() bool {
		data, err := os.ReadFile(path)
		return err == nil && string(data) == text
	}
}

// freeAddresses are loopback addresses on which nobody listens.
func freeAddresses(t *testing.T, n int) (list []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list
}

// lines joins what a configuration consists of.
func lines(l ...string) string { return strings.Join(slices.Concat(l, []string{""}), "\n") }
