package agent_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// draining is a workload that was told to end and waits for a file before it does.
const draining = `
items: [{name: db, secret: team/db}]
process:
  command: [sh, -c, 'trap "touch DIR/told; while ! test -e DIR/go; do sleep 0.02; done; exit 42" TERM; touch DIR/heeds; while :; do sleep 0.02; done']
  env: {DB: db}
  grace: 24h
loopback: {address: "ONE, TWO", withoutToken: true}
status: {address: STATUS}
`

// While the workload ends, it is served and looked at as before, on each of the addresses.
func TestServesUntilTheWorkloadHasEnded(t *testing.T) {
	a := newFastAccount(t)
	db, _ := a.create("team/db", secretOf(1))
	a.allow("otel", readSecret, db)
	dir := t.TempDir()
	free := freeAddresses(t, 3)
	text := strings.NewReplacer("DIR", dir, "ONE", free[0], "TWO", free[1], "STATUS", free[2]).Replace(draining)
	p := runProgram(t, a.env, "run", "--config", writeConfig(t, dir, text))
	p.until(t, "it is ready", func() bool { code, _ := get(t, "http://"+free[2]+"/readyz"); return code == http.StatusOK })
	there := func(name string) func() bool {
		return func() bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
	}
	p.until(t, "the workload heeds signals", there("heeds"))
	p.signal(t, syscall.SIGTERM)
	p.until(t, "the workload was told to end", there("told"))
	for _, url := range []string{
		free[0] + "/secretsmanager/get?secretId=team/db", free[1] + "/secretsmanager/get?secretId=team/db", free[2] + "/status",
	} {
		if code, body := get(t, "http://"+url); code != http.StatusOK {
			t.Errorf("%s answers %d: %s", url, code, body)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := p.exit(t); code != 42 {
		t.Errorf("exit code %d, the workload's is 42:\n%s", code, p.out.String())
	}
}
