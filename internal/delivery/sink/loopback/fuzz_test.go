package loopback_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
)

// FuzzServeHTTP sends whatever can be a request: it is always answered with a status that is counted, no value leaves
// without the token, and nothing that is not exposed leaves at all.
func FuzzServeHTTP(f *testing.F) {
	for _, seed := range [][5]string{
		{"GET", key, "", "", "localhost"},
		{"GET", "/v1/" + arn + "?versionStage=AWSCURRENT&refreshNow=true", "", "", "127.0.0.1:2773"},
		{"GET", "/applications/shop/environments/prod/configurations/team%2Fflags?flag=checkout&flag=search", "", "", "[::1]"},
		{"GET", "/configuration?configuration_token=eyJ9", "", "", "localhost"},
		{"POST", "/", `{"SecretIdList":["cert","coralogix/prod/key"]}`, "secretsmanager.BatchGetSecretValue", "localhost"},
		{"POST", "/", `{"SecretId":"unexposed"}`, "secretsmanager.GetSecretValue", "localhost"},
		{"POST", "/configurationsessions", `{"ApplicationIdentifier":"shop"}`, "", "localhost"},
		{"GET", "/v1/../unexposed?a=%zz&;", "", "", "a\x00b"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	s := filled(f, loopback.Config{})
	total := func() (n uint64) {
		for _, c := range s.Counts() {
			n += c.Total
		}
		return n
	}
	f.Fuzz(func(t *testing.T, method, target, body, operation, host string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		for _, given := range []string{token, ""} {
			r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
			r.Method, r.URL, r.Host, r.RequestURI = method, u, host, target
			r.Header.Set("X-Amz-Target", operation)
			r.Header.Set("Authorization", "Bearer "+given)
			before, w := total(), httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if total() != before+1 {
				t.Errorf("status %d is not counted", w.Code)
			}
			if w.Code >= 300 && w.Code < 400 {
				t.Errorf("a redirect: %d", w.Code)
			}
			answer := w.Body.String()
			if strings.Contains(answer, "-hidden") && !strings.Contains(target+body+operation, "-hidden") {
				t.Errorf("an item that is not exposed was given: %s", answer)
			}
			if given == "" && (w.Code == http.StatusOK && answer != "healthy" || w.Code == http.StatusCreated) {
				t.Errorf("without the token: %d %s", w.Code, answer)
			}
		}
	})
}
