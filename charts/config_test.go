package charts_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/pinnace-dev/pinnace/charts"
	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

// collectorConfig is the collector's configuration file, as far as its own loader would look at names:
// https://opentelemetry.io/docs/collector/configuration.
type collectorConfig struct {
	Extensions, Receivers, Processors, Exporters map[string]map[string]any
	Service                                      struct {
		Extensions []string
		Telemetry  map[string]any
		Pipelines  map[string]pipeline
	}
}

type pipeline struct{ Receivers, Processors, Exporters []string }

// config is the configuration of a role.
func config(t *testing.T, all objects, role string) collectorConfig {
	t.Helper()
	return decode[collectorConfig](t, configurations(t, all)[role])
}

// TestConfigurationsAreWhole holds every configuration to what a collector refuses or leaves unused.
func TestConfigurationsAreWhole(t *testing.T) {
	for _, v := range charts.Variants() {
		all := mustRender(t, v.Values...)
		for role := range configurations(t, all) {
			t.Run(v.Name+"/"+role, func(t *testing.T) {
				c := config(t, all, role)
				if diff := cmp.Diff(defined(c.Extensions), sorted(c.Service.Extensions)); diff != "" {
					t.Errorf("extensions (-defined +used):\n%s", diff)
				}
				var receivers, processors, exporters []string
				for name, p := range c.Service.Pipelines {
					receivers = append(receivers, p.Receivers...)
					processors = append(processors, p.Processors...)
					exporters = append(exporters, p.Exporters...)
					if len(p.Receivers) == 0 || len(p.Exporters) == 0 || p.Processors[0] != "memory_limiter" {
						t.Errorf("the pipeline %s is %+v", name, p)
					}
				}
				for kind, pair := range map[string][2][]string{
					"receivers":  {defined(c.Receivers), sorted(receivers)},
					"processors": {defined(c.Processors), sorted(processors)},
					"exporters":  {defined(c.Exporters), sorted(exporters)},
				} {
					if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
						t.Errorf("%s (-defined +used):\n%s", kind, diff)
					}
				}
			})
		}
	}
}

// What a receiver has acknowledged is in a queue on disk, whose batches are made behind it, and is tried for ever.
func TestEveryExporterHasItsQueueOnDisk(t *testing.T) {
	queue := map[string]any{
		"enabled": true, "storage": "file_storage/queue", "sizer": "bytes", "queue_size": float64(256 << 20),
		"batch": map[string]any{
			"sizer": "bytes", "flush_timeout": "200ms", "min_size": float64(512 << 10), "max_size": float64(2 << 20),
		},
	}
	retry := map[string]any{"enabled": true, "max_elapsed_time": "0s"}
	for _, v := range charts.Variants() {
		all := mustRender(t, v.Values...)
		for role := range configurations(t, all) {
			c := config(t, all, role)
			for name, exporter := range c.Exporters {
				if diff := cmp.Diff(queue, exporter["sending_queue"]); diff != "" {
					t.Errorf("queue of %s in %s of %s (-want +got):\n%s", name, role, v.Name, diff)
				}
				if diff := cmp.Diff(retry, exporter["retry_on_failure"]); diff != "" {
					t.Errorf("retry of %s in %s of %s (-want +got):\n%s", name, role, v.Name, diff)
				}
			}
			if _, ok := c.Processors["batch"]; ok {
				t.Errorf("%s of %s keeps acknowledged records in the memory of a batch processor", role, v.Name)
			}
			mounted := mounts(pods(t, all)[role], "state")
			if readOnly, ok := mounted["collector"]; !ok || readOnly || len(mounted) != 1 {
				t.Errorf("%s of %s mounts its state as %v", role, v.Name, mounted)
			}
		}
	}
	const roomy = "cluster: {queue: {size: 1Gi, volumeSize: 4Gi}}"
	small := config(t, uat(t, roomy), "cluster").Exporters["otlp_grpc"]["sending_queue"]
	if got := small.(map[string]any)["queue_size"]; got != float64(1<<30) {
		t.Errorf("a queue of 1 GiB has %v bytes", got)
	}
}

func TestExporter(t *testing.T) {
	for name, test := range map[string]struct{ values, endpoint string }{
		"public":  {"{}", "ingress.eu2.coralogix.com:443"},
		"private": {"coralogix: {privateLink: true}", "ingress.private.eu2.coralogix.com:443"},
	} {
		t.Run(name, func(t *testing.T) {
			exporter := config(t, uat(t, test.values), "agent").Exporters["otlp_grpc"]
			delete(exporter, "sending_queue")
			delete(exporter, "retry_on_failure")
			want := map[string]any{
				"endpoint": test.endpoint,
				"auth":     map[string]any{"authenticator": "bearertokenauth"},
				"headers":  map[string]any{"CX-Application-Name": "otel", "CX-Subsystem-Name": "integration"},
			}
			if diff := cmp.Diff(want, exporter); diff != "" {
				t.Errorf("exporter (-want +got):\n%s", diff)
			}
		})
	}
}

// TestComponentNames follows the collector's release: 0.165.0 has other names, and extensions that can wait.
func TestComponentNames(t *testing.T) {
	newer := []string{"file_log", "host_metrics", "kubelet_stats", "otlp", "otlp/own"}
	older := []string{"filelog", "hostmetrics", "kubeletstats", "otlp", "otlp/own"}
	for name, test := range map[string]struct {
		values, exporter string
		receivers        []string
		waits            bool
	}{
		"the chart's own":       {"{}", "otlp_grpc", newer, true},
		"tag":                   {"image: {tag: 0.155.0}", "otlp", older, false},
		"tag with a suffix":     {"image: {tag: v0.155.0-amd64}", "otlp", older, false},
		"newer tag":             {"image: {tag: 0.170.1}", "otlp_grpc", newer, true},
		"tag that says nothing": {"image: {tag: mirrored}", "otlp_grpc", newer, true},
		"version over the tag":  {"image: {tag: 0.170.0, version: 0.155.0}", "otlp", older, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, uat(t, test.values), "agent")
			if _, ok := c.Exporters[test.exporter]; !ok {
				t.Errorf("exporters are %v, want %s", defined(c.Exporters), test.exporter)
			}
			if diff := cmp.Diff(test.receivers, defined(c.Receivers)); diff != "" {
				t.Errorf("receivers (-want +got):\n%s", diff)
			}
			authenticator := map[string]any{"filename": "/var/run/pinnace/private_key"}
			if test.waits {
				authenticator["wait_for_token_file"] = true
				authenticator["retry_on_failure"] = map[string]any{"enabled": true, "interval": "1s"}
			}
			if diff := cmp.Diff(authenticator, c.Extensions["bearertokenauth"]); diff != "" {
				t.Errorf("authenticator (-want +got):\n%s", diff)
			}
		})
	}
}

// TestValuesAreText has values that YAML would take for something else.
func TestValuesAreText(t *testing.T) {
	c := config(t, uat(t, `{clusterName: "yes", coralogix: {applicationName: "1: {a", subsystemName: "\"#"},
  resourceAttributes: {a: "null"}}`), "cluster")
	headers := map[string]any{"CX-Application-Name": "1: {a", "CX-Subsystem-Name": `"#`}
	if diff := cmp.Diff(headers, c.Exporters["otlp_grpc"]["headers"]); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	attributes := []any{
		map[string]any{"key": "k8s.cluster.name", "value": "yes", "action": "insert"},
		map[string]any{"key": "a", "value": "null", "action": "insert"},
		map[string]any{"key": "deployment.environment.name", "value": "uat", "action": "insert"},
	}
	if diff := cmp.Diff(attributes, c.Processors["resource"]["attributes"]); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

// TestGatewayGetsTraces shows the ways that traces take.
func TestGatewayGetsTraces(t *testing.T) {
	for name, test := range map[string]struct{ variant, traces, logs string }{
		"no gateway":    {"uat", "otlp_grpc", "otlp_grpc"},
		"gateway":       {"gateway", "otlp_grpc/gateway", "otlp_grpc"},
		"tail sampling": {"tail-sampling", "load_balancing", "otlp_grpc"},
	} {
		t.Run(name, func(t *testing.T) {
			all := variant(t, test.variant)
			pipelines := config(t, all, "agent").Service.Pipelines
			if got := pipelines["traces"].Exporters; !slices.Equal(got, []string{test.traces}) {
				t.Errorf("agents send traces to %v, want %s", got, test.traces)
			}
			if got := pipelines["logs"].Exporters; !slices.Equal(got, []string{test.logs}) {
				t.Errorf("agents send logs to %v, want %s", got, test.logs)
			}
			if test.variant == "uat" {
				return
			}
			gateway := config(t, all, "gateway").Service.Pipelines["traces"]
			if !slices.Equal(gateway.Exporters, []string{"otlp_grpc"}) {
				t.Errorf("the gateway sends traces to %v", gateway.Exporters)
			}
			if sampled := slices.Contains(gateway.Processors, "tail_sampling"); sampled != (test.variant == "tail-sampling") {
				t.Errorf("the gateway's processors are %v", gateway.Processors)
			}
		})
	}
	exporter := config(t, variant(t, "tail-sampling"), "agent").Exporters["load_balancing"]
	want := map[string]any{"hostname": "opentelemetry-gateway-peers.observability.svc", "port": "4317"}
	if diff := cmp.Diff(want, exporter["resolver"].(map[string]any)["dns"]); diff != "" {
		t.Errorf("resolver (-want +got):\n%s", diff)
	}
}

// TestPresets switches each preset alone and sees what comes of it.
func TestPresets(t *testing.T) {
	for preset, test := range map[string]struct{ role, kind, component string }{
		"otlpReceiver":         {"agent", "receiver", "otlp"},
		"logsCollection":       {"agent", "receiver", "file_log"},
		"hostMetrics":          {"agent", "receiver", "host_metrics"},
		"kubeletMetrics":       {"agent", "receiver", "kubelet_stats"},
		"kubernetesAttributes": {"agent", "processor", "k8s_attributes"},
		"resourceDetection":    {"agent", "processor", "resource_detection"},
		"collectorMetrics":     {"agent", "receiver", "otlp/own"},
		"kubernetesEvents":     {"cluster", "receiver", "k8s_objects"},
		"clusterMetrics":       {"cluster", "receiver", "k8s_cluster"},
	} {
		for _, enabled := range []bool{true, false} {
			value := map[bool]string{true: "true", false: "false"}[enabled]
			t.Run(preset+"/"+value, func(t *testing.T) {
				c := config(t, uat(t, "presets: {"+preset+": {enabled: "+value+"}}"), test.role)
				components := map[string]map[string]map[string]any{"receiver": c.Receivers, "processor": c.Processors}
				if _, ok := components[test.kind][test.component]; ok != enabled {
					t.Errorf("%s is in the configuration: %v", test.component, ok)
				}
			})
		}
	}
}

func TestLogs(t *testing.T) {
	all := uat(t, "presets: {logsCollection: {startAt: end, exclude: [/var/log/pods/noisy_*/*/*.log]}}")
	c := config(t, all, "agent")
	receiver := c.Receivers["file_log"]
	for field, want := range map[string]any{
		"start_at": "end", "storage": "file_storage/checkpoints",
		"retry_on_failure": map[string]any{"enabled": true, "max_elapsed_time": "0s"},
		"operators":        []any{map[string]any{"type": "container"}},
		"exclude": []any{
			"/var/log/pods/observability_opentelemetry-agent-*/*/*.log",
			"/var/log/pods/observability_opentelemetry-cluster-*/*/*.log",
			"/var/log/pods/observability_opentelemetry-gateway-*/*/*.log",
			"/var/log/pods/noisy_*/*/*.log",
		},
	} {
		if diff := cmp.Diff(want, receiver[field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	// Positions and queue are in the same folder of the node, whose life is longer than the pod's.
	state := volume(t, pods(t, all)["agent"], "state")
	if state.HostPath == nil || state.HostPath.Path != "/var/lib/otelcol/observability_opentelemetry-agent" {
		t.Errorf("state is in %+v", state.VolumeSource)
	}
	for _, storage := range []string{"file_storage/checkpoints", "file_storage/queue"} {
		if folder := c.Extensions[storage]["directory"].(string); !strings.HasPrefix(folder, "/var/lib/otelcol/") {
			t.Errorf("%s is in %s", storage, folder)
		}
	}
	state = volume(t, pods(t, variant(t, "otlp-only"))["agent"], "state")
	if state.EmptyDir == nil || state.EmptyDir.SizeLimit.String() != "2Gi" {
		t.Errorf("without logs the state is in %+v", state.VolumeSource)
	}
}

func TestNetworkMetricsNeedTheNodesNetwork(t *testing.T) {
	for _, hostNetwork := range []string{"true", "false"} {
		c := config(t, uat(t, "hostNetwork: "+hostNetwork), "agent")
		scrapers := c.Receivers["host_metrics"]["scrapers"].(map[string]any)
		if _, ok := scrapers["network"]; ok != (hostNetwork == "true") {
			t.Errorf("with hostNetwork %s the scrapers are %v", hostNetwork, slices.Sorted(maps.Keys(scrapers)))
		}
	}
}

// TestHostMetricsSeeNoFiles: the node's files are mounted only for who asks for all of its file systems.
func TestHostMetricsSeeNoFiles(t *testing.T) {
	for _, fileSystems := range []string{"true", "false"} {
		all := uat(t, "presets: {hostMetrics: {fileSystems: "+fileSystems+"}}")
		var paths []string
		for _, v := range pods(t, all)["agent"].Spec.Volumes {
			if v.HostPath != nil && strings.HasPrefix(v.Name, "host") {
				paths = append(paths, v.HostPath.Path)
			}
		}
		want := map[string][]string{"true": {"/"}, "false": {"/proc"}}[fileSystems]
		if diff := cmp.Diff(want, paths); diff != "" {
			t.Errorf("with fileSystems %s the node's folders are (-want +got):\n%s", fileSystems, diff)
		}
		scrapers := config(t, all, "agent").Receivers["host_metrics"]["scrapers"].(map[string]any)
		if _, ok := scrapers["filesystem"]; ok != (fileSystems == "true") {
			t.Errorf("with fileSystems %s the scrapers are %v", fileSystems, slices.Sorted(maps.Keys(scrapers)))
		}
	}
}

// TestNothingBelowProcIsWritable: a mount that is read-only does not bind what is mounted below it, and the log reader is root.
// Kubernetes 1.29 does not know the field that does, and 1.30 drops it, which a GitOps controller would see as drift.
func TestNothingBelowProcIsWritable(t *testing.T) {
	for version, want := range map[string]corev1.RecursiveReadOnlyMode{
		"1.29.8": "", "1.30.14-eks-a737599": "", "1.31.0-eks-a737599": corev1.RecursiveReadOnlyIfPossible,
	} {
		all := renderFor(t, chartrepo.RenderOptions{KubeVersion: version}, environment(t, "uat"))
		mounts := container(t, pods(t, all)["agent"], "collector").VolumeMounts
		at := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/hostfs/proc" })
		var got corev1.RecursiveReadOnlyMode
		if recursive := mounts[at].RecursiveReadOnly; recursive != nil {
			got = *recursive
		}
		if !mounts[at].ReadOnly || got != want {
			t.Errorf("on Kubernetes %s the mount is read-only: %v, recursively: %q", version, mounts[at].ReadOnly, got)
		}
	}
}

func defined(components map[string]map[string]any) []string {
	return slices.Sorted(maps.Keys(components))
}

func sorted(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}
