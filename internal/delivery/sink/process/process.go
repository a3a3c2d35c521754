// Package process is the sink that runs the workload: a child whose environment has the items. It is for programs that
// read a key from a variable and nowhere else, and it does what the first process of a container has to do.
//
// Prefer files where the program can read one. The environment of a process is open to every process of the same user
// and to root, in /proc/PID/environ; the child's own children inherit it; programs print it when they crash; and a new
// value needs a new process.
package process

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/internal/osproc"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Variable puts one item into one environment variable.
type Variable struct {
	Name string // letters, digits and underscores, no digit first
	Item string
	// Optional leaves the variable as Base has it when the snapshot lacks the item, and lets the value be empty.
	Optional bool
}

// Config is the workload and how it is kept. Command must be there; the rest has defaults.
type Config struct {
	// Command is the program and its arguments. A name without a slash is looked up in the PATH of the child.
	Command   []string
	Variables []Variable
	// Base is the environment that the child has besides, as NAME=VALUE, such as os.Environ(). The agent's own
	// variables, PINNACE_*, are taken out.
	Base []string
	// HideIdentity takes those variables out of Base by which an AWS client finds credentials. The workload then has
	// what the agent gives it and nothing else; the token file itself is hidden by mounting it for the agent alone.
	HideIdentity bool
	Dir          string // working directory; that of this process when empty

	Stdin, Stdout, Stderr *os.File // handed to the child as they are; nil is nothing

	// Stop asks the child to end; SIGTERM when zero.
	Stop syscall.Signal
	// Grace is how long the child may take for that before it is killed; 30 s when zero.
	Grace time.Duration
	// Group sends every signal to all processes in the child's group, as a terminal does, not to the child alone. It is
	// for wrappers that do not pass signals on.
	Group bool
	// Stagger is the longest delay of a restart; 30 s when zero, none when negative. The delay is random, so that a fleet
	// that learns of a new key at once does not restart at once.
	Stagger time.Duration
	// Subreaper adopts and reaps the orphans among the child's descendants, as is done by process 1 in any case. Linux.
	Subreaper bool

	Log  *slog.Logger                                     // nil discards
	Wait func(ctx context.Context, d time.Duration) error // as Engine.Wait; nil is a timer
	Rand func() float64                                   // gives numbers in [0, 1); nil is the global generator
}

const (
	defaultGrace   = 30 * time.Second
	defaultStagger = 30 * time.Second
)

// ErrEnded says that the workload has ended by itself or was told to, and is not started again: what comes next is for
// whoever runs this process to decide.
var ErrEnded = fmt.Errorf("the workload has ended or is about to")

// Sink runs the workload. The first Apply starts it. One that changes a variable restarts it, later: it returns a
// delivery.Pending, and nil once the child with the new values runs. All changes until then make one restart. What
// changes no variable restarts nothing.
//
// A value is the item's bytes, except that one line end is trimmed from its end, as from a file. One that is empty, too
// long for the kernel or has a NUL is refused, and so is a command that cannot be found; the old child then goes on. It
// also goes on when the new values are withdrawn in time. Only when the kernel refuses to start what was there a moment
// ago does a restart leave no child; the next Apply tries again.
type Sink struct {
	c    Config
	base func() []string // behind a function, as it is in a secret.Value: it may have secrets, too

	mu         sync.Mutex
	child      *child        // that runs or is being stopped; nil before the first and between two
	wanted     environment   // of the restart that is under way
	restarting chan struct{} // closed when the restart that is under way is over; nil when none is

	life  context.Context // done when no child is to be started any more
	end   context.CancelFunc
	ended chan struct{} // closed when the workload is over
	exit  Exit          // how; set before ended is closed
}

// New checks the configuration. It starts nothing.
func New(c Config) (*Sink, error) {
	c.Command, c.Variables = slices.Clone(c.Command), slices.Clone(c.Variables)
	if err := c.validate(); err != nil {
		return nil, err
	}
	c.setDefaults()
	if c.Subreaper {
		if err := osproc.BecomeSubreaper(); err != nil {
			return nil, err
		}
	}
	base := inherited(c.Base, c.HideIdentity)
	s := &Sink{c: c, base: func() []string { return base }, ended: make(chan struct{})}
	s.c.Base = nil
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

func (c *Config) validate() error {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return problem.New(problem.Usage, "name the program and its arguments", "the process has no command")
	}
	if c.Grace < 0 {
		return problem.New(problem.Usage, "give the workload 30s, say", "the grace of %v is negative", c.Grace)
	}
	seen := map[string]bool{}
	for _, v := range c.Variables {
		switch {
		case v.Item == "":
			return problem.New(problem.Usage, "name both, as in TOKEN=privateKey", "variable %s has no item", v.Name)
		case !isName(v.Name):
			return problem.New(problem.Usage, "use letters, digits and underscores, and no digit first",
				"%q is no name of a variable", v.Name)
		case seen[v.Name]:
			return problem.New(problem.Usage, "give each item a variable of its own", "variable %s is set twice", v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}

func (c *Config) setDefaults() {
	if c.Stop == 0 {
		c.Stop = syscall.SIGTERM
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	if c.Stagger == 0 {
		c.Stagger = defaultStagger
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Wait == nil {
		c.Wait = wait
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
}

// Name is "process".
func (*Sink) Name() string { return "process" }

// String names the command without its arguments; what the sink holds is not for printing.
func (s *Sink) String() string { return "process " + s.c.Command[0] }

// Format is String, whatever the verb.
func (s *Sink) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
