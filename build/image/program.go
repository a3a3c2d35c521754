package main

import (
	"context"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// platform is a GOARCH of Linux.
type platform string

// compile builds a package for each platform into dir, and answers the files. The same commit gives the same bytes,
// wherever it is cloned and whatever the environment says; Go itself writes the version and the commit into them.
func compile(ctx context.Context, from, pkg string, platforms []platform, dir string) ([]string, error) {
	files := make([]string, 0, len(platforms))
	for _, arch := range platforms {
		file := filepath.Join(dir, string(arch))
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", file, pkg)
		build.Dir = from
		build.Env = append(os.Environ(), //nolint:forbidigo // of go, which needs its caches
			"CGO_ENABLED=0", "GOOS=linux", "GOARCH="+string(arch), "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off",
			"GOFLAGS=-trimpath") // an empty one would let the flags of "go env -w" in
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s for linux/%s: %w\n%s", pkg, arch, err, out)
		}
		files = append(files, file)
	}
	return files, nil
}

// program is an executable, and what it knows of itself.
type program struct {
	path              string
	arch              platform
	version, revision string    // of its source; may be empty
	committed         time.Time // its source; may be zero
}

var machines = map[elf.Machine]platform{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}

// inspect refuses what could not run in an image that holds nothing else.
func inspect(path string) (program, error) {
	const hint = "build it with CGO_ENABLED=0 GOOS=linux"
	p := program{path: path}
	file, err := elf.Open(path)
	if err != nil {
		return p, problem.New(problem.Refused, hint, "%s is no program for Linux: %w", path, err)
	}
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return p, errors.Join(problem.New(problem.Refused, hint, "%s is linked dynamically", path), file.Close())
		}
	}
	machine := file.Machine
	if err := file.Close(); err != nil {
		return p, err
	}
	if p.arch = machines[machine]; p.arch == "" {
		return p, problem.New(problem.Refused, hint+" GOARCH=amd64 or arm64", "%s is for %s", path, machine)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return p, problem.New(problem.Refused, hint, "%s is not built by Go: %w", path, err)
	}
	if info.Main.Version != "(devel)" {
		p.version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			p.revision = setting.Value
		case "vcs.time":
			if p.committed, err = time.Parse(time.RFC3339, setting.Value); err != nil {
				return p, fmt.Errorf("%s: time of its commit: %w", path, err)
			}
		}
	}
	return p, nil
}
