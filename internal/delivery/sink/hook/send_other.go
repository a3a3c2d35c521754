//go:build !unix

package hook

import (
	"errors"
	"syscall"
)

func send(int, syscall.Signal) error { return errors.New("this system has no signals") }
