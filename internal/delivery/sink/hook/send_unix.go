//go:build unix

package hook

import "syscall"

func send(pid int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }
