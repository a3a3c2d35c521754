// Command pinnace publishes charts, rotates keys and proves that both arrive. Run `pinnace help`.
package main

import (
	"os"

	"github.com/pinnace-dev/pinnace/internal/cli"
	_ "github.com/pinnace-dev/pinnace/internal/patient"
)

func main() {
	ctx, stop := cli.Context()
	code := cli.Main(ctx, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr}, os.Getenv)
	stop()
	os.Exit(code)
}
