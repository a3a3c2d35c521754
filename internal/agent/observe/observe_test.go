package observe_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pinnace-dev/pinnace/internal/agent/observe"
	"github.com/pinnace-dev/pinnace/internal/callmeter"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

const canary = "CANARY-not-a-real-key"

var start = time.Unix(1_700_000_000, 0)

// engine has delivered one item, and fails to get another.
func engine(t *testing.T, now func() time.Time) *delivery.Engine {
	t.Helper()
	s := deliverytest.Snapshot(t, "v1", map[string]string{"key": canary})
	e := &delivery.Engine{
		Feeds: []delivery.Feed{{
			Name: "secrets", Items: []delivery.Want{{Item: "key", MaxAge: time.Hour}, {Item: "extra", Optional: true}},
			Source: deliverytest.NewSource(deliverytest.Step{Answer: delivery.Answer{
				Snapshot: s, Failed: map[string]error{"extra": errors.New("denied")},
			}}),
		}},
		Sinks: []delivery.Sink{deliverytest.NewSink("file /run")}, Now: now, Rand: func() float64 { return 0 },
	}
	if err := e.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

func ask(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	secrettest.Find(t, w.Body.String(), canary)
	return w.Code, w.Body.String()
}

func TestHandler(t *testing.T) {
	now := start
	e := engine(t, func() time.Time { return now })
	h := observe.Handler(e.Status, func() time.Time { return now })
	for _, step := range []struct {
		later  time.Duration
		path   string
		code   int
		answer string
	}{
		{0, "/healthz", 200, "ok"},
		{0, "/readyz", 200, "ok"},
		{0, "/status", 200, `"lastError": "denied"`},
		{0, "/nothing", 404, ""},
		{2 * time.Hour, "/readyz", 503, "item key is stale: not confirmed for 2h0m0s, at most 1h0m0s are allowed"},
		{2 * time.Hour, "/healthz", 503, "secrets was to be polled 1h59m30s ago"},
	} {
		now = start.Add(step.later)
		if code, body := ask(t, h, step.path); code != step.code || !strings.Contains(body, step.answer) {
			t.Errorf("%s after %v: %d %s", step.path, step.later, code, body)
		}
	}
	_, body := ask(t, h, "/status")
	var status struct {
		Ready bool
		Items []struct {
			Name       string
			AgeSeconds float64
		}
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil || status.Ready || status.Items[1].AgeSeconds != 7200 {
		t.Errorf("the status is %s (%v)", body, err)
	}
}

func TestMetrics(t *testing.T) {
	now := start
	e := engine(t, func() time.Time { return now })
	counts := func() []callmeter.Count {
		return []callmeter.Count{{
			Service: "Secrets Manager", Operation: "GetSecretValue", Outcome: callmeter.Throttled, Calls: 7,
		}}
	}
	c := observe.Collector("1.2.3", e.Status, counts)
	now = start.Add(90 * time.Second)
	served := func() []observe.Request {
		return []observe.Request{{Service: "secretsmanager", Status: "200", Total: 3}}
	}
	h := observe.Handler(e.Status, func() time.Time { return now }, c, observe.Requests(served))
	_, body := ask(t, h, "/metrics")
	for _, want := range []string{
		`pinnace_agent_info{version="1.2.3"} 1`,
		"pinnace_agent_ready 1",
		`pinnace_agent_item_age_seconds{item="key",source="secrets"} 90`,
		`pinnace_agent_item_max_age_seconds{item="key",source="secrets"} 3600`,
		`pinnace_agent_item_stale{item="key",source="secrets"} 0`,
		`pinnace_agent_item_failing{item="extra",source="secrets"} 1`,
		`pinnace_agent_polls_total{outcome="ok",source="secrets"} 1`,
		`pinnace_agent_applied_total{outcome="ok",sink="file /run"} 1`,
		`pinnace_agent_aws_calls_total{operation="GetSecretValue",outcome="throttled",service="Secrets Manager"} 7`,
		`version="v1"} 1`,
		`pinnace_agent_loopback_requests_total{service="secretsmanager",status="200"} 3`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics lack %s:\n%s", want, body)
		}
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("Prometheus says of the metrics: %v, %v", problems, err)
	}
}

func TestServe(t *testing.T) {
	l, err := observe.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := observe.Listen(t.Context(), l.Addr().String()); problem.KindOf(err) != problem.Usage {
		t.Errorf("an address that is taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	e := engine(t, func() time.Time { return start })
	go func() { done <- observe.Serve(ctx, l, observe.Handler(e.Status, func() time.Time { return start })) }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if string(body) != "ok\n" {
		t.Errorf("the answer is %q", body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("a clean stop gave %v", err)
	}
}
