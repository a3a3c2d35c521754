package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Context is done when the process is asked to end: by the keyboard, by its supervisor, or by a terminal that closes. A
// reader that goes away, as in `pinnace demo | head`, is an error of the write and not the end of the process, so that
// what was begun is still cleaned up.
func Context() (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}
