package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// usage is what one process cost.
type usage struct {
	Wall time.Duration // from its start to its end
	CPU  time.Duration // user and system
	RSS  int64         // the most memory that was resident, bytes
}

// command is a process to run: a program, its arguments and its whole environment.
type command struct {
	path string
	args []string
	env  []string
}

// limit bounds each process; the slowest peer takes a minute.
const limit = 5 * time.Minute

// run runs a command to its end and answers what it printed and the processor time that it took. The error of one that
// fails ends in what it said.
func (c command) run(ctx context.Context) (out []byte, cpu time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Env = c.env
	out, err = c.finish(cmd)
	return out, cpuTime(cmd.ProcessState), err
}

// cpuTime is zero for a process that did not start.
func cpuTime(s *os.ProcessState) time.Duration {
	if s == nil {
		return 0
	}
	return s.UserTime() + s.SystemTime()
}

func (c command) finish(cmd *exec.Cmd) ([]byte, error) {
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.WaitDelay = 10 * time.Second // with hundreds of processes, what one printed may take that long to be read
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s %v: %w: %s", c.path, c.args, err, lastBytes(said.Bytes()))
	}
	return out.Bytes(), nil
}

func lastBytes(b []byte) []byte {
	const most = 600
	b = bytes.TrimSpace(b)
	return b[max(0, len(b)-most):]
}

// launcher is the first argument by which this program becomes the launcher of one process, which measure needs: the
// kernel lets a child inherit its parent's peak of memory, and this program holds indexes of 100,000 versions.
const launcher = "launch-and-report"

// reportTo is the file descriptor on which the launcher reports.
const reportTo = 3

// measure runs a command as run does, by a small process in between, and answers what it cost.
func (c command) measure(ctx context.Context) (used usage, out []byte, err error) {
	self, err := os.Executable()
	if err != nil {
		return used, nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return used, nil, err
	}
	defer func() { _ = read.Close() }()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, append([]string{launcher, c.path}, c.args...)...)
	cmd.Env, cmd.ExtraFiles = c.env, []*os.File{write}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends the measured process first
	out, err = c.finish(cmd)
	_ = write.Close()
	if err != nil {
		return used, out, err
	}
	if err := json.NewDecoder(read).Decode(&used); err != nil {
		return used, out, fmt.Errorf("reading what %s cost: %w", c.path, err)
	}
	return used, out, nil
}

// launch runs a command with its own streams and environment and writes what it cost to report, as JSON.
func launch(args []string, report io.Writer, now func() time.Time) error {
	if len(args) == 0 {
		return errors.New("nothing to launch")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	start := now()
	if err := cmd.Run(); err != nil {
		return err
	}
	used := usage{Wall: now().Sub(start), CPU: cpuTime(cmd.ProcessState)}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		used.RSS = r.Maxrss * rssUnit()
	}
	return json.NewEncoder(report).Encode(used)
}

// rssUnit is what the kernel counts ru_maxrss in.
func rssUnit() int64 {
	if runtime.GOOS == "darwin" {
		return 1
	}
	return 1024
}

// median is the run in the middle by wall time, with the memory of the largest.
func median(runs []usage) usage {
	if len(runs) == 0 {
		return usage{}
	}
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b usage) int { return cmp.Compare(a.Wall, b.Wall) })
	middle := sorted[len(sorted)/2]
	for _, r := range runs {
		middle.RSS = max(middle.RSS, r.RSS)
	}
	return middle
}
