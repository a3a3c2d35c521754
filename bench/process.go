package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os/exec"
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

// limit bounds each process that is measured; the slowest peer takes a minute.
const limit = 5 * time.Minute

// run runs a command to its end and answers what it cost and printed. The error of one that fails ends in what it said.
func (c command) run(ctx context.Context, now func() time.Time) (usage, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	var out, said bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, &out, &said
	cmd.WaitDelay = time.Second
	start := now()
	err := cmd.Run()
	used := usage{Wall: now().Sub(start)}
	if s := cmd.ProcessState; s != nil {
		used.CPU = s.UserTime() + s.SystemTime()
		if r, ok := s.SysUsage().(*syscall.Rusage); ok {
			used.RSS = r.Maxrss * rssUnit()
		}
	}
	if err != nil {
		err = fmt.Errorf("%s %v: %w: %s", c.path, c.args, err, lastBytes(said.Bytes()))
	}
	return used, out.Bytes(), err
}

// rssUnit is what the kernel counts ru_maxrss in.
func rssUnit() int64 {
	if runtime.GOOS == "darwin" {
		return 1
	}
	return 1024
}

func lastBytes(b []byte) []byte {
	const most = 600
	b = bytes.TrimSpace(b)
	return b[max(0, len(b)-most):]
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
