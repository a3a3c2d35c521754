package secretsmanager_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery/reference"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/secretsmanager"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func many(n int) (items []secretsmanager.Item, ids []string) {
	for i := range n {
		id := fmt.Sprintf("s%02d", i)
		items, ids = append(items, secretsmanager.Item{Name: id, SecretID: id}), append(ids, id)
	}
	return items, ids
}

func anySecret(in request) (int, map[string]any) {
	return 200, map[string]any{"SecretString": canary + in.SecretId, "VersionId": v2}
}

// Batches are of 20; what would be a batch of one is a single read.
func TestBatchSizes(t *testing.T) {
	for n, want := range map[int][2]int{1: {0, 1}, 2: {1, 0}, 20: {1, 0}, 21: {1, 1}, 45: {3, 0}} {
		items, _ := many(n)
		s, source, _ := openSource(t, anySecret, items...)
		if got := len(values(get(t, source))); got != n {
			t.Errorf("%d of %d items", got, n)
		}
		if got := [2]int{len(s.batches), len(s.requests)}; got != want {
			t.Errorf("%d items: %d batches and %d single reads, want %v", n, got[0], got[1], want)
		}
	}
}

// A role that may not batch reads one by one, and is asked again after an hour.
func TestBatchDenied(t *testing.T) {
	items, ids := many(2)
	s, source, now := openSource(t, anySecret, items...)
	s.batch = denyBatch
	for range 3 {
		get(t, source)
		*now = now.Add(29 * time.Minute)
	}
	if len(s.batches) != 1 || len(s.requests) != 6 {
		t.Errorf("%d batches and %d reads in three polls of 58 minutes", len(s.batches), len(s.requests))
	}
	s.batch, s.requests, s.batches = nil, nil, nil
	get(t, source)
	if diff := cmp.Diff([][]string{ids}, s.batches); diff != "" || len(s.requests) != 0 {
		t.Errorf("after an hour: %d single reads, batches (-want +got)\n%s", len(s.requests), diff)
	}
}

// What a batch says of one secret, or does not say, is of that secret alone.
func TestBatchPartial(t *testing.T) {
	items, _ := many(4)
	s, source, _ := openSource(t, func(in request) (int, map[string]any) {
		if in.SecretId == "s03" {
			return refusing("ResourceNotFoundException", "none")(in)
		}
		return anySecret(in)
	}, items...)
	s.batch = func([]string) (int, map[string]any) {
		return 200, map[string]any{
			"SecretValues": []map[string]any{{"Name": "s00", "ARN": arnOf("s00"), "SecretString": "x", "VersionId": v2}},
			"Errors": []map[string]any{
				{"SecretId": "s01", "ErrorCode": "AccessDeniedException", "Message": "no"},
			},
		}
	}
	answer := get(t, source)
	wantAnswer(t, answer, map[string]string{
		"s00": v2 + " x", "s02": v2 + " " + canary + "s02",
		"s01": "failed: reading secret s01 (stage AWSCURRENT): AccessDeniedException: no",
		"s03": "failed: reading secret s03 (stage AWSCURRENT): ResourceNotFoundException: none",
	})
	if err := answer.Failed["s01"]; problem.KindOf(err) != problem.Denied ||
		!strings.Contains(problem.HintOf(err), "secretsmanager:GetSecretValue on ") {
		t.Errorf("kind %d, hint %q", problem.KindOf(err), problem.HintOf(err))
	}
	if len(s.requests) != 2 { // of which the batch said nothing
		t.Errorf("single reads: %v", s.requests)
	}
}

// A secret goes by its name, its ARN, or its ARN without the end.
func TestBatchNames(t *testing.T) {
	full := arnOf("team/k")
	items := []secretsmanager.Item{
		{Name: "name", SecretID: "team/k"}, {Name: "arn", SecretID: full}, {Name: "short", SecretID: full[:len(full)-7]},
	}
	s, source, _ := openSource(t, anySecret, items...)
	s.batch = func([]string) (int, map[string]any) {
		return 200, map[string]any{"SecretValues": []map[string]any{
			{"Name": "team/k", "ARN": full, "SecretString": "x", "VersionId": v2},
		}}
	}
	if answer := get(t, source); len(values(answer)) != 3 || len(answer.Failed) != 0 || len(s.requests) != 0 {
		t.Errorf("%v after %d single reads", values(answer), len(s.requests))
	}
}

// A batch that is refused for what is in it says nothing of the others.
func TestBatchInvalid(t *testing.T) {
	s, source, _ := openSource(t, anySecret,
		secretsmanager.Item{Name: "a", SecretID: "a"}, secretsmanager.Item{Name: "b", SecretID: "b"})
	s.batch = func([]string) (int, map[string]any) {
		return refusing("ValidationException", "secretIdList")(request{})
	}
	for range 2 {
		if got := len(get(t, source).Failed); got != 0 {
			t.Errorf("%d failed", got)
		}
	}
	if len(s.batches) != 2 || len(s.requests) != 4 {
		t.Errorf("%d batches, %d reads", len(s.batches), len(s.requests))
	}
}

// A batch that is throttled is read one by one, since that has a quota of its own, and batches are spared for an hour.
func TestBatchThrottled(t *testing.T) {
	items, _ := many(3)
	s, source, now := openSource(t, anySecret, items...)
	s.batch = func([]string) (int, map[string]any) {
		return refusing("ThrottlingException", "Rate exceeded")(request{})
	}
	for range 2 {
		if got := len(get(t, source).Failed); got != 0 {
			t.Errorf("%d failed", got)
		}
	}
	if len(s.batches) != 1 || len(s.requests) != 6 {
		t.Errorf("%d batches, %d reads", len(s.batches), len(s.requests))
	}
	s.batch, s.requests = nil, nil
	*now = now.Add(time.Hour)
	get(t, source)
	if len(s.batches) != 2 || len(s.requests) != 0 {
		t.Errorf("an hour later: %d batches, %d reads", len(s.batches), len(s.requests))
	}
}

// A service in trouble keeps what there is, and is left alone.
func TestThrottled(t *testing.T) {
	throttle := refusing("ThrottlingException", "Rate exceeded")
	for name, test := range map[string]struct {
		stage   string
		batches int
		reads   int
	}{"in a batch": {"", 1, 1}, "one by one": {"blue", 0, 1}} {
		t.Run(name, func(t *testing.T) {
			items, _ := many(5)
			for i := range items {
				items[i].Stage = test.stage
			}
			s, source, _ := openSource(t, anySecret, items...)
			get(t, source)
			s.answer, s.requests, s.batches = throttle, nil, nil
			if test.batches > 0 {
				s.batch = func([]string) (int, map[string]any) { return throttle(request{}) }
			}
			_, err := source.Fetch(t.Context())
			if err == nil || !strings.Contains(err.Error(), "item s00: reading secret s00") {
				t.Fatalf("error %v", err)
			}
			if len(s.requests) != test.reads || len(s.batches) != test.batches {
				t.Errorf("%d batches and %d reads of a service that throttles", len(s.batches), len(s.requests))
			}
			s.answer, s.batch = anySecret, nil
			if !get(t, source).Unchanged {
				t.Error("a throttled poll forgot what was given")
			}
		})
	}
}

// The resolver reads in one call, too, and fails for the first reference that cannot be had.
func TestResolverBatches(t *testing.T) {
	s, r := start(t, vault)
	s.batch = nil
	refs := []reference.Reference{{SecretID: "k", JSONKey: "user"}, {SecretID: "plain"}, {SecretID: "k", JSONKey: "key"}}
	if _, err := r.Resolve(t.Context(), refs); err != nil || len(s.batches) != 1 || len(s.requests) != 0 {
		t.Errorf("%v after %d batches and %d reads", err, len(s.batches), len(s.requests))
	}
	_, err := r.Resolve(t.Context(), append(refs, reference.Reference{SecretID: "none"}))
	if err == nil || !strings.Contains(err.Error(), "reading secret none (stage AWSCURRENT): ResourceNotFoundException") {
		t.Errorf("error %v", err)
	}
}
