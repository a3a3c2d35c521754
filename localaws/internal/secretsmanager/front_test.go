package secretsmanager

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
	prefix  = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:"
)

// grant lets a principal do what matches; an asterisk stands for any text.
type grant struct{ principal, action, resource string }

// fakeAccess allows root everything and others what they were granted. A resource policy with a Deny stops everyone.
type fakeAccess struct {
	mu     sync.Mutex
	grants []grant
	asked  []api.Question
}

func (f *fakeAccess) Allow(c *api.Call, q api.Question) *api.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	denied := strings.Contains(q.Policy, `"Deny"`)
	allowed := c.Principal.Kind == api.Root || slices.ContainsFunc(f.grants, func(g grant) bool {
		return g.principal == c.Principal.ARN && glob(g.action, q.Action) && glob(g.resource, q.Resource)
	})
	if denied || !allowed {
		return api.Errorf("AccessDenied", http.StatusForbidden, "User: %s is not authorized to perform: %s on resource: %s",
			c.Principal.ARN, q.Action, q.Resource)
	}
	return nil
}

func (f *fakeAccess) AssumeService(string, string) (api.Principal, *api.Error) {
	return api.Principal{}, api.Errorf("AccessDenied", http.StatusForbidden, "not asked by this service")
}

// fakeKeys lets everybody use every key, except for what is refused, and remembers what it was asked.
type fakeKeys struct {
	mu      sync.Mutex
	refused map[string]string // codes by action and key: "kms:Decrypt alias/k"
	asked   []api.KeyUse
}

func (f *fakeKeys) Use(_ *api.Call, u api.KeyUse) (string, *api.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, u)
	if code := f.refused[u.Action+" "+u.Key]; code != "" {
		return "", api.Errorf(code, http.StatusBadRequest, "refused")
	}
	return "arn:aws:kms:" + region + ":" + account + ":key/" + u.Key, nil
}

// last is the most recent question.
func (f *fakeAccess) last() api.Question {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[len(f.asked)-1]
}

func glob(pattern, text string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(text)
}

// bench is a Service behind a front like the server's, with a clock that the test turns.
type bench struct {
	*Service
	access *fakeAccess
	keys   *fakeKeys
	url    string
	now    time.Time // turned between calls, never during one
	logs   *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{access: &fakeAccess{}, keys: &fakeKeys{refused: map[string]string{}}, now: time.Unix(1_700_000_000, 0).UTC(), logs: &syncBuffer{}}
	b.Service = New(Config{
		Clock: func() time.Time { return b.now }, Access: b.access, Keys: b.keys, Account: account, Region: region,
		Log: slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading a request: %v", err)
		}
		c := &api.Call{Request: r, Body: body, Principal: principal(r), Region: region, RequestID: "request-1"}
		c.Action = b.Action(c)
		b.Serve(w, c)
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

var accessKey = regexp.MustCompile(`Credential=([^/]+)/`)

// principal takes the access key's name for the caller's.
func principal(r *http.Request) api.Principal {
	m := accessKey.FindStringSubmatch(r.Header.Get("Authorization"))
	switch {
	case m == nil:
		return api.Principal{}
	case m[1] == "root":
		return api.Principal{Kind: api.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root"}
	}
	return api.Principal{Kind: api.Session, Account: account, ARN: m[1]}
}

// as is a client whose calls are signed by who.
func (b *bench) as(who string) *sm.Client {
	return sm.New(sm.Options{
		BaseEndpoint: aws.String(b.url), Region: region, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(who, "not-a-real-key", ""),
	})
}

// code is the wire code of an error, empty for nil.
func code(err error) string {
	var apiErr smithy.APIError
	if errors.As(err, &apiErr) {
		return apiErr.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func must[T any](t *testing.T, out T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// token makes a version id of a short name.
func token(name string) string { return name + strings.Repeat("-", 36-len(name)) }

// create makes a secret with the value "obviously-fake-NAME" in version token("v1").
func (b *bench) create(t *testing.T, name string) *sm.CreateSecretOutput {
	t.Helper()
	out, err := b.as("root").CreateSecret(t.Context(), &sm.CreateSecretInput{
		Name: &name, SecretString: aws.String("obviously-fake-" + name), ClientRequestToken: aws.String(token("v1")),
	})
	return must(t, out, err)
}

// newCall is a stranger's call that did not pass through a server.
func newCall(t *testing.T, operation, body string) *api.Call {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	r.Header.Set("X-Amz-Target", targetPrefix+operation)
	return &api.Call{Request: r, Body: []byte(body), Principal: api.Principal{Kind: api.Session, ARN: "stranger"}}
}
