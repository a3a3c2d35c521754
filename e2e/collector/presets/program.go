// Package presets knows collectors that have the components of the chart's presets; see README.md for which of them are
// the real ones.
package presets

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/e2e/collector"
)

const module = "github.com/pinnace-dev/pinnace/e2e/collector/presets"

// folders of the collectors' modules, by release.
var folders = map[string]string{"0.165.0": "v165", "0.149.0": "v149"}

// Releases are those of which there is a collector: the one that the chart is made for, and one before components were
// renamed.
var Releases = []string{"0.165.0", "0.149.0"}

// Program is the path of the static collector of a release. It is kept and built like the one of e2e/collector.
func Program(ctx context.Context, release string, getenv func(string) string) (string, error) {
	folder, ok := folders[release]
	if !ok {
		return "", fmt.Errorf("there is no collector of release %s", release)
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", module, err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), folder)
	shapes, err := filepath.Glob(filepath.Join(dir, "../shape/*"))
	if err != nil {
		return "", err
	}
	files := []string{"go.mod", "go.sum", "main.go", "../shape/origin/origin.go"}
	for _, file := range shapes {
		if filepath.Ext(file) != "" {
			files = append(files, "../shape/"+filepath.Base(file))
		}
	}
	slices.Sort(files)
	return collector.ProgramFrom(ctx, collector.Source{Dir: dir, Package: ".", Files: files}, getenv)
}
