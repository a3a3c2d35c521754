package collector_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/e2e/collector"
)

// needCollector gives the test collector, built if need be, or skips the test.
func needCollector(t *testing.T) string {
	t.Helper()
	program, err := collector.Program(t.Context(), os.Getenv)
	switch {
	case errors.Is(err, collector.ErrNotBuilt):
		t.Skipf("SKIP %v", err)
	case err != nil:
		t.Fatal(err)
	}
	return program
}

const config = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}}}}
exporters: {debug: {}}
extensions:
  health_check: {}
  bearertokenauth: {filename: /nowhere}
  file_storage: {directory: /tmp}
processors:
  batch: {}
  memory_limiter: {check_interval: 1s, limit_mib: 100}
  resource: {attributes: [{key: a, value: b, action: insert}]}
service:
  extensions: [health_check, bearertokenauth, file_storage]
  pipelines: {logs: {receivers: [otlp], processors: [memory_limiter, resource, batch], exporters: [debug]}}
`

func TestCollectorValidates(t *testing.T) {
	program := needCollector(t)
	path := filepath.Join(t.TempDir(), "collector.yaml")
	for name, c := range map[string]struct {
		config string
		valid  bool
	}{
		"right":            {config, true},
		"a field too much": {strings.Replace(config, "batch: {}", "batch: {privatekey: x}", 1), false},
		"no such exporter": {strings.ReplaceAll(config, "debug", "nowhere"), false},
	} {
		if err := os.WriteFile(path, []byte(c.config), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), program, "validate", "--config="+path).CombinedOutput()
		if (err == nil) != c.valid {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	_ = os.WriteFile(path, []byte(config), 0o600)
	out, err := exec.CommandContext(t.Context(), program, "print-config", "--config="+path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "filename: /nowhere") {
		t.Errorf("print-config: %v\n%s", err, out)
	}
}

// Without leave to build, the program is named as missing and nothing is made.
func TestProgramIsNotBuiltUnasked(t *testing.T) {
	tools := filepath.Join(t.TempDir(), "tools")
	_, err := collector.Program(t.Context(), func(name string) string {
		if name == "PINNACE_TOOLS" {
			return tools
		}
		return ""
	})
	if !errors.Is(err, collector.ErrNotBuilt) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(tools); !os.IsNotExist(err) {
		t.Errorf("something was made: %v", err)
	}
}
