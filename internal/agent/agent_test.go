package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/agent"
	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

func environment(env map[string]string, more ...string) func(string) string {
	merged := map[string]string{}
	for k, v := range env {
		merged[k] = v
	}
	for i := 0; i < len(more); i += 2 {
		merged[more[i]] = more[i+1]
	}
	return func(name string) string { return merged[name] }
}

// turn lets a test decide when each pause of an agent ends. By its clock nothing else takes time.
type turn struct {
	waiting chan time.Duration
	proceed chan struct{}
	passed  atomic.Int64 // nanoseconds
}

func newTurn() *turn { return &turn{waiting: make(chan time.Duration), proceed: make(chan struct{})} }

func (c *turn) now() time.Time { return time.Unix(1_700_000_000, c.passed.Load()) }

func (c *turn) wait(ctx context.Context, d time.Duration) error {
	for _, step := range []func() bool{
		func() bool {
			select {
			case c.waiting <- d:
				return true
			case <-ctx.Done():
				return false
			}
		},
		func() bool {
			select {
			case <-c.proceed:
				c.passed.Add(int64(d))
				return true
			case <-ctx.Done():
				return false
			}
		},
	} {
		if !step() {
			return ctx.Err()
		}
	}
	return nil
}

func parse(t *testing.T, args ...string) settings.Settings {
	t.Helper()
	s, err := settings.Parse("run", args, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The agent follows a rotation, keeps the last good value through an outage and a missing permission, and says all of
// it at debug level without a word of what is secret.
func TestRun(t *testing.T) {
	aws, env := start(t)
	aws.document = document(v1)
	key := filepath.Join(t.TempDir(), "key")
	domain := filepath.Join(filepath.Dir(key), "domain")
	var out bytes.Buffer
	clock := newTurn()
	a, err := agent.New(t.Context(), agent.Config{
		Settings: parse(t, "--appconfig=app/prod/otel", "--poll-interval=15s", "--token-file="+key+"=private_key",
			"--file="+domain+"=/domain"),
		Getenv: environment(env), Wait: clock.wait, Now: clock.now,
		Log:      slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnChange: func(c delivery.Change) { fmt.Fprintf(&out, "%+v\n", c) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	next := func() { // one round of the agent, up to its next pause
		clock.proceed <- struct{}{}
		<-clock.waiting
		fmt.Fprintf(&out, "%+v\n%+v\n", a.Status(), a)
	}

	if d := <-clock.waiting; d < 15*time.Second || d > 16*time.Second {
		t.Errorf("the first pause is %v", d)
	}
	if read(t, key) != canary+"-1" || read(t, domain) != "eu2.example.com" {
		t.Errorf("the files have %q and %q", read(t, key), read(t, domain))
	}
	aws.set(func(a *amazon) { a.document = document(v2) })
	next()
	if got := read(t, key); got != canary+"-2" {
		t.Errorf("after the rotation the file has %q", got)
	}
	aws.set(func(a *amazon) { a.down, a.denied, a.document = true, false, document(v2) })
	next()
	if s := a.Status().Feeds[0]; s.LastError == "" || read(t, key) != canary+"-2" {
		t.Errorf("during an outage: %+v, %q", s, read(t, key))
	}
	aws.set(func(a *amazon) { a.down, a.denied, a.document = false, true, document(v1) })
	next()
	if s := a.Status().Feeds[0]; !strings.Contains(s.LastError, "AccessDenied") || read(t, key) != canary+"-2" {
		t.Errorf("without the permission: %+v, %q", s, read(t, key))
	}
	aws.set(func(a *amazon) { a.denied = false })
	next()
	if s := a.Status(); s.Feeds[0].LastError != "" || read(t, key) != canary+"-1" || s.Items[1].Version != v1 {
		t.Errorf("with the permission again: %+v, %q", s, read(t, key))
	}
	// The session ends early: the SDK would go by this machine's clock and keep it for an hour.
	aws.set(func(a *amazon) { a.dead, a.document = a.sessions, document(v2) })
	next()
	if s := a.Status().Feeds[0]; !strings.Contains(s.LastError, "expired") || read(t, key) != canary+"-1" {
		t.Errorf("with a dead session: %+v, %q", s, read(t, key))
	}
	next()
	if s := a.Status().Feeds[0]; s.LastError != "" || read(t, key) != canary+"-2" {
		t.Errorf("with a new session: %+v, %q", s, read(t, key))
	}
	// The role is deleted and made again: its old sessions are denied everything, new ones are not.
	aws.set(func(a *amazon) { a.orphaned, a.document = a.sessions, document(v1) })
	for range 3 {
		next()
		if s := a.Status().Feeds[0]; !strings.Contains(s.LastError, "AccessDenied") || read(t, key) != canary+"-2" {
			t.Errorf("with a session of a role that is gone: %+v, %q", s, read(t, key))
		}
	}
	next()
	if s := a.Status().Feeds[0]; s.LastError != "" || read(t, key) != canary+"-1" {
		t.Errorf("with a session of the new role: %+v, %q", s, read(t, key))
	}

	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	counted := fmt.Sprint(a.Calls())
	for _, want := range []string{"{STS AssumeRoleWithWebIdentity ok 3}", "{Secrets Manager GetSecretValue failed "} {
		if !strings.Contains(counted, want) {
			t.Errorf("the calls are %s, want %s", counted, want)
		}
	}
	wantHidden(t, out.String())
	for _, want := range []string{`"item":"private_key"`, v2, `"hint":"the role's policy needs`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
}

func wantHidden(t *testing.T, out string) {
	t.Helper()
	for _, hidden := range []string{canary, bearer, sessionSecret, sessionToken} {
		secrettest.Find(t, out, hidden)
	}
}

// run is Main with its output.
func run(ctx context.Context, getenv func(string) string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = agent.Program{Getenv: getenv, Stdout: &out, Stderr: &errs}.Main(ctx, args)
	return code, out.String(), errs.String()
}

func TestVerbs(t *testing.T) {
	aws, env := start(t)
	aws.document = document(v1)
	dir := t.TempDir()
	key, empty := filepath.Join(dir, "key"), filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(empty, link); err != nil {
		t.Fatal(err)
	}
	file := "--file=" + key + "=private_key"
	names := "--appconfig=app/prod/otel"
	tests := []struct {
		name           string
		args           []string
		env            []string
		code           int
		stdout, stderr string // parts of them
	}{
		{name: "not ready", args: []string{"ready", file}, code: 1, stderr: "error: not ready: stat " + key},
		{name: "once", args: []string{"run", "--once", names, file}, code: 0, stderr: `"item":"private_key"`},
		{
			name: "says what it does", args: []string{"run", "--once", names, file},
			stderr: `"sources":["appconfig app/prod/otel"],"items":1,"files":["` + key + `"],"once":true,"role":"arn:aws:iam::111122223333:role/otel"`,
		},
		{name: "ready", args: []string{"ready", file}, code: 0},
		{name: "ready by environment", args: []string{"ready"}, env: []string{"PINNACE_FILES", key + "=private_key"}},
		{
			name: "one of two ready", args: []string{"ready", file, "--file", empty + "=x"}, code: 1,
			stderr: empty + " is empty",
		},
		{
			name: "ready without what is optional", args: []string{"ready", "--optional", "--file", empty + ".none=x"}, code: 2,
			stderr: "there are no files to look at",
		},
		{name: "help of a verb without flags", args: []string{"install", "--help"}, stdout: "pinnace-agent install DIR"},
		{
			name: "one folder by two spellings", args: []string{"run", "--once", names, file, "--file", dir + "/./key=private_key"},
			code: 2, stderr: key + " is a target twice",
		},
		{
			name: "cost otherwise", args: []string{"cost", "--output=xml", names, file}, code: 2,
			stderr: "hint: write --output table or --output json",
		},
		{name: "cost of fewer than none", args: []string{"cost", "--pods=-1", names, file}, code: 2, stderr: "choose 0 or more"},
		{name: "ready for nothing", args: []string{"ready"}, code: 2, stderr: "hint: name files, or ask /readyz"},
		{
			name: "once by environment", args: []string{"run"}, env: []string{
				"PINNACE_ONCE", "true",
				"PINNACE_APPCONFIG", "app/prod/otel", "PINNACE_FILES", key + "=private_key, " + key + ".2=domain",
				"PINNACE_MODE", "0400", "PINNACE_POLL_INTERVAL", "60s", "PINNACE_LOG_LEVEL", "debug",
			},
			stderr: `"source answered"`,
		},
		{
			name: "missing field", args: []string{"run", "--once", names, "--file", key + "=none"}, code: 4,
			stderr: "field none is missing\nhint: deploy a corrected document",
		},
		{name: "whoami", args: []string{"whoami"}, stdout: "arn     arn:aws:sts::111122223333:assumed-role/otel/pod\n"},
		{
			name: "whoami, why", args: []string{"whoami"},
			stdout: "role    arn:aws:iam::111122223333:role/otel\nby      web identity\nregion  eu-west-1\nsts     " +
				env["AWS_ENDPOINT_URL"] + "\ntoken   " + env["AWS_WEB_IDENTITY_TOKEN_FILE"] + "\n",
		},
		{name: "whoami as JSON", args: []string{"whoami", "--output=json"}, stdout: `"mechanism": "web identity",`},
		{
			name: "whoami with no role", args: []string{"whoami", "--role=keys"}, code: 2,
			stderr: "keys is not the ARN of a role\nhint: write it as arn:aws:iam::",
		},
		{name: "whoami otherwise", args: []string{"whoami", "--output=xml"}, code: 2, stderr: "hint: write --output text"},
		{
			name: "no identity", args: []string{"run", names, file}, env: []string{"AWS_ROLE_ARN", ""}, code: 5,
			stderr: "AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not\nhint: annotate the service account",
		},
		{
			name: "check", args: []string{"check", names, file},
			stdout: "✓ item private_key from appconfig app/prod/otel: version " + v1 + ", fingerprint ",
		},
		{
			name: "check finds a field that is missing", code: 4,
			args:   []string{"check", names, "--file", key + "=none", "--file", key + ".2=private_key"},
			stdout: "✗ item none from appconfig app/prod/otel\n    reading configuration app/prod/otel: item none: field none is missing\n",
			stderr: "2 of 4 checks failed, 1 not tried",
		},
		{
			name: "check finds a symlink", args: []string{"check", names, "--file", link + "=private_key"}, code: 4,
			stdout: "✗ file " + dir + "\n    target " + link + " is there and is not a regular file",
			stderr: "1 of 3 checks failed",
		},
		{name: "check as JSON", args: []string{"check", "--output=json", names, file}, stdout: `"what": "item private_key",`},
		{
			name: "check of what is optional", args: []string{"check", "--secret=others", "--optional", "--file=" + key},
			stdout: "! item whole from secretsmanager: optional, and not had\n    reading secret others",
		},
		{
			name: "check otherwise", args: []string{"check", "--output=yaml", names, file}, code: 2,
			stderr: "hint: write --output table",
		},
		{
			name: "cost", args: []string{"cost", "--pods", "1000", names, file, "--starts=10"},
			stdout: "all, for 1000 pods",
		},
		{name: "cost as JSON", args: []string{"cost", "--output", "json", names, file}, stdout: `"dollarsPerMonth": `},
		{name: "cost of what", args: []string{"cost", "--pods=many", names, file}, code: 2, stderr: "--pods"},
		{name: "schema", args: []string{"schema"}, stdout: `"Configuration of pinnace-agent"`},
		{name: "no names", args: []string{"run", file}, code: 2, stderr: "hint: name it with --appconfig"},
		{name: "no files", args: []string{"run", names}, code: 2, stderr: "hint: name files with --file"},
		{name: "bad names", args: []string{"run", "--appconfig=app", file}, code: 2, stderr: "APPLICATION/ENVIRONMENT/PROFILE"},
		{
			name: "bad file", args: []string{"run"}, env: []string{"PINNACE_FILES", "=x"}, code: 2,
			stderr: "PINNACE_FILES: write it",
		},
		{name: "mode for all", args: []string{"run", names, file, "--mode=0444"}, code: 2, stderr: "0444 would be open to others"},
		{
			name: "no region", args: []string{"run", names, file}, env: []string{"AWS_REGION", ""}, code: 2,
			stderr: "hint: set AWS_REGION",
		},
		{name: "help of a verb", args: []string{"run", "--help"}, stdout: "PINNACE_FILES"},
		{name: "help of ready", args: []string{"ready", "-h"}, stdout: "PINNACE_FILES"},
		{name: "bad mode", args: []string{"run", names, file, "--mode=rw"}, code: 2, stderr: "in octal"},
		{name: "bad interval", args: []string{"run", names, file, "--poll-interval=1s"}, code: 2, stderr: "out of range"},
		{name: "bad level", args: []string{"run", names, file, "--log-level=loud"}, code: 2, stderr: "log level"},
		{name: "argument", args: []string{"run", "x"}, code: 2, stderr: `no arguments, but got "x"`},
		{name: "unknown flag", args: []string{"run", "--x"}, code: 2, stderr: "hint: see: pinnace-agent help"},
		{name: "unknown verb", args: []string{"deliver"}, code: 2, stderr: `pinnace-agent: error: unknown verb "deliver"`},
		{name: "no verb", code: 2, stderr: "hint: see: pinnace-agent help"},
		{name: "help", args: []string{"help"}, stdout: "PINNACE_FILES"},
		{name: "version", args: []string{"version"}, stdout: "pinnace-agent "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := run(t.Context(), environment(env, test.env...), test.args...)
			if code != test.code || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) {
				t.Errorf("exit %d, want %d\nstdout %q, want %q\nstderr %q, want %q", code, test.code, stdout, test.stdout,
					stderr, test.stderr)
			}
			if code != 0 && strings.Count(stderr, "\n")-strings.Count(stderr, `{"time"`) > 2 {
				t.Errorf("more than two lines: %q", stderr)
			}
			wantHidden(t, stdout+stderr)
		})
	}
	if got := read(t, key); got != canary+"-1" {
		t.Errorf("the file has %q", got)
	}
	if info, err := os.Stat(key); err != nil || info.Mode() != 0o400 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
}

// SIGTERM is the end of the context: run ends with 0 and says nothing.
func TestRunEndsCleanly(t *testing.T) {
	aws, env := start(t)
	aws.document = document(v1)
	key := filepath.Join(t.TempDir(), "key")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	errs := writer(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("item delivered")) {
			cancel()
		}
		return out.Write(p)
	})
	program := agent.Program{Getenv: environment(env), Stdout: &out, Stderr: errs}
	code := program.Main(ctx, []string{"run", "--appconfig", "app/prod/otel", "--token-file", key + "=private_key"})
	if code != 0 || strings.Contains(out.String(), "error") || read(t, key) != canary+"-1" {
		t.Errorf("exit %d: %s", code, out.String())
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// What runs beside every workload stays small: neither Helm nor Kubernetes, no emulator, no chain of wider credentials.
func TestProgramContains(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/pinnace-dev/pinnace/cmd/pinnace-agent").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		for _, banned := range []string{
			"helm.sh/", "k8s.io/", "/localaws", "aws-sdk-go-v2/config", "/imds", "spf13/cobra",
		} {
			if strings.Contains(pkg, banned) {
				t.Errorf("pinnace-agent contains %s", pkg)
			}
		}
	}
}
