package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/secret"
)

const canary = "cxtp_CANARY-not-a-real-key"

type holder struct {
	Key   secret.Value
	Inner struct{ Keys []secret.Value }
}

// Every way of printing that Go offers is tried on the value, on a pointer to it and on a struct that holds it.
func TestNothingPrintsTheValue(t *testing.T) {
	v := secret.FromString(canary)
	h := holder{Key: v}
	h.Inner.Keys = []secret.Value{v}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		for _, arg := range []any{v, &v, h, &h, []any{v}, map[string]any{"k": v}} {
			fmt.Fprintf(&out, verb+"\n", arg)
		}
	}
	fmt.Fprintln(&out, v, &v, h)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Error("x", "v", v, "p", &v, "h", h)
	}
	if err := json.NewEncoder(&out).Encode([]any{v, &v, h}); err != nil {
		t.Fatal(err)
	}
	if err := gob.NewEncoder(&out).Encode(v); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, fmt.Errorf("wrapping %v", v))

	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprint(string([]byte(canary)))} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the value was printed as %q", form)
		}
	}
	if got := string(v.Reveal()); got != canary {
		t.Errorf("Reveal = %q", got)
	}
}

func TestFingerprintTellsValuesApart(t *testing.T) {
	a, b := secret.FromString("a-value"), secret.FromString("b-value")
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("two values share a fingerprint")
	}
	if a.Fingerprint() != secret.New([]byte("a-value")).Fingerprint() {
		t.Error("the fingerprint of one value changed")
	}
	if len(a.Fingerprint()) != 12 {
		t.Errorf("fingerprint %q is not 12 digits", a.Fingerprint())
	}
}

func TestValueIsImmutable(t *testing.T) {
	b := []byte("kept")
	v := secret.New(b)
	b[0] = 'X'
	v.Reveal()[1] = 'X'
	if got := string(v.Reveal()); got != "kept" {
		t.Errorf("the value became %q", got)
	}
	if !v.Equal(secret.FromString("kept")) || v.Equal(secret.FromString("lost")) || v.Equal(secret.Value{}) {
		t.Error("Equal is wrong")
	}
}
