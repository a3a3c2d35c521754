package appconfig_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/pinnace-dev/pinnace/internal/delivery/source/appconfig"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestEarlyPollCostsNothing(t *testing.T) {
	s, url := start(t)
	s.set(`{"a":"1","nested":{"b":"2"}}`, "")
	source := open(t, s, url, nil)
	get(t, source)
	calls := s.calls
	s.pass(20 * time.Second)
	for range 3 {
		if answer := get(t, source); !answer.Unchanged || answer.After != appconfig.DefaultPollInterval-20*time.Second {
			t.Errorf("too early: %+v", answer)
		}
	}
	if s.calls != calls {
		t.Errorf("%d calls before AppConfig wants to be asked", s.calls-calls)
	}
	s.pass(10 * time.Second)
	// The server's clock runs slower: it refuses what is not early by ours, and that does not spend the token either.
	s.breakWith(func(w http.ResponseWriter, _ func()) { refuseToken(w, "PollIntervalNotSatisfied") })
	if answer := get(t, source); !answer.Unchanged || answer.After != appconfig.DefaultPollInterval {
		t.Errorf("refused: %+v", answer)
	}
	s.breakWith(nil)
	s.set(`{"a":"3","nested":{"b":"2"}}`, "")
	s.pass(time.Minute)
	if got := value(t, get(t, source), "a"); got != " 3" || s.sessions != 1 {
		t.Errorf("a = %q after %d sessions: the token was lost", got, s.sessions)
	}
}

// A secret that is rotated is followed by a poll that is too early for AppConfig.
func TestEarlyPollFollowsSecrets(t *testing.T) {
	s, url := start(t)
	v := &vault{values: map[string]string{"k": "1"}}
	s.set(`{"a":"{{resolve:secretsmanager:k}}","nested":{"b":"y"}}`, "")
	source := open(t, s, url, func(c *appconfig.Config) { c.Resolver = v })
	get(t, source)
	v.values["k"] = "2"
	if got := value(t, get(t, source), "a"); got != " 2" || s.calls != 1 {
		t.Errorf("a = %q after %d calls", got, s.calls)
	}
}

// A session draws whether a gradual deployment reaches it. It is not given up for a poll that was never sent.
func TestUnreachableKeepsTheSession(t *testing.T) {
	s, url := start(t)
	s.set(`{"a":"1","nested":{"b":"2"}}`, "")
	refuse := false
	dialer := &net.Dialer{}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if refuse {
				return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
			}
			return dialer.DialContext(ctx, network, addr)
		},
	}}
	cfg := config(url)
	cfg.HTTPClient = client
	source, err := appconfig.New(cfg, configuration(s))
	if err != nil {
		t.Fatal(err)
	}
	get(t, source)
	refuse = true
	for range 3 {
		s.pass(time.Minute)
		fail(t, source, "connection refused")
	}
	refuse = false
	s.set(`{"a":"3","nested":{"b":"2"}}`, "")
	if got := value(t, get(t, source), "a"); got != " 3" || s.sessions != 1 {
		t.Errorf("a = %q after %d sessions", got, s.sessions)
	}
}

// Whatever becomes of a token, the next good answer has the change, and the server is asked no more than needed.
func TestTokens(t *testing.T) {
	tests := []struct {
		name           string
		fail           func(w http.ResponseWriter, effect func())
		text           string // of the failure; empty when the source mends it at once
		calls, session int    // until the change is there, after the first answer
	}{
		{
			"throttled, token kept", func(w http.ResponseWriter, _ func()) { refuse(w, 429, "ThrottlingException", nil) },
			"ThrottlingException: refused", 2, 0,
		},
		{"503 after the effect, new session", func(w http.ResponseWriter, effect func()) {
			effect()
			w.WriteHeader(503)
		}, "polling for configuration app/uat/otel", 3, 1},
		{"reply lost, new session", func(w http.ResponseWriter, effect func()) {
			effect()
			panic(http.ErrAbortHandler)
		}, "no answer from 127.0.0.1", 3, 1}, // net/http repeats a GET that dies on a connection used before
		{"reply cut, new session", func(w http.ResponseWriter, effect func()) {
			effect()
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, canary)
		}, "the answer cannot be read", 2, 1},
		{"expired, new session at once", nil, "", 2, 1},
		{
			"500 before the effect, token kept",
			func(w http.ResponseWriter, _ func()) { refuse(w, 500, "InternalServerException", nil) },
			"InternalServerException: refused", 2, 0,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, url := start(t)
			s.set(`{"a":"1","nested":{"b":"2"}}`, "")
			source := open(t, s, url, nil)
			get(t, source)
			calls, sessions := s.calls, s.sessions
			s.set(`{"a":"3","nested":{"b":"2"}}`, "")
			s.pass(time.Minute)
			if test.fail != nil {
				s.breakWith(test.fail)
				fail(t, source, test.text)
				s.breakWith(nil)
			} else {
				s.forget()
			}
			if got := value(t, get(t, source), "a"); got != " 3" {
				t.Errorf("a = %q", got)
			}
			if s.calls-calls != test.calls || s.sessions-sessions != test.session {
				t.Errorf("%d calls in %d new sessions, want %d in %d", s.calls-calls, s.sessions-sessions,
					test.calls, test.session)
			}
		})
	}
}

func TestTokenRefusedForEver(t *testing.T) {
	s, url := start(t)
	s.breakWith(func(w http.ResponseWriter, _ func()) { refuseToken(w, "Expired") })
	source := open(t, s, url, nil)
	for range 3 {
		fail(t, source, "BadRequestException")
	}
	if s.sessions > 3 {
		t.Errorf("%d sessions for 3 polls", s.sessions)
	}
}

// The token of a lost answer may be spent, so a poll is one request, whatever the client would do by itself.
func TestPollIsOneRequest(t *testing.T) {
	s, url := start(t)
	s.set(`{"a":"1","nested":{"b":"2"}}`, "")
	source, err := appconfig.New(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAFAKE", "not-a-real-key", ""),
	}, appconfig.Config{
		Application: "app", Environment: "uat", Profile: "otel", Items: []appconfig.Item{{Name: "a", Field: "a"}}, Now: s.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.breakWith(func(w http.ResponseWriter, _ func()) { refuse(w, 500, "InternalServerException", nil) })
	fail(t, source, "InternalServerException")
	if s.calls != 1 {
		t.Errorf("%d requests", s.calls)
	}
}

func TestOpeningFails(t *testing.T) {
	tests := []struct {
		code    string
		members map[string]any
		kind    problem.Kind
		text    string
		hint    string
	}{
		{
			"AccessDeniedException", nil, problem.Denied, "AccessDeniedException: refused",
			"appconfig:StartConfigurationSession and appconfig:GetLatestConfiguration on arn:aws:appconfig:eu-west-1:",
		},
		{
			"ResourceNotFoundException",
			map[string]any{"ResourceType": "Application"},
			problem.Failed,
			"application not found", "region eu-west-1",
		},
		{
			"ResourceNotFoundException",
			map[string]any{"ResourceType": "Deployment"},
			problem.Failed,
			"deployment not found", "start-deployment",
		},
		{"ResourceNotFoundException", nil, problem.Failed, "something not found", "region eu-west-1"},
		{"ThrottlingException", nil, problem.Failed, "ThrottlingException: refused", ""},
	}
	for _, test := range tests {
		s, url := start(t)
		s.failOpen = func(w http.ResponseWriter) { refuse(w, 400, test.code, test.members) }
		_, err := fail(t, open(t, s, url, nil), "opening a session for configuration app/uat/otel: "+test.text)
		if problem.KindOf(err) != test.kind || !strings.Contains(problem.HintOf(err), test.hint) {
			t.Errorf("%s: kind %d, hint %q", test.code, problem.KindOf(err), problem.HintOf(err))
		}
	}
}

func TestUnreachable(t *testing.T) {
	s, _ := start(t)
	_, err := fail(t, open(t, s, "http://127.0.0.1:1", nil), "no answer from 127.0.0.1:1")
	for _, want := range []string{"reach 127.0.0.1:1: ", "NetworkPolicy", "VPC endpoint com.amazonaws.eu-west-1.appconfigdata"} {
		if !strings.Contains(problem.HintOf(err), want) {
			t.Errorf("hint %q lacks %q", problem.HintOf(err), want)
		}
	}
}
