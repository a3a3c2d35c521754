package loopback_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
)

// sponge takes an answer and keeps nothing, so that the handler alone is measured.
type sponge struct {
	header http.Header
	status int
}

func (s *sponge) Header() http.Header         { return s.header }
func (s *sponge) Write(b []byte) (int, error) { return len(b), nil }
func (s *sponge) WriteHeader(status int)      { s.status = status }

func BenchmarkServeHTTP(b *testing.B) {
	s := filled(b, loopback.Config{Stale: func(string) (string, bool) { return "", false }})
	for _, bench := range []struct{ name, method, target, body, operation string }{
		{"configuration", "GET", "/applications/shop/environments/prod/configurations/team%2Fflags", "", ""},
		{"flag", "GET", "/applications/shop/environments/prod/configurations/team%2Fflags?flag=checkout", "", ""},
		{"flags", "GET", "/applications/shop/environments/prod/configurations/team%2Fflags?flag=checkout&flag=search", "", ""},
		{"agent", "GET", key, "", ""},
		{"GetSecretValue", "POST", "/", `{"SecretId":"coralogix/prod/key"}`, "secretsmanager.GetSecretValue"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			body := strings.NewReader(bench.body)
			r := httptest.NewRequest(bench.method, bench.target, body)
			r.Host = "localhost:2773"
			r.Header.Set("X-Aws-Parameters-Secrets-Token", token)
			if bench.operation != "" {
				r.Header.Set("X-Amz-Target", bench.operation)
			}
			w := &sponge{header: http.Header{}}
			for b.Loop() {
				clear(w.header)
				body.Reset(bench.body)
				s.ServeHTTP(w, r)
			}
			if w.status != http.StatusOK {
				b.Errorf("status %d", w.status)
			}
		})
	}
}
