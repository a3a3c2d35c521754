package secretsmanager_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/secretsmanager"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

// openSource is a source with a service behind it, and its clock.
func openSource(t *testing.T, answer func(request) (int, map[string]any), items ...secretsmanager.Item) (
	*service, *secretsmanager.Source, *time.Time,
) {
	t.Helper()
	s := &service{answer: answer}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	now := time.Unix(1_700_000_000, 0)
	source, err := secretsmanager.NewSource(config(server.URL),
		secretsmanager.Config{Items: items, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return s, source, &now
}

func get(t *testing.T, source delivery.Source) delivery.Answer {
	t.Helper()
	answer, err := source.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range answer.Failed {
		secrettest.Find(t, err.Error()+problem.HintOf(err), canary)
	}
	return answer
}

// values are the items of a snapshot with their versions, and what is failed with why.
func values(answer delivery.Answer) map[string]string {
	all := map[string]string{}
	for item := range answer.Snapshot.All() {
		all[item.Name] = item.Version + " " + string(item.Value.Reveal())
	}
	for name, err := range answer.Failed {
		all[name] = "failed: " + err.Error()
	}
	return all
}

func wantAnswer(t *testing.T, answer delivery.Answer, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, values(answer)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// contract opens a source of the two items, and a service that keeps their values as it is told.
func contract(items []secretsmanager.Item, value func(values map[string]string, in request) (string, bool),
	batch func([]string) (int, map[string]any),
) func(t *testing.T) deliverytest.SourceCase {
	return func(t *testing.T) deliverytest.SourceCase {
		var held, broken map[string]string
		down := false
		s, source, _ := openSource(t, func(in request) (int, map[string]any) {
			if down || broken[in.SecretId] != "" {
				return refusing("InternalServiceError", "down")(in)
			}
			text, ok := value(held, in)
			if !ok {
				return refusing("ResourceNotFoundException", "none")(in)
			}
			return 200, map[string]any{
				"SecretString": text, "VersionId": v1, "Name": in.SecretId,
				"ARN": arnOf(in.SecretId), "VersionStages": []string{"AWSCURRENT"},
			}
		}, items...)
		s.batch = batch
		c := deliverytest.SourceCase{
			Source: source,
			Set:    func(values map[string]string) { held = maps.Clone(values) },
			Break:  func() { down = true },
			Mend:   func() { down, broken = false, nil },
			Pass:   func() {},
			About: func(item string) delivery.About {
				i := slices.IndexFunc(items, func(i secretsmanager.Item) bool { return i.Name == item })
				return delivery.About{ID: items[i].SecretID, ARN: arnOf(items[i].SecretID), Stages: []string{"AWSCURRENT"}}
			},
		}
		if items[0].SecretID != items[1].SecretID {
			c.BreakItem = func(name string) { broken = map[string]string{name: "x"} }
		}
		return c
	}
}

func TestSourceContract(t *testing.T) {
	two := []secretsmanager.Item{{Name: "a", SecretID: "a"}, {Name: "b", SecretID: "b"}}
	plain := func(values map[string]string, in request) (string, bool) {
		v, ok := values[in.SecretId]
		return v, ok
	}
	t.Run("in one call", func(t *testing.T) { deliverytest.RunSource(t, contract(two, plain, nil)) })
	t.Run("one by one", func(t *testing.T) { deliverytest.RunSource(t, contract(two, plain, denyBatch)) })
	t.Run("members of one secret", func(t *testing.T) {
		items := []secretsmanager.Item{{Name: "a", SecretID: "k", Key: "a"}, {Name: "b", SecretID: "k", Key: "b"}}
		deliverytest.RunSource(t, contract(items, func(values map[string]string, _ request) (string, bool) {
			text, _ := json.Marshal(values)
			return string(text), true
		}, nil))
	})
}

// Strings, bytes, members, stages and pinned versions, with as few calls as that takes.
func TestSourceReads(t *testing.T) {
	s, source, _ := openSource(t, vault,
		secretsmanager.Item{Name: "user", SecretID: "k", Key: "user"},
		secretsmanager.Item{Name: "key", SecretID: "k", Key: "key", Stage: "AWSCURRENT"},
		secretsmanager.Item{Name: "old", SecretID: "k", Key: "key", Stage: "AWSPREVIOUS"},
		secretsmanager.Item{Name: "pinned", SecretID: "k", Key: "user", VersionID: v1},
		secretsmanager.Item{Name: "bytes", SecretID: "binary"},
		secretsmanager.Item{Name: "whole", SecretID: "plain"},
	)
	answer := get(t, source)
	wantAnswer(t, answer, map[string]string{
		"user": v2 + " eve", "key": v2 + " new " + canary, "old": v1 + " old " + canary, "pinned": v1 + " ada",
		"bytes": v2 + " \x00\xff", "whole": v2 + " " + canary,
	})
	for name, want := range map[string]bool{"bytes": true, "whole": false} {
		if item, _ := answer.Snapshot.Get(name); item.About.Binary != want || item.About.ID == "" {
			t.Errorf("about %s: %+v", name, item.About)
		}
	}
	if !get(t, source).Unchanged {
		t.Error("not unchanged")
	}
	singles := []request{{SecretId: "k", VersionStage: "AWSPREVIOUS"}, {SecretId: "k", VersionId: v1}, {SecretId: "k", VersionStage: "AWSPREVIOUS"}}
	batch := []string{"k", "binary", "plain"}
	if diff := cmp.Diff([]any{singles, [][]string{batch, batch}}, []any{s.requests, s.batches}); diff != "" {
		t.Errorf("requests (-want +got)\n%s", diff)
	}
}

func TestSourceAbout(t *testing.T) {
	made := time.Unix(1_600_000_000, 0).UTC()
	answer := func(in request) (int, map[string]any) {
		return 200, map[string]any{
			"SecretString": "x", "VersionId": v2, "Name": in.SecretId, "ARN": arnOf(in.SecretId),
			"VersionStages": []string{"AWSCURRENT", "blue"}, "CreatedDate": made.Unix(),
		}
	}
	for _, batch := range []func([]string) (int, map[string]any){nil, denyBatch} {
		s, source, _ := openSource(t, answer, secretsmanager.Item{Name: "a", SecretID: "k"}, secretsmanager.Item{Name: "b", SecretID: "l"})
		s.batch = batch
		item, _ := get(t, source).Snapshot.Get("a")
		want := delivery.About{ARN: arnOf("k"), ID: "k", Stages: []string{"AWSCURRENT", "blue"}, Created: made}
		item.About.Created = item.About.Created.UTC()
		if diff := cmp.Diff(want, item.About); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// Items are independent; those that are optional may be missing, but not fail.
func TestOptional(t *testing.T) {
	items := []secretsmanager.Item{
		{Name: "needed", SecretID: "plain"},
		{Name: "previous", SecretID: "plain", Stage: "AWSPREVIOUS", Optional: true},
		{Name: "no secret", SecretID: "none", Optional: true},
		{Name: "no key", SecretID: "k", Key: "none", Optional: true},
		{Name: "empty", SecretID: "empty", Optional: true},
	}
	_, source, _ := openSource(t, vault, items...)
	wantAnswer(t, get(t, source), map[string]string{
		"needed": v2 + " " + canary, "empty": "failed: secret empty (stage AWSCURRENT) is empty",
	})
	_, source, _ = openSource(t, vault, items[1:4]...)
	if answer := get(t, source); answer.Unchanged || len(values(answer)) != 0 {
		t.Errorf("nothing there: %+v", answer)
	}
	if !get(t, source).Unchanged {
		t.Error("still nothing there, but not unchanged")
	}
}

// Bad input of every kind leaves the last good value, and names the item and what is wrong with it, never the value.
func TestBadSecrets(t *testing.T) {
	nested := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	for text, want := range map[string]string{
		`{"a":"` + canary + "\xff" + `"}`: "secret k has no key a: it is not valid UTF-8",
		canary:                            "secret k has no key a: it is not valid JSON near byte",
		`{"b":"` + canary + `"}`:          "secret k: field a is missing",
		`{"a":["` + canary + `"]}`:        "secret k: field a is an array",
		`{"a":"1","a":"` + canary + `"}`:  "secret k: field a is there twice",
		`{"a":` + nested + `}`:            "secret k has no key a: it is not valid JSON near byte",
		"":                                "secret k (stage AWSCURRENT) is empty",
	} {
		t.Run(want, func(t *testing.T) {
			bad := false
			_, source, _ := openSource(t, func(in request) (int, map[string]any) {
				if bad && in.SecretId == "k" { // as bytes, because a JSON string cannot carry all of them
					return 200, map[string]any{"SecretBinary": []byte(text), "VersionId": v2}
				}
				return 200, map[string]any{"SecretString": `{"a":"1"}`, "VersionId": v1}
			}, secretsmanager.Item{Name: "x", SecretID: "k", Key: "a"}, secretsmanager.Item{Name: "y", SecretID: "l", Key: "a"})
			get(t, source)
			bad = true
			answer := get(t, source)
			if err := answer.Failed["x"]; !answer.Unchanged || err == nil || !strings.Contains(err.Error(), want) ||
				problem.HintOf(err) == "" {
				t.Errorf("unchanged %v, %v", answer.Unchanged, err)
			}
			bad = false
			if answer := get(t, source); !answer.Unchanged || len(answer.Failed) != 0 {
				t.Errorf("corrected: %+v", answer)
			}
		})
	}
}

// The largest secret there is, and values that are odd but not wrong, are delivered byte by byte.
func TestOddSecrets(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("x", 64<<10), "line\nline\n", `"quoted"`, "{{resolve:secretsmanager:k}}", " ", "\u0000",
	} {
		_, source, _ := openSource(t, func(request) (int, map[string]any) {
			return 200, map[string]any{"SecretString": text, "VersionId": v1}
		}, secretsmanager.Item{Name: "x", SecretID: "k"})
		item, _ := get(t, source).Snapshot.Get("x")
		if got := string(item.Value.Reveal()); got != text {
			t.Errorf("%d bytes became %d", len(text), len(got))
		}
	}
	_, source, _ := openSource(t, func(request) (int, map[string]any) {
		return 200, map[string]any{"SecretString": `{"a":""}`, "VersionId": v1}
	}, secretsmanager.Item{Name: "x", SecretID: "k", Key: "a"})
	wantAnswer(t, get(t, source), map[string]string{"x": v1 + " "})
}

// The secret is rotated at every read: what one poll gives still belongs together.
func TestRotationsAreConsistent(t *testing.T) {
	n := 0
	rotating := func(request) (int, map[string]any) {
		n++
		return 200, map[string]any{"SecretString": fmt.Sprintf(`{"user":"u%d","key":"k%d"}`, n, n), "VersionId": fmt.Sprint(v1, n)}
	}
	s, source, _ := openSource(t, rotating,
		secretsmanager.Item{Name: "user", SecretID: "k", Key: "user"},
		secretsmanager.Item{Name: "other", SecretID: "l", Key: "user"},
		secretsmanager.Item{Name: "key", SecretID: "k", Key: "key"})
	for i := range 50 {
		if i == 25 {
			s.batch = denyBatch
		}
		all := values(get(t, source))
		if strings.Replace(all["user"], " u", " k", 1) != all["key"] || all["user"] == all["other"] {
			t.Fatalf("poll %d: %v", i, all)
		}
	}
}

func TestNewSourceRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		items []secretsmanager.Item
		kind  problem.Kind
		text  string
	}{
		"nothing":   {nil, problem.Usage, "nothing is to be taken"},
		"no name":   {[]secretsmanager.Item{{SecretID: "k"}}, problem.Usage, "lacks a name"},
		"no secret": {[]secretsmanager.Item{{Name: "x"}}, problem.Usage, "lacks a name"},
		"twice":     {[]secretsmanager.Item{{Name: "x", SecretID: "k"}, {Name: "x", SecretID: "l"}}, problem.Usage, "item x is there twice"},
		"both":      {[]secretsmanager.Item{{Name: "x", SecretID: "k", Stage: "AWSCURRENT", VersionID: v1}}, problem.Usage, "item x"},
		"pending":   {[]secretsmanager.Item{{Name: "x", SecretID: "k", Stage: "AWSPENDING"}}, problem.Refused, "item x: secret k: stage AWSPENDING"},
	} {
		_, err := secretsmanager.NewSource(config("http://127.0.0.1:1"), secretsmanager.Config{Items: test.items})
		if err == nil || problem.KindOf(err) != test.kind || problem.HintOf(err) == "" || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// When nothing can be had the error tells each cause once.
func TestNothingCanBeHad(t *testing.T) {
	_, source, _ := openSource(t, vault,
		secretsmanager.Item{Name: "a", SecretID: "none"}, secretsmanager.Item{Name: "b", SecretID: "none", Key: "x"},
		secretsmanager.Item{Name: "c", SecretID: "empty"})
	_, err := source.Fetch(t.Context())
	const want = "item a: reading secret none (stage AWSCURRENT): ResourceNotFoundException: can't find it; " +
		"item c: secret empty (stage AWSCURRENT) is empty"
	if err == nil || err.Error() != want || !strings.Contains(problem.HintOf(err), "region eu-west-1") {
		t.Errorf("error %v, hint %q", err, problem.HintOf(err))
	}
}

// Whatever the engine says of the source at debug level, it says nothing of a value.
func TestSourceShowsNothing(t *testing.T) {
	s, source, _ := openSource(t, vault, secretsmanager.Item{Name: "a", SecretID: "k", VersionID: v1},
		secretsmanager.Item{Name: "b", SecretID: "plain"}, secretsmanager.Item{Name: "c", SecretID: "k", Key: "none"})
	var log bytes.Buffer
	engine := &delivery.Engine{
		Feeds: []delivery.Feed{{Name: "sm", Source: source, Items: []delivery.Want{{Item: "a"}, {Item: "b"}, {Item: "c", Optional: true}}}},
		Sinks: []delivery.Sink{deliverytest.NewSink("memory")},
		Log:   slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if err := engine.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.answer = func(request) (int, map[string]any) {
		return http.StatusInternalServerError, map[string]any{"x": canary}
	}
	s.batch = func([]string) (int, map[string]any) { return s.answer(request{}) }
	if err := engine.Once(t.Context()); err != nil {
		fmt.Fprintf(&log, "%+v", err)
	}
	type holder struct{ source *secretsmanager.Source }
	fmt.Fprintf(&log, "%+v", engine.Status())
	out := secrettest.Print(source, holder{source}, &holder{source}, []any{source}) + log.String()
	for _, hidden := range []string{canary, "not-a-real-key"} {
		secrettest.Find(t, out, hidden)
	}
	for _, want := range []string{"item failed, keeping its last good value", "field none is missing"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if got := fmt.Sprintf("%x", source); got != "secrets of Secrets Manager in eu-west-1" {
		t.Errorf("%q", got)
	}
}
