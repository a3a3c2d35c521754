package presets_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// eachMetric visits all metrics that came. The caller holds the lock.
func (s *sink) eachMetric(visit func(of pcommon.Resource, m pmetric.Metric)) {
	for _, metrics := range s.metrics {
		for _, resource := range metrics.ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, m := range scope.Metrics().All() {
					visit(resource.Resource(), m)
				}
			}
		}
	}
}

// metricNames are those of all metrics that came.
func (s *sink) metricNames() map[string]bool {
	names := map[string]bool{}
	s.eachMetric(func(_ pcommon.Resource, m pmetric.Metric) { names[m.Name()] = true })
	return names
}

// haveAll returns when metrics of all these names came.
func (p *pod) haveAll(t *testing.T, names ...string) {
	t.Helper()
	err := p.wait(p.ctx, func() bool {
		came := p.metricNames()
		return !slices.ContainsFunc(names, func(name string) bool { return !came[name] })
	})
	if err != nil {
		t.Logf("came: %q", slices.Sorted(maps.Keys(p.metricNames())))
	}
	p.await(t, "metrics", err)
}

// TestHostMetrics measures this machine, through the path at which a pod has the node's root.
func TestHostMetrics(t *testing.T) {
	onEach(t, "agent", `{hostNetwork: true, cluster: {enabled: false}, presets: {hostMetrics: {enabled: true, collectionInterval: 10s, fileSystems: true}}}`, func(t *testing.T, p *pod) {
		p.start(t)
		p.haveAll(t, "system.cpu.time", "system.cpu.load_average.1m", "system.memory.usage", "system.network.io",
			"system.disk.io", "system.filesystem.usage", "system.processes.count")
		p.stop(t)
		p.eachMetric(func(of pcommon.Resource, m pmetric.Metric) {
			if of.Attributes().AsRaw()["k8s.node.name"] != "node-1" {
				t.Errorf("%s is of no node: %v", m.Name(), of.Attributes().AsRaw())
			}
			if m.Name() != "system.filesystem.usage" {
				return
			}
			for _, point := range m.Sum().DataPoints().All() {
				place, kind := point.Attributes().AsRaw()["mountpoint"], point.Attributes().AsRaw()["type"]
				if strings.HasPrefix(place.(string), "/proc") || kind == "tmpfs" || kind == "overlay" {
					t.Errorf("measured %v of type %v", place, kind)
				}
			}
		})
		t.Logf("metrics: %q", slices.Sorted(maps.Keys(p.metricNames())))
	})
}

// TestCollectorMetrics holds that a collector's own metrics are sent like all others, and can be scraped.
func TestCollectorMetrics(t *testing.T) {
	onEach(t, "cluster", `{agent: {enabled: false}, presets: {collectorMetrics: {enabled: true, interval: 15s}}}`, func(t *testing.T, p *pod) {
		p.start(t)
		p.haveAll(t, "otelcol_process_uptime", "otelcol_receiver_accepted_metric_points")
		p.await(t, "a scrape", p.poll("http://"+p.ip+":8888/metrics", func(body string) bool {
			return strings.Contains(body, "otelcol_exporter_sent_metric_points")
		}))
		// Telemetry ends last, when the receiver that takes it is gone: its last metrics are lost, and nothing else.
		if err := p.end(t); err != nil && !strings.Contains(p.log.String(), "failed to shutdown meter provider") {
			p.await(t, "the end", err)
		}
		p.eachMetric(func(of pcommon.Resource, m pmetric.Metric) {
			if name := of.Attributes().AsRaw()["k8s.pod.name"]; name != "opentelemetry-agent-1" {
				t.Errorf("%s is of pod %v", m.Name(), name)
			}
		})
	})
}
