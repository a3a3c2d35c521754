package osproc

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// ended waits until a child has ended, and leaves it to be waited for.
func ended(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if got := pidOf(&info); got != cmd.Process.Pid {
		t.Fatalf("the kernel speaks of process %d, we read %d", cmd.Process.Pid, got)
	}
}

// The reaper leaves our own children to those who wait for them, however late, and takes every other.
func TestReaperLeavesOurChildren(t *testing.T) {
	if reapOne() {
		t.Fatal("reaped somebody before anybody was started")
	}
	ours := exec.Command("/bin/sh", "-c", "exit 3")
	if err := Start(ours); err != nil {
		t.Fatal(err)
	}
	ended(t, ours)
	if reapOne() {
		t.Error("the reaper took a child of ours")
	}
	if err := Wait(ours); ours.ProcessState == nil || ours.ProcessState.ExitCode() != 3 {
		t.Errorf("its exit status is lost: %v", err)
	}
	other := exec.Command("/bin/sh", "-c", "exit 4")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended(t, other)
	if !reapOne() || reapOne() {
		t.Error("the reaper did not take the one that is nobody's")
	}
	if err := other.Wait(); err == nil {
		t.Error("it was there to be waited for still")
	}
}
