package collector_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var tableFile = flag.String("table", "", "write the table of the rotations to this file")

// report prints what came of the scenarios as a table.
func report(t *testing.T, outcomes map[string]*outcome) {
	t.Helper()
	if len(outcomes) == 0 {
		return
	}
	var b strings.Builder
	b.WriteString("| while the key rotates | sent | acknowledged | lost | duplicated | refused after the overlap | sent again by the application | restarts | new key used after |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, c := range scenarios {
		r := outcomes[c.name]
		if r == nil {
			continue
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %.1f s |\n", c.what, r.Sent, r.Acknowledged, r.Lost,
			r.Duplicated, r.refused, r.Retries, r.restarts, r.followed.Seconds())
		t.Logf("%s: %.0f s, %+v", c.name, r.took.Seconds(), r.Report)
	}
	fmt.Printf("%s\n", strings.ReplaceAll("  "+strings.TrimSpace(b.String()), "\n", "\n  "))
	if *tableFile == "" {
		return
	}
	text := fmt.Sprintf(tableText, b.String())
	if err := os.WriteFile(*tableFile, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
}

const tableText = `# What a rotation loses

%s`
