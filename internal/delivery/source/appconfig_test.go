package source_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	actypes "github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/appconfig"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/secretsmanager"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/localaws"
)

const (
	startSession = "appconfig:StartConfigurationSession"
	getLatest    = "appconfig:GetLatestConfiguration"
)

// open is a source of one profile, for a pod that may read it.
func (w *world) open(profile string, change func(*appconfig.Config)) *appconfig.Source {
	w.t.Helper()
	c := appconfig.Config{
		Application: "telemetry", Environment: "uat", Profile: profile, Now: w.now,
		Items:    []appconfig.Item{{Name: "a", Field: "a"}, {Name: "b", Field: "/nested/b"}},
		Resolver: secretsmanager.New(w.pod, w.now),
	}
	if change != nil {
		change(&c)
	}
	source, err := appconfig.New(w.pod, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return source
}

func document(a, b string) string { return `{"a":"` + a + `","nested":{"b":"` + b + `"}}` }

func TestAppConfigContract(t *testing.T) {
	deliverytest.RunSource(t, func(t *testing.T) deliverytest.SourceCase {
		w := newWorld(t)
		id, arn := w.profile("keys", "hosted", "")
		w.allow("pod", startSession, arn, getLatest, arn)
		mend := func() {}
		return deliverytest.SourceCase{
			Source: w.open("keys", nil),
			Set: func(values map[string]string) {
				w.host(id, document(values["a"], values["b"]), "release-7"+values["a"][len(canary):])
			},
			Break: func() { mend = w.aws.Inject(localaws.Unavailable("appconfig:*", 0)) },
			Mend:  func() { mend() },
			Pass:  func() { w.pass(30 * time.Second) },
			About: func(string) delivery.About { return delivery.About{Label: "release-7-1"} },
		}
	})
}

// A document with references, whole and by its members, follows a rollout and a rotation with the permissions that the
// documentation names and no others.
func TestAppConfigWithReferences(t *testing.T) {
	w := newWorld(t)
	id, arn := w.profile("keys", "hosted", "")
	key := w.create("key", canary+"\"1\n")
	user := w.create("user", object(map[string]string{"name": "ada"}))
	w.allow("pod", startSession, arn, getLatest, arn, getValue, key, getValue, user)
	content := "{\"z\" : 1.0,\n \"a\":\"{{resolve:secretsmanager:key}}\", \"b\":\"{{resolve:secretsmanager:user:SecretString:name}}\"}"
	w.host(id, content, "release-7")
	source := w.open("keys", func(c *appconfig.Config) {
		c.Items = []appconfig.Item{{Name: "all"}, {Name: "a", Field: "a"}, {Name: "none", Field: "none", Optional: true}}
	})
	answer := w.fetch(source)
	want := "{\"z\" : 1.0,\n \"a\":\"" + canary + "\\\"1\\n\", \"b\":\"ada\"}"
	if got := valueOf(answer, "all"); got != want || valueOf(answer, "a") != canary+"\"1\n" {
		t.Errorf("all = %s, a = %q", got, valueOf(answer, "a"))
	}
	item, _ := answer.Snapshot.Get("all")
	if diff := cmp.Diff(delivery.About{ContentType: "application/json", Label: "release-7"}, item.About); diff != "" {
		t.Errorf("about (-want +got)\n%s", diff)
	}
	// The secret is rotated, and AppConfig is not asked for that.
	version := w.put("key", canary+"2")
	before := w.before()
	answer = w.fetch(source)
	if item, _ := answer.Snapshot.Get("a"); item.Version != version || valueOf(answer, "a") != canary+"2" {
		t.Errorf("%v after %s", answer.Snapshot, version)
	}
	calls := w.calls(before)
	if calls[startSession]+calls[getLatest] != 0 {
		t.Errorf("an early poll asked AppConfig: %v", calls)
	}
	// Without the permission for one secret nothing changes, and the hint names what is missing.
	w.allow("pod", startSession, arn, getLatest, arn, getValue, key)
	w.pass(time.Minute)
	err := w.fail(source, "reading secret user (stage AWSCURRENT): AccessDeniedException")
	if problem.KindOf(err) != problem.Denied || !strings.Contains(problem.HintOf(err), "secretsmanager:GetSecretValue on arn:") {
		t.Errorf("kind %d, hint %q", problem.KindOf(err), problem.HintOf(err))
	}
}

// A profile located at secretsmanager:// gives the secret itself, whole or by member, of the version that was deployed. A
// reference in it stays what it is, even one to itself; and one document for the references of another is no cycle.
func TestAppConfigLocatedAtASecret(t *testing.T) {
	w := newWorld(t)
	role := w.makeRole("appconfig", `{"Service":"appconfig.amazonaws.com"}`, "sts:AssumeRole", "")
	const self = "{{resolve:secretsmanager:self:SecretString:a}}"
	secret := w.create("self", document(self, canary))
	w.allow("appconfig", getValue, secret)
	id, arn := w.profile("secret", "secretsmanager://self", role)
	version := w.put("self", document(self, canary+"-1"))
	w.deploy(id, version)
	w.allow("pod", startSession, arn, getLatest, arn)
	verbatim := w.open("secret", func(c *appconfig.Config) {
		c.Verbatim, c.Items = true, append(c.Items, appconfig.Item{Name: "all"})
	})
	answer := w.fetch(verbatim)
	if valueOf(answer, "all") != document(self, canary+"-1") || valueOf(answer, "a") != self || valueOf(answer, "b") != canary+"-1" {
		t.Errorf("%v", answer.Snapshot)
	}
	if item, _ := answer.Snapshot.Get("all"); item.Version != item.Value.Fingerprint() || item.About.Label != "" {
		t.Errorf("version %q, about %+v", item.Version, item.About)
	}
	// A source that does look for references resolves this one once, to what the secret holds: the reference.
	w.allow("pod", startSession, arn, getLatest, arn, getValue, secret)
	before := w.before()
	answer = w.fetch(w.open("secret", nil))
	if valueOf(answer, "a") != self || w.calls(before)[getValue] != 1 {
		t.Errorf("a = %s after %v", valueOf(answer, "a"), w.calls(before))
	}
	// A rotation reaches nobody before it is deployed.
	version = w.put("self", canary+"-2")
	w.pass(time.Minute)
	if answer := w.fetch(verbatim); !answer.Unchanged {
		t.Errorf("a rotation that was not deployed: %v", answer.Snapshot)
	}
	w.deploy(id, version)
	_ = w.fail(verbatim, "the document: it is not valid JSON")
	whole := w.open("secret", func(c *appconfig.Config) { c.Verbatim, c.Items = true, []appconfig.Item{{Name: "all"}} })
	if got := valueOf(w.fetch(whole), "all"); got != canary+"-2" {
		t.Errorf("a secret that is no JSON: %s", got)
	}
}

// Of twenty pods a deployment reaches half. Each keeps what its session drew through an outage: nobody falls back to the
// old document, and nobody gets the new one early.
func TestGradualDeploymentThroughAnOutage(t *testing.T) {
	w := newWorld(t)
	id, arn := w.profile("keys", "hosted", "")
	w.allow("pod", startSession, arn, getLatest, arn)
	w.host(id, document("old", "x"), "release-1")
	pods := make([]*appconfig.Source, 20)
	for i := range pods {
		pods[i] = w.open("keys", nil)
		w.fetch(pods[i])
	}
	w.strategy = *must[*ac.CreateDeploymentStrategyOutput](w)(w.config.CreateDeploymentStrategy(t.Context(),
		&ac.CreateDeploymentStrategyInput{
			Name: aws.String("half"), DeploymentDurationInMinutes: aws.Int32(20), GrowthFactor: aws.Float32(50),
			GrowthType: actypes.GrowthTypeLinear, ReplicateTo: actypes.ReplicateToNone,
		})).Id
	w.host(id, document("new", "x"), "release-2")
	w.pass(10 * time.Minute)
	reached := map[*appconfig.Source]bool{}
	for _, pod := range pods {
		reached[pod] = valueOf(w.fetch(pod), "a") == "new"
	}
	before := w.before()
	for _, fault := range []localaws.Fault{localaws.Throttle(getLatest, 0), localaws.Unavailable(getLatest, 0)} {
		remove := w.aws.Inject(fault)
		w.pass(time.Minute)
		for _, pod := range pods {
			_ = w.fail(pod, "polling for configuration")
		}
		remove()
	}
	n := 0
	for _, pod := range pods {
		if answer := w.fetch(pod); !answer.Unchanged {
			t.Errorf("a pod that had the new document %v: now %v", reached[pod], answer.Snapshot)
		}
		if reached[pod] {
			n++
		}
	}
	if n == 0 || n == len(pods) {
		t.Errorf("half of the sessions are %d of %d", n, len(pods))
	}
	if got := w.calls(before)[startSession]; got != 0 {
		t.Errorf("%d new sessions", got)
	}
}

// Each fault costs at most one new session, and no change is lost.
func TestAppConfigThroughFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault    localaws.Fault
		pass     time.Duration // before the poll
		text     string        // of the failure; empty when the source mends it at once
		sessions int
	}{
		"throttled":  {localaws.Throttle(getLatest, 2), time.Minute, "ThrottlingException", 0},
		"down":       {localaws.Unavailable(getLatest, 2), time.Minute, "polling for configuration telemetry/uat/keys", 0},
		"reply lost": {localaws.LoseReply(getLatest, 2), time.Minute, "no answer from 127.0.0.1", 1},
		"expired":    {localaws.Fault{Action: "none"}, 25 * time.Hour, "", 1},
		"spent elsewhere": {localaws.Fault{
			Action: getLatest, Times: 1, Code: "BadRequestException", Status: 400, Message: "no details",
		}, time.Minute, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id, arn := w.profile("keys", "hosted", "")
			w.allow("pod", startSession, arn, getLatest, arn)
			w.host(id, document(canary+"-1", "x"), "release-1")
			if test.pass > time.Hour {
				w.pod = w.root // whose credentials outlive the day
			}
			source := w.open("keys", nil)
			w.fetch(source)
			w.host(id, document(canary+"-2", "x"), "release-2")
			w.pass(test.pass)
			before := w.before()
			remove := w.aws.Inject(test.fault)
			if test.text != "" {
				_ = w.fail(source, test.text)
				remove()
			}
			if got := valueOf(w.fetch(source), "a"); got != canary+"-2" {
				t.Errorf("a = %s", got)
			}
			remove()
			if got := w.calls(before)[startSession]; got != test.sessions {
				t.Errorf("%d new sessions, want %d", got, test.sessions)
			}
		})
	}
}
