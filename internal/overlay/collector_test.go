package overlay_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/overlay"
)

// testCollector is one that e2e/collector has built before, or empty.
func testCollector(t *testing.T) string {
	t.Helper()
	tools := os.Getenv("PINNACE_TOOLS")
	if cache, err := os.UserCacheDir(); tools == "" && err == nil {
		tools = filepath.Join(cache, "pinnace", "tools")
	}
	found, err := filepath.Glob(filepath.Join(tools, "otelcol-*", "otelcol"))
	if err != nil || len(found) == 0 {
		t.Skip("SKIP: no test collector has been built (e2e/collector)")
	}
	return found[0]
}

// A real collector takes the configuration that the chart makes with the overlay, but for what the test collector has
// not: the transform processor that names application and subsystem.
func TestCollectorTakesTheConfiguration(t *testing.T) {
	program := testCollector(t)
	const plain = `{global: {domain: eu2.coralogix.com, clusterName: prod}, opentelemetry-agent: {presets: {spanMetrics: {enabled: false}}}}`
	o := options(overlay.File)
	o.CollectorVersion = "0.165.0" // the test collector's, which waits for its file
	r := render(t, subject(t, plain), second(mustMake(t, o, plain)))
	for _, alias := range []string{"opentelemetry-agent", "opentelemetry-cluster-collector"} {
		config := decode[map[string]any](t, r.configMaps[alias].Data["relay"], true)
		if storage, ok := config["extensions"].(map[string]any)["file_storage"].(map[string]any); ok {
			storage["directory"] = t.TempDir()
		}
		delete(config["processors"].(map[string]any), "transform/coralogix_names")
		for _, pipeline := range config["service"].(map[string]any)["pipelines"].(map[string]any) {
			p := pipeline.(map[string]any)
			p["processors"] = slices.DeleteFunc(p["processors"].([]any), func(name any) bool {
				return name == any("transform/coralogix_names")
			})
		}
		validate := func(config map[string]any) (string, error) {
			body, err := yaml.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "relay.yaml")
			if err := os.WriteFile(file, body, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), program, "validate", "--config="+file)
			cmd.Env = []string{"MY_POD_IP=127.0.0.1"}
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := validate(config); err != nil {
			t.Errorf("%s: %v\n%s", alias, err, out)
		}
		// As it would be without the repair of pipelines that name the exporter that is gone.
		pipelines := config["service"].(map[string]any)["pipelines"].(map[string]any)
		pipelines["metrics/compact"] = map[string]any{"receivers": []any{"otlp"}, "exporters": []any{"coralogix"}}
		if out, err := validate(config); err == nil || !strings.Contains(out, "coralogix") {
			t.Errorf("%s: a pipeline that names no exporter is taken: %v\n%s", alias, err, out)
		}
	}
}
