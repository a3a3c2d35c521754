package chartrepo_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

// FuzzMembers: an object falls into the same parts as for encoding/json.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":"}\"","b\"\\":{"c":[{}, "]\\"]},"d":null}`,
		`{"a":1,"a":[2]}`, `{"\u00e9":-1.5e3 , "x":true}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var compact bytes.Buffer
		if json.Compact(&compact, body) != nil || compact.Bytes()[0] != '{' {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(compact.Bytes(), &want); err != nil {
			return
		}
		got := maps.Collect(chartrepo.Members(compact.Bytes()))
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("members of %s (-want +got):\n%s", compact.Bytes(), diff)
		}
	})
}

// FuzzScan: what is JSON, and JSON without blanks, is so for encoding/json too.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` [1, -0.5e+7]`, `"\u00e9\n"`, "\"\x01\"", `"\x"`, `"\u12g4"`, `01`, `-`, `1.`, `.5`, `1e`, `tru`, `null `, `nulL`,
		`[1,]`, `{"a"}`, `{"a":1,}`, `{1:2}`, `[1 2]`, `{}{}`, ``, ` `, "\"\xff\"", `"a`, `"\`, `[`, `{"a":`, "\x00",
		strings.Repeat("[", 10001) + strings.Repeat("]", 10001), strings.Repeat("[", 10000) + strings.Repeat("]", 10000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		valid, compact := chartrepo.Scan(body)
		if want := json.Valid(body); valid != want {
			t.Fatalf("%.100q is JSON: %t, want %t", body, valid, want)
		}
		var b bytes.Buffer
		if valid && json.Compact(&b, body) == nil && compact != bytes.Equal(b.Bytes(), body) {
			t.Errorf("%q has no blanks: %t", body, compact)
		}
	})
}
