package leakscan_test

import (
	"bytes"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/leakscan"
)

// FuzzScan: whatever a file holds, a finding is on one of its lines, and the next scan finds the same.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		"password: letmein-please\n", "a: &x letmein\npassword: *x\n", "config: |\n  token: letmein-please\n",
		"config: \"a: b\\ntoken: letmein-please\"\n", "- {name: API_KEY, value: letmein}\n", "a: [\n", "? {a: b}\n: c\n",
		"kind: Secret\ndata: {x: bGV0bWVpbi1wbGVhc2U=}\n", "kind: Secret\nstringData:\n  a: |\n    token: letmein-please\n",
		"privateKey: " + fakeUUID, "a: &a [*a]\npassword: *a\n", "<<: {password: letmein}\n", "---\n---\npassword: letmein\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	s := scanner(f)
	f.Fuzz(func(t *testing.T, body []byte, rendered bool) {
		in := leakscan.Input{Files: []leakscan.File{{Path: "values.yaml", Body: body}}}
		if rendered {
			in = leakscan.Input{Render: render(leakscan.File{Path: "templates/x.yaml", Body: body})}
		}
		first, err := s.Scan(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(body, []byte("\n")) + 1
		for _, finding := range first {
			if finding.Line < 1 || finding.Line > lines+bytes.Count(body, []byte("\r")) {
				t.Errorf("a finding on line %d of %d: %+v", finding.Line, lines, finding)
			}
		}
		if again, _ := s.Scan(t.Context(), in); len(again) != len(first) {
			t.Errorf("%d findings, then %d", len(first), len(again))
		}
	})
}
