// Command pinnace-getter fetches what Helm asks for from s3:// and file:// repositories.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pinnace-dev/pinnace/internal/getter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := getter.Main(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
