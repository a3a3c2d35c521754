package osproc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BecomeSubreaper makes this process the new parent of every descendant whose own parent ends, as process 1 is. It
// must then Reap.
func BecomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming the parent of orphans: %w", err)
	}
	return nil
}

// Reap waits for orphans until ctx is done. What was started by Start is left to Wait; a child that was started in any
// other way loses its exit status.
func Reap(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	defer signal.Stop(ended)
	for {
		for more := true; more; {
			more = reapOne()
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
		case <-gone:
		}
	}
}

// reapOne waits for one orphan that has ended. It is false when there is none, or when a child of ours is first in the
// queue: that one's Wait wakes the reaper.
func reapOne() bool {
	children.Lock()
	defer children.Unlock()
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if errors.Is(err, unix.EINTR) {
		return true
	}
	pid := pidOf(&info)
	if err != nil || pid == 0 || children.pids[pid] {
		return false
	}
	_, err = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return err == nil || errors.Is(err, unix.EINTR)
}

// pidOf reads si_pid, which unix.Siginfo does not name: the first field of the union behind three integers, which is
// aligned as a pointer is.
func pidOf(info *unix.Siginfo) int {
	const word = unsafe.Sizeof(uintptr(0))
	const offset = (3*unsafe.Sizeof(int32(0)) + word - 1) / word * word
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), offset)))
}

// dieWithParent has the kernel kill the child when the thread that started it ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
