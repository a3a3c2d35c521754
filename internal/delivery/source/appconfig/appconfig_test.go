package appconfig_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/appconfig"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

const canary = "CANARY-not-a-real-key"

func TestContract(t *testing.T) {
	fields := []appconfig.Item{{Name: "a", Field: "a"}, {Name: "b", Field: "/nested/b"}}
	content := func(values map[string]string) string {
		text, _ := json.Marshal(map[string]any{"a": values["a"], "nested": map[string]string{"b": values["b"]}})
		return string(text)
	}
	// A profile located at secretsmanager:// has no label, and its document may be anything.
	for name, verbatim := range map[string]bool{"values in the document": false, "the document is a secret": true} {
		t.Run(name, func(t *testing.T) {
			deliverytest.RunSource(t, func(t *testing.T) deliverytest.SourceCase {
				s, url := start(t)
				return deliverytest.SourceCase{
					Source: open(t, s, url, func(c *appconfig.Config) { c.Items, c.Verbatim = fields, verbatim }),
					Set:    func(values map[string]string) { s.set(content(values), "") },
					Break: func() {
						s.breakWith(func(w http.ResponseWriter, _ func()) { refuse(w, 500, "InternalServerException", nil) })
					},
					Mend:  func() { s.breakWith(nil) },
					Pass:  func() { s.pass(time.Minute) },
					About: func(string) delivery.About { return delivery.About{} },
				}
			})
		})
	}
	references := map[string]struct {
		document string
		items    []appconfig.Item
		about    delivery.About
	}{
		"references in fields": {
			`{"a":"{{resolve:secretsmanager:a}}","nested":{"b":"{{resolve:secretsmanager:b}}"}}`, fields,
			delivery.About{Label: "release-7"},
		},
		"references in the whole document": {
			`"{{resolve:secretsmanager:a}}"`,
			[]appconfig.Item{{Name: "a"}},
			delivery.About{Label: "release-7", ContentType: "application/json"},
		},
	}
	for name, test := range references {
		t.Run(name, func(t *testing.T) {
			deliverytest.RunSource(t, func(t *testing.T) deliverytest.SourceCase {
				s, url := start(t)
				s.set(test.document, "release-7")
				v := &vault{}
				c := deliverytest.SourceCase{
					Source: open(t, s, url, func(c *appconfig.Config) { c.Resolver, c.Items = v, test.items }),
					Set:    func(values map[string]string) { v.values = values },
					Break:  func() { v.err = errors.New("vault down") },
					Mend:   func() { v.err = nil },
					Pass:   func() { s.pass(time.Minute) },
					About:  func(string) delivery.About { return test.about },
				}
				if len(test.items) == 1 {
					c.Source = &wholes{Source: c.Source}
				}
				return c
			})
		})
	}
}

// wholes makes the two items of the contract from a document that is one JSON string.
type wholes struct{ delivery.Source }

func (w *wholes) Fetch(ctx context.Context) (delivery.Answer, error) {
	answer, err := w.Source.Fetch(ctx)
	item, ok := answer.Snapshot.Get("a")
	if err != nil || !ok {
		return answer, err
	}
	var text string
	if err := json.Unmarshal(item.Value.Reveal(), &text); err != nil {
		return answer, err
	}
	item.Value = secret.FromString(text)
	other := item
	other.Name, other.Value = "b", secret.FromString(canary+"-2")
	answer.Snapshot, err = delivery.NewSnapshot(item, other)
	return answer, err
}

func get(t *testing.T, source *appconfig.Source) delivery.Answer {
	t.Helper()
	answer, err := source.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func fail(t *testing.T, source *appconfig.Source, want string) (delivery.Answer, error) {
	t.Helper()
	answer, err := source.Fetch(t.Context())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %v, want one with %q", err, want)
	}
	for _, hidden := range []string{"CANARY", "SESSION-TOKEN"} {
		if strings.Contains(err.Error()+problem.HintOf(err), hidden) {
			t.Errorf("the error shows %s: %v", hidden, err)
		}
	}
	return answer, err
}

func value(t *testing.T, answer delivery.Answer, name string) string {
	t.Helper()
	item, ok := answer.Snapshot.Get(name)
	if !ok {
		t.Fatalf("item %s is not in the snapshot (unchanged: %v)", name, answer.Unchanged)
	}
	if item.Version == item.Value.Fingerprint() { // nothing else is known of it
		item.Version = ""
	}
	return item.Version + " " + string(item.Value.Reveal())
}

func TestVersionsAndIntervals(t *testing.T) {
	s, url := start(t)
	s.set(`{"a":"x {{resolve:secretsmanager:k}} {{resolve:secretsmanager:l}}","nested":{"b":2.50}}`, "release-7")
	v := &vault{values: map[string]string{"k": "1", "l": "2"}, versions: map[string]string{"k": "v1", "l": "v2"}}
	source := open(t, s, url, func(c *appconfig.Config) { c.Resolver, c.PollInterval = v, 20*time.Second })
	answer := get(t, source)
	if got := value(t, answer, "a"); got != "v1+v2 x 1 2" {
		t.Errorf("a = %q", got)
	}
	if got := value(t, answer, "b"); got != "release-7 2.50" {
		t.Errorf("b = %q", got)
	}
	if answer.After != 20*time.Second {
		t.Errorf("the server echoes 20 s, the source says %v", answer.After)
	}
	s.interval = 300
	s.pass(20 * time.Second)
	if answer := get(t, source); !answer.Unchanged || answer.After != 5*time.Minute {
		t.Errorf("the server wants 5 min, the source says %v (unchanged: %v)", answer.After, answer.Unchanged)
	}
}

func TestEmptyConfiguration(t *testing.T) {
	s, url := start(t)
	source := open(t, s, url, nil)
	for range 2 { // the second answer is no "unchanged" either
		answer, err := fail(t, source, "reading configuration app/uat/otel: empty configuration")
		if problem.KindOf(err) != problem.Refused || answer.After != appconfig.DefaultPollInterval {
			t.Errorf("kind %d, again after %v", problem.KindOf(err), answer.After)
		}
		calls := s.calls
		s.pass(10 * time.Second)
		answer, _ = fail(t, source, "empty configuration")
		if s.calls != calls || answer.After != appconfig.DefaultPollInterval-10*time.Second {
			t.Errorf("too early: %d calls, again after %v", s.calls-calls, answer.After)
		}
		s.pass(time.Minute)
	}
	s.set(`{"a":"1","nested":{"b":"2"}}`, "")
	if got := value(t, get(t, source), "a"); got != " 1" {
		t.Errorf("a = %q", got)
	}
	s.set("", "emptied") // a label tells an empty configuration from an unchanged one
	for range 2 {
		s.pass(time.Minute)
		fail(t, source, "empty configuration")
	}
}

func TestBadDocument(t *testing.T) {
	tests := map[string]string{
		canary:                              "the document: it is not valid JSON near byte",
		`["` + canary + `"]`:                "the document: it is an array, not a JSON object",
		`{"nested":{"b":"` + canary + `"}}`: "item a: field a is missing",
		`{"a":"` + canary + `","nested":{"b":["` + canary + `"]}}`:                              "/nested/b is an array",
		`{"a":"` + canary + `","nested":{"b":null}}`:                                            "field /nested/b is null",
		`{"a":"` + canary + `{{resolve:ssm:x}}` + canary + `","nested":{"b":"1"}}`:              "a: reference at byte 21",
		`{"a":"` + strings.Repeat(canary, 4<<20/len(canary)) + `","nested":{"b":"1234567890"}}`: "more than 4194304",
		`{"a":"{{resolve:secretsmanager:k}}","nested":{"b":"` + canary + `"}}`:                  "nothing resolves them",
		`{"a":"1","a":"` + canary + `","nested":{"b":"1"}}`:                                     "item a: field a is there twice",
		`{"a":"` + canary + "\xff" + `","nested":{"b":"1"}}`:                                    "the document: it is not valid UTF-8",
		`{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`:               "the document: it is not valid JSON",
	}
	for content, want := range tests {
		t.Run(want, func(t *testing.T) {
			s, url := start(t)
			s.set(`{"a":"1","nested":{"b":"2"}}`, "")
			source := open(t, s, url, nil)
			get(t, source)
			s.set(content, "bad")
			s.pass(time.Minute)
			calls := s.calls
			for range 3 { // the server would say "unchanged" from now on, but the document is as bad as before
				if _, err := fail(t, source, want); problem.HintOf(err) == "" && want != "nothing resolves them" {
					t.Error("no hint")
				}
			}
			if s.calls != calls+1 {
				t.Errorf("%d calls within one poll interval", s.calls-calls)
			}
			s.set(`{"a":"3","nested":{"b":"2"}}`, "")
			s.pass(time.Minute)
			if got := value(t, get(t, source), "a"); got != " 3" {
				t.Errorf("a = %q after the document was corrected", got)
			}
		})
	}
}

// A document whose reference cannot be resolved is not taken as held.
func TestPendingDocument(t *testing.T) {
	s, url := start(t)
	v := &vault{values: map[string]string{"old": "1"}}
	s.set(`{"a":"{{resolve:secretsmanager:old}}","nested":{"b":"x"}}`, "")
	source := open(t, s, url, func(c *appconfig.Config) { c.Resolver = v })
	get(t, source)
	s.set(`{"a":"{{resolve:secretsmanager:new}}","nested":{"b":"y"}}`, "")
	s.pass(time.Minute)
	calls := s.calls
	fail(t, source, "secret new not found")
	s.pass(time.Second)
	fail(t, source, "secret new not found")
	v.values["new"] = "2"
	s.pass(9 * time.Second)
	answer := get(t, source)
	if value(t, answer, "a") != " 2" || value(t, answer, "b") != " y" {
		t.Errorf("a = %q, b = %q", value(t, answer, "a"), value(t, answer, "b"))
	}
	if s.calls != calls+1 || answer.After != 20*time.Second {
		t.Errorf("%d calls within one poll interval, the next after %v", s.calls-calls, answer.After)
	}
}

// The secret comes back while AppConfig is down: the document that waits for it must not wait for AppConfig, too.
func TestPendingDocumentWhileAppConfigIsDown(t *testing.T) {
	s, url := start(t)
	v := &vault{values: map[string]string{}}
	s.set(`{"a":"{{resolve:secretsmanager:new}}","nested":{"b":"y"}}`, "")
	source := open(t, s, url, func(c *appconfig.Config) { c.Resolver = v })
	fail(t, source, "secret new not found")
	s.pass(time.Minute)
	s.breakWith(func(w http.ResponseWriter, _ func()) { refuse(w, 500, "InternalServerException", nil) })
	fail(t, source, "InternalServerException")
	v.values["new"] = "2"
	if got := value(t, get(t, source), "a"); got != " 2" {
		t.Errorf("a = %q", got)
	}
	fail(t, source, "InternalServerException")
}

// A secret is rotated while AppConfig is down: the document held says where it is.
func TestRotationWhileAppConfigIsDown(t *testing.T) {
	s, url := start(t)
	v := &vault{values: map[string]string{"k": "1"}}
	s.set(`{"a":"{{resolve:secretsmanager:k}}","nested":{"b":"y"}}`, "")
	source := open(t, s, url, func(c *appconfig.Config) { c.Resolver = v })
	get(t, source)
	s.breakWith(func(w http.ResponseWriter, _ func()) { refuse(w, 500, "InternalServerException", nil) })
	s.pass(time.Minute)
	fail(t, source, "InternalServerException")
	v.values["k"] = "2"
	s.pass(time.Minute)
	if got := value(t, get(t, source), "a"); got != " 2" {
		t.Errorf("a = %q", got)
	}
	fail(t, source, "InternalServerException")
	v.err = errors.New("vault down")
	fail(t, source, "InternalServerException: refused\nvault down")
	v.err = nil
	s.breakWith(nil)
	s.pass(time.Minute)
	if answer := get(t, source); !answer.Unchanged {
		t.Errorf("after the outage: %+v", answer)
	}
}

func TestNewRefuses(t *testing.T) {
	good := appconfig.Config{Application: "a", Environment: "e", Profile: "p", Items: []appconfig.Item{{Name: "x", Field: "x"}}}
	for name, change := range map[string]func(*appconfig.Config){
		"no name":   func(c *appconfig.Config) { c.Environment = "" },
		"no items":  func(c *appconfig.Config) { c.Items = nil },
		"nameless":  func(c *appconfig.Config) { c.Items = []appconfig.Item{{Field: "x"}} },
		"twice":     func(c *appconfig.Config) { c.Items = append(c.Items, appconfig.Item{Name: "x"}) },
		"too often": func(c *appconfig.Config) { c.PollInterval = 14 * time.Second },
		"too rare":  func(c *appconfig.Config) { c.PollInterval = 25 * time.Hour },
	} {
		c := good
		change(&c)
		if _, err := appconfig.New(aws.Config{}, c); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The source holds a document, a session token and credentials; none of them is printed with it.
func TestSourceShowsNothing(t *testing.T) {
	s, url := start(t)
	s.set(`{"a":"`+canary+`","nested":{"b":"2"}}`, "")
	source := open(t, s, url, nil)
	get(t, source)
	type holder struct {
		source *appconfig.Source
		any    delivery.Source
	}
	h := holder{source, source}
	out := secrettest.Print(source, h, &h, []any{source})
	for _, hidden := range []string{canary, "SESSION-TOKEN-1-1", "not-a-real-key"} {
		secrettest.Find(t, out, hidden)
	}
	if got := fmt.Sprintf("%x", source); got != "configuration app/uat/otel" {
		t.Errorf("%q", got)
	}
}
