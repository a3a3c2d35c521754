package process

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/internal/osproc"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Exit is how a workload ended.
type Exit struct {
	Code   int            // what the child gave, or 128 + Signal
	Signal syscall.Signal // that killed it; zero when it ended by itself
}

func (e Exit) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal %d (%v)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

func killedBy(sig syscall.Signal) Exit { return Exit{Code: 128 + int(sig), Signal: sig} }

func exitOf(state *os.ProcessState) Exit {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return killedBy(status.Signal())
	}
	return Exit{Code: state.ExitCode()}
}

// child is one process of the workload.
type child struct {
	process *os.Process
	env     environment
	ended   context.Context // done when the process has ended
	exit    Exit            // set before that
	// stopping says that whoever stops the child sees to its end, too; asked, that it was sent the stop signal. Both are
	// guarded by the sink's lock.
	stopping, asked bool
}

// Look says whether the command can be found and started, whatever the items are. It starts nothing.
func (s *Sink) Look() error {
	_, err := s.command(environment{})
	return err
}

// Try says whether Apply could start the workload with a snapshot. It starts nothing.
func (s *Sink) Try(ctx context.Context, snapshot delivery.Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	env, err := s.environment(snapshot)
	if err != nil {
		return err
	}
	_, err = s.command(env)
	return err
}

// command is what would start a child with env. It finds out whatever can go wrong without starting it.
func (s *Sink) command(env environment) (*exec.Cmd, error) {
	full := env.over(s.base())
	path, err := osproc.Find(s.c.Command[0], s.c.Dir, full)
	if err != nil {
		return nil, err
	}
	if s.c.Dir != "" {
		if info, err := os.Stat(s.c.Dir); err != nil {
			return nil, problem.New(problem.Failed, "mount it or name another", "working directory of the workload: %w", err)
		} else if !info.IsDir() {
			return nil, problem.New(problem.Failed, "name a folder", "working directory %s is no folder", s.c.Dir)
		}
	}
	if size, room := sizeOf(path, s.c.Command, full), argumentRoom(); size > room {
		return nil, problem.New(problem.Refused, "deliver large items to files, or raise the limit of the stack",
			"the environment and the arguments of the workload have %d bytes, and the kernel takes %d", size, room)
	}
	cmd := &exec.Cmd{
		Path: path, Args: s.c.Command, Env: full, Dir: s.c.Dir,
		SysProcAttr: osproc.OwnGroup(true),
	}
	if s.c.Stdin != nil {
		cmd.Stdin = s.c.Stdin
	}
	if s.c.Stdout != nil {
		cmd.Stdout = s.c.Stdout
	}
	if s.c.Stderr != nil {
		cmd.Stderr = s.c.Stderr
	}
	return cmd, nil
}

// sizeOf is the memory that the kernel needs for what a new process is given: each string, and a pointer to it.
func sizeOf(path string, args, env []string) int {
	const each = len("\x00") + 8
	size := len(path) + each
	for _, list := range [][]string{args, env} {
		for _, s := range list {
			size += len(s) + each
		}
	}
	return size
}

// startLocked starts a child that is then the workload.
func (s *Sink) startLocked(cmd *exec.Cmd, env environment) error {
	ended, end := context.WithCancel(context.Background())
	c := &child{env: env, ended: ended}
	started := make(chan error)
	go func() {
		// The kernel kills the child when this thread ends, not when the process does: a thread that did something else
		// meanwhile could end any time. So this one waits for the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer end()
		err := osproc.Start(cmd)
		cmd.Env = nil // the kernel has it
		started <- err
		if err != nil {
			return
		}
		_ = osproc.Wait(cmd) // the state says more
		c.exit = exitOf(cmd.ProcessState)
		end()
		s.over(c)
	}()
	if err := <-started; err != nil {
		return osproc.NotStarted(s.c.Command[0], err)
	}
	c.process = cmd.Process
	s.child = c
	s.c.Log.InfoContext(s.life, "workload started", slog.String("command", s.c.Command[0]),
		slog.Int("pid", c.process.Pid), slog.Any("variables", env.names()))
	return nil
}

// over takes note of a child that has ended by itself: the workload is over.
func (s *Sink) over(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.stopping {
		s.finishLocked(c.exit)
	}
}

// finishLocked ends the workload, once.
func (s *Sink) finishLocked(exit Exit) {
	select {
	case <-s.ended:
		return
	default:
	}
	s.c.Log.InfoContext(s.life, "workload ended", slog.String("command", s.c.Command[0]),
		slog.String("exit", exit.String()))
	s.end()
	s.child, s.exit = nil, exit
	close(s.ended)
}

// sendLocked sends a signal to a child, or to its group. A child that has ended is no mistake.
func (s *Sink) sendLocked(c *child, sig syscall.Signal) {
	if c.ended.Err() != nil {
		return
	}
	if s.c.Group && osproc.SignalGroup(c.process.Pid, sig) {
		return
	}
	_ = c.process.Signal(sig)
}

// stop ends a child that is marked as stopping: it asks, and after the grace it kills. Then it ends what the child left
// behind in its group, which has the old values and may hold the port that the next one needs.
func (s *Sink) stop(c *child) {
	s.mu.Lock()
	if !c.asked {
		c.asked = true
		s.sendLocked(c, s.c.Stop)
	}
	s.mu.Unlock()
	if s.c.Wait(c.ended, s.c.Grace) == nil {
		s.c.Log.WarnContext(s.life, "workload does not end, killing it", slog.Int("pid", c.process.Pid),
			slog.String("grace", s.c.Grace.String()))
		_ = osproc.SignalGroup(c.process.Pid, syscall.SIGKILL)
		_ = c.process.Kill()
	}
	<-c.ended.Done()
	const step = 50 * time.Millisecond
	pid := c.process.Pid
	if !osproc.SignalGroup(pid, s.c.Stop) {
		return
	}
	for waited := time.Duration(0); waited < s.c.Grace; waited += step {
		_ = s.c.Wait(context.Background(), step)
		if !osproc.SignalGroup(pid, 0) {
			return
		}
	}
	s.c.Log.WarnContext(s.life, "what the workload left behind does not end, killing it", slog.Int("group", pid))
	_ = osproc.SignalGroup(pid, syscall.SIGKILL)
}
