package delivery_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/secret"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

func TestNothingShowsAValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := deliverytest.Snapshot(t, "1", map[string]string{"key": canary})
		e := &delivery.Engine{
			Feeds: of(deliverytest.NewSource(changed(s, 0), down(0), unchanged())), Log: log,
			Sinks:    []delivery.Sink{deliverytest.NewSink("s")},
			OnChange: func(c delivery.Change) { fmt.Fprintf(&out, "%+v", c) },
		}
		run(t, e)
		pass(time.Minute)
		out.WriteString(secrettest.Print(e.Status()))
		secrettest.Find(t, out.String(), canary)
		for _, want := range []string{`"item":"key"`, `"version":"1"`, fingerprint(canary)} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the log does not say %s", want)
			}
		}
	})
}

// Whatever holds a snapshot may be printed: what it says of an item is what tells items apart.
func TestHoldersShowNoValue(t *testing.T) {
	s := deliverytest.Snapshot(t, "v7", map[string]string{"key": canary})
	item, _ := s.Get("key")
	answer := delivery.Answer{Snapshot: s}
	engine := &delivery.Engine{
		Feeds: of(deliverytest.NewSource(changed(s, 0))), Sinks: []delivery.Sink{deliverytest.NewSink("s")},
	}
	if err := engine.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	type holder struct {
		snapshot delivery.Snapshot
		item     delivery.Item
		answer   *delivery.Answer
		engine   *delivery.Engine
		items    []delivery.Item
		byName   map[string]delivery.Snapshot
	}
	h := holder{s, item, &answer, engine, []delivery.Item{item}, map[string]delivery.Snapshot{"s": s}}
	out := secrettest.Print(s, &s, item, &item, answer, &answer, engine, h, &h, []holder{h}, map[string]*holder{"h": &h})
	secrettest.Find(t, out, canary)
	want := `key "v7" ` + item.Value.Fingerprint()
	for _, got := range []string{
		fmt.Sprintf("%x", item), item.String(), strings.Trim(fmt.Sprintf("%d", s), "[]"), strings.Trim(s.String(), "[]"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, want := range []string{`"item":"key","version":"v7"`, `value="[key \"v7\" `} {
		if !strings.Contains(strings.ReplaceAll(out, `\\"`, `\"`), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
}

func TestSnapshot(t *testing.T) {
	a := delivery.Item{Name: "a", Value: secret.FromString("1")}
	b := delivery.Item{Name: "b", Value: secret.FromString("2")}
	ab, err := delivery.NewSnapshot(a, b)
	if err != nil {
		t.Fatal(err)
	}
	ba, err := delivery.NewSnapshot(b, a)
	if err != nil || ab.Fingerprint() != ba.Fingerprint() {
		t.Errorf("the order of items matters: %v", err)
	}
	if _, err := delivery.NewSnapshot(a, b, a); err == nil {
		t.Error("two items of one name were taken")
	}
	if _, err := delivery.NewSnapshot(delivery.Item{}); err == nil {
		t.Error("an item without a name was taken")
	}
	if got, ok := ab.Get("b"); !ok || !got.Value.Equal(b.Value) {
		t.Error("b was not found")
	}
	if _, ok := ab.Get("c"); ok {
		t.Error("c was found")
	}
	// The boundary between name, version and value counts, and so does each of them.
	seen := map[string]delivery.Item{}
	for _, item := range []delivery.Item{
		a,
		{Name: "a", Version: "1"},
		{Name: "a1"},
		{Name: "a"},
		{Name: "a", Version: "1", Value: a.Value},
	} {
		s, _ := delivery.NewSnapshot(item)
		if other, taken := seen[s.Fingerprint()]; taken {
			t.Errorf("%+v and %+v have one fingerprint", item, other)
		}
		seen[s.Fingerprint()] = item
	}
}
