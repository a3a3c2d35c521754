package ingress

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// IDAttribute names a record: an attribute of the log record, the span or the data point. A log record without it is
// named by its body when that is a string.
const IDAttribute = "pinnace.record"

// batch is what one request brings.
type batch struct {
	signal  string
	ids     []string
	unnamed int
}

func (b *batch) add(attributes pcommon.Map) {
	if id, ok := attributes.Get(IDAttribute); ok {
		b.ids = append(b.ids, id.AsString())
		return
	}
	b.unnamed++
}

type logs struct {
	plogotlp.UnimplementedGRPCServer
	*Server
}

// Export implements plogotlp.GRPCServer.
func (s *logs) Export(ctx context.Context, r plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	return plogotlp.NewExportResponse(), s.receive(ctx, ofLogs(r.Logs()))
}

func ofLogs(all plog.Logs) batch {
	b := batch{signal: "logs"}
	for _, resource := range all.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				_, named := record.Attributes().Get(IDAttribute)
				if body := record.Body(); !named && body.Type() == pcommon.ValueTypeStr && body.Str() != "" {
					b.ids = append(b.ids, body.Str())
					continue
				}
				b.add(record.Attributes())
			}
		}
	}
	return b
}

type traces struct {
	ptraceotlp.UnimplementedGRPCServer
	*Server
}

// Export implements ptraceotlp.GRPCServer.
func (s *traces) Export(ctx context.Context, r ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	return ptraceotlp.NewExportResponse(), s.receive(ctx, ofTraces(r.Traces()))
}

func ofTraces(all ptrace.Traces) batch {
	b := batch{signal: "traces"}
	for _, resource := range all.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				b.add(span.Attributes())
			}
		}
	}
	return b
}

type metrics struct {
	pmetricotlp.UnimplementedGRPCServer
	*Server
}

// Export implements pmetricotlp.GRPCServer.
func (s *metrics) Export(ctx context.Context, r pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	return pmetricotlp.NewExportResponse(), s.receive(ctx, ofMetrics(r.Metrics()))
}

func ofMetrics(all pmetric.Metrics) batch {
	b := batch{signal: "metrics"}
	for _, resource := range all.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				b.addMetric(metric)
			}
		}
	}
	return b
}

// addMetric adds the data points of a metric of any type.
func (b *batch) addMetric(m pmetric.Metric) {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		for _, p := range m.Gauge().DataPoints().All() {
			b.add(p.Attributes())
		}
	case pmetric.MetricTypeSum:
		for _, p := range m.Sum().DataPoints().All() {
			b.add(p.Attributes())
		}
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			b.add(p.Attributes())
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			b.add(p.Attributes())
		}
	case pmetric.MetricTypeSummary:
		for _, p := range m.Summary().DataPoints().All() {
			b.add(p.Attributes())
		}
	default: // a metric without data
	}
}
