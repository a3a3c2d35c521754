package collector_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programsFolder is what TestMain removes.
var programsFolder string

// programs builds the working tree's pinnace and pinnace-agent, once.
var programs = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "pinnace-e2e-")
	if err != nil {
		return "", err
	}
	programsFolder = folder
	build := exec.Command("nice", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", folder+"/",
		"./cmd/pinnace", "./cmd/pinnace-agent")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building pinnace: %w\n%s", err, out)
	}
	return folder, nil
})

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "16") // scenarios wait for AWS's clock most of the time, not for a core
	code := m.Run()
	if programsFolder != "" {
		_ = os.RemoveAll(programsFolder)
	}
	os.Exit(code)
}
