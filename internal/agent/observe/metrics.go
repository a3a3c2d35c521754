package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pinnace-dev/pinnace/internal/callmeter"
	"github.com/pinnace-dev/pinnace/internal/delivery"
)

// metric is a metric and its labels.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newMetric(kind prometheus.ValueType, name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("pinnace_agent_"+name, help, labels, nil), kind}
}

func (m metric) send(out chan<- prometheus.Metric, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// The metrics of the engine. Ages are seconds; a fingerprint tells versions apart, and is no value.
var (
	info  = newMetric(gauge, "info", "1, with the version of the agent", "version")
	ready = newMetric(gauge, "ready", "1 when every needed item is in place and fresh")

	itemInfo = newMetric(gauge, "item_info", "1 for each item that was had",
		"item", "source", "version", "fingerprint")
	itemAge    = newMetric(gauge, "item_age_seconds", "since the source last confirmed the item", "item", "source")
	itemMaxAge = newMetric(gauge, "item_max_age_seconds", "past which the item is stale; 0 is for ever", "item", "source")
	itemStale  = newMetric(gauge, "item_stale", "1 when the item is older than its age allows", "item", "source")
	itemFailed = newMetric(gauge, "item_failing", "1 when the last poll could not have the item", "item", "source")

	polls    = newMetric(counter, "polls_total", "questions to a source", "source", "outcome")
	failures = newMetric(gauge, "source_failures", "polls of a source that failed in a row", "source")
	applied  = newMetric(counter, "applied_total", "snapshots that a sink took, or failed to take", "sink", "outcome")
	calls    = newMetric(counter, "aws_calls_total", "attempts to call AWS", "service", "operation", "outcome")
)

// collector makes the metrics from what is so at the moment when they are asked for.
type collector struct {
	version string
	status  func() delivery.Status
	counts  func() []callmeter.Count
}

// Collector has the metrics of an engine and of the calls that its sources make. It is safe for concurrent use when
// status and counts are.
func Collector(version string, status func() delivery.Status, counts func() []callmeter.Count) prometheus.Collector {
	return &collector{version, status, counts}
}

// Describe sends no descriptions: which metrics there are depends on the status.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends every metric.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.status()
	info.send(out, 1, c.version)
	ready.send(out, number(s.Ready))
	for _, i := range s.Items {
		if i.Fingerprint != "" {
			itemInfo.send(out, 1, i.Name, i.Source, i.Version, i.Fingerprint)
			itemAge.send(out, seconds(i.Age), i.Name, i.Source)
		}
		itemMaxAge.send(out, seconds(i.MaxAge), i.Name, i.Source)
		itemStale.send(out, number(i.Stale), i.Name, i.Source)
		itemFailed.send(out, number(i.LastError != ""), i.Name, i.Source)
	}
	for _, f := range s.Feeds {
		polls.send(out, float64(f.Polls-f.Failed), f.Name, "ok")
		polls.send(out, float64(f.Failed), f.Name, "failed")
		failures.send(out, float64(f.Failures), f.Name)
	}
	for _, k := range s.Sinks {
		applied.send(out, float64(k.Applied), k.Name, "ok")
		applied.send(out, float64(k.Failed), k.Name, "failed")
	}
	for _, n := range c.counts() {
		calls.send(out, float64(n.Calls), n.Service, n.Operation, string(n.Outcome))
	}
}

func seconds(a delivery.Age) float64 { return time.Duration(a).Seconds() }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Request is how many requests of one service the loopback sink has answered with one status.
type Request struct {
	Service, Status string
	Total           uint64
}

var requests = newMetric(counter, "loopback_requests_total", "requests answered on the loopback address",
	"service", "status")

// requestCollector makes its metric when it is asked for.
type requestCollector struct{ counts func() []Request }

// Requests has the requests that the loopback sink answered.
func Requests(counts func() []Request) prometheus.Collector { return requestCollector{counts} }

// Describe sends the one description.
func (requestCollector) Describe(out chan<- *prometheus.Desc) { out <- requests.desc }

// Collect sends every count.
func (c requestCollector) Collect(out chan<- prometheus.Metric) {
	for _, n := range c.counts() {
		requests.send(out, float64(n.Total), n.Service, n.Status)
	}
}
