package appconfig_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/appconfig"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

func whole(v *vault) func(*appconfig.Config) {
	return func(c *appconfig.Config) {
		c.Items = []appconfig.Item{{Name: "all"}}
		if v != nil {
			c.Resolver = v
		}
	}
}

// A whole document is delivered as it was deployed; only strings with references are written anew.
func TestWholeDocument(t *testing.T) {
	v := &vault{values: map[string]string{"k": "\"quoted\"\nline \\"}, versions: map[string]string{"k": "v1"}}
	tests := map[string]struct{ content, contentType, want string }{
		"JSON": {
			"{\"z\": 1.50,\n\t\"a\":\"x {{resolve:secretsmanager:k}}\", \"n\":1e400, \"z\":\"\\u00e9\"}\n", "application/json",
			"v1 {\"z\": 1.50,\n\t\"a\":\"x \\\"quoted\\\"\\nline \\\\\", \"n\":1e400, \"z\":\"\\u00e9\"}\n",
		},
		"JSON that does not say so": {`["{{resolve:secretsmanager:k}}"]`, "text/plain", `v1 ["\"quoted\"\nline \\"]`},
		"not JSON":                  {"key: value # {{ .Values }}\n", "application/x-yaml", "release-7 key: value # {{ .Values }}\n"},
		"bytes":                     {"\x00\xff", "application/octet-stream", "release-7 \x00\xff"},
		"feature flags": {
			`{"beta":{"enabled":true,"limit":10}}`, "application/json", `release-7 {"beta":{"enabled":true,"limit":10}}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, url := start(t)
			s.contentType = test.contentType
			s.set(test.content, "release-7")
			answer := get(t, open(t, s, url, whole(v)))
			if got := value(t, answer, "all"); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			item, _ := answer.Snapshot.Get("all")
			want := delivery.About{ContentType: test.contentType, Label: "release-7"}
			if diff := cmp.Diff(want, item.About); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestBadWholeDocument(t *testing.T) {
	const ref = "{{resolve:secretsmanager:k}}"
	v := &vault{values: map[string]string{"k": canary, "binary": canary + "\xff"}}
	tests := []struct{ content, contentType, want string }{
		{"key: " + ref, "application/x-yaml", "item all: the document has a reference at byte 5 and is not JSON"},
		{"# {{resolve:ssm:" + canary, "text/plain", "item all: the document has a reference at byte 2 and is not JSON"},
		{`{"a":"` + canary, "application/json; charset=utf-8", "item all: the document: it is not valid JSON"},
		{`{"a":"` + canary + "\xff\"}", "application/vnd.x+json", "item all: the document: it is not valid UTF-8"},
		{strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), "application/json", "item all: the document: it is not valid JSON"},
		{`{"` + ref + `":"` + canary + `"}`, "application/json", "item all: string at byte 1: a reference stands in the name"},
		{`{"a":"{{resolve:ssm:` + canary + `}}"}`, "application/json", "item all: string at byte 5: reference at byte 0"},
		{`["{{resolve:secretsmanager:binary}}"]`, "application/json", "item all: string at byte 1: the secret is not valid UTF-8"},
		{`["` + strings.Repeat("x", 4<<20) + `"]`, "application/json", "the document has 4194308 bytes, more than 4194304"},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			s, url := start(t)
			s.set(`["good"]`, "")
			source := open(t, s, url, whole(v))
			get(t, source)
			s.contentType = test.contentType
			s.set(test.content, "bad")
			s.pass(time.Minute)
			fail(t, source, test.want)
			s.contentType = "application/json"
			s.set(`["better"]`, "")
			s.pass(time.Minute)
			if got := value(t, get(t, source), "all"); got != ` ["better"]` {
				t.Errorf("after the document was corrected: %q", got)
			}
		})
	}
}

// The largest document that AppConfig stores is delivered, whole and by field.
func TestLargestDocument(t *testing.T) {
	s, url := start(t)
	content := `{"a":"{{resolve:secretsmanager:k}}","fill":"`
	content += strings.Repeat("x", 4<<20-len(content)-2) + `"}`
	s.set(content, "")
	v := &vault{values: map[string]string{"k": "1"}}
	answer := get(t, open(t, s, url, func(c *appconfig.Config) {
		c.Items, c.Resolver = []appconfig.Item{{Name: "all"}, {Name: "a", Field: "a"}}, v
	}))
	want := strings.Replace(content, "{{resolve:secretsmanager:k}}", "1", 1)
	if got := value(t, answer, "all"); got != " "+want || value(t, answer, "a") != " 1" {
		t.Errorf("%d bytes became %d, a = %q", len(content), len(got), value(t, answer, "a"))
	}
}

// An optional field comes and goes with the document. An optional item does not excuse a document that is wrong.
func TestOptionalField(t *testing.T) {
	s, url := start(t)
	source := open(t, s, url, func(c *appconfig.Config) {
		c.Items = []appconfig.Item{{Name: "a", Field: "a"}, {Name: "b", Field: "/nested/b", Optional: true}}
	})
	names := func(answer delivery.Answer) (list string) {
		for item := range answer.Snapshot.All() {
			list += item.Name
		}
		return list
	}
	for content, want := range map[string]string{`{"a":"1"}`: "a", `{"a":"2","nested":{"b":""}}`: "ab", `{"a":"3","nested":{}}`: "a"} {
		s.set(content, "")
		if got := names(get(t, source)); got != want {
			t.Errorf("%s gives %q, want %q", content, got, want)
		}
		s.pass(time.Minute)
	}
	s.set(`{"a":"4","nested":{"b":{"secret":"`+canary+`"}}}`, "")
	if _, err := fail(t, source, "item b: field /nested/b is an object"); problem.KindOf(err) != problem.Refused {
		t.Errorf("kind %d", problem.KindOf(err))
	}
}

// A document that is a secret is delivered as it is: whoever writes it does not reach for another secret, nor for
// itself.
func TestVerbatim(t *testing.T) {
	const body = `{"a":"{{resolve:secretsmanager:other}}","nested":{"b":"{{resolve:"}}`
	s, url := start(t)
	s.contentType = "text/plain"
	s.set(body, "")
	v := &vault{values: map[string]string{"other": canary}}
	answer := get(t, open(t, s, url, func(c *appconfig.Config) {
		c.Items, c.Verbatim, c.Resolver = append(c.Items, appconfig.Item{Name: "all"}), true, v
	}))
	for name, want := range map[string]string{"all": body, "a": "{{resolve:secretsmanager:other}}", "b": "{{resolve:"} {
		if got := value(t, answer, name); got != " "+want {
			t.Errorf("%s = %q", name, got)
		}
	}
	if v.calls != 0 {
		t.Errorf("%d secrets were asked for", v.calls)
	}
	item, _ := answer.Snapshot.Get("all")
	if item.Version == "" || item.Version != item.Value.Fingerprint() {
		t.Errorf("version %q", item.Version)
	}
}

// A secret that is a reference to itself is resolved once: a value is not looked into, so there is no cycle.
func TestReferenceInASecret(t *testing.T) {
	const self = "{{resolve:secretsmanager:self}}"
	s, url := start(t)
	s.set(`{"a":"`+self+`","nested":{"b":"2"}}`, "")
	v := &vault{values: map[string]string{"self": self}}
	answer := get(t, open(t, s, url, func(c *appconfig.Config) {
		c.Items, c.Resolver = append(c.Items, appconfig.Item{Name: "all"}), v
	}))
	if got := value(t, answer, "a"); got != " "+self || v.calls != 1 {
		t.Errorf("a = %q after %d calls", got, v.calls)
	}
	if got := value(t, answer, "all"); got != ` {"a":"`+self+`","nested":{"b":"2"}}` {
		t.Errorf("all = %q", got)
	}
}

// Whatever the engine says of the source at debug level, it says nothing of a value, a document or a token.
func TestEngineShowsNothing(t *testing.T) {
	s, url := start(t)
	s.set(`{"a":"{{resolve:secretsmanager:k}}","nested":{"b":"`+canary+`"}}`, "")
	v := &vault{values: map[string]string{"k": canary}}
	source := open(t, s, url, func(c *appconfig.Config) {
		c.Items, c.Resolver = append(c.Items, appconfig.Item{Name: "all"}), v
	})
	var log bytes.Buffer
	engine := &delivery.Engine{
		Feeds: []delivery.Feed{{Name: "appconfig", Source: source}}, Sinks: []delivery.Sink{deliverytest.NewSink("memory")},
		Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if err := engine.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.set(`{"a":"`+canary, "bad")
	s.pass(time.Minute)
	err := engine.Once(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	fmt.Fprintf(&log, "%+v %+v %#v %v", engine.Status(), err, source, appconfig.Item{Name: "a"})
	for _, hidden := range []string{canary, "SESSION-TOKEN", "not-a-real-key"} {
		secrettest.Find(t, log.String(), hidden)
	}
	if !strings.Contains(log.String(), `"item":"all"`) {
		t.Error("the log does not name the item")
	}
}
