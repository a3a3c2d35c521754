// Package secret has the one type that carries secret bytes. It cannot be printed, logged, marshalled or compared by
// accident: whoever needs the bytes says so by calling Reveal, and that word can be searched for.
package secret

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every printer sees.
const redacted = "[secret]"

// Value is an immutable secret. Its zero value is empty. Values are safe for concurrent use and cheap to copy. They are
// compared with Equal: neither == nor reflect.DeepEqual looks inside.
//
// The bytes are behind a function, which no printer follows. The methods below do not suffice: fmt and log/slog call
// none of them on an unexported field, and would print a slice there byte by byte.
type Value struct{ held func() []byte }

// New keeps a copy of b.
func New(b []byte) Value {
	b = bytes.Clone(b)
	return Value{held: func() []byte { return b }}
}

// FromString is New for a string.
func FromString(s string) Value { return New([]byte(s)) }

// Reveal returns a copy of the bytes. Call it only where the value leaves for its destination: a sink or a request.
func (v Value) Reveal() []byte { return bytes.Clone(v.bytes()) }

// Len is the number of bytes.
func (v Value) Len() int { return len(v.bytes()) }

// Equal compares in constant time for values of equal length.
func (v Value) Equal(w Value) bool { return subtle.ConstantTimeCompare(v.bytes(), w.bytes()) == 1 }

func (v Value) bytes() []byte {
	if v.held == nil {
		return nil
	}
	return v.held()
}

// Fingerprint is a short digest that tells values apart without showing them: the first 12 hexadecimal digits of
// SHA-256 over a fixed label and the bytes. It suits keys of high entropy; a short password could be guessed from it.
func (v Value) Fingerprint() string {
	h := sha256.New()
	_, _ = io.WriteString(h, "pinnace/fingerprint/v1\x00")
	_, _ = h.Write(v.bytes())
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// String never shows the value.
func (v Value) String() string { return redacted }

// GoString never shows the value.
func (v Value) GoString() string { return redacted }

// Format never shows the value, whatever the verb (%x would otherwise reach the bytes).
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue never shows the value.
func (v Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON never shows the value.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText never shows the value.
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalBinary never shows the value; gob and its kin would otherwise reach for it.
func (v Value) MarshalBinary() ([]byte, error) { return []byte(redacted), nil }
