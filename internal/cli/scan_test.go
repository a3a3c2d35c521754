package cli_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/cli"
)

// The chart of this repository has no secret in it, in any environment.
func TestOwnChartIsClean(t *testing.T) {
	var out, errs bytes.Buffer
	chart := filepath.Join("..", "..", "charts", "opentelemetry")
	nothing := func(string) string { return "" }
	code := cli.Main(t.Context(), []string{"scan", chart, "--output", "json"}, cli.Streams{Out: &out, Err: &errs}, nothing)
	if code != 0 || !strings.Contains(out.String(), `"findings":[],"acceptedFindings":0`) {
		t.Errorf("exit status %d\n%s%s", code, out.String(), errs.String())
	}
	if strings.Contains(out.String(), "values-prod.yaml") {
		t.Errorf("it does not render with its own values: %s", out.String())
	}
}
