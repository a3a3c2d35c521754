// Package hook tells a workload that its items changed: by a signal, by a command, or by both, after every other sink
// has taken the change. A hook that fails is tried again by the engine until it works, and undoes nothing.
package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/internal/osproc"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Config is what happens after a change: a command, a signal, or both, the signal first.
type Config struct {
	// Command is a program and its arguments. It gets Base and PINNACE_CHANGED, the names of the items that are new, gone
	// or different, one on each line; never a value. It has no standard input.
	Command []string
	Base    []string      // environment of the command, as NAME=VALUE
	Dir     string        // working directory of the command; that of this process when empty
	Timeout time.Duration // of the command, which is killed after it with all of its group; 30 s when zero

	// Signal goes to the process of PIDFile or of Process; zero sends none.
	Signal syscall.Signal
	// PIDFile has the number of the process in decimal. Whoever can write it chooses who is signalled.
	PIDFile string
	// Process is the name of a program as the kernel has it (/proc/PID/comm, cut to 15 bytes), in a PID namespace that
	// the agent shares (shareProcessNamespace of a pod). Of processes of that name that started one another the first
	// gets the signal, such as a master and not its workers. Linux.
	Process string

	// AtStart runs the hook after the first delivery, too. Without it the hook takes that one for what the workload
	// started with.
	AtStart bool

	Log *slog.Logger // nil discards; gets the command's output, at most 4 KiB of it
}

const (
	defaultTimeout = 30 * time.Second
	maxOutput      = 4 << 10
	maxName        = 15 // of a process, as the kernel cuts it
)

// Sink is the hook. It is a delivery.Follower: the engine applies it when every other sink has the snapshot. What
// differs from the snapshot of its last success is what it tells; of a signal and a command only that is tried again
// which failed. Versions do not matter to it, values do.
type Sink struct {
	c         Config
	started   bool
	signalled delivery.Snapshot // after which the signal was sent
	ran       delivery.Snapshot // after which the command succeeded
}

// New checks the configuration. It runs nothing.
func New(c Config) (*Sink, error) {
	c.Command = slices.Clone(c.Command)
	switch {
	case len(c.Command) == 0 && c.Signal == 0:
		return nil, problem.New(problem.Usage, "name a command or a signal", "the hook does nothing")
	case len(c.Command) > 0 && c.Command[0] == "":
		return nil, problem.New(problem.Usage, "name the program and its arguments", "the hook's command is empty")
	case c.Signal != 0 && (c.PIDFile == "") == (c.Process == ""):
		return nil, problem.New(problem.Usage, "name its PID file or the process", "the hook's signal needs one receiver")
	case c.Signal == 0 && (c.PIDFile != "" || c.Process != ""):
		return nil, problem.New(problem.Usage, "name the signal", "the hook has a process, but no signal for it")
	case len(c.Process) > maxName:
		return nil, problem.New(problem.Usage, "give its first 15 bytes, as in /proc/PID/comm",
			"no process has a name as long as %s", c.Process)
	case c.Timeout < 0:
		return nil, problem.New(problem.Usage, "give it 30s, say", "the hook's time of %v is negative", c.Timeout)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Sink{c: c}, nil
}

// Name is "hook".
func (*Sink) Name() string { return "hook" }

// Follows says that the hook comes after every other sink.
func (*Sink) Follows() {}

// Look says whether the command can be found. It runs nothing. Whether there is a process to signal it leaves open:
// that may start after the agent.
func (s *Sink) Look() error {
	if len(s.c.Command) == 0 {
		return nil
	}
	_, err := osproc.Find(s.c.Command[0], s.c.Dir, s.c.Base)
	return err
}

// Apply tells the workload what changed since it was last told.
func (s *Sink) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.started {
		s.started = true
		if !s.c.AtStart {
			s.signalled, s.ran = snapshot, snapshot
		}
	}
	if s.c.Signal != 0 && len(changed(s.signalled, snapshot)) > 0 {
		if err := s.signal(ctx); err != nil {
			return err
		}
	}
	s.signalled = snapshot
	if names := changed(s.ran, snapshot); len(s.c.Command) > 0 && len(names) > 0 {
		if err := s.run(ctx, names); err != nil {
			return err
		}
	}
	s.ran = snapshot
	return nil
}

// changed names the items that are new, gone, or have another value.
func changed(from, to delivery.Snapshot) []string {
	var names []string
	for item := range to.All() {
		if was, ok := from.Get(item.Name); !ok || !was.Value.Equal(item.Value) {
			names = append(names, item.Name)
		}
	}
	for item := range from.All() {
		if _, ok := to.Get(item.Name); !ok {
			names = append(names, item.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *Sink) signal(ctx context.Context) error {
	pids, err := s.receivers()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := send(pid, s.c.Signal); err != nil {
			return problem.New(problem.Failed, "the agent needs the same user as the process, or CAP_KILL",
				"sending signal %d to process %d: %w", int(s.c.Signal), pid, err)
		}
	}
	s.c.Log.InfoContext(ctx, "hook sent a signal", slog.Int("signal", int(s.c.Signal)), slog.Any("pids", pids))
	return nil
}

// run runs the command, in a group of its own, and ends the group when the time is over.
func (s *Sink) run(ctx context.Context, names []string) error {
	env := append(slices.Clone(s.c.Base), "PINNACE_CHANGED="+strings.Join(names, "\n"))
	path, err := osproc.Find(s.c.Command[0], s.c.Dir, env)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, s.c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(bounded, path)
	cmd.Args, cmd.Env, cmd.Dir = s.c.Command, env, s.c.Dir
	// No death with the thread that starts it: this goroutine is not bound to one, and the time bounds the command.
	cmd.SysProcAttr = osproc.OwnGroup(false)
	cmd.Cancel = func() error {
		_ = osproc.SignalGroup(cmd.Process.Pid, syscall.SIGKILL)
		return cmd.Process.Kill()
	}
	cmd.WaitDelay = time.Second // for output that a process outside the group holds open
	out := &head{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := osproc.Start(cmd); err != nil {
		return osproc.NotStarted(s.c.Command[0], err)
	}
	err = osproc.Wait(cmd)
	attrs := []slog.Attr{
		slog.String("command", s.c.Command[0]), slog.Any("changed", names), slog.String("output", out.String()),
	}
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		s.c.Log.LogAttrs(ctx, slog.LevelInfo, "hook ran", attrs...)
		return nil
	}
	s.c.Log.LogAttrs(ctx, slog.LevelWarn, "hook failed", append(attrs, slog.Any("error", err))...)
	if bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("it was killed after %v: %w", s.c.Timeout, context.DeadlineExceeded)
	} else if ctx.Err() != nil {
		err = ctx.Err()
	}
	return problem.New(problem.Failed, "its output is in the log", "running the hook %s: %w", s.c.Command[0], err)
}

// head keeps the first bytes of what is written, and takes the rest.
type head struct {
	kept bytes.Buffer
	cut  bool
}

func (h *head) Write(p []byte) (int, error) {
	room := min(len(p), maxOutput-h.kept.Len())
	h.kept.Write(p[:room])
	h.cut = h.cut || room < len(p)
	return len(p), nil
}

func (h *head) String() string {
	text := strings.ToValidUTF8(h.kept.String(), "�")
	if h.cut {
		text += "…"
	}
	return text
}
