package kubernetes_test

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// recorder is an ingress that remembers what it is sent, where the stand-in of the other tests only counts.
type recorder struct {
	key string

	mu      sync.Mutex
	logs    []logRecord
	metrics map[string]bool // names
}

type logRecord struct {
	body     string
	resource map[string]string
}

type logService struct {
	plogotlp.UnimplementedGRPCServer
	*recorder
}

type metricService struct {
	pmetricotlp.UnimplementedGRPCServer
	*recorder
}

// record puts a recorder in the place of a scene's ingress.
func record(t *testing.T, s *scene) *recorder {
	t.Helper()
	_ = s.ingress.Close()
	s.ingress = nil
	certificate, err := kube.Certificate(ingressName)
	must(t, err)
	listener, err := net.Listen("tcp", s.address+":443")
	must(t, err)
	r := &recorder{key: s.key, metrics: map[string]bool{}}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}})))
	plogotlp.RegisterGRPCServer(server, &logService{recorder: r})
	pmetricotlp.RegisterGRPCServer(server, &metricService{recorder: r})
	go func() { _ = server.Serve(listener) }() // until it is stopped
	t.Cleanup(server.Stop)
	return r
}

func (r *recorder) judge(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if !slices.Equal(md.Get("authorization"), []string{"Bearer " + r.key}) {
		return status.Error(codes.Unauthenticated, "not the key")
	}
	return nil
}

// Export implements plogotlp.GRPCServer.
func (s *logService) Export(ctx context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	answer := plogotlp.NewExportResponse()
	if err := s.judge(ctx); err != nil {
		return answer, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.Logs().ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, one := range scope.LogRecords().All() {
				s.logs = append(s.logs, logRecord{one.Body().AsString(), texts(resource.Resource().Attributes())})
			}
		}
	}
	return answer, nil
}

// Export implements pmetricotlp.GRPCServer.
func (s *metricService) Export(ctx context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	answer := pmetricotlp.NewExportResponse()
	if err := s.judge(ctx); err != nil {
		return answer, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.Metrics().ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				s.metrics[metric.Name()] = true
			}
		}
	}
	return answer, nil
}

func texts(attributes pcommon.Map) map[string]string {
	all := map[string]string{}
	for name, value := range attributes.All() {
		all[name] = value.AsString()
	}
	return all
}
