package charts_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// collectorConfig is the collector's configuration file, as far as its own loader would look at names:
// https://opentelemetry.io/docs/collector/configuration.
type collectorConfig struct {
	Extensions, Receivers, Processors, Exporters map[string]map[string]any
	Service                                      struct {
		Extensions []string
		Telemetry  map[string]any
		Pipelines  map[string]struct{ Receivers, Processors, Exporters []string }
	}
}

func parseConfig(t *testing.T, values ...string) collectorConfig {
	t.Helper()
	files := mustRender(t, values...)
	return decode[collectorConfig](t, decode[corev1.ConfigMap](t, files["configmap.yaml"]).Data["collector.yaml"])
}

func TestCollectorConfig(t *testing.T) {
	config := parseConfig(t, environment(t, "uat"))
	if diff := cmp.Diff(defined(config.Extensions), sorted(config.Service.Extensions)); diff != "" {
		t.Errorf("extensions (-defined +used):\n%s", diff)
	}
	signals := []string{"logs", "metrics", "traces"}
	if diff := cmp.Diff(signals, slices.Sorted(maps.Keys(config.Service.Pipelines))); diff != "" {
		t.Errorf("pipelines (-want +got):\n%s", diff)
	}
	var receivers, processors, exporters []string
	for name, pipeline := range config.Service.Pipelines {
		receivers = append(receivers, pipeline.Receivers...)
		processors = append(processors, pipeline.Processors...)
		exporters = append(exporters, pipeline.Exporters...)
		if diff := cmp.Diff([]string{"memory_limiter", "resource", "batch"}, pipeline.Processors); diff != "" {
			t.Errorf("processors of %s, in their order (-want +got):\n%s", name, diff)
		}
	}
	for kind, pair := range map[string][2][]string{
		"receivers":  {defined(config.Receivers), sorted(receivers)},
		"processors": {defined(config.Processors), sorted(processors)},
		"exporters":  {defined(config.Exporters), sorted(exporters)},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s (-defined +used):\n%s", kind, diff)
		}
	}
}

func TestKeyReachesTheExporterByFile(t *testing.T) {
	_, workload := uat(t)
	config := parseConfig(t, environment(t, "uat"))
	var file string
	for _, variable := range workload.Spec.Template.Spec.InitContainers[0].Env {
		if variable.Name == "PINNACE_TOKEN_FILES" {
			file, _, _ = strings.Cut(variable.Value, "=")
		}
	}
	want := map[string]any{"filename": file}
	if diff := cmp.Diff(want, config.Extensions["bearertokenauth"]); diff != "" {
		t.Errorf("authenticator (-want +got):\n%s", diff)
	}
	want = map[string]any{
		"endpoint":         "ingress.eu2.coralogix.com:443",
		"auth":             map[string]any{"authenticator": "bearertokenauth"},
		"headers":          map[string]any{"CX-Application-Name": "otel", "CX-Subsystem-Name": "integration"},
		"sending_queue":    map[string]any{"enabled": true, "queue_size": float64(1000)},
		"retry_on_failure": map[string]any{"enabled": true, "max_elapsed_time": "0s"},
	}
	if diff := cmp.Diff(want, config.Exporters["otlp"]); diff != "" {
		t.Errorf("exporter (-want +got):\n%s", diff)
	}
}

// TestValuesAreText has values that YAML would take for something else.
func TestValuesAreText(t *testing.T) {
	config := parseConfig(t, environment(t, "uat"),
		`{clusterName: "yes", coralogix: {applicationName: "1: {a", subsystemName: "\"#"}, resourceAttributes: {a: "null"}}`)
	headers := map[string]any{"CX-Application-Name": "1: {a", "CX-Subsystem-Name": `"#`}
	if diff := cmp.Diff(headers, config.Exporters["otlp"]["headers"]); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	attributes := []any{
		map[string]any{"key": "k8s.cluster.name", "value": "yes", "action": "insert"},
		map[string]any{"key": "a", "value": "null", "action": "insert"},
		map[string]any{"key": "deployment.environment.name", "value": "uat", "action": "insert"},
	}
	if diff := cmp.Diff(attributes, config.Processors["resource"]["attributes"]); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func defined(components map[string]map[string]any) []string {
	return slices.Sorted(maps.Keys(components))
}

func sorted(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}
