package agent_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pinnace-dev/pinnace/internal/agent"
	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/localaws"
)

// quotas are AWS's for a thousand pods; fewer get a share of them.
func quotas(pods int) []localaws.Quota {
	list := localaws.AWSQuotas()
	for i := range list {
		list[i].PerSecond = max(1, list[i].PerSecond*pods/1000)
	}
	return list
}

const (
	interval = 30 * time.Second
	maxAge   = 5 * time.Minute // of every second pod
)

// pod is an agent of the fleet and what was seen of it.
type pod struct {
	agent    *agent.Agent
	dir      string
	aging    bool   // its items have a maxAge
	loopback *pipes // nil when it serves nothing

	mu  sync.Mutex
	had map[string]time.Time // when it delivered each item last
}

func (p *pod) took(c delivery.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, item := range c.Items {
		p.had[item.Name] = time.Now()
	}
}

// newPod makes the i-th. All take a key by a reference in the document and a secret; every third takes two secrets
// more, which makes it read in batches; every second has a maxAge, and every twentieth serves on loopback, too.
func newPod(t *testing.T, i int, dir string, env map[string]string, client *wire) *pod {
	t.Helper()
	p := &pod{dir: filepath.Join(dir, fmt.Sprint(i)), aging: i%2 == 1, had: map[string]time.Time{}}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "items:\n- {name: key, appconfig: otel-config/prod/coralogix, field: private_key}\n- {name: db, secret: team/db}\n"
	if i%3 == 0 {
		text += "- {name: a, secret: team/a}\n- {name: b, secret: team/b}\n"
	}
	text += "files:\n- {item: key, path: " + p.dir + "/key, token: true}\n- {item: db, path: " + p.dir + "/db}\n"
	if i%3 == 0 {
		text += "- {path: " + p.dir + "/both, template: '{{ .a }} {{ .b }}'}\n"
	}
	if p.aging {
		text += "maxAge: " + maxAge.String() + "\n"
	}
	c := agent.Config{
		Getenv: environment(env, "AWS_ROLE_SESSION_NAME", fmt.Sprintf("pod-%d", i)), HTTPClient: client, OnChange: p.took,
	}
	if i%20 < 2 {
		p.loopback = newPipes()
		c.Listen = p.loopback.listen
		text += "loopback: {address: 127.0.0.1:2773, tokenFile: " + filepath.Join(dir, "token") + "}\n"
	}
	var err error
	if c.Settings, err = settings.Decode("agent.yaml", []byte(text)); err != nil {
		t.Fatal(err)
	}
	if p.agent, err = agent.New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return p
}

// fleet is many pods that share an account and a wire.
type fleet struct {
	*account
	wire  *wire
	pods  []*pod
	token string // of their loopback sinks
	seen  calls  // at the end of the last phase

	running sync.WaitGroup
	ctx     context.Context // until which they run
}

func newFleet(t *testing.T, n int, quotas []localaws.Quota, issuer *localaws.Issuer, keys replay) *fleet {
	t.Helper()
	server, err := localaws.New(localaws.Config{Quotas: quotas, HTTPClient: &http.Client{Transport: keys}})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{account: newAccount(t, server, issuer, "http://127.0.0.1", &wire{server: server}), wire: &wire{server: server}}
	statements := []string{readConfiguration, f.configurationARN(), readSecrets, "*"}
	for _, name := range []string{"team/key", "team/db", "team/a", "team/b"} {
		arn, version := f.create(name, secretOf(1))
		statements = append(statements, readSecret, arn)
		if name == "team/key" {
			f.deploy(document(version))
		}
	}
	f.allow("otel", statements...)
	dir := t.TempDir()
	f.token = rand.Text()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(f.token), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		f.pods = append(f.pods, newPod(t, i, dir, f.env, f.wire))
	}
	return f
}

func secretOf(version int) string { return fmt.Sprintf(`{"privateKey":"%s-%d"}`, canary, version) }

// rotate gives the keys another version and rolls it out.
func (f *fleet) rotate(version int) {
	f.put("team/db", secretOf(version))
	f.deploy(document(f.put("team/key", secretOf(version))))
}

// bounds are what a phase may cost.
type bounds struct {
	perPod    int // calls of each pod, on average
	perSecond int // requests of all pods in any second
	throttled bool
}

// pass lets time pass and says what was called by the pods since the last time.
func (f *fleet) pass(what string, d time.Duration, within bounds) {
	f.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	now := f.calls()
	made, throttled := now.since(f.seen), 0
	f.seen = now
	sum, peak := f.wire.take()
	var parts []string
	for _, action := range []string{ // the others are the owner's
		"appconfig:GetLatestConfiguration", "appconfig:StartConfigurationSession", "secretsmanager:BatchGetSecretValue",
		"secretsmanager:GetSecretValue", "sts:AssumeRoleWithWebIdentity",
	} {
		parts = append(parts, fmt.Sprintf("%s %d (%d throttled)", action, made.all[action], made.throttled[action]))
		throttled += made.throttled[action]
	}
	f.t.Logf("%s, %v: %d requests, at most %d in a second; %s", what, d, sum, peak, strings.Join(parts, ", "))
	if n := len(f.pods); sum > within.perPod*n || within.perSecond > 0 && peak > within.perSecond ||
		throttled > 0 && !within.throttled {
		f.t.Errorf("%s: %d requests of %d pods, %d in a second, %d throttled; want %+v", what, sum, n, peak, throttled, within)
	}
}

// wantAll looks at every pod: it is ready, or not, for the reason that why finds, and has the keys of a version.
func (f *fleet) wantAll(version int, why func(p *pod, s delivery.Status) string) {
	f.t.Helper()
	wrong := 0
	for i, p := range f.pods {
		reason := why(p, p.agent.Status())
		if key, db := read(f.t, p.dir+"/key"), read(f.t, p.dir+"/db"); reason == "" &&
			(key != fmt.Sprintf("%s-%d", canary, version) || db != secretOf(version)) {
			reason = fmt.Sprintf("it has %q and %q", key, db)
		}
		if reason == "" {
			continue
		}
		if wrong++; wrong < 5 {
			f.t.Errorf("pod %d: %s", i, reason)
		}
	}
	if wrong > 0 {
		f.t.Fatalf("%d pods of %d are not as they should be", wrong, len(f.pods))
	}
}

// followed says when the last pod had the last change of its keys, by the time since then.
func (f *fleet) followed(since time.Time, item string) time.Duration {
	f.t.Helper()
	var last time.Duration
	for i, p := range f.pods {
		p.mu.Lock()
		at := p.had[item]
		p.mu.Unlock()
		if at.Before(since) {
			f.t.Fatalf("pod %d has not followed %s", i, item)
		}
		last = max(last, at.Sub(since))
	}
	return last
}

func well(_ *pod, s delivery.Status) string {
	for _, feed := range s.Feeds {
		if feed.LastError != "" {
			return feed.LastError
		}
	}
	return strings.Join(s.NotReady, "; ")
}

// A thousand pods start in one instant, follow a rotation, sit through ten minutes without AWS, and recover, within the
// rates that AWS allows.
func TestFleet(t *testing.T) {
	n := 1_000
	if testing.Short() {
		n = 100
	}
	withFleet(t, n, quotas(n), func(_ *testing.T, f *fleet) {
		time.Sleep(time.Minute) // so that making the account has spent no quota
		began := time.Now()
		f.run()
		f.starts(began)
		f.follows()
		f.staysUp()
		f.recovers()
	})
}

// withFleet makes a fleet that has not started in a bubble of its own, and ends it.
func withFleet(t *testing.T, n int, quotas []localaws.Quota, do func(*testing.T, *fleet)) {
	t.Helper()
	issuer, err := localaws.StartIssuer(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer issuer.Close()
	keys := record(t, issuer)
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, n, quotas, issuer, keys)
		defer f.running.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f.ctx, f.seen = ctx, f.calls()
		do(t, f)
	})
}

// run starts all pods.
func (f *fleet) run() {
	for _, p := range f.pods {
		f.running.Go(func() {
			if err := p.agent.Run(f.ctx); err != nil {
				f.t.Error(err)
			}
		})
	}
}

func (f *fleet) starts(began time.Time) {
	f.t.Helper()
	f.pass("start", 10*time.Second, bounds{perPod: 8, throttled: true})
	f.t.Logf("all have both keys after %v and %v", f.followed(began, "key"), f.followed(began, "db"))
	f.wantAll(1, well)
	f.pass("settling", 5*interval, bounds{perPod: 11, perSecond: len(f.pods) / 2})
}

func (f *fleet) follows() {
	f.t.Helper()
	began := time.Now()
	f.rotate(2)
	f.pass("rotation", interval+time.Second, bounds{perPod: 4, perSecond: len(f.pods) / 2})
	f.t.Logf("all have followed after %v and %v", f.followed(began, "key"), f.followed(began, "db"))
	f.wantAll(2, well)
}

func (f *fleet) staysUp() {
	f.t.Helper()
	saysSo := func(ready func(p *pod) bool) func(p *pod, s delivery.Status) string {
		return func(p *pod, s delivery.Status) string {
			if s.Ready == ready(p) && s.Feeds[0].LastError != "" && s.Feeds[1].LastError != "" {
				return ""
			}
			return fmt.Sprintf("%+v", s)
		}
	}
	f.wire.state.Store(int32(unreachable))
	f.pass("outage, unreachable", 5*time.Minute-interval, bounds{perPod: 60})
	f.wantAll(2, saysSo(func(*pod) bool { return true }))
	f.wantServed(func(*pod) int { return http.StatusOK })
	f.wire.state.Store(int32(broken))
	f.rotate(3)
	f.pass("outage, 503", 5*time.Minute+interval, bounds{perPod: 60})
	f.wantAll(2, saysSo(func(p *pod) bool { return !p.aging }))
	f.wantServed(func(p *pod) int {
		if p.aging {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
}

// wantServed asks the pods that serve on loopback for a secret.
func (f *fleet) wantServed(status func(*pod) int) {
	f.t.Helper()
	for i, p := range f.pods {
		if p.loopback == nil {
			continue
		}
		code, body := p.loopback.get(f.t, "/secretsmanager/get?secretId=team/db", f.token)
		if code != status(p) || strings.Contains(body, canary+"-2") != (code == http.StatusOK) {
			f.t.Errorf("pod %d answers %d, want %d: %s", i, code, status(p), body)
		}
	}
}

func (f *fleet) recovers() {
	f.t.Helper()
	began := time.Now()
	f.wire.state.Store(int32(none))
	f.pass("recovery", time.Minute+time.Second, bounds{perPod: 6, perSecond: len(f.pods) / 2})
	f.t.Logf("all have recovered after %v and %v", f.followed(began, "key"), f.followed(began, "db"))
	f.wantAll(3, well)
	f.pass("settled again", 5*interval, bounds{perPod: 11, perSecond: len(f.pods) / 2})
}
