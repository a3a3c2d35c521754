package collector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const module = "github.com/pinnace-dev/pinnace/e2e/collector"

// ErrNotBuilt is what Program reports when it may not build what is missing.
var ErrNotBuilt = errors.New("there is no such program; PINNACE_E2E_BUILD=1 builds it in minutes")

// Source is what a collector is built from: a module's folder, the command's package in it, and the files, relative to
// the folder, that decide with the Go toolchain what comes out.
type Source struct {
	Dir, Package string
	Files        []string
}

// Program is the path of the test collector, a static program. It is kept in $PINNACE_TOOLS, or below the user's cache,
// in a folder for exactly its source, its modules and this Go; with PINNACE_E2E_BUILD set it is built when it is not
// there. Processes that want it at the same time build it once.
func Program(ctx context.Context, getenv func(string) string) (string, error) {
	dir, err := output(ctx, "", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", err
	}
	files := []string{"go.mod", "go.sum", "cmd/otelcol/main.go"}
	return ProgramFrom(ctx, Source{Dir: dir, Package: "./cmd/otelcol", Files: files}, getenv)
}

// ProgramFrom is Program for another source.
func ProgramFrom(ctx context.Context, source Source, getenv func(string) string) (string, error) {
	folder, err := folderFor(ctx, source, getenv("PINNACE_TOOLS"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "otelcol")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if getenv("PINNACE_E2E_BUILD") == "" {
		return "", fmt.Errorf("%s: %w", path, ErrNotBuilt)
	}
	return path, build(ctx, source, path)
}

func folderFor(ctx context.Context, source Source, tools string) (string, error) {
	if tools == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		tools = filepath.Join(cache, "pinnace", "tools")
	}
	goes, err := output(ctx, source.Dir, "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, _ = h.Write([]byte(goes))
	for _, name := range source.Files {
		data, err := os.ReadFile(filepath.Join(source.Dir, name))
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
	}
	return filepath.Join(tools, "otelcol-"+hex.EncodeToString(h.Sum(nil))[:16]), nil
}

// build makes the program under a lock, and puts it in its place when it is whole.
func build(ctx context.Context, source Source, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }() // which unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		return nil // another process was first
	}
	part := path + ".part"
	_, err = output(ctx, source.Dir, "build", "-trimpath", "-ldflags=-s -w", "-o", part, source.Package)
	if err != nil {
		return fmt.Errorf("building the test collector: %w", err)
	}
	return os.Rename(part, path)
}

// output is what a go command prints, run in a folder, for programs without C.
func output(ctx context.Context, dir string, args ...string) (string, error) {
	without := []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "nice", "go"}
	cmd := exec.CommandContext(ctx, "env", slices.Concat(without, args)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
