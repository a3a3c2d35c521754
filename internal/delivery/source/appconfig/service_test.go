package appconfig_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/pinnace-dev/pinnace/internal/delivery/reference"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/appconfig"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// service speaks the data plane of AppConfig for one configuration, with tokens that are good for one answer and a
// poll interval that it enforces by its own clock.
type service struct {
	t *testing.T

	mu      sync.Mutex
	now     time.Time
	content string
	label   string

	contentType string
	version     int
	interval    int // seconds; what the session asked for when zero
	sessions    int
	calls       int
	tokens      map[string]*session
	fail        func(w http.ResponseWriter, effect func()) // instead of the next answers; effect spends the token
	failOpen    func(w http.ResponseWriter)
}

type session struct {
	seen     int
	interval int
	next     time.Time
}

func start(t *testing.T) (*service, string) {
	t.Helper()
	s := &service{t: t, now: time.Unix(1_700_000_000, 0), tokens: map[string]*session{}, contentType: "application/json"}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *service) set(content, label string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content, s.label = content, label
	s.version++
}

// breakWith makes every answer that of fail; nil mends the service.
func (s *service) breakWith(fail func(w http.ResponseWriter, effect func())) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// forget makes every token a wrong one.
func (s *service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

func (s *service) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *service) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/configurationsessions":
		s.open(w, r)
	case r.Method == http.MethodGet && r.URL.Path == "/configuration":
		s.get(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *service) open(w http.ResponseWriter, r *http.Request) {
	if s.failOpen != nil {
		s.failOpen(w)
		return
	}
	var in struct {
		ApplicationIdentifier, EnvironmentIdentifier, ConfigurationProfileIdentifier string
		RequiredMinimumPollIntervalInSeconds                                         int
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &in)
	if in.ApplicationIdentifier != "app" || in.EnvironmentIdentifier != "uat" ||
		in.ConfigurationProfileIdentifier != "otel" {
		refuse(w, 404, "ResourceNotFoundException", map[string]any{"ResourceType": "Environment"})
		return
	}
	s.sessions++
	w.WriteHeader(http.StatusCreated)
	token := s.issue(&session{interval: in.RequiredMinimumPollIntervalInSeconds})
	_ = json.NewEncoder(w).Encode(map[string]string{"InitialConfigurationToken": token})
}

func (s *service) issue(of *session) string {
	token := fmt.Sprintf("SESSION-TOKEN-%d-%d", s.sessions, s.calls)
	s.tokens[token] = of
	return token
}

func (s *service) get(w http.ResponseWriter, r *http.Request) {
	s.calls++
	token := r.URL.Query().Get("configuration_token")
	of, ok := s.tokens[token]
	if s.fail != nil {
		s.fail(w, func() { delete(s.tokens, token) })
		return
	}
	if !ok {
		refuseToken(w, "Corrupted")
		return
	}
	if s.now.Before(of.next) {
		refuseToken(w, "PollIntervalNotSatisfied")
		return
	}
	delete(s.tokens, token)
	interval := of.interval
	if s.interval > 0 {
		interval = s.interval
	}
	of.next = s.now.Add(time.Duration(interval) * time.Second)
	w.Header().Set("Next-Poll-Configuration-Token", s.issue(of))
	w.Header().Set("Next-Poll-Interval-In-Seconds", fmt.Sprint(interval))
	if of.seen != s.version {
		of.seen = s.version
		w.Header().Set("Version-Label", s.label)
		w.Header().Set("Content-Type", s.contentType)
		_, _ = io.WriteString(w, s.content)
	}
}

func refuseToken(w http.ResponseWriter, problem string) {
	refuse(w, 400, "BadRequestException", map[string]any{"Reason": "InvalidParameters", "Details": map[string]any{
		"InvalidParameters": map[string]any{"ConfigurationToken": map[string]any{"Problem": problem}},
	}})
}

func refuse(w http.ResponseWriter, status int, code string, members map[string]any) {
	w.Header().Set("X-Amzn-ErrorType", code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if members == nil {
		members = map[string]any{}
	}
	members["Message"] = "refused"
	_ = json.NewEncoder(w).Encode(members)
}

// vault resolves references from a map of secrets by id.
type vault struct {
	values   map[string]string
	versions map[string]string
	err      error
	calls    int
}

func (v *vault) Resolve(ctx context.Context, refs []reference.Reference) (
	map[reference.Reference]reference.Resolved, error,
) {
	v.calls++
	if v.err != nil {
		return nil, v.err
	}
	out := map[reference.Reference]reference.Resolved{}
	for _, ref := range refs {
		value, ok := v.values[ref.SecretID]
		if !ok {
			return nil, fmt.Errorf("secret %s not found", ref.SecretID)
		}
		out[ref] = reference.Resolved{Value: secret.FromString(value), Version: v.versions[ref.SecretID]}
	}
	return out, ctx.Err()
}

func config(url string) aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAFAKE", "not-a-real-key", ""),
	}
}

func configuration(s *service) appconfig.Config {
	return appconfig.Config{
		Application: "app", Environment: "uat", Profile: "otel", Now: s.clock,
		Items: []appconfig.Item{{Name: "a", Field: "a"}, {Name: "b", Field: "/nested/b"}},
	}
}

func open(t *testing.T, s *service, url string, change func(*appconfig.Config)) *appconfig.Source {
	t.Helper()
	c := configuration(s)
	if change != nil {
		change(&c)
	}
	source, err := appconfig.New(config(url), c)
	if err != nil {
		t.Fatal(err)
	}
	return source
}
