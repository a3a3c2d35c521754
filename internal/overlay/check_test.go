package overlay_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/overlay"
)

// printed is what `helm template` prints.
func printed(r rendered) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.manifests)) {
		fmt.Fprintf(&b, "---\n# Source: %s\n%s\n", name, r.manifests[name])
	}
	return b.String()
}

// Each thing that an upgrade of the chart could break is found by its own rule, and nothing else is said.
func TestCheckFinds(t *testing.T) {
	texts := map[overlay.Mode]string{}
	for _, mode := range []overlay.Mode{overlay.File, overlay.Process} {
		texts[mode] = printed(render(t, subject(t, team), second(mustMake(t, options(mode), team))))
		report := overlay.Check(map[string]string{"all.yaml": texts[mode]})
		if len(report.Findings) > 0 || report.Files+report.Processes != 2 || report.Keyless > 0 {
			t.Errorf("%s: %+v", mode, report)
		}
	}
	const secretRef = "            - name: CORALOGIX_PRIVATE_KEY\n              valueFrom: {secretKeyRef: {name: coralogix-keys, key: x}}\n"
	for name, test := range map[string]struct {
		mode     overlay.Mode
		old, new string
		rules    []string
	}{
		"the Secret again": {overlay.File, "            - name: TEAM\n", secretRef + "            - name: TEAM\n", []string{"secret"}},
		"a list twice": {
			overlay.File, "      volumes:\n", "      initContainers: []\n      volumes:\n", []string{"duplicate"},
		},
		"not a sidecar":   {overlay.File, "restartPolicy: Always", "imagePullPolicy: Always", []string{"sidecar"}},
		"no probe":        {overlay.File, "startupProbe:", "livenessProbe:", []string{"sidecar"}},
		"on the disk":     {overlay.File, "medium: Memory", "medium: \"\"", []string{"memory"}},
		"another file":    {overlay.File, "filename: /var/run/pinnace/private_key", "filename: /var/run/cx/key", []string{"path"}},
		"another folder":  {overlay.File, "mountPath: /var/run/pinnace\n              name: pinnace-key\n              readOnly", "mountPath: /var/run/cx\n              name: pinnace-key\n              readOnly", []string{"path"}},
		"OpAMP again":     {overlay.File, "    exporters:\n", "    exporters:\n      x: {h: \"${env:CORALOGIX_PRIVATE_KEY}\"}\n", []string{"variable"}},
		"not enabled":     {overlay.File, "      - bearertokenauth\n", "", []string{"extension"}},
		"no auth":         {overlay.File, "auth:\n          authenticator: bearertokenauth", "compression: gzip", []string{"unused"}},
		"two keys":        {overlay.File, "          CX-Application-Name: otel", "          authorization: Bearer x", []string{"authorization"}},
		"unencrypted":     {overlay.File, "        timeout: 30s", "        tls: {insecure: true}", []string{"tls"}},
		"a static key":    {overlay.File, "    exporters:\n", "    exporters:\n      coralogix: {private_key: \"${file:/x}\"}\n", []string{"static"}},
		"no exporter":     {overlay.File, "          exporters:\n          - otlp\n", "          exporters:\n          - coralogix\n", []string{"undefined"}},
		"no extension":    {overlay.File, "      zpages: {}\n", "", []string{"undefined"}},
		"an operator":     {overlay.File, "kind: DaemonSet", "kind: OpenTelemetryCollector", []string{"operator"}},
		"not the wrapper": {overlay.Process, "- /pinnace/pinnace-agent", "- /otelcol-contrib", []string{"program"}},
		"not installed":   {overlay.Process, "            - mountPath: /pinnace\n              name: pinnace-program\n              readOnly", "            - mountPath: /pin\n              name: pinnace-program\n              readOnly", []string{"program"}},
		"no program":      {overlay.Process, "PINNACE_COMMAND", "PINNACE_COMMANDS", []string{"program"}},
		"no variable":     {overlay.Process, "PINNACE_ENV", "PINNACE_ENVS", []string{"program"}},
		"no installer":    {overlay.Process, "name: pinnace-install", "name: install", []string{"variable"}},
	} {
		t.Run(name, func(t *testing.T) {
			broken := strings.Replace(texts[test.mode], test.old, test.new, 1)
			if broken == texts[test.mode] {
				t.Fatalf("there is no %q", test.old)
			}
			var rules []string
			for _, f := range overlay.Check(map[string]string{"all.yaml": broken}).Findings {
				rules = append(rules, f.Rule)
				if f.Fault == "" || f.Object == "" {
					t.Errorf("it says nothing: %+v", f)
				}
			}
			if diff := cmp.Diff(test.rules, slices.Compact(rules)); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
	for _, nothing := range []string{"", "kind: [", "---\n"} {
		if findings := overlay.Check(map[string]string{"x": nothing}).Findings; len(findings) != 1 || findings[0].Rule != "agent" {
			t.Errorf("%q: %v", nothing, findings)
		}
	}
}

// The chart names its exporter in pipelines of its own, and behind a load balancer leaves traces out: what takes the
// exporter's place follows.
func TestPipelines(t *testing.T) {
	const values = `
opentelemetry-gateway: {enabled: true}
opentelemetry-receiver: {enabled: true}
opentelemetry-ebpf-profiler: {enabled: true}
opentelemetry-agent:
  presets: {coralogixExporter: {pipelines: [metrics, logs]}}
  config: {exporters: {loadbalancing: {}}, service: {pipelines: {traces: {exporters: [loadbalancing]}}}}
`
	c, made := mustMake(t, options(overlay.File), team, values)
	r := render(t, c, made)
	want := map[string]map[string][]any{
		"opentelemetry-agent": {
			"logs": {"otlp"}, "metrics": {"otlp"}, "metrics/compact": {"otlp"}, "traces": {"loadbalancing", "forward/compact"},
			"traces/compact": {"debug"},
		},
		"opentelemetry-cluster-collector": {"logs": {"otlp"}, "metrics": {"otlp"}, "traces": {"otlp"}},
		"opentelemetry-gateway":           {"logs": {"otlp"}, "metrics": {"otlp"}, "traces": {"otlp"}},
		"opentelemetry-receiver":          {"logs": {"otlp"}, "metrics": {"otlp"}, "traces": {"loadbalancing"}},
		"opentelemetry-ebpf-profiler":     {"logs": {"otlp"}, "metrics": {"otlp"}, "traces": {"otlp"}},
	}
	got := map[string]map[string][]any{}
	for alias, configMap := range r.configMaps {
		got[alias] = map[string][]any{}
		config := decode[struct {
			Service struct {
				Pipelines map[string]struct {
					Exporters []any `json:"exporters"`
				} `json:"pipelines"`
			} `json:"service"`
		}](t, configMap.Data["relay"], false)
		for name, pipeline := range config.Service.Pipelines {
			got[alias][name] = pipeline.Exporters
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exporters (-want +got):\n%s", diff)
	}
	compact := strings.Split(r.configMaps["opentelemetry-agent"].Data["relay"], "metrics/compact:")[1]
	if !strings.Contains(compact[:strings.Index(compact, "traces:")], "- transform/coralogix_names") {
		t.Errorf("a pipeline of the chart's own does not name application and subsystem:\n%s", compact)
	}
	// The profiler sends to its node's collector and wants the key for fleet management alone.
	if pod := r.pods["opentelemetry-ebpf-profiler"].Spec; len(pod.InitContainers) > 0 || len(pod.Containers[0].Env) != 3 {
		t.Errorf("the profiler has %v and %v", pod.InitContainers, pod.Containers[0].Env)
	}
	if len(made.Subjects) != 4 {
		t.Errorf("subjects are %v", made.Subjects)
	}
}

// A collector that can wait for its file is told to. The version is in the image's tag, or is told.
func TestWaitsForItsFile(t *testing.T) {
	for _, test := range []struct {
		values, told string
		waits        bool
	}{
		{`{}`, "", false},
		{`{}`, "0.165.0", true},
		{`opentelemetry-agent: {image: {tag: 0.165.1}}`, "", true},
		{`opentelemetry-agent: {image: {tag: 0.165.1}}`, "0.164.0", false},
		{`opentelemetry-agent: {image: {digest: "sha256:00"}}`, "", false},
		{`opentelemetry-agent: {image: {tag: latest}}`, "", false},
	} {
		o := options(overlay.File)
		o.CollectorVersion = test.told
		c, made := mustMake(t, o, team, test.values)
		config := render(t, c, made).configMaps["opentelemetry-agent"].Data["relay"]
		if got := strings.Contains(config, "wait_for_token_file: true"); got != test.waits {
			t.Errorf("%s, told %q: it waits: %v", test.values, test.told, got)
		}
	}
}

// The overlay takes the domains that the chart of this repository takes.
func TestDomainsAreThoseOfTheChart(t *testing.T) {
	folder := filepath.Join("..", "..", "charts", "opentelemetry")
	p, err := chartrepo.Pack(folder)
	if err != nil {
		t.Fatal(err)
	}
	uat, err := os.ReadFile(filepath.Join(folder, "values-uat.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	takes := func(domain string) bool {
		_, err := chartrepo.Render(p.Archive, chartrepo.RenderOptions{
			KubeVersion: "1.31.0", Values: [][]byte{uat, fmt.Appendf(nil, "coralogix: {domain: %s}\n", domain)},
		})
		return err == nil
	}
	for _, domain := range overlay.Domains() {
		if !takes(domain) {
			t.Errorf("the chart does not take %s", domain)
		}
	}
	for _, domain := range []string{"us4.coralogix.com", "eu3.coralogix.com", "ap4.coralogix.com", "coralogix.com"} {
		if takes(domain) {
			t.Errorf("the chart takes %s, and the overlay does not", domain)
		}
	}
}
