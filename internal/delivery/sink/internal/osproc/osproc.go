// Package osproc starts other programs, and does for them what a program that may be process 1 owes: every child that
// ends is waited for, its own ones and the orphans that the kernel gives to it.
package osproc

import (
	"os/exec"
	"sync"
)

// children are those that this program started and waits for. The lock is held from before a start until the new
// process is noted: the reaper must not take one for an orphan in between.
var children = struct {
	sync.Mutex
	pids map[int]bool
}{pids: map[int]bool{}}

// gone wakes the reaper when a child of ours was waited for: orphans may stand behind it in the kernel's queue.
var gone = make(chan struct{}, 1)

// Start starts cmd so that Reap leaves its exit status to Wait, which must be called.
func Start(cmd *exec.Cmd) error {
	children.Lock()
	defer children.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	children.pids[cmd.Process.Pid] = true
	return nil
}

// Wait is cmd.Wait for what was started by Start.
func Wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	children.Lock()
	delete(children.pids, cmd.Process.Pid)
	children.Unlock()
	select {
	case gone <- struct{}{}:
	default:
	}
	return err
}
