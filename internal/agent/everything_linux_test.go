package agent_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// everything is one configuration that has every kind of item and of sink.
const everything = `
items:
- {name: key, appconfig: otel-config/prod/coralogix, field: private_key}
- {name: domain, appconfig: otel-config/prod/coralogix, field: /domain}
- {name: db, secret: team/db}
- {name: partner, secret: PARTNER, key: privateKey, role: READER, externalId: pinnace-1}
- {name: none, secret: team/none, optional: true}
files:
- {path: DIR/key, item: key, token: true}
- path: DIR/app.conf
  mode: "0400"
  template: |
    domain = {{ .domain }}
    partner = {{ .partner | json }}
    {{ if has "none" }}none{{ end }}
loopback: {address: LOOPBACK, tokenFile: DIR/token}
process:
  command: [sh, -c, 'trap "kill \$!; exit 42" TERM; printf %s "$DB" > DIR/env; sleep 1000 & wait; exit 1']
  env: {DB: db}
  stagger: 5s
onChange:
  command: [sh, -c, 'printf "%s\n" "$PINNACE_CHANGED" >> DIR/changed']
status: {address: STATUS}
maxAge: 24h
pollInterval: 15s
logLevel: debug
`

// get asks over a socket.
func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// populate makes the secrets and gives what stands for them in a configuration.
func populate(t *testing.T, a *account) (dir string, replace *strings.Replacer) {
	t.Helper()
	key, version := a.create("team/key", secretOf(1))
	db, _ := a.create("team/db", secretOf(1))
	partner, _ := a.create("partner", secretOf(1))
	a.deploy(document(version))
	reader := a.makeRole("reader", `{"AWS":"`+a.env["AWS_ROLE_ARN"]+`"}`, "sts:AssumeRole", `{"sts:ExternalId":"pinnace-1"}`)
	a.allow("reader", readSecret, partner)
	a.allow("otel", readConfiguration, a.configurationARN(), readSecret, key, readSecret, db,
		readSecret, "arn:aws:secretsmanager:*:*:secret:team/none-??????", "sts:AssumeRole", reader)
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("not-a-real-token"), 0o400); err != nil {
		t.Fatal(err)
	}
	free := freeAddresses(t, 2)
	return dir, strings.NewReplacer("DIR", dir, "PARTNER", partner, "READER", reader, "LOOPBACK", free[0], "STATUS", free[1])
}

func writeConfig(t *testing.T, dir, text string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// One agent from one file does all there is: it delivers to files, to a process and on loopback, follows a rotation
// everywhere, tells it to a command, shows how it fares, and ends as its workload does.
func TestEverything(t *testing.T) {
	a := newFastAccount(t)
	dir, replace := populate(t, a)
	p := runProgram(t, a.env, "run", "--config", writeConfig(t, dir, replace.Replace(everything)))
	status, loopback := "http://"+replace.Replace("STATUS"), "http://"+replace.Replace("LOOPBACK")
	p.until(t, "it is ready", func() bool { code, _ := get(t, status+"/readyz"); return code == http.StatusOK })
	wantEverywhere(t, p, dir, loopback, 1)
	if code, body := get(t, loopback+"/secretsmanager/get?secretId=team/db"); code != http.StatusForbidden {
		t.Errorf("without a token the answer is %d: %s", code, body)
	}
	if _, err := os.Stat(dir + "/changed"); err == nil {
		t.Error("the command was told of the first delivery")
	}

	a.put("partner", secretOf(2))
	a.put("team/db", secretOf(2))
	a.deploy(document(a.put("team/key", secretOf(2))))
	wantEverywhere(t, p, dir, loopback, 2)
	p.until(t, "the command was told of everything", func() bool {
		data, _ := os.ReadFile(dir + "/changed")
		told := strings.Fields(string(data))
		slices.Sort(told)
		return slices.Equal(slices.Compact(told), []string{"db", "key", "partner"})
	})
	for path, want := range map[string]string{
		"/status": `"name": "partner"`, "/metrics": "pinnace_", "/healthz": "ok",
	} {
		code, body := get(t, status+path)
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s answers %d: %s", path, code, body)
		}
		wantHidden(t, body)
	}

	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t); code != 42 {
		t.Errorf("exit code %d, the workload's is 42:\n%s", code, p.out.String())
	}
	if !has(dir+"/key", canary+"-2")() {
		t.Error("the end of the agent took the file away")
	}
}

// wantEverywhere waits until a version is in every place.
func wantEverywhere(t *testing.T, p *program, dir, loopback string, version int) {
	t.Helper()
	n := string(rune('0' + version))
	p.until(t, "the token file has version "+n, has(dir+"/key", canary+"-"+n))
	p.until(t, "the template has version "+n, has(dir+"/app.conf",
		lines("domain = eu2.example.com", `partner = "`+canary+"-"+n+`"`, "")))
	p.until(t, "the workload has version "+n, has(dir+"/env", secretOf(version)))
	p.until(t, "loopback has version "+n, func() bool {
		code, body := get(t, loopback+"/secretsmanager/get?secretId=team/db",
			"X-Aws-Parameters-Secrets-Token", "not-a-real-token")
		return code == http.StatusOK && strings.Contains(body, canary+"-"+n)
	})
}

// The same as an init container would have it: what stays is there when the program ends.
func TestEverythingOnce(t *testing.T) {
	a := newFastAccount(t)
	dir, replace := populate(t, a)
	before, rest, _ := strings.Cut(everything, "loopback:")
	_, after, _ := strings.Cut(rest, "maxAge:")
	config := writeConfig(t, dir, replace.Replace(before+"maxAge:"+after))
	p := runProgram(t, a.env, "run", "--once", "--config", config)
	if code := p.exit(t); code != 0 || !has(dir+"/key", canary+"-1")() || !has(dir+"/app.conf",
		lines("domain = eu2.example.com", `partner = "`+canary+`-1"`, ""))() {
		t.Errorf("exit code %d:\n%s", code, p.out.String())
	}
	a.allow("reader", readSecret, "arn:aws:secretsmanager:*:*:secret:other-??????")
	a.put("partner", secretOf(2))
	p = runProgram(t, a.env, "run", "--once", "--config", config)
	if code := p.exit(t); code == 0 || !strings.Contains(p.out.String(), "policy needs secretsmanager:GetSecretValue on arn:") {
		t.Errorf("without a permission: exit code %d:\n%s", code, p.out.String())
	}
}
