//go:build unix

package process

import (
	"os"
	"syscall"
)

// forwarded are the signals that the child is to get: those by which people and Kubernetes speak to a program. Not
// those that come of what a program itself does, nor SIGURG, by which Go interrupts itself.
func forwarded() []os.Signal {
	return []os.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGALRM, syscall.SIGWINCH, syscall.SIGCONT,
	}
}
