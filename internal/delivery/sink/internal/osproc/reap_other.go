//go:build !linux

package osproc

import (
	"context"
	"errors"
	"syscall"
)

// BecomeSubreaper works on Linux alone.
func BecomeSubreaper() error { return errors.New("only Linux lets a process adopt orphans") }

// Reap does nothing: only process 1 of a Linux container gets orphans.
func Reap(ctx context.Context) { <-ctx.Done() }

func dieWithParent(*syscall.SysProcAttr) {}
