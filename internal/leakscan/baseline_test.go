package leakscan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/leakscan"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestBaseline(t *testing.T) {
	found := scan(t, leakscan.Input{Files: []leakscan.File{
		file("values.yaml", "password: letmein-please\napiKey: letmein-too\nother: {password: letmein-please}\n"),
	}})
	body, err := leakscan.Baseline{}.Accept(found, "a test's own").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	baseline, err := leakscan.ParseBaseline("b", body)
	if err != nil {
		t.Fatal(err)
	}
	if len(baseline.Accepted) != 2 {
		t.Errorf("%d fingerprints are accepted, want one for each secret: %v", len(baseline.Accepted), baseline)
	}
	if open, accepted := baseline.Split(found); len(open) != 0 || accepted != 3 {
		t.Errorf("%v stay open, %d are accepted", open, accepted)
	}
	changed := scan(t, leakscan.Input{Files: []leakscan.File{file("values.yaml", "password: letmein-again\n")}})
	if open, accepted := baseline.Split(changed); len(open) != 1 || accepted != 0 {
		t.Errorf("a changed secret is accepted: %v stay open", open)
	}

	// Written again, reasons stay and what is gone goes.
	next := baseline.Accept(append(changed, found[1]), "a new one")
	var reasons []string
	for _, a := range next.Accepted {
		reasons = append(reasons, a.Reason)
	}
	if diff := cmp.Diff([]string{"a new one", "a test's own"}, reasons); diff != "" {
		t.Error(diff)
	}

	// Added to, it keeps all.
	more := baseline.Add(append(changed, found...), "a new one")
	if open, _ := more.Split(append(changed, found...)); len(open) != 0 || len(more.Accepted) != 3 || len(baseline.Accepted) != 2 {
		t.Errorf("%v stay open; %v was %v", open, more, baseline)
	}
	if empty, err := (leakscan.Baseline{}).Marshal(); err != nil || string(empty) != "{\n  \"accepted\": []\n}\n" {
		t.Errorf("an empty baseline is %s, %v", empty, err)
	}
}

func TestParseBaselineRefuses(t *testing.T) {
	for body, text := range map[string]string{
		``: "EOF", `[]`: "array", `{"acepted": []}`: "unknown field", `{"accepted": []} {}`: "something follows",
		`{"accepted": [{"fingerprint": "abc", "reason": "x"}]}`:                 "16 hexadecimal digits",
		`{"accepted": [{"fingerprint": "0123456789abcdef", "reason": "  "}]}`:   "without a reason",
		`{"accepted": [{"fingerprint": "0123456789ABCDEF", "reason": "once"}]}`: "16 hexadecimal digits",
	} {
		_, err := leakscan.ParseBaseline("scan.json", []byte(body))
		if problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error(), text) ||
			!strings.Contains(err.Error(), "scan.json") || !strings.Contains(problem.HintOf(err), "--write-baseline") {
			t.Errorf("%s: error %v, hint %q; want %q", body, err, problem.HintOf(err), text)
		}
	}
}
