// Package observe shows an agent to those who look after it: the kubelet, Prometheus and people. Nothing that it shows
// has a value in it, only names, versions, fingerprints and ages.
package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// stuckAfter is how late a poll may be before the agent is no longer healthy: longer than anything that it waits for.
const stuckAfter = 10 * time.Minute

// Handler answers
//
//	/healthz   200 while the agent works, 503 when a poll is overdue by ten minutes: the kubelet should start it again
//	/readyz    200 when every needed item is in place and fresh, else 503 with a line for each reason
//	/status    JSON: delivery.Status
//	/metrics   what the collectors collect, in Prometheus' format
//
// It is safe for concurrent use when status is.
func Handler(status func() delivery.Status, now func() time.Time, collectors ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors...)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		say(w, overdue(status(), now()))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { say(w, status().NotReady) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(status()) // whoever asked is gone
	})
	// A compressor has more memory than all of the rest, for a page of a few kilobytes.
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true}))
	return mux
}

// say is 200, or 503 with a line for each reason.
func say(w http.ResponseWriter, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "ok"
	if len(reasons) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = strings.Join(reasons, "\n")
	}
	_, _ = fmt.Fprintln(w, text)
}

func overdue(s delivery.Status, now time.Time) []string {
	var reasons []string
	for _, f := range s.Feeds {
		if late := now.Sub(f.NextPoll); !f.NextPoll.IsZero() && late > stuckAfter {
			reasons = append(reasons, fmt.Sprintf("%s was to be polled %v ago", f.Name, late.Round(time.Second)))
		}
	}
	return reasons
}

// Listen takes the address, so that one which is taken is known at the start. An error is of kind Usage.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, problem.New(problem.Usage, "choose another with status.address or --status",
			"serving the status: %w", err)
	}
	return l, nil
}

// Serve serves h until ctx is done, then returns nil.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the status: %w", err)
	}
	return nil
}
