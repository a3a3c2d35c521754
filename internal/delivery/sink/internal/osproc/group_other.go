//go:build !unix

package osproc

import "syscall"

// OwnGroup is nothing where there are no process groups.
func OwnGroup(bool) *syscall.SysProcAttr { return nil }

// SignalGroup reaches nobody where there are no process groups.
func SignalGroup(int, syscall.Signal) bool { return false }
