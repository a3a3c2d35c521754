package pipelines_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the module's folder.
const root = ".."

// needs skips a test aloud without the programs that its steps call, as the pipelines' machines have them.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("the pipeline's steps need %s, which is not here", p)
		}
	}
}

// shell runs one step's script in bash, and answers what it printed.
func shell(t *testing.T, dir, script string, env map[string]string, flags ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "step.sh")
	write(t, file, script)
	cmd := exec.CommandContext(t.Context(), "bash", append(flags, file)...)
	cmd.Dir = dir
	for _, name := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, name+"="+env[name])
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// machine is the environment that a fresh machine of a pipeline has, with AWS where the test keeps it.
func machine(a *account, home string) map[string]string {
	env := map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": home,
		"AWS_ENDPOINT_URL": a.URL(),
	}
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "GO") {
			env[name] = value
		}
	}
	maps.Copy(env, goEnvironment())
	return env
}

// goEnvironment is where Go keeps what it has built; else it would be below the new home, and empty.
var goEnvironment = sync.OnceValue(func() map[string]string {
	names := []string{"GOCACHE", "GOMODCACHE", "GOPATH"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		panic(err)
	}
	env := map[string]string{}
	for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		env[names[i]] = line
	}
	return env
})

// TestMain removes the program that the tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	if programs != "" {
		_ = os.RemoveAll(programs)
	}
	os.Exit(code)
}

var programs string // the folder of pinnace

// built is the path of pinnace, built once for the tests that do not look at how it is built.
var built = sync.OnceValues(func() (string, error) {
	var err error
	if programs, err = os.MkdirTemp("", "pinnace-pipelines-"); err != nil {
		return "", err
	}
	file := filepath.Join(programs, "pinnace")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", file, "./cmd/pinnace")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building pinnace: %w\n%s", err, out)
	}
	return file, nil
})

var expression = regexp.MustCompile(`\$\{\{ *([^}]*?) *\}\}`)

// fill replaces each ${{ path }} by what the context has under that path. Any other expression ends the test: it would
// not be run as the real thing runs it.
func fill(t *testing.T, text string, context map[string]string) string {
	t.Helper()
	return expression.ReplaceAllStringFunc(text, func(found string) string {
		path := expression.FindStringSubmatch(found)[1]
		value, ok := context[path]
		if !ok {
			t.Fatalf("nothing is known of ${{ %s }}", path)
		}
		return value
	})
}

func fillAll(t *testing.T, texts, context map[string]string) map[string]string {
	t.Helper()
	filled := map[string]string{}
	for name, text := range texts {
		filled[name] = fill(t, text, context)
	}
	return filled
}

func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// copyPath copies a file or a folder over what is there, without modes, as an artifact is kept.
func copyPath(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(path)
		write(t, filepath.Join(to, below), string(body))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
