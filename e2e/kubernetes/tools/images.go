package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/pinnace-dev/pinnace/e2e/collector"
	"github.com/pinnace-dev/pinnace/e2e/collector/presets"
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

// CollectorImage packs the test collector as otelcol-contrib:dev.
func CollectorImage(ctx context.Context, root string) (string, error) {
	return collectorImage(ctx, root, "otelcol-contrib:dev", func() (string, error) {
		return collector.Program(ctx, os.Getenv)
	})
}

// PresetsVersion is the release of the collector in PresetsImage.
const PresetsVersion = "0.165.0"

// PresetsImage packs the collector that has the components of the chart's presets as otelcol-presets:dev.
func PresetsImage(ctx context.Context, root string) (string, error) {
	return collectorImage(ctx, root, "otelcol-presets:dev", func() (string, error) {
		return presets.Program(ctx, PresetsVersion, os.Getenv)
	})
}

// collectorImage packs a collector, with the program named as the contrib image names it. Packing takes seconds, so the
// archive is kept.
func collectorImage(ctx context.Context, root, ref string, build func() (string, error)) (string, error) {
	program, err := build()
	if errors.Is(err, collector.ErrNotBuilt) {
		return "", fmt.Errorf("%w: %w", err, ErrAbsent)
	}
	if err != nil {
		return "", err
	}
	folder, err := kept(filepath.Base(filepath.Dir(program))+"-image", func(folder string) error {
		return image(ctx, root, filepath.Join(folder, "image.tar"), ref, "-name", "otelcol-contrib", "-binary", program)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, "image.tar"), nil
}
