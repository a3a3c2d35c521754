package tools

import (
	"context"
	"os"
	"path/filepath"
)

// Helm is the program of a release, kept where e2e/helm keeps it, too.
func Helm(ctx context.Context, version string) (string, error) {
	folder, err := kept("helm-"+version, func(folder string) error {
		// No module decides over Helm's dependencies.
		return run(ctx, os.TempDir(), []string{"GOBIN=" + folder, "CGO_ENABLED=0", "GOFLAGS="},
			"nice", "go", "install", "-trimpath", "helm.sh/helm/"+version[:2]+"/cmd/helm@"+version)
	})
	return filepath.Join(folder, "helm"), err
}

// Programs builds the working tree's pinnace and its getter into folder.
func Programs(ctx context.Context, root, folder string) (string, error) {
	return folder, run(ctx, root, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags=-s -w",
		"-o", folder+"/", "./cmd/pinnace", "./cmd/pinnace-getter")
}
