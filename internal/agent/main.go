package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/process"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Program is the surroundings of a command line.
type Program struct {
	Getenv  func(string) string
	Environ []string  // for the workload that run starts
	Stdin   *os.File  // of that workload
	Stdout  io.Writer // results, and what the workload writes
	Stderr  io.Writer // logs, as JSON, errors, and what the workload writes

	Wait func(ctx context.Context, d time.Duration) error // see Config
	Now  func() time.Time                                 // likewise
}

// Format never shows the environment, whatever the verb.
func (p Program) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "agent.Program") }

// verbs by their names. Each takes its own flags.
var verbs = map[string]func(context.Context, Program, []string) error{
	"run": run, "check": check, "ready": ready, "whoami": whoami, "cost": costs, "schema": schema, "install": install,
	"version": func(_ context.Context, p Program, _ []string) error {
		_, err := fmt.Fprintln(p.Stdout, "pinnace-agent", version())
		return err
	},
}

// Main runs one command line and returns its exit code. The end of ctx, such as SIGTERM, ends run with 0, or with the
// code of the workload that it runs. A workload that cannot be started has the codes of a shell: 127 when its command
// is not there, else 126.
func (p Program) Main(ctx context.Context, args []string) int {
	err := p.verb(ctx, args)
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(p.Stdout, help)
	}
	if exited, ok := errors.AsType[Exited](err); ok {
		return exited.Code
	}
	if err == nil {
		return 0
	}
	line := strings.ReplaceAll(err.Error(), "\n", "; ")
	_, _ = fmt.Fprintf(p.Stderr, "pinnace-agent: error: %s\n", line)
	if hint := problem.HintOf(err); hint != "" {
		_, _ = fmt.Fprintf(p.Stderr, "hint: %s\n", hint)
	}
	if code, ok := process.ExitCode(err); ok {
		return code
	}
	return int(problem.KindOf(err))
}

func (p Program) verb(ctx context.Context, args []string) error {
	const hint = "see: pinnace-agent help"
	if command := p.stoodInFor(args); len(command) > 0 {
		return run(ctx, p, slices.Concat([]string{"--"}, command, args))
	}
	if len(args) == 0 {
		return problem.New(problem.Usage, hint, "no verb")
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	}
	verb, ok := verbs[args[0]]
	if !ok {
		return problem.New(problem.Usage, hint, "unknown verb %q", args[0])
	}
	if len(args) > 1 && slices.Contains([]string{"-h", "-help", "--help"}, args[1]) {
		return flag.ErrHelp
	}
	return verb(ctx, p, args[1:])
}

// stoodInFor is the command that PINNACE_COMMAND names, when the arguments are that command's: a chart that prints a
// program and the program's own flags has no room for a verb.
func (p Program) stoodInFor(args []string) []string {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return nil
	}
	return strings.Fields(p.Getenv("PINNACE_COMMAND"))
}

// schema prints the JSON schema of the configuration file.
func schema(_ context.Context, p Program, _ []string) error {
	_, err := io.WriteString(p.Stdout, settings.Schema)
	return err
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
