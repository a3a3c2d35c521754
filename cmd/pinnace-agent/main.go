// Command pinnace-agent runs beside a workload and keeps its keys and settings in files.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pinnace-dev/pinnace/internal/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := agent.Main(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
