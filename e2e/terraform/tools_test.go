package terraform_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const providerAddress = "registry.terraform.io/hashicorp/aws"

// providerMirror finds a folder that has the provider: the one that PINNACE_TERRAFORM_MIRROR names, or where packages
// put such mirrors. Empty is none.
func providerMirror() string {
	if dir := os.Getenv("PINNACE_TERRAFORM_MIRROR"); dir != "" {
		return dir
	}
	home, _ := os.UserHomeDir()
	for _, place := range []string{"/opt", "/usr/share/terraform", "/usr/local/share/terraform", home + "/.terraform.d"} {
		for _, depth := range []string{"", "*/", "*/*/"} {
			if found, _ := filepath.Glob(filepath.Join(place, depth, providerAddress)); len(found) > 0 {
				return strings.TrimSuffix(found[0], "/"+providerAddress)
			}
		}
	}
	return ""
}

// needTerraform gives the program and a CLI configuration that takes the provider from the mirror, or skips the test.
func needTerraform(t *testing.T) (program, settings string) {
	t.Helper()
	program, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("SKIP terraform is not on this machine")
	}
	mirror := providerMirror()
	if mirror == "" {
		t.Skip("SKIP there is no mirror of hashicorp/aws on this machine (PINNACE_TERRAFORM_MIRROR)")
	}
	settings = filepath.Join(t.TempDir(), "terraformrc")
	write(t, settings, fmt.Sprintf("disable_checkpoint = true\n"+
		"provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror))
	return program, settings
}

// buildPinnace builds the working tree's pinnace.
func buildPinnace(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pinnace")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, "./cmd/pinnace")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building pinnace: %v\n%s", err, out)
	}
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// must stops the test when there is an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
