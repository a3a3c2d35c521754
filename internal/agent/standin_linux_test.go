package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A chart that prints a program and its flags, and nothing else, gets the agent in the program's place.
func TestStandsInForACommand(t *testing.T) {
	a := newFastAccount(t)
	arn, _ := a.create("team/db", secretOf(1))
	a.allow("otel", readSecret, arn)
	script := filepath.Join(t.TempDir(), "app")
	body := "#!/bin/sh\n[ -n \"$DB\" ] && echo \"args: $* for ${PINNACE_COMMAND:-nobody}\"\nexit 7\n"
	if err := os.WriteFile(script, []byte(body), 0o700); err != nil {
		t.Fatal(err)
	}
	a.env["PINNACE_SECRET"], a.env["PINNACE_ENV"], a.env["PINNACE_COMMAND"] = "team/db", "DB", script+" serve"
	for want, args := range map[string][]string{
		"args: serve --config=/conf/relay.yaml --help for nobody": {"--config=/conf/relay.yaml", "--help"},
		"args: serve for nobody":                                  nil,
	} {
		p := runProgram(t, a.env, args...)
		if code := p.exit(t); code != 7 || !strings.Contains(p.out.String(), want+"\n") {
			t.Errorf("exit code %d, want 7 and %q\n%s", code, want, p.out.String())
		}
	}
	if code := runProgram(t, a.env, "version").exit(t); code != 0 {
		t.Errorf("with a verb it is no stand-in any more: exit code %d", code)
	}
}
