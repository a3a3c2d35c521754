// Package secrettest finds a secret in what was printed, in whatever form a printer may have given it.
package secrettest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// minLength is the shortest secret that can be told from chance in every form.
const minLength = 8

// Find fails the test for every form of secret that is in haystack: as it is, quoted, escaped for a URL, and its bytes
// in hexadecimal, in decimal and in base64, wherever in a longer text they began. The secret has 8 bytes or more.
func Find(t testing.TB, haystack, secret string) {
	t.Helper()
	if len(secret) < minLength {
		t.Fatalf("a secret of %d bytes cannot be told from chance", len(secret))
	}
	for _, f := range forms(secret) {
		if i := strings.Index(haystack, f.text); i >= 0 {
			t.Errorf("the secret %s is shown as %s: …%s…", secret, f.name,
				haystack[max(0, i-100):min(len(haystack), i+len(f.text)+20)])
		}
	}
}

// Print is everything that fmt, log/slog and encoding/json make of each value, one after the other.
func Print(values ...any) string {
	var out bytes.Buffer
	for verb := rune('A'); verb <= 'z'; verb++ { // those that fmt does not know, too: it prints the value then
		for _, flags := range []string{"", "+", "#", " ", "-", "0", "# ", "+#", "3", ".3"} {
			for _, value := range values {
				_, _ = fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", value)
			}
		}
	}
	_, _ = fmt.Fprintln(&out, values...)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		for _, value := range values {
			slog.New(handler).LogAttrs(context.Background(), slog.LevelError, "printed", slog.Any("value", value),
				slog.Group("group", slog.Any("value", value)))
		}
	}
	for _, value := range values {
		_ = json.NewEncoder(&out).Encode(value) // what cannot be encoded is not shown
	}
	return out.String()
}

type form struct{ name, text string }

func forms(secret string) []form {
	b := []byte(secret)
	quoted, _ := json.Marshal(secret)
	list := []form{
		{"plain text", secret},
		{"JSON", strings.Trim(string(quoted), `"`)},
		{"a Go string", strings.Trim(strconv.Quote(secret), `"`)},
		{"part of a URL", url.QueryEscape(secret)},
		{"hexadecimal", hex.EncodeToString(b)},
		{"HEXADECIMAL", strings.ToUpper(hex.EncodeToString(b))},
	}
	for _, verb := range []string{"%d", "%02x", "%02X", "%#02x", "%#02X", "%o", "%b", "%q", "%U"} {
		for _, between := range []string{" ", ", ", ","} {
			each := make([]string, len(b))
			for i, c := range b {
				each[i] = fmt.Sprintf(verb, c)
			}
			list = append(list, form{"bytes by " + verb, strings.Join(each, between)})
		}
	}
	for offset := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			list = append(list, form{fmt.Sprintf("base64 at offset %d", offset), within(encoding, b, offset)})
		}
	}
	return list
}

// within is what b becomes in the encoding of a text that has it at an offset of so many bytes, without the characters
// that its neighbours have a part in.
func within(encoding *base64.Encoding, b []byte, offset int) string {
	text := encoding.EncodeToString(append(make([]byte, offset), b...))
	return text[(offset*8+5)/6 : (offset+len(b))*8/6]
}
