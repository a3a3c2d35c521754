package tools

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/pinnace-dev/pinnace/e2e/collector"
	"github.com/pinnace-dev/pinnace/e2e/kubernetes/cluster"
)

// image packs a program as the project packs its own.
func image(ctx context.Context, root, archive, ref string, args ...string) error {
	line := []string{
		"go", "run", "./build/image", "-archive", archive, "-ref", cluster.Registry + ref,
		"-platforms", "linux/" + runtime.GOARCH,
	}
	return run(ctx, root, nil, append(line, args...)...)
}

// AgentImage packs the working tree's agent as pinnace-agent:dev into an archive in folder.
func AgentImage(ctx context.Context, root, folder string) (string, error) {
	archive := filepath.Join(folder, "pinnace-agent.tar")
	return archive, image(ctx, root, archive, "pinnace-agent:dev", "./cmd/pinnace-agent")
}

// PauseImage packs the program that holds a pod's namespaces as pause:1 into an archive in folder.
func PauseImage(ctx context.Context, root, folder string) (string, error) {
	archive := filepath.Join(folder, "pause.tar")
	return archive, image(ctx, root, archive, "pause:1", "-C", "e2e/kubernetes", "./cmd/pause")
}

// CollectorImage packs the test collector as otelcol-contrib:dev, with the program named as the contrib image names it.
// Packing takes seconds, so the archive is kept.
func CollectorImage(ctx context.Context, root string) (string, error) {
	program, err := collector.Program(ctx, os.Getenv)
	if errors.Is(err, collector.ErrNotBuilt) {
		return "", fmt.Errorf("%w: %w", err, ErrAbsent)
	}
	if err != nil {
		return "", err
	}
	folder, err := kept(filepath.Base(filepath.Dir(program))+"-image", func(folder string) error {
		return image(ctx, root, filepath.Join(folder, "image.tar"), "otelcol-contrib:dev",
			"-name", "otelcol-contrib", "-binary", program)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, "image.tar"), nil
}

// PresetsVersion is the release of the collector in PresetsImage.
const PresetsVersion = "0.149.0"

// PresetsImage packs the collector of e2e/collector/presets, which has the components of the chart's presets, as
// otelcol-presets:dev. There is none where that module is not.
func PresetsImage(ctx context.Context, root string) (string, error) {
	source := filepath.Join(root, "e2e/collector/presets/v149")
	if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	shape := filepath.Join(root, "e2e/collector/presets/shape")
	sum, err := hash(source+"/go.mod", source+"/go.sum", source+"/main.go", shape+"/shape.go", shape+"/loadbalancing.go")
	if err != nil {
		return "", err
	}
	folder, err := kept("otelcol-presets-"+PresetsVersion+"-"+sum, func(folder string) error {
		program := filepath.Join(folder, "otelcol")
		err := run(ctx, source, []string{"CGO_ENABLED=0", "GOFLAGS="},
			"nice", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, ".")
		if err != nil {
			return err
		}
		return image(ctx, root, filepath.Join(folder, "image.tar"), "otelcol-presets:dev",
			"-name", "otelcol-contrib", "-binary", program)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, "image.tar"), nil
}
