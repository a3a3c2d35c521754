package presets_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
)

// containerLog is the log file of one container, written as containerd writes it.
type containerLog struct {
	t       *testing.T
	path    string
	written []string // whole lines
}

func newContainerLog(t *testing.T, p *pod, folder string) *containerLog {
	t.Helper()
	l := &containerLog{t: t, path: filepath.Join(p.dir, "pods", folder, "0.log")}
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		t.Fatal(err)
	}
	return l
}

const entryTime = "2026-11-25T17:00:00.123456789Z"

// line appends a line, in as many partial entries as there are parts.
func (l *containerLog) line(stream string, parts ...string) {
	l.t.Helper()
	var text strings.Builder
	for n, part := range parts {
		tag := "P"
		if n == len(parts)-1 {
			tag = "F"
		}
		fmt.Fprintf(&text, "%s %s %s %s\n", entryTime, stream, tag, part)
	}
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteString(text.String())
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.written = append(l.written, strings.Join(parts, ""))
}

// lines appends lines that are told apart.
func (l *containerLog) lines(name string, n int) {
	l.t.Helper()
	for i := range n {
		l.line("stdout", fmt.Sprintf("%s %d", name, i))
	}
}

// rotate does what a kubelet does: it renames the file and has the runtime open a new one.
func (l *containerLog) rotate() {
	l.t.Helper()
	if err := os.Rename(l.path, l.path+".20261125-170000"); err != nil {
		l.t.Fatal(err)
	}
}

// bodies are those of all log records that came, sorted. The caller holds the lock.
func (s *sink) bodies() []string {
	var all []string
	s.eachRecord(func(_ plog.ResourceLogs, r plog.LogRecord) { all = append(all, r.Body().AsString()) })
	slices.Sort(all)
	return all
}

func (s *sink) eachRecord(visit func(of plog.ResourceLogs, r plog.LogRecord)) {
	for _, logs := range s.logs {
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					visit(resource, record)
				}
			}
		}
	}
}

// arrived returns when as many records came as lines were written.
func (l *containerLog) arrived(p *pod, when string) {
	l.t.Helper()
	p.await(l.t, "the lines "+when, p.wait(p.ctx, func() bool { return len(p.bodies()) >= len(l.written) }))
}

// TestLogsOfContainers holds that each line of a container arrives once: before and after the kubelet rotates the file,
// and what is written while no collector runs.
func TestLogsOfContainers(t *testing.T) {
	onEach(t, "agent", `{cluster: {enabled: false}, presets: {logsCollection: {enabled: true}}}`, func(t *testing.T, p *pod) {
		l := newContainerLog(t, p, "shop_web-1_b1a1d0c2-0000-4000-8000-000000000001/app")
		own := newContainerLog(t, p, "observability_opentelemetry-agent-1_b1a1d0c2-0000-4000-8000-000000000002/collector")
		own.line("stderr", "of the chart itself")
		l.line("stdout", "a first line")
		l.line("stderr", "a long ", "line ", "in parts")
		p.start(t)
		l.arrived(p, "that were there")
		l.lines("before the rotation", 200)
		l.rotate()
		l.lines("after the rotation", 200)
		l.arrived(p, "around the rotation")
		p.stop(t)
		l.lines("while nobody reads", 200)
		p.start(t)
		l.arrived(p, "from between the collectors")
		l.lines("by the second collector", 50)
		l.arrived(p, "of the second collector")
		p.stop(t)
		slices.Sort(l.written)
		if diff := cmp.Diff(l.written, p.bodies()); diff != "" {
			t.Errorf("lines (-written +arrived):\n%s", diff)
		}
		t.Logf("%d lines written, %d arrived, each once", len(l.written), len(p.bodies()))
		p.eachRecord(func(of plog.ResourceLogs, r plog.LogRecord) { wantOrigin(t, of, r) })
	})
}

// wantOrigin holds that a record says where it comes from.
func wantOrigin(t *testing.T, of plog.ResourceLogs, r plog.LogRecord) {
	t.Helper()
	stream := "stdout"
	if r.Body().AsString() == "a long line in parts" {
		stream = "stderr"
	}
	got := map[string]any{"time": r.Timestamp().AsTime().Format(time.RFC3339Nano), "log.iostream": r.Attributes().AsRaw()["log.iostream"]}
	for name, value := range of.Resource().Attributes().AsRaw() {
		if strings.HasPrefix(name, "k8s.") {
			got[name] = value
		}
	}
	want := map[string]any{
		"time": entryTime, "log.iostream": stream,
		"k8s.cluster.name": "example-uat", "k8s.node.name": "node-1",
		"k8s.namespace.name": "shop", "k8s.pod.name": "web-1", "k8s.pod.uid": "b1a1d0c2-0000-4000-8000-000000000001",
		"k8s.container.name": "app", "k8s.container.restart_count": "0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", r.Body().AsString(), diff)
	}
}
