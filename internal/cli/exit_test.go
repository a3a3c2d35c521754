package cli

import (
	"bytes"
	"context"
	"testing"
)

// An interrupted command says so, and nothing else, with its own exit status.
func TestInterruptedExitStatus(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	code := Main(ctx, []string{"demo"}, Streams{Out: &out, Err: &errs}, func(string) string { return "" })
	if code != interrupted || errs.String() != "pinnace: interrupted\n" {
		t.Errorf("exit status %d, %q", code, errs.String())
	}
}
