package loopback_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

const (
	token  = "TOKEN-for-the-application"
	canary = "CANARY-not-a-real-key"

	arn     = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:coralogix/prod/key-AbC123"
	current = "11111111-1111-4111-8111-111111111111"
	before  = "22222222-2222-4222-8222-222222222222"

	document = `{
  "checkout": {
    "enabled": true,
    "limit": 5
  },
  "search": {"enabled":false},
  "domain": "eu2.coralogix.com"
}`
)

// exposed and items are what most tests serve.
var exposed = []loopback.Exposed{
	{Item: "flags", Application: "shop", Environment: "prod", Profile: "team/flags"},
	{Item: "flags", Application: "abc1234", Environment: "env1234", Profile: "pro1234"},
	{Item: "text", Application: "shop", Environment: "prod", Profile: "text"},
	{Item: "key", Secret: "coralogix/prod/key"},
	{Item: "old-key", Secret: "coralogix/prod/key"},
	{Item: "cert", Secret: "cert"},
	{Item: "flags", Secret: "flags"},
	{Item: "extra", Secret: "extra", Application: "shop", Environment: "prod", Profile: "extra", Optional: true},
}

func items() []delivery.Item {
	created := time.UnixMilli(1_569_534_789_046)
	return []delivery.Item{
		{Name: "flags", Version: "7", Value: secret.FromString(document), About: delivery.About{
			ContentType: "application/json", Label: "v7-canary",
		}},
		{Name: "text", Version: "1", Value: secret.FromString("My test config")},
		{Name: "key", Version: current, Value: secret.FromString(canary + "-<1>"), About: delivery.About{
			ARN: arn, ID: "coralogix/prod/key", Stages: []string{"AWSCURRENT"}, Created: created,
		}},
		{Name: "old-key", Version: before, Value: secret.FromString(canary + "-0"), About: delivery.About{
			ARN: arn, ID: "coralogix/prod/key", Stages: []string{"AWSPREVIOUS"}, Created: created.Add(-time.Hour),
		}},
		{Name: "cert", Version: current, Value: secret.New([]byte{0xff, 0, 1}), About: delivery.About{
			Binary: true, ID: "cert", Stages: []string{"AWSCURRENT"},
		}},
		{Name: "unexposed", Value: secret.FromString(canary + "-hidden")},
	}
}

func snapshot(t testing.TB, items ...delivery.Item) delivery.Snapshot {
	t.Helper()
	s, err := delivery.NewSnapshot(items...)
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tokenFile is the path of a file that has the token.
func tokenFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(path, []byte(token+"\n"), 0o400))
	return path
}

func open(t testing.TB, c loopback.Config) *loopback.Sink {
	t.Helper()
	if c.Expose == nil {
		c.Expose = exposed
	}
	if c.TokenFile == "" && !c.AllowAnyone {
		c.TokenFile = tokenFile(t)
	}
	s, err := loopback.New(c)
	must(t, err)
	return s
}

// filled is a sink that has taken items.
func filled(t testing.TB, c loopback.Config) *loopback.Sink {
	t.Helper()
	s := open(t, c)
	must(t, s.Apply(context.Background(), snapshot(t, items()...)))
	return s
}

// ask sends a request with the token, unless headers, in pairs, say otherwise; an empty one takes a header away.
func ask(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:2773"
	r.Header.Set("X-Aws-Parameters-Secrets-Token", token)
	for i := 0; i < len(headers); i += 2 {
		switch {
		case headers[i] == "Host":
			r.Host = headers[i+1]
		case headers[i+1] == "":
			r.Header.Del(headers[i])
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(h http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	return ask(h, http.MethodGet, target, "", headers...)
}

// spoiler gives its sink a value for b that it cannot carry, until it is mended.
type spoiler struct {
	*loopback.Sink

	broken bool
}

func (s *spoiler) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	if !s.broken {
		return s.Sink.Apply(ctx, snapshot)
	}
	var items []delivery.Item
	for item := range snapshot.All() {
		if item.Name == "b" {
			item.Value = secret.New(append(item.Value.Reveal(), 0xff))
		}
		items = append(items, item)
	}
	bad, err := delivery.NewSnapshot(items...)
	if err != nil {
		return err
	}
	return s.Sink.Apply(ctx, bad)
}

func TestContract(t *testing.T) {
	deliverytest.RunSink(t, func(t *testing.T) deliverytest.SinkCase {
		s := &spoiler{Sink: open(t, loopback.Config{Expose: []loopback.Exposed{
			{Item: "a", Secret: "a", Application: "app", Environment: "env", Profile: "a"},
			{Item: "b", Secret: "b", Application: "app", Environment: "env", Profile: "b"},
		}})}
		return deliverytest.SinkCase{
			Sink: s,
			Read: func() map[string]string {
				found := map[string]string{}
				for _, name := range []string{"a", "b"} {
					w := get(s, "/secretsmanager/get?secretId="+name)
					if w.Code != http.StatusOK {
						continue
					}
					var out struct{ SecretString string }
					must(t, json.Unmarshal(w.Body.Bytes(), &out))
					found[name] = out.SecretString
					if c := get(s, "/applications/app/environments/env/configurations/"+name); c.Body.String() != out.SecretString {
						t.Errorf("as a configuration: %d %s", c.Code, c.Body)
					}
				}
				return found
			},
			Break: func() func() {
				s.broken = true
				return func() { s.broken = false }
			},
		}
	})
}

func TestNewRefuses(t *testing.T) {
	full := loopback.Exposed{Item: "a", Application: "app", Environment: "env", Profile: "p"}
	other := full
	other.Item = "b"
	for name, c := range map[string]loopback.Config{
		"no token":        {},
		"both":            {TokenFile: "/run/token", AllowAnyone: true},
		"no item":         {AllowAnyone: true, Expose: []loopback.Exposed{{Secret: "s"}}},
		"no name":         {AllowAnyone: true, Expose: []loopback.Exposed{{Item: "a"}}},
		"half a route":    {AllowAnyone: true, Expose: []loopback.Exposed{{Item: "a", Application: "app", Secret: "s"}}},
		"one route twice": {AllowAnyone: true, Expose: []loopback.Exposed{full, other}},
	} {
		if _, err := loopback.New(c); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := loopback.New(loopback.Config{AllowAnyone: true}); err != nil {
		t.Errorf("nothing exposed: %v", err)
	}
}

// What the wire formats cannot carry, or would say of two secrets, is refused whole.
func TestApplyRefuses(t *testing.T) {
	about := func(arn, id string) delivery.About { return delivery.About{ARN: arn, ID: id} }
	value := secret.FromString(canary)
	other := strings.Replace(arn, "123456789012", "210987654321", 1)
	for name, test := range map[string]struct {
		expose []loopback.Exposed
		items  []delivery.Item
	}{
		"an item that is missing": {
			expose: []loopback.Exposed{{Item: "a", Secret: "a"}},
		},
		"bytes as a string": {
			expose: []loopback.Exposed{{Item: "a", Secret: "a"}},
			items:  []delivery.Item{{Name: "a", Value: secret.FromString(canary + "\xff")}},
		},
		"two secrets by one name": {
			expose: []loopback.Exposed{{Item: "a", Secret: "k"}, {Item: "b", Secret: "k"}},
			items: []delivery.Item{
				{Name: "a", Value: value, About: about(arn, "k")}, {Name: "b", Value: value, About: about(other, "k")},
			},
		},
		"one version with two values": {
			expose: []loopback.Exposed{{Item: "a", Secret: "k"}, {Item: "b", Secret: arn}},
			items: []delivery.Item{
				{Name: "a", Version: current, Value: value, About: about(arn, "k")},
				{Name: "b", Version: current, Value: secret.FromString(canary + "x"), About: about(arn, "k")},
			},
		},
	} {
		s := open(t, loopback.Config{Expose: test.expose})
		err := s.Apply(t.Context(), snapshot(t, test.items...))
		if problem.KindOf(err) != problem.Refused || problem.HintOf(err) == "" || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
		if w := get(s, "/v1/a"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: then %d", name, w.Code)
		}
	}
}

// What is pinned keeps the stages that it had when it was read. A rotation that leaves or reaches it changes what is
// current, and refuses nothing.
func TestPinnedBesideCurrent(t *testing.T) {
	const one, two = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
	item := func(name, version string) delivery.Item {
		return delivery.Item{Name: name, Version: version, Value: secret.FromString(canary + version[:1]), About: delivery.About{
			ARN: arn, ID: "k", Stages: []string{"AWSCURRENT"},
		}}
	}
	pin := loopback.Exposed{Item: "pin", Secret: "k", Pinned: true}
	for _, expose := range [][]loopback.Exposed{{pin, {Item: "now", Secret: "k"}}, {{Item: "now", Secret: "k"}, pin}} {
		s := open(t, loopback.Config{Expose: expose})
		for _, now := range []string{one, two, one} {
			if err := s.Apply(t.Context(), snapshot(t, item("pin", one), item("now", now))); err != nil {
				t.Fatal(err)
			}
			for query, want := range map[string]string{"/v1/k": now, "/v1/k?versionStage=AWSCURRENT": now, "/v1/k?versionId=" + one: one} {
				if w := get(s, query); !strings.Contains(w.Body.String(), `"SecretString":"`+canary+want[:1]+`"`) {
					t.Errorf("%v, current is %s: %s answers %d", expose[0].Item, now[:1], query, w.Code)
				}
			}
		}
	}
}

// A start race is seen as one: 503 with the time to come back, and not 404.
func TestBeforeTheFirstSnapshot(t *testing.T) {
	s := open(t, loopback.Config{})
	for _, target := range []string{
		"/applications/shop/environments/prod/configurations/text", "/v1/coralogix/prod/key",
		"/secretsmanager/get?secretId=unknown", "/configuration?configuration_token=x",
	} {
		if w := get(s, target); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: %d, retry after %q", target, w.Code, w.Header().Get("Retry-After"))
		}
	}
	if w := get(s, "/ping"); w.Code != http.StatusOK {
		t.Errorf("/ping: %d", w.Code)
	}
	must(t, s.Apply(t.Context(), snapshot(t, items()...)))
	for _, target := range []string{"/v1/extra", "/applications/shop/environments/prod/configurations/extra"} {
		if w := get(s, target); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "item extra") {
			t.Errorf("an optional item that is not had, %s: %d %s", target, w.Code, w.Body)
		}
	}
}

// Whoever reads while snapshots come finds one of them, whole: the value that belongs to the version, and a document that
// belongs to its header.
func TestReadersWhileSnapshotsCome(t *testing.T) {
	s := open(t, loopback.Config{Expose: []loopback.Exposed{
		{Item: "a", Secret: "a", Application: "app", Environment: "env", Profile: "a"},
	}})
	apply := func(version, value string) {
		must(t, s.Apply(t.Context(), snapshot(t, delivery.Item{Name: "a", Version: version, Value: secret.FromString(value)})))
	}
	apply(current, "one")
	belongs := map[string]string{current: "one", before: strings.Repeat("two", 1000)}
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var out struct{ VersionId, SecretString string }
				w := get(s, "/v1/a")
				if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || belongs[out.VersionId] != out.SecretString {
					t.Errorf("%s has %d bytes, %v", out.VersionId, len(out.SecretString), err)
				}
				c := get(s, "/applications/app/environments/env/configurations/a")
				if belongs[c.Header().Get("Configuration-Version")] != c.Body.String() {
					t.Errorf("%v has %d bytes", c.Header(), c.Body.Len())
				}
			}
		})
	}
	for range 200 {
		apply(before, belongs[before])
		apply(current, belongs[current])
	}
	close(stop)
	group.Wait()
}
