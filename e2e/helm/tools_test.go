package helm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// release is a Helm that the tests run.
type release struct{ major, version, module string }

var releases = []release{
	{"3", "v3.22.0", "helm.sh/helm/v3/cmd/helm"},
	{"4", "v4.3.1", "helm.sh/helm/v4/cmd/helm"},
}

// program is where the Helm is, or why it is not there.
func (r release) program() (string, error) {
	folder := os.Getenv("PINNACE_TOOLS")
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(cache, "pinnace", "tools")
	}
	folder = filepath.Join(folder, "helm-"+r.version)
	path := filepath.Join(folder, "helm")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if os.Getenv("PINNACE_E2E_BUILD") == "" {
		return "", fmt.Errorf("there is no %s; set PINNACE_E2E_BUILD=1 to build it (minutes), or PINNACE_TOOLS", path)
	}
	build := exec.Command("nice", "go", "install", "-trimpath", "-p", "2", r.module+"@"+r.version)
	build.Env = append(os.Environ(), "GOBIN="+folder, "CGO_ENABLED=0", "GOFLAGS=")
	build.Dir = os.TempDir() // no module decides over its dependencies
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Helm %s: %w\n%s", r.version, err, out)
	}
	return path, nil
}

// found are the Helms, each looked for or built once, both at the same time.
var found = sync.OnceValue(func() map[string]func(t *testing.T) string {
	all := map[string]func(t *testing.T) string{}
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, r := range releases {
		group.Go(func() {
			path, err := r.program()
			mu.Lock()
			defer mu.Unlock()
			all[r.major] = func(t *testing.T) string {
				t.Helper()
				switch {
				case err != nil && os.Getenv("PINNACE_E2E_BUILD") != "":
					t.Fatal(err)
				case err != nil:
					t.Skipf("SKIP Helm %s: %v", r.version, err)
				}
				return path
			}
		})
	}
	group.Wait()
	return all
})

// onBoth runs a test with each Helm.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	for _, r := range releases {
		t.Run("helm"+r.major, func(t *testing.T) {
			t.Parallel()
			helm := found()[r.major](t)
			test(t, newWorld(t, r.major, helm))
		})
	}
}

// programsFolder is what TestMain removes.
var programsFolder string

// programs builds the working tree's pinnace and getter, once.
var programs = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "pinnace-e2e-")
	if err != nil {
		return "", err
	}
	programsFolder = folder
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", folder+"/", "./cmd/pinnace", "./cmd/pinnace-getter")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building pinnace: %w\n%s", err, out)
	}
	return folder, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if programsFolder != "" {
		_ = os.RemoveAll(programsFolder)
	}
	os.Exit(code)
}
