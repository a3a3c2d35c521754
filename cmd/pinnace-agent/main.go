// Command pinnace-agent runs beside a workload and keeps its keys and settings where it reads them.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/pinnace-dev/pinnace/internal/agent"
)

// heapGrowth is the part of the live heap, in percent, that may be garbage: the agent stands beside every workload, and
// memory counts there more than the time of a collector that has little to do.
const heapGrowth = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	_ = agent.HideMemory() // a kernel that does not let it is no reason not to deliver
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	program := agent.Program{
		Getenv: os.Getenv, Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	code := program.Main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
