// Package plugin makes Helm plugins of pinnace: folders that `helm plugin install` takes as they are.
//
// They are two, since no single plugin can be both on Helm 4: pinnace has the verbs, pinnace-getter reads s3:// and
// file://. Each holds its own program, so a cluster that only reads installs the small one alone.
package plugin

import (
	"bytes"
	"debug/buildinfo"
	"embed"
	"os"
	"path/filepath"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/durable"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

//go:embed pinnace.yaml pinnace-getter.yaml
var manifests embed.FS

// devel is the version of a program that was not built from a tag, and the one in the manifests.
const devel = "0.0.0-devel"

// Names are the plugins, and the programs in them.
var Names = []string{"pinnace", "pinnace-getter"}

// LayOut writes a folder for each plugin below folder, with the program of that name from the folder programs, and
// answers their version, which is that of the program pinnace. What is there is replaced file by file, so a plugin that
// is installed from the folder may be in use. A missing program is a problem.Usage.
func LayOut(folder, programs string) (version string, err error) {
	version = versionOf(filepath.Join(programs, Names[0]))
	for _, name := range Names {
		program, err := os.ReadFile(filepath.Join(programs, name))
		if err != nil {
			return "", problem.New(problem.Usage,
				"build both programs into one folder (make build) and name it by --from", "making the Helm plugins: %w", err)
		}
		manifest, err := manifests.ReadFile(name + ".yaml")
		if err != nil {
			return "", err
		}
		manifest = bytes.Replace(manifest, []byte("version: "+devel), []byte("version: "+version), 1)
		to := filepath.Join(folder, name)
		if err := durable.MkdirAll(filepath.Join(to, "bin"), 0o755); err != nil {
			return "", err
		}
		if err := durable.WriteFile(filepath.Join(to, "bin", name), program, 0o755); err != nil {
			return "", err
		}
		if err := durable.WriteFile(filepath.Join(to, "plugin.yaml"), manifest, 0o644); err != nil {
			return "", err
		}
	}
	return version, nil
}

// versionOf is the version of the module that a program was built from.
func versionOf(program string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil { // not made by Go, or not there, which is found next
		return devel
	}
	return fromModule(info.Main.Version)
}

// fromModule makes the semantic version that Helm wants of Go's, which begins with a v or is no version.
func fromModule(version string) string {
	if semantic, ok := strings.CutPrefix(version, "v"); ok {
		return semantic
	}
	return devel
}
