package ingress_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
)

const oldKey, newKey = "cxtp_old", "cxtp_new"

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// start runs an ingress at noon, and a client that trusts it.
func start(t *testing.T) (*ingress.Server, *grpc.ClientConn) {
	t.Helper()
	certificate, pool := certificate(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := ingress.Start(ingress.Config{
		Listener: listener, Certificate: certificate, Keys: []string{oldKey}, Now: func() time.Time { return noon },
	})
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(server.Addr(), grpc.WithTransportCredentials(
		credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: "ingress.test", MinVersion: tls.VersionTLS12})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return server, conn
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ingress.test"}, DNSNames: []string{"ingress.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// export sends log records with these ids; headers are pairs.
func export(ctx context.Context, conn *grpc.ClientConn, ids []string, headers ...string) error {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, id := range ids {
		records.AppendEmpty().Attributes().PutStr(ingress.IDAttribute, id)
	}
	ctx = metadata.AppendToOutgoingContext(ctx, headers...)
	_, err := plogotlp.NewGRPCClient(conn).Export(ctx, plogotlp.NewExportRequestFromLogs(logs),
		grpc.UseCompressor("gzip")) // as a collector does
	return err
}

// with are the headers of a request that is in order.
func with(key string) []string {
	return []string{"Authorization", "Bearer " + key, "CX-Application-Name", "a", "CX-Subsystem-Name", "b"}
}

func TestKeysAreJudged(t *testing.T) {
	server, conn := start(t)
	for _, step := range []struct {
		keys []string
		sent string
		want codes.Code
	}{
		{[]string{oldKey}, oldKey, codes.OK},
		{[]string{oldKey}, newKey, codes.Unauthenticated},
		{[]string{oldKey, newKey}, newKey, codes.OK},
		{[]string{newKey}, oldKey, codes.Unauthenticated},
		{nil, newKey, codes.Unauthenticated},
	} {
		server.SetKeys(step.keys...)
		if got := status.Code(export(t.Context(), conn, []string{"x", "y"}, with(step.sent)...)); got != step.want {
			t.Errorf("with %q while %q live: %v, want %v", step.sent, step.keys, got, step.want)
		}
	}
	got := server.Ledger().Totals()
	if got.Records != 2 || got.Duplicates != 2 || got.Refused != 6 || got.Exports != 2 {
		t.Errorf("totals %+v", got)
	}
	if k := got.Keys[ingress.Fingerprint(newKey)]; k.Accepted != 2 || k.Refused != 4 || k.First != noon || k.LastRefused != noon {
		t.Errorf("of the new key %+v", k)
	}
	want := ingress.Record{Signal: "logs", Accepted: 2, Refused: 3, First: noon, Key: ingress.Fingerprint(oldKey)}
	if r := server.Ledger().Record("x"); r != want {
		t.Errorf("record %+v, want %+v", r, want)
	}
	if r := server.Ledger().Record("never"); r != (ingress.Record{}) {
		t.Errorf("a record that never came: %+v", r)
	}
}

func TestHeadersAreWanted(t *testing.T) {
	names := []string{"CX-Application-Name", "a", "CX-Subsystem-Name", "b"}
	for name, c := range map[string]struct {
		headers []string
		want    codes.Code
	}{
		"no key":         {names, codes.Unauthenticated},
		"two keys":       {append([]string{"Authorization", "Bearer " + oldKey}, with(oldKey)...), codes.Unauthenticated},
		"another scheme": {append([]string{"Authorization", "Basic " + oldKey}, names...), codes.Unauthenticated},
		"an empty key":   {append([]string{"Authorization", "Bearer "}, names...), codes.Unauthenticated},
		"no application": {[]string{"Authorization", "Bearer " + oldKey, "CX-Subsystem-Name", "b"}, codes.InvalidArgument},
		"two subsystems": {append(with(oldKey), "CX-Subsystem-Name", "c"), codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			server, conn := start(t)
			if got := status.Code(export(t.Context(), conn, []string{"x"}, c.headers...)); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			if got := server.Ledger().Totals(); got.Malformed != 1 || got.Records != 0 || got.Refused != 0 {
				t.Errorf("totals %+v", got)
			}
		})
	}
}

func TestModes(t *testing.T) {
	server, conn := start(t)
	send := func(want codes.Code) *status.Status {
		t.Helper()
		err := export(t.Context(), conn, []string{"x"}, with(oldKey)...)
		if got := status.Code(err); got != want {
			t.Fatalf("%v (%v), want %v", got, err, want)
		}
		return status.Convert(err)
	}
	server.SetMode(ingress.Unavailable(0))
	if details := send(codes.Unavailable).Details(); len(details) != 0 {
		t.Errorf("details %v", details)
	}
	server.SetMode(ingress.Unavailable(time.Second))
	details := send(codes.Unavailable).Details()
	if info, ok := details[0].(*errdetails.RetryInfo); !ok || info.GetRetryDelay().AsDuration() != time.Second {
		t.Errorf("details %v", details)
	}
	server.SetMode(ingress.Reset())
	if text := send(codes.Unavailable).Message(); text == "unavailable for now" {
		t.Error("the connection was not reset")
	}
	if got := server.Ledger().Totals(); got.Turned != 3 || got.Records != 0 {
		t.Errorf("totals %+v", got)
	}
	server.SetMode(ingress.OK())
	if err := export(t.Context(), conn, []string{"x"}, with(oldKey)...); err != nil {
		t.Errorf("after a reset: %v", err)
	}
}

func TestEverySignalCounts(t *testing.T) {
	server, conn := start(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), with(oldKey)...)

	spans := ptrace.NewTraces()
	span := spans.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	span.AppendEmpty().Attributes().PutStr(ingress.IDAttribute, "span")
	span.AppendEmpty() // without an id
	if _, err := ptraceotlp.NewGRPCClient(conn).Export(ctx, ptraceotlp.NewExportRequestFromTraces(spans)); err != nil {
		t.Error(err)
	}
	series := pmetric.NewMetrics()
	all := series.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	all.AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty().Attributes().PutStr(ingress.IDAttribute, "gauge")
	all.AppendEmpty().SetEmptySum().DataPoints().AppendEmpty().Attributes().PutStr(ingress.IDAttribute, "sum")
	all.AppendEmpty().SetEmptyHistogram().DataPoints().AppendEmpty().Attributes().PutStr(ingress.IDAttribute, "histogram")
	all.AppendEmpty().SetEmptyExponentialHistogram().DataPoints().AppendEmpty().Attributes().PutStr(ingress.IDAttribute, "exponential")
	all.AppendEmpty().SetEmptySummary().DataPoints().AppendEmpty().Attributes().PutStr(ingress.IDAttribute, "summary")
	if _, err := pmetricotlp.NewGRPCClient(conn).Export(ctx, pmetricotlp.NewExportRequestFromMetrics(series)); err != nil {
		t.Error(err)
	}
	body := plog.NewLogs()
	body.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("body")
	if _, err := plogotlp.NewGRPCClient(conn).Export(ctx, plogotlp.NewExportRequestFromLogs(body)); err != nil {
		t.Error(err)
	}
	ledger := server.Ledger()
	if err := ledger.WaitAccepted(t.Context(), "span", "gauge", "sum", "histogram", "exponential", "summary", "body"); err != nil {
		t.Error(err)
	}
	if got := ledger.Totals(); got.Records != 7 || got.Unnamed != 1 || got.Exports != 3 {
		t.Errorf("totals %+v", got)
	}
	if r := ledger.Record("sum"); r.Signal != "metrics" {
		t.Errorf("record %+v", r)
	}
}

func TestWaitersAreWoken(t *testing.T) {
	server, conn := start(t)
	woken := make(chan error, 3)
	ledger := server.Ledger()
	go func() { woken <- ledger.WaitAccepted(t.Context(), "x", "y") }()
	go func() { woken <- ledger.WaitKey(t.Context(), ingress.Fingerprint(oldKey)) }()
	go func() { woken <- ledger.Wait(t.Context(), func(t ingress.Totals) bool { return t.Refused == 1 }) }()
	for _, id := range []string{"x", "y"} {
		if err := export(t.Context(), conn, []string{id}, with(oldKey)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := export(t.Context(), conn, []string{"z"}, with(newKey)...); err == nil {
		t.Fatal("a key that does not live was accepted")
	}
	for range 3 {
		if err := <-woken; err != nil {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ledger.WaitAccepted(ended, "z"); err == nil {
		t.Error("a record that was only refused counts as accepted")
	}
}
