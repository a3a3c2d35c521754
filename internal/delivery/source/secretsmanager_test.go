package source_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/appconfig"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/secretsmanager"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/localaws"
)

const (
	getValue = "secretsmanager:GetSecretValue"
	getBatch = "secretsmanager:BatchGetSecretValue"
)

func (w *world) source(items ...secretsmanager.Item) *secretsmanager.Source {
	w.t.Helper()
	source, err := secretsmanager.NewSource(w.pod, secretsmanager.Config{Items: items, Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	return source
}

func TestSecretsContract(t *testing.T) {
	for _, may := range []string{"batch", "not batch"} {
		t.Run("may "+may, func(t *testing.T) {
			deliverytest.RunSource(t, func(t *testing.T) deliverytest.SourceCase {
				w := newWorld(t)
				w.allow("pod", getValue, "*")
				if may == "batch" {
					w.allow("pod", getValue, "*", getBatch, "*")
				}
				held, gone, mend := map[string]bool{}, "", func() {}
				return deliverytest.SourceCase{
					Source: w.source(secretsmanager.Item{Name: "a", SecretID: "a"}, secretsmanager.Item{Name: "b", SecretID: "b"}),
					Set: func(values map[string]string) {
						for name, value := range values {
							if !held[name] {
								w.create(name, value)
							} else if name != gone {
								w.put(name, value)
							}
							held[name] = true
						}
					},
					Break: func() { mend = w.aws.Inject(localaws.Unavailable("secretsmanager:*", 0)) },
					BreakItem: func(name string) {
						gone = name
						must[*sm.DeleteSecretOutput](w)(w.secrets.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: &name}))
					},
					Mend: func() {
						mend()
						if gone != "" {
							must[*sm.RestoreSecretOutput](w)(w.secrets.RestoreSecret(t.Context(), &sm.RestoreSecretInput{SecretId: &gone}))
						}
					},
					Pass: func() { w.pass(30 * time.Second) },
				}
			})
		})
	}
}

// The permissions decide: one call for all with BatchGetSecretValue, one for each without; a secret that the role may
// not read fails alone, and says what would let it.
func TestSecretsByPermission(t *testing.T) {
	w := newWorld(t)
	one, two := w.create("one", object(map[string]string{"key": canary + "-1"})), w.create("two", canary+"-2")
	w.allow("pod", getBatch, "*", getValue, one, getValue, two)
	source := w.source(secretsmanager.Item{Name: "1", SecretID: "one", Key: "key"}, secretsmanager.Item{Name: "2", SecretID: two})
	before := w.before()
	answer := w.fetch(source)
	if valueOf(answer, "1") != canary+"-1" || valueOf(answer, "2") != canary+"-2" {
		t.Errorf("%v", answer)
	}
	want := map[string]int{getBatch: 1}
	if diff := cmp.Diff(want, w.only(before)); diff != "" {
		t.Errorf("calls (-want +got)\n%s", diff)
	}
	item, _ := answer.Snapshot.Get("2")
	about := item.About
	if about.ARN != two || about.ID != "two" || !cmp.Equal(about.Stages, []string{"AWSCURRENT"}) || about.Created.IsZero() || about.Binary {
		t.Errorf("about: %+v", about)
	}

	w.allow("pod", getBatch, "*", getValue, one)
	w.put("one", object(map[string]string{"key": canary + "-3"}))
	answer = w.fetch(source)
	err := answer.Failed["2"]
	if valueOf(answer, "1") != canary+"-3" || problem.KindOf(err) != problem.Denied ||
		!strings.Contains(problem.HintOf(err), "secretsmanager:GetSecretValue on "+two) {
		t.Errorf("%v, failed %v, hint %q", answer.Snapshot, answer.Failed, problem.HintOf(err))
	}

	w.allow("pod", getValue, one, getValue, two)
	before = w.before()
	for range 2 {
		if answer = w.fetch(source); !answer.Unchanged || len(answer.Failed) != 0 {
			t.Errorf("without the batch: %+v", answer)
		}
	}
	want = map[string]int{getBatch: 1, getValue: 4}
	if diff := cmp.Diff(want, w.only(before)); diff != "" {
		t.Errorf("calls without the permission to batch (-want +got)\n%s", diff)
	}
}

// only counts the reads of secrets since before.
func (w *world) only(before map[string]int) map[string]int {
	calls := map[string]int{}
	for action, n := range w.calls(before) {
		if action == getValue || action == getBatch {
			calls[action] = n
		}
	}
	return calls
}

// Stages, pinned versions, bytes, and what is optional, of real versions that move.
func TestSecretsVersions(t *testing.T) {
	w := newWorld(t)
	w.allow("pod", getBatch, "*", getValue, "*")
	w.create("k", canary+"-1")
	v2 := w.put("k", canary+"-2")
	must[*sm.CreateSecretOutput](w)(w.secrets.CreateSecret(t.Context(), &sm.CreateSecretInput{
		Name: aws.String("bytes"), SecretBinary: []byte("\x00\xff"),
	}))
	source := w.source(
		secretsmanager.Item{Name: "now", SecretID: "k"}, secretsmanager.Item{Name: "before", SecretID: "k", Stage: "AWSPREVIOUS"},
		secretsmanager.Item{Name: "pinned", SecretID: "k", VersionID: v2}, secretsmanager.Item{Name: "bytes", SecretID: "bytes"},
		secretsmanager.Item{Name: "green", SecretID: "k", Stage: "green", Optional: true},
		secretsmanager.Item{Name: "none", SecretID: "none", Optional: true},
	)
	want := func(values map[string]string) {
		t.Helper()
		answer, got := w.fetch(source), map[string]string{}
		for item := range answer.Snapshot.All() {
			got[item.Name] = string(item.Value.Reveal())
		}
		if diff := cmp.Diff(values, got); diff != "" || len(answer.Failed) > 0 {
			t.Errorf("%v (-want +got)\n%s", answer.Failed, diff)
		}
	}
	want(map[string]string{"now": canary + "-2", "before": canary + "-1", "pinned": canary + "-2", "bytes": "\x00\xff"})
	must[*sm.PutSecretValueOutput](w)(w.secrets.PutSecretValue(t.Context(), &sm.PutSecretValueInput{
		SecretId: aws.String("k"), SecretString: aws.String(canary + "-3"), VersionStages: []string{"AWSCURRENT", "green"},
	}))
	want(map[string]string{
		"now": canary + "-3", "before": canary + "-2", "pinned": canary + "-2", "bytes": "\x00\xff", "green": canary + "-3",
	})
}

// Fifty rotations while polls go on: what each gives belongs together, and the last is followed.
func TestFiftyRotations(t *testing.T) {
	direct := func(w *world) delivery.Source {
		return w.source(secretsmanager.Item{Name: "user", SecretID: "k", Key: "user"},
			secretsmanager.Item{Name: "other", SecretID: "other"}, secretsmanager.Item{Name: "key", SecretID: "k", Key: "key"})
	}
	referred := func(w *world) delivery.Source {
		id, _ := w.profile("keys", "hosted", "")
		w.host(id, `{"user":"{{resolve:secretsmanager:k:SecretString:user}}","other":"{{resolve:secretsmanager:other}}",`+
			`"key":"{{resolve:secretsmanager:k:SecretString:key}}"}`, "release-1")
		return w.open("keys", func(c *appconfig.Config) {
			c.Items = []appconfig.Item{{Name: "user", Field: "user"}, {Name: "other", Field: "other"}, {Name: "key", Field: "key"}}
		})
	}
	for name, open := range map[string]func(*world) delivery.Source{"named directly": direct, "by references": referred} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow("pod", getBatch, "*", getValue, "*", "appconfig:*", "*")
			w.create("k", pair(0))
			w.create("other", canary)
			source := open(w)
			w.fetch(source)
			var done atomic.Bool
			rotated := make(chan error, 1)
			go func() {
				defer done.Store(true)
				rotated <- w.rotate("k", 50)
			}()
			last := ""
			for ended := false; !ended; {
				ended = done.Load()
				answer := w.fetch(source)
				if answer.Unchanged {
					continue
				}
				user, key := valueOf(answer, "user"), valueOf(answer, "key")
				if last = strings.TrimPrefix(user, "user-"); key != canary+"-"+last {
					t.Fatalf("%s with %s", user, strings.TrimPrefix(key, canary))
				}
			}
			if err := <-rotated; err != nil || last != "50" {
				t.Errorf("%v, and the last is %s", err, last)
			}
		})
	}
}

// pair is the nth version of a secret whose members belong together.
func pair(n int) string {
	return object(map[string]string{"user": fmt.Sprint("user-", n), "key": fmt.Sprint(canary, "-", n)})
}

func (w *world) rotate(name string, times int) error {
	for n := range times {
		text := pair(n + 1)
		_, err := w.secrets.PutSecretValue(w.t.Context(), &sm.PutSecretValueInput{SecretId: &name, SecretString: &text})
		if err != nil {
			return err
		}
	}
	return nil
}

// Whatever becomes of a call, the last good values stay, and the next good poll has the change.
func TestSecretsThroughFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault localaws.Fault
		text  string // of the failure; empty when there is none
	}{
		"batch throttled":         {localaws.Throttle(getBatch, 1), ""},
		"throttled":               {localaws.Throttle("secretsmanager:*", 2), "ThrottlingException"},
		"batch down":              {localaws.Unavailable(getBatch, 1), "item a: reading secret a"},
		"reply of batch lost":     {localaws.LoseReply(getBatch, 1), "no answer from 127.0.0.1"},
		"credentials expired":     {localaws.ExpiredToken("secretsmanager:*", 3), "expired"},
		"batch refused, not ours": {localaws.Fault{Action: getBatch, Times: 1, Code: "InvalidParameterException", Status: 400}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow("pod", getBatch, "*", getValue, "*")
			w.create("a", canary+"-1")
			w.create("b", canary+"-2")
			source := w.source(secretsmanager.Item{Name: "a", SecretID: "a"}, secretsmanager.Item{Name: "b", SecretID: "b"})
			w.fetch(source)
			w.put("a", canary+"-3")
			remove := w.aws.Inject(test.fault)
			if test.text != "" {
				_ = w.fail(source, test.text)
			}
			var answer delivery.Answer
			if test.text == "" {
				answer = w.fetch(source)
			}
			remove()
			if test.text != "" {
				answer = w.fetch(source)
			}
			if valueOf(answer, "a") != canary+"-3" {
				t.Errorf("a = %s", valueOf(answer, "a"))
			}
		})
	}
}
