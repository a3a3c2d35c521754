package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/secret"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

const canary = "cxtp_CANARY-not-a-real-key"

// holder has a value wherever one can be. Printers call no methods on what is not exported.
type holder struct {
	Key   secret.Value
	Keys  []secret.Value
	inner struct {
		key     secret.Value
		pointer *secret.Value
		list    []secret.Value
		array   [1]secret.Value
		byName  map[string]secret.Value
		any     any
	}
}

func hold(v secret.Value) holder {
	h := holder{Key: v, Keys: []secret.Value{v}}
	h.inner.key, h.inner.pointer, h.inner.list = v, &v, []secret.Value{v}
	h.inner.array, h.inner.byName, h.inner.any = [1]secret.Value{v}, map[string]secret.Value{"k": v}, v
	return h
}

// Every way of printing that Go offers is tried on the value and on all that may hold it.
func TestNothingPrintsTheValue(t *testing.T) {
	v := secret.FromString(canary)
	h := hold(v)
	args := []any{
		v, &v, h, &h,
		[]any{v},
		[]holder{h},
		[]*holder{&h},
		map[string]any{"k": v},
		map[string]holder{"k": h},
		struct{ h *holder }{&h},
		struct{ any }{h},
	}
	var out bytes.Buffer
	out.WriteString(secrettest.Print(args...))
	for _, encode := range []func(any) error{gob.NewEncoder(&out).Encode, xml.NewEncoder(&out).Encode} {
		if err := errors.Join(encode(v), encode(&v)); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(&out, fmt.Errorf("wrapping %v", v), v.String(), v.GoString(), v.LogValue())

	secrettest.Find(t, out.String(), canary)
	if got := string(v.Reveal()); got != canary {
		t.Errorf("Reveal = %q", got)
	}
}

// Where its methods are called, a value is marked, so that a reader of the log knows what stood there.
func TestValueIsMarked(t *testing.T) {
	v := secret.FromString(canary)
	text, err := v.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{
		string(text), v.String(), v.GoString(), fmt.Sprintf("%x", v), fmt.Sprintf("%d", v), fmt.Sprintf("%s", &v),
		strings.Trim(fmt.Sprint(hold(v).Keys), "[]") + "]", v.LogValue().String(),
	} {
		if strings.Trim(got, "[]") != "secret" {
			t.Errorf("%q", got)
		}
	}
}

func TestZeroValue(t *testing.T) {
	var zero secret.Value
	if zero.Len() != 0 || len(zero.Reveal()) != 0 || fmt.Sprintf("%x", zero) != "[secret]" {
		t.Errorf("the zero value is not empty: %v", zero)
	}
	if !zero.Equal(secret.FromString("")) || !secret.New(nil).Equal(zero) || zero.Equal(secret.FromString("x")) {
		t.Error("the zero value is not equal to the empty one")
	}
	if zero.Fingerprint() != secret.New(nil).Fingerprint() {
		t.Error("two empty values have two fingerprints")
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
