package secrettest_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

const key = `CANARY<&>"not\real?>`

// recorder takes the failures instead of the test.
type recorder struct {
	testing.TB
	failures []string
}

func (*recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestFind(t *testing.T) {
	quoted, err := json.Marshal(map[string]string{"key": key})
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(strings.Split(strings.Trim(fmt.Sprintf("%d", []byte(key)), "[]"), " "))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{
		"plain":        "x" + key + "y",
		"JSON":         string(quoted),
		"Go":           fmt.Sprintf("%q", key),
		"URL":          url.Values{"t": {key}}.Encode(),
		"hex":          hex.EncodeToString([]byte("ab" + key + "c")),
		"HEX":          fmt.Sprintf("%X", key),
		"spaced hex":   fmt.Sprintf("% x", key),
		"Go syntax":    fmt.Sprintf("%#v", struct{ b []byte }{[]byte(key)}),
		"decimal":      fmt.Sprint(struct{ b []byte }{[]byte(key)}),
		"decimal list": strings.ReplaceAll(string(list), `"`, ""),
		"characters":   fmt.Sprintf("%q", []rune(key)),
	}
	for offset := range 4 {
		text := []byte(strings.Repeat("#", offset) + key + "tail")
		shown[fmt.Sprint("base64 ", offset)] = base64.StdEncoding.EncodeToString(text)
		shown[fmt.Sprint("base64 of URLs ", offset)] = base64.URLEncoding.EncodeToString(text)
	}
	for name, text := range shown {
		r := &recorder{TB: t}
		secrettest.Find(r, text, key)
		if len(r.failures) == 0 {
			t.Errorf("%s was not found: %s", name, text)
		}
	}
	secrettest.Find(t, "the name, the version v1 and the fingerprint 0123456789ab", key)
}
