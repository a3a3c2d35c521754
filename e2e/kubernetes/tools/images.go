package tools

import (
	"context"
	"path/filepath"
	"runtime"

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
