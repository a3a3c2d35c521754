package chartrepo_test

import (
	"bytes"
	"encoding/json"
	"maps"
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
