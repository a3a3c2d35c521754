//go:build !unix

package process

import (
	"os"
	"syscall"
)

func forwarded() []os.Signal { return []os.Signal{syscall.SIGTERM, os.Interrupt} }
