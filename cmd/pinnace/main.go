// Command pinnace publishes charts, rotates keys and proves that both arrive. Run `pinnace help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pinnace-dev/pinnace/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr}, os.Getenv)
	stop()
	os.Exit(code)
}
