package load_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
	"github.com/pinnace-dev/pinnace/e2e/collector/load"
)

const key = "cxtp_key"

// relay stands where a collector stands, and does to each record what the test says.
type relay struct {
	plogotlp.UnimplementedGRPCServer
	addr   string
	ledger *ingress.Ledger
	to     plogotlp.GRPCClient
	treat  func(attempt int, forward func() error) error // attempts of one record, from 1

	mu       sync.Mutex
	attempts map[string]int
}

// Export implements plogotlp.GRPCServer.
func (r *relay) Export(ctx context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	id, _ := request.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().Get(ingress.IDAttribute)
	r.mu.Lock()
	r.attempts[id.Str()]++
	attempt := r.attempts[id.Str()]
	r.mu.Unlock()
	return plogotlp.NewExportResponse(), r.treat(attempt, func() error {
		ctx := metadata.AppendToOutgoingContext(ctx, "Authorization", "Bearer "+key, "CX-Application-Name", "a", "CX-Subsystem-Name", "b")
		_, err := r.to.Export(ctx, request)
		return err
	})
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// startRelay runs an ingress in which the keys live, and a relay before it.
func startRelay(t *testing.T, keys []string, treat func(int, func() error) error) *relay {
	t.Helper()
	borrowed := httptest.NewTLSServer(nil) // for its certificate, of example.com
	t.Cleanup(borrowed.Close)
	behind := ingress.Start(ingress.Config{Listener: listen(t), Certificate: borrowed.TLS.Certificates[0], Keys: keys})
	t.Cleanup(func() { _ = behind.Close() })
	pool := x509.NewCertPool()
	pool.AddCert(borrowed.Certificate())
	conn, err := grpc.NewClient(behind.Addr(), grpc.WithTransportCredentials(
		credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS12})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	listener := listen(t)
	r := &relay{
		addr: listener.Addr().String(), ledger: behind.Ledger(), to: plogotlp.NewGRPCClient(conn), treat: treat,
		attempts: map[string]int{},
	}
	server := grpc.NewServer()
	plogotlp.RegisterGRPCServer(server, r)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestReport(t *testing.T) {
	refused := status.Error(codes.Unavailable, "later")
	for name, c := range map[string]struct {
		treat func(attempt int, forward func() error) error
		keys  []string
		want  load.Report
	}{
		"all goes well": {
			treat: func(_ int, forward func() error) error { return forward() },
			want:  load.Report{Sent: 40, Acknowledged: 40},
		},
		"refused once": {
			treat: func(attempt int, forward func() error) error {
				if attempt == 1 {
					return refused
				}
				return forward()
			},
			want: load.Report{Sent: 40, Acknowledged: 40, Retries: 40, Errors: map[codes.Code]int{codes.Unavailable: 40}},
		},
		"acknowledged and dropped": {
			treat: func(int, func() error) error { return nil },
			want:  load.Report{Sent: 40, Acknowledged: 40, Lost: 40},
		},
		"forwarded twice": {
			treat: func(_ int, forward func() error) error { _ = forward(); return forward() },
			want:  load.Report{Sent: 40, Acknowledged: 40, Duplicated: 40},
		},
		"the reply lost": {
			treat: func(attempt int, forward func() error) error {
				if err := forward(); err != nil || attempt > 1 {
					return err
				}
				return refused
			},
			want: load.Report{
				Sent: 40, Acknowledged: 40, Duplicated: 40, Resent: 40, Retries: 40,
				Errors: map[codes.Code]int{codes.Unavailable: 40},
			},
		},
		"with a key that does not live": {
			treat: func(_ int, forward func() error) error { _ = forward(); return nil },
			keys:  []string{"cxtp_another"},
			want:  load.Report{Sent: 40, Acknowledged: 40, Lost: 40, Refused: 40},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.keys == nil {
				c.keys = []string{key}
			}
			r := startRelay(t, c.keys, c.treat)
			g, err := load.Start(load.Config{Endpoint: r.addr, Run: "run", Rate: 2000, Records: 40, Connections: 3})
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := g.Report(r.ledger)
			if !maps.Equal(got.Errors, c.want.Errors) {
				t.Errorf("errors %v, want %v", got.Errors, c.want.Errors)
			}
			got.Errors, c.want.Errors = nil, nil
			if !same(got, c.want) {
				t.Errorf("report %+v, want %+v", got, c.want)
			}
		})
	}
}

// same compares all but the errors.
func same(a, b load.Report) bool {
	return a.Sent == b.Sent && a.Acknowledged == b.Acknowledged && a.Lost == b.Lost && a.Duplicated == b.Duplicated &&
		a.Resent == b.Resent && a.Refused == b.Refused && a.Retries == b.Retries
}

func TestStopEndsAnEndlessRun(t *testing.T) {
	r := startRelay(t, []string{key}, func(_ int, forward func() error) error { return forward() })
	g, err := load.Start(load.Config{Endpoint: r.addr, Run: "run", Rate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ledger.WaitAccepted(t.Context(), g.ID(9)); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Settle(t.Context(), r.ledger); err != nil {
		t.Fatal(err)
	}
	got := g.Report(r.ledger)
	if got.Sent < 10 || got.Acknowledged != got.Sent || got.Lost != 0 || g.Acknowledged() != got.Sent {
		t.Errorf("report %+v", got)
	}
}

// A collector that answers nobody is not waited for beyond the context, and only so many records are kept for it.
func TestOutstandingIsBounded(t *testing.T) {
	asked := make(chan struct{}, 1000)
	r := startRelay(t, nil, func(int, func() error) error {
		asked <- struct{}{}
		return status.Error(codes.Unavailable, "never")
	})
	g, err := load.Start(load.Config{Endpoint: r.addr, Run: "run", Rate: 1000, Outstanding: 7})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // attempts: more than there are places
		<-asked
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := g.Stop(ctx); err == nil {
		t.Error("records that nobody took count as delivered")
	}
	if got := g.Report(r.ledger); got.Sent != 7 || got.Acknowledged != 0 || got.Lost != 0 {
		t.Errorf("report %+v", got)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []load.Config{{Run: "run"}, {Rate: 1}} {
		if _, err := load.Start(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}
