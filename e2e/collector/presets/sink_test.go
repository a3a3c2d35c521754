package presets_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // collectors compress by default
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// sink keeps what a collector sends by OTLP over TLS with the right key.
type sink struct {
	addr, authority, key string

	mu      sync.Mutex
	logs    []plog.Logs
	metrics []pmetric.Metrics
	traces  []ptrace.Traces
	changed chan struct{} // closed and replaced whenever something came
}

func newSink(t *testing.T) *sink {
	t.Helper()
	certificate, authority := newCertificate(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{addr: listener.Addr().String(), authority: authority, key: rand.Text(), changed: make(chan struct{})}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})),
		grpc.UnaryInterceptor(s.judge),
	)
	plogotlp.RegisterGRPCServer(server, &logSink{sink: s})
	pmetricotlp.RegisterGRPCServer(server, &metricSink{sink: s})
	ptraceotlp.RegisterGRPCServer(server, &traceSink{sink: s})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		<-ended
	})
	return s
}

// judge lets requests with the key pass.
func (s *sink) judge(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	headers, _ := metadata.FromIncomingContext(ctx)
	if all := headers.Get("authorization"); len(all) != 1 || all[0] != "Bearer "+s.key {
		return nil, status.Error(codes.Unauthenticated, "another key")
	}
	return next(ctx, request)
}

func (s *sink) keep(edit func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit()
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait returns when a condition on what came holds, or an error when the context ends first.
func (s *sink) wait(ctx context.Context, holds func() bool) error {
	for {
		s.mu.Lock()
		done, changed := holds(), s.changed
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type logSink struct {
	plogotlp.UnimplementedGRPCServer
	*sink
}

// Export implements plogotlp.GRPCServer.
func (s *logSink) Export(_ context.Context, r plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	s.keep(func() { s.logs = append(s.logs, r.Logs()) })
	return plogotlp.NewExportResponse(), nil
}

type metricSink struct {
	pmetricotlp.UnimplementedGRPCServer
	*sink
}

// Export implements pmetricotlp.GRPCServer.
func (s *metricSink) Export(_ context.Context, r pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	s.keep(func() { s.metrics = append(s.metrics, r.Metrics()) })
	return pmetricotlp.NewExportResponse(), nil
}

type traceSink struct {
	ptraceotlp.UnimplementedGRPCServer
	*sink
}

// Export implements ptraceotlp.GRPCServer.
func (s *traceSink) Export(_ context.Context, r ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	s.keep(func() { s.traces = append(s.traces, r.Traces()) })
	return ptraceotlp.NewExportResponse(), nil
}

// newCertificate is one of 127.0.0.1, and itself in PEM as the authority.
func newCertificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(authority)
}
