//go:build unix

package osproc

import "syscall"

// OwnGroup makes the process that is started the leader of a new process group. With die, Linux kills it when the
// thread that starts it ends: the caller locks its goroutine to that thread until the process has ended.
func OwnGroup(die bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if die {
		dieWithParent(attr)
	}
	return attr
}

// SignalGroup sends a signal to every process of the group that pid leads or led; 0 only looks. It is false when nobody
// is there.
func SignalGroup(pid int, sig syscall.Signal) bool { return syscall.Kill(-pid, sig) == nil }
