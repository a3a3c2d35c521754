// Command pinnace-agent runs beside a workload and keeps its keys and settings where it reads them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pinnace-dev/pinnace/internal/agent"
)

func main() {
	_ = agent.HideMemory() // a kernel that does not let it is no reason not to deliver
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	program := agent.Program{
		Getenv: os.Getenv, Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	code := program.Main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
