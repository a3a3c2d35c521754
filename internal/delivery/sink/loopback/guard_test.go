package loopback_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

const (
	key  = "/secretsmanager/get?secretId=coralogix/prod/key"
	text = "/applications/shop/environments/prod/configurations/text"
)

func TestGuard(t *testing.T) {
	s := filled(t, loopback.Config{})
	const none = "X-Aws-Parameters-Secrets-Token"
	tests := []struct {
		name, method, target string
		headers              []string
		status               int
		want                 string
	}{
		{"the agent's token header", "GET", key, nil, 200, ""},
		{"its other one", "GET", key, []string{none, "", "X-Vault-Token", token}, 200, ""},
		{"bearer", "GET", text, []string{none, "", "Authorization", "bearer " + token}, 200, ""},
		{"an SDK's session token", "GET", text, []string{none, "", "X-Amz-Security-Token", token}, 200, ""},
		{"one of two is right", "GET", text, []string{none, "wrong", "Authorization", "Bearer " + token}, 200, ""},
		{"no token", "GET", key, []string{none, ""}, 403, "Bad Token"},
		{"no token for a configuration", "GET", text, []string{none, ""}, 403, "Bad Token"},
		{"no token for what is not there", "GET", "/v1/nothing", []string{none, ""}, 403, "Bad Token"},
		{"no token for no path", "GET", "/nothing", []string{none, ""}, 403, "Bad Token"},
		{"half a token", "GET", key, []string{none, token[:8]}, 403, "Bad Token"},
		{"a longer token", "GET", key, []string{none, token + "x"}, 403, "Bad Token"},
		{"an empty bearer", "GET", key, []string{none, "", "Authorization", "Bearer "}, 403, "Bad Token"},
		{"a signature", "GET", key, []string{none, "", "Authorization", "AWS4-HMAC-SHA256 Credential=" + token}, 403, "Bad Token"},
		{"a token in the query", "GET", key + "&X-Amz-Security-Token=" + token, []string{none, ""}, 403, "Bad Token"},
		{"ping needs none", "GET", "/ping", []string{none, ""}, 200, ""},

		{"127.0.0.1", "GET", key, []string{"Host", "127.0.0.1:2773"}, 200, ""},
		{"127.0.0.2 without a port", "GET", key, []string{"Host", "127.0.0.2"}, 200, ""},
		{"[::1]", "GET", key, []string{"Host", "[::1]:2773"}, 200, ""},
		{"LOCALHOST", "GET", key, []string{"Host", "LOCALHOST"}, 200, ""},
		{"rebound name", "GET", key, []string{"Host", "attacker.example:2773"}, 403, "Bad Host: only localhost and loopback addresses are answered"},
		{"name below localhost", "GET", key, []string{"Host", "localhost.attacker.example"}, 403, "Bad Host: only localhost and loopback addresses are answered"},
		{"name that begins as an address", "GET", key, []string{"Host", "127.0.0.1.attacker.example"}, 403, "Bad Host: only localhost and loopback addresses are answered"},
		{"another machine", "GET", "/ping", []string{"Host", "10.0.0.1:2773"}, 403, "Bad Host: only localhost and loopback addresses are answered"},
		{"no host", "GET", "/ping", []string{"Host", ""}, 403, "Bad Host: only localhost and loopback addresses are answered"},

		{"X-Forwarded-For", "GET", key, []string{"X-Forwarded-For", "127.0.0.1"}, 400, "Forwarded"},
		{"Forwarded", "GET", text, []string{"Forwarded", "for=127.0.0.1"}, 400, "Forwarded"},
		{"X-Forwarded-Host", "GET", "/ping", []string{"X-Forwarded-Host", "localhost"}, 400, "Forwarded"},
		{"a page of another origin", "GET", key, []string{"Origin", "http://localhost:3000"}, 403, "Bad Origin: browsers are not answered"},
		{"a browser's fetch", "GET", key, []string{"Sec-Fetch-Site", "none"}, 403, "Bad Origin: browsers are not answered"},
		{"Node's fetch", "GET", key, []string{"Sec-Fetch-Mode", "cors"}, 200, ""},

		{"HEAD", "HEAD", key, nil, 405, "Not allowed"},
		{"PUT", "PUT", key, nil, 405, "Not allowed"},
		{"OPTIONS", "OPTIONS", text, nil, 405, "Not allowed"},
		{"POST to a GET path", "POST", key, nil, 405, "Not allowed"},
		{"GET of a POST path", "GET", "/configurationsessions", nil, 405, `{"Message":"Not allowed"}`},
		{"POST without a target", "POST", "/", nil, 404, "Not found"},
		{"a path that would be cleaned", "GET", "//v1/../v1/coralogix/prod/key", nil, 404, "Not found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := ask(s, test.method, test.target, "", test.headers...)
			if w.Code != test.status || test.status != 200 && w.Body.String() != test.want {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			wantHeaders(t, w, "Cache-Control", "no-store", "Location", "")
			if test.status != 200 {
				secrettest.Find(t, fmt.Sprint(w.Body, w.Header()), canary)
			}
		})
	}
	w := call(s, "secretsmanager.GetSecretValue", `{"SecretId":"cert"}`, none, "", "X-Amz-Security-Token", "wrong")
	if want := `{"__type":"UnrecognizedClientException","Message":"The security token included in the request is invalid: ` +
		`AWS_SESSION_TOKEN has to be what is in the token file of the loopback sink"}`; w.Code != 403 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The token's file is followed; without a token in it nobody is let in.
func TestTokenFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		path := filepath.Join(t.TempDir(), "token")
		s := filled(t, loopback.Config{TokenFile: path, Log: slog.New(slog.NewJSONHandler(&log, nil))})
		with := func(given string) int { return get(s, key, "X-Aws-Parameters-Secrets-Token", given).Code }
		write := func(data string) { must(t, os.WriteFile(path, []byte(data), 0o600)) }

		if got := with(token); got != http.StatusServiceUnavailable {
			t.Errorf("without a file: %d", got)
		}
		for name, data := range map[string]string{
			"empty": "", "blank": " \n", "two words": "one two", "not ASCII": "tokén", "too large": strings.Repeat("x", 9<<10),
		} {
			write(data)
			time.Sleep(time.Second)
			for _, given := range []string{"", data, token} {
				if got := get(s, key, "X-Aws-Parameters-Secrets-Token", given, "Authorization", "Bearer "+given).Code; got != 503 {
					t.Errorf("%s: %d for %.10q", name, got, given)
				}
			}
		}
		write("first-token\r\n")
		if got := with("first-token"); got != http.StatusOK {
			t.Errorf("with the file: %d", got)
		}
		write("second-token")
		if got := with("second-token"); got != http.StatusOK {
			t.Errorf("a token that is new is not waited for: %d", got)
		}
		if got := with("first-token"); got != http.StatusForbidden {
			t.Errorf("the old token: %d", got)
		}
		must(t, os.Remove(path))
		time.Sleep(time.Second)
		if got := with("second-token"); got != http.StatusServiceUnavailable {
			t.Errorf("a second after the file was removed: %d", got)
		}
		must(t, os.Mkdir(path, 0o700))
		if got := with("second-token"); got != http.StatusServiceUnavailable {
			t.Errorf("with a folder: %d", got)
		}
		if n := strings.Count(log.String(), "refuses everybody"); n != 2 {
			t.Errorf("said %d times: %s", n, log.String())
		}
		for _, word := range []string{"first-token", "second-token", token} {
			secrettest.Find(t, log.String(), word)
		}
	})
}

func TestAllowAnyone(t *testing.T) {
	s := filled(t, loopback.Config{AllowAnyone: true})
	if w := get(s, key, "X-Aws-Parameters-Secrets-Token", ""); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(s, key, "Host", "attacker.example"); w.Code != http.StatusForbidden {
		t.Errorf("a rebound name: %d", w.Code)
	}
}

// Neither the log at its most talkative, nor an error, nor a printed sink has a value or the token.
func TestNothingShowsAValue(t *testing.T) {
	var out bytes.Buffer
	s := filled(t, loopback.Config{
		Log:   slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Stale: func(item string) (string, bool) { return "not confirmed for 2h", item == "cert" },
	})
	for _, target := range []string{
		key, text, text + "?flag=a", "/v1/cert", "/v1/nothing", "/v1/coralogix/prod/key?versionId=x", "/ping", "/",
		"/applications/shop/environments/prod/configurations/team%2Fflags?flag=checkout",
	} {
		for _, given := range []string{token, "", "wrong"} {
			if r := get(s, target, "X-Aws-Parameters-Secrets-Token", given); r.Code != http.StatusOK {
				fmt.Fprintln(&out, r.Body, r.Header())
			}
		}
	}
	for _, operation := range []string{"GetSecretValue", "BatchGetSecretValue", "DescribeSecret", "Other"} {
		for _, body := range []string{`{"SecretId":"cert"}`, `{"SecretIdList":["cert"]}`, `{"SecretId":"` + canary, "{}"} {
			fmt.Fprintln(&out, call(s, "secretsmanager."+operation, body).Body)
		}
	}
	for _, body := range []string{`{"ApplicationIdentifier":"` + canary[:7] + `"}`, canary} {
		fmt.Fprintln(&out, ask(s, http.MethodPost, "/configurationsessions", body).Body)
	}
	out.WriteString(secrettest.Print(s, *loopbackState(s)))
	secrettest.Find(t, out.String(), canary)
	secrettest.Find(t, out.String(), token)
	for _, want := range []string{
		`"msg":"request answered","service":"secretsmanager-agent","status":200,"item":"key"`,
		`"service":"secretsmanager-agent","status":503,"item":"cert","why":"item cert is past its maximum age: not confirmed for 2h"`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
}

// loopbackState is a struct that holds a sink, as a caller's may.
func loopbackState(s *loopback.Sink) *struct{ sink *loopback.Sink } {
	return &struct{ sink *loopback.Sink }{s}
}

func TestCounts(t *testing.T) {
	s := filled(t, loopback.Config{})
	for _, target := range []string{key, key, text, "/ping", "/v1/nothing", "/nothing"} {
		get(s, target)
	}
	get(s, text, "X-Aws-Parameters-Secrets-Token", "")
	call(s, "secretsmanager.GetSecretValue", `{"SecretId":"cert"}`)
	ask(s, http.MethodPost, "/configurationsessions", `{"ApplicationIdentifier":"shop","EnvironmentIdentifier":"prod","ConfigurationProfileIdentifier":"text"}`)
	want := []loopback.Count{
		{"none", 404, 1},
		{"ping", 200, 1},
		{"appconfig-agent", 200, 1},
		{"appconfig-agent", 403, 1},
		{"secretsmanager-agent", 200, 2},
		{"secretsmanager-agent", 400, 1},
		{"secretsmanager", 200, 1},
		{"appconfigdata", 201, 1},
	}
	if diff := cmp.Diff(want, s.Counts()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
