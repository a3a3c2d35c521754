package appconfig

import (
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
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	acd "github.com/aws/aws-sdk-go-v2/service/appconfigdata"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	account   = "111122223333"
	region    = "eu-west-1"
	arnPrefix = "arn:aws:appconfig:eu-west-1:111122223333:"
	reader    = "arn:aws:iam::111122223333:role/retrieval" // a role that trusts AppConfig
	stranger  = "arn:aws:iam::111122223333:role/stranger"  // one that does not
)

// grant lets a principal do what matches; an asterisk stands for any text.
type grant struct{ principal, action, resource string }

// fakeAccess allows root everything and others what they were granted.
type fakeAccess struct {
	mu     sync.Mutex
	grants []grant
	asked  []api.Question
}

func (f *fakeAccess) Allow(c *api.Call, q api.Question) *api.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	if c.Principal.Kind == api.Root || slices.ContainsFunc(f.grants, func(g grant) bool {
		return g.principal == c.Principal.ARN && glob(g.action, q.Action) && glob(g.resource, q.Resource)
	}) {
		return nil
	}
	return api.Errorf("AccessDenied", http.StatusForbidden, "User: %s is not authorized to perform: %s on resource: %s",
		c.Principal.ARN, q.Action, q.Resource)
}

func (f *fakeAccess) AssumeService(role, service string) (api.Principal, *api.Error) {
	if role != reader || service != "appconfig.amazonaws.com" {
		return api.Principal{}, api.Errorf("AccessDenied", http.StatusForbidden, "%s does not trust %s", role, service)
	}
	return api.Principal{Kind: api.Session, Account: account, ARN: role}, nil
}

func glob(pattern, text string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(text)
}

// fakeSecrets has one secret's versions; reading them needs the retrieval role.
type fakeSecrets map[string]string

func (f fakeSecrets) ReadAs(p api.Principal, secretID, versionID string) ([]byte, string, *api.Error) {
	value, ok := f[versionID]
	switch {
	case p.ARN != reader || secretID != "team/key":
		return nil, "", api.Errorf("AccessDenied", http.StatusForbidden, "%s may not read %s", p.ARN, secretID)
	case !ok:
		return nil, "", api.Errorf("ResourceNotFoundException", http.StatusBadRequest, "no version %s", versionID)
	}
	return []byte(value), versionID, nil
}

// CustomerKey is alias/secret for the secret "team/sealed" alone.
func (f fakeSecrets) CustomerKey(secretID string) string {
	if secretID == "team/sealed" {
		return "alias/secret"
	}
	return ""
}

// fakeKeys lets root use every key and others those that they were granted, as fakeAccess does.
type fakeKeys struct{ *fakeAccess }

func (f fakeKeys) Use(c *api.Call, u api.KeyUse) (string, *api.Error) {
	if u.Service != "appconfig" {
		return "", api.Errorf("AccessDenied", http.StatusForbidden, "%s asks", u.Service)
	}
	if u.Key == "alias/gone" {
		return "", api.Errorf("NotFoundException", http.StatusBadRequest, "Alias %s is not found.", u.Key)
	}
	return "arn:aws:kms:" + region + ":" + account + ":key/of-" + u.Key,
		f.Allow(c, api.Question{Action: u.Action, Resource: u.Key})
}

// fakeAlarms says since when an alarm is in ALARM; to look takes the role that may read.
type fakeAlarms map[string]time.Time

func (f fakeAlarms) Alarmed(p api.Principal, arn string, from, until time.Time) (time.Time, *api.Error) {
	since, ok := f[arn]
	switch {
	case p.ARN != reader || !ok:
		return time.Time{}, api.Errorf("AccessDenied", http.StatusForbidden, "%s may not see %s", p.ARN, arn)
	case since.IsZero() || since.After(until):
		return time.Time{}, nil
	case since.Before(from):
		return from, nil
	}
	return since, nil
}

// bench is a Service behind a front like the server's, with a clock that the test turns between calls.
type bench struct {
	*Service
	t       *testing.T
	access  *fakeAccess
	secrets fakeSecrets
	alarms  fakeAlarms
	url     string
	now     time.Time
	logs    *lockedBuffer
	root    *ac.Client
	data    *acd.Client
}

type lockedBuffer struct {
	mu sync.Mutex
	strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

func newBench(t *testing.T) *bench { return newBenchWith(t, false) }

func newBenchWith(t *testing.T, lenient bool) *bench {
	t.Helper()
	b := &bench{
		t: t, access: &fakeAccess{}, secrets: fakeSecrets{}, alarms: fakeAlarms{}, logs: &lockedBuffer{},
		now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	b.Service = New(Config{
		Clock: func() time.Time { return b.now }, Access: b.access, Keys: fakeKeys{b.access}, Secrets: b.secrets,
		Alarms: b.alarms, Lenient: lenient, Account: account, Region: region,
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
	b.root, b.data = b.as("root"), b.dataAs("root")
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

func keys(who string) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(who, "not-a-real-key", "")
}

// as is a control plane client whose calls are signed by who.
func (b *bench) as(who string) *ac.Client {
	return ac.New(ac.Options{
		BaseEndpoint: &b.url, Region: region, Retryer: aws.NopRetryer{}, Credentials: keys(who),
	})
}

// dataAs is a data plane client whose calls are signed by who.
func (b *bench) dataAs(who string) *acd.Client {
	return acd.New(acd.Options{
		BaseEndpoint: &b.url, Region: region, Retryer: aws.NopRetryer{}, Credentials: keys(who),
	})
}

func (b *bench) turn(d time.Duration) { b.now = b.now.Add(d) }

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
