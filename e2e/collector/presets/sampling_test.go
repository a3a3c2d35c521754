package presets_test

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const sampling = `
gateway: {enabled: true, replicas: 1}
agent: {enabled: false}
cluster: {enabled: false}
presets:
  otlpReceiver: {enabled: true}
  tailSampling:
    enabled: true
    decisionWait: 2s
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: slow, type: latency, latency: {threshold_ms: 1000}}
      - {name: rest, type: probabilistic, probabilistic: {sampling_percentage: 0}}
`

// span is one span of trace n.
func span(n, id uint64, took time.Duration, code ptrace.StatusCode) ptrace.Traces {
	all := ptrace.NewTraces()
	s := all.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	var trace [16]byte
	var place [8]byte
	binary.BigEndian.PutUint64(trace[8:], n+1)
	binary.BigEndian.PutUint64(place[:], id+1)
	began := time.Date(2026, 11, 25, 17, 0, 0, 0, time.UTC)
	s.SetTraceID(trace)
	s.SetSpanID(place)
	s.SetName("span")
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(began))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(began.Add(took)))
	s.Status().SetCode(code)
	return all
}

// TestTailSampling holds that the gateway keeps whole traces that have an error or are slow, and no other.
func TestTailSampling(t *testing.T) {
	onEach(t, "gateway", sampling, func(t *testing.T, p *pod) {
		p.start(t)
		conn, err := grpc.NewClient(p.ip+":4317", grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		client := ptraceotlp.NewGRPCClient(conn)
		send := func(all ptrace.Traces) {
			t.Helper()
			_, err := client.Export(p.ctx, ptraceotlp.NewExportRequestFromTraces(all), grpc.WaitForReady(true))
			p.await(t, "the receiver", err)
		}
		want := map[uint64]int{} // spans of the traces to keep
		const traces = 200
		for n := range uint64(traces) {
			code, took := ptrace.StatusCodeOk, time.Millisecond
			switch n % 20 {
			case 3:
				code, want[n] = ptrace.StatusCodeError, 2
			case 7:
				took, want[n] = 1500*time.Millisecond, 2
			}
			send(span(n, 0, time.Millisecond, ptrace.StatusCodeUnset))
			send(span(n, 1, took, code))
		}
		const last = traces // is decided after all others
		send(span(last, 0, time.Millisecond, ptrace.StatusCodeError))
		want[last] = 1
		p.await(t, "the traces", p.wait(p.ctx, func() bool { return maps.Equal(want, p.spans()) }))
		p.stop(t)
		if diff := cmp.Diff(want, p.spans()); diff != "" {
			t.Errorf("spans by trace (-want +got):\n%s", diff)
		}
		t.Logf("%d traces sent, %d kept: %v", traces+1, len(want), slices.Sorted(maps.Keys(p.spans())))
	})
}

// spans are how many came, by trace. The caller holds the lock.
func (s *sink) spans() map[uint64]int {
	count := map[uint64]int{}
	for _, traces := range s.traces {
		for _, resource := range traces.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				for _, one := range scope.Spans().All() {
					id := one.TraceID()
					count[binary.BigEndian.Uint64(id[8:])-1]++
				}
			}
		}
	}
	return count
}
