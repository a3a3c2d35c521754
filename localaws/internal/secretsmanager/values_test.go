package secretsmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

func TestRoundTrip(t *testing.T) {
	b := newBench(t)
	ctx, root := t.Context(), b.as("root")
	binary := []byte{0, 1, 255, '\n'}
	created, err := root.CreateSecret(ctx, &sm.CreateSecretInput{
		Name: aws.String("team/binary"), SecretBinary: binary, Description: aws.String("about"),
		KmsKeyId: aws.String("alias/k"), Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("uat")}},
	})
	must(t, created, err)
	if !strings.HasPrefix(*created.ARN, prefix+"team/binary-") || len(*created.ARN) != len(prefix+"team/binary-")+6 {
		t.Errorf("ARN %s", *created.ARN)
	}
	partial := prefix + "team/binary"
	for _, id := range []string{"team/binary", *created.ARN, partial} {
		got, err := root.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: &id})
		must(t, got, err)
		if string(got.SecretBinary) != string(binary) || got.SecretString != nil || *got.VersionId != *created.VersionId ||
			!got.CreatedDate.Equal(b.now) {
			t.Errorf("%s reads as %+v", id, got)
		}
	}
	d, err := root.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: &partial})
	must(t, d, err)
	if *d.Description != "about" || *d.KmsKeyId != "alias/k" || *d.Tags[0].Value != "uat" || d.DeletedDate != nil ||
		d.LastAccessedDate.After(b.now) {
		t.Errorf("described as %+v", d)
	}
	_, err = root.UpdateSecret(ctx, &sm.UpdateSecretInput{SecretId: &partial, Description: aws.String("new")})
	if err != nil {
		t.Fatal(err)
	}
	d, err = root.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: &partial})
	if must(t, d, err); *d.Description != "new" || *d.KmsKeyId != "alias/k" || len(d.VersionIdsToStages) != 1 {
		t.Errorf("after an update of the description: %+v", d)
	}
}

func TestTokensAreIdempotent(t *testing.T) {
	b := newBench(t)
	ctx, root := t.Context(), b.as("root")
	first := b.create(t, "s")
	again := b.create(t, "s")
	if *again.ARN != *first.ARN || *again.VersionId != *first.VersionId {
		t.Errorf("a repeated creation answers %s %s", *again.ARN, *again.VersionId)
	}
	_, err := root.CreateSecret(ctx, &sm.CreateSecretInput{
		Name: aws.String("s"), SecretString: aws.String("other"), ClientRequestToken: aws.String(token("v1")),
	})
	if code(err) != "ResourceExistsException" {
		t.Errorf("the same creation with other data: %v", err)
	}
	put := func(content string, tok string) (string, string) {
		out, err := root.PutSecretValue(ctx, &sm.PutSecretValueInput{
			SecretId: aws.String("s"), SecretString: &content, ClientRequestToken: &tok,
		})
		if err != nil {
			return "", code(err)
		}
		return *out.VersionId, ""
	}
	for range 2 {
		if id, got := put("obviously-fake-2", token("v2")); id != token("v2") || got != "" {
			t.Errorf("put: %q %q", id, got)
		}
	}
	if diff := cmp.Diff(map[string]string{"v2": "AWSCURRENT", "v1": "AWSPREVIOUS"}, b.labels(t)); diff != "" {
		t.Error(diff)
	}
	// repeating a put of long ago changes nothing: the version keeps the label that it has now
	if _, got := put("obviously-fake-s", token("v1")); got != "" {
		t.Errorf("repeating an old put: %q", got)
	}
	if diff := cmp.Diff(map[string]string{"v2": "AWSCURRENT", "v1": "AWSPREVIOUS"}, b.labels(t)); diff != "" {
		t.Error(diff)
	}
	if _, got := put("other", token("v2")); got != "ResourceExistsException" {
		t.Errorf("same token, other data: %q", got)
	}
	_, err = root.PutSecretValue(ctx, &sm.PutSecretValueInput{
		SecretId: aws.String("s"), SecretBinary: []byte("obviously-fake-2"), ClientRequestToken: aws.String(token("v2")),
	})
	if code(err) != "ResourceExistsException" {
		t.Errorf("same token, same bytes as binary: %v", err)
	}
	if got := code(b.step(t, "update v2")); got != "ResourceExistsException" {
		t.Errorf("UpdateSecret with a version's token: %q", got)
	}
}

func TestErrors(t *testing.T) {
	b := newBench(t)
	b.create(t, "s")
	if err := b.step(t, "put v2"); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", maxValue+1)
	root := b.as("root")
	get := func(id, version, stage string) func(context.Context) error {
		in := &sm.GetSecretValueInput{SecretId: &id}
		if version != "" {
			in.VersionId = aws.String(token(version))
		}
		if stage != "" {
			in.VersionStage = &stage
		}
		return func(ctx context.Context) error { _, err := root.GetSecretValue(ctx, in); return err }
	}
	create := func(in sm.CreateSecretInput) func(context.Context) error {
		return func(ctx context.Context) error { _, err := root.CreateSecret(ctx, &in); return err }
	}
	put := func(in sm.PutSecretValueInput) func(context.Context) error {
		in.SecretId = aws.String("s")
		return func(ctx context.Context) error { _, err := root.PutSecretValue(ctx, &in); return err }
	}
	batch := func(in sm.BatchGetSecretValueInput) func(context.Context) error {
		return func(ctx context.Context) error { _, err := root.BatchGetSecretValue(ctx, &in); return err }
	}
	list := func(in sm.ListSecretsInput) func(context.Context) error {
		return func(ctx context.Context) error { _, err := root.ListSecrets(ctx, &in); return err }
	}
	rotate := func(ctx context.Context) error {
		_, err := root.RotateSecret(ctx, &sm.RotateSecretInput{SecretId: aws.String("s")})
		return err
	}
	elsewhere := "arn:aws:secretsmanager:eu-west-1:999999999999:secret:s"
	y, short := aws.String("y"), aws.String("short")
	both := sm.PutSecretValueInput{SecretString: y, SecretBinary: []byte("y")}
	for name, tc := range map[string]struct {
		do         func(context.Context) error
		want, text string
	}{
		"unknown name":    {get("t", "", ""), "ResourceNotFoundException", "Secrets Manager can't find the specified secret."},
		"another suffix":  {get(prefix+"s-abcdef", "", ""), "ResourceNotFoundException", "specified secret."},
		"another account": {get(elsewhere, "", ""), "ResourceNotFoundException", "specified secret."},
		"unknown version": {get("s", "v9", ""), "ResourceNotFoundException", "VersionId: v9"},
		"unknown stage":   {get("s", "", "blue"), "ResourceNotFoundException", "staging label: blue"},
		"stage disagrees": {get("s", "v1", "AWSCURRENT"), "InvalidRequestException", "not associated"},
		"name taken": {
			create(sm.CreateSecretInput{Name: aws.String("s"), SecretString: y}), "ResourceExistsException", "already exists",
		},
		"bad name":        {create(sm.CreateSecretInput{Name: aws.String("a b")}), "ValidationException", "Invalid name"},
		"string too long": {put(sm.PutSecretValueInput{SecretString: &long}), "ValidationException", "65536"},
		"binary too long": {put(sm.PutSecretValueInput{SecretBinary: []byte(long)}), "ValidationException", "65536"},
		"both kinds":      {put(both), "InvalidParameterException", "both"},
		"no value":        {put(sm.PutSecretValueInput{}), "InvalidRequestException", "SecretString or SecretBinary"},
		"empty value":     {put(sm.PutSecretValueInput{SecretString: aws.String("")}), "ValidationException", "or equal to 1"},
		"token too short": {
			put(sm.PutSecretValueInput{SecretString: y, ClientRequestToken: short}), "InvalidParameterException", "32-64",
		},
		"too many labels": {
			put(sm.PutSecretValueInput{SecretString: y, VersionStages: make21()}), "LimitExceededException", "20",
		},
		"batch of nothing": {batch(sm.BatchGetSecretValueInput{}), "InvalidParameterException", "but not both"},
		"batch of 21":      {batch(sm.BatchGetSecretValueInput{SecretIdList: make21()}), "ValidationException", "20"},
		"bad page token":   {list(sm.ListSecretsInput{NextToken: aws.String("?")}), "InvalidNextTokenException", "invalid"},
		"bad filter":       {list(filtered("colour", "x")), "ValidationException", "filters"},
		"rotation":         {rotate, "UnknownOperationException", "not emulated"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.do(t.Context())
			if code(err) != tc.want || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %s with %q", err, tc.want, tc.text)
			}
			if err != nil && strings.Contains(err.Error(), "xxxx") {
				t.Error("the error shows the value")
			}
		})
	}
	exact := strings.Repeat("x", maxValue)
	if err := put(sm.PutSecretValueInput{SecretString: &exact})(t.Context()); err != nil {
		t.Errorf("a value of the greatest length: %v", err)
	}
}

func make21() []string {
	var out []string
	for i := range 21 {
		out = append(out, "label-"+string(rune('a'+i)))
	}
	return out
}

// TestWireFormat reads the raw answers, on which SDKs other than Go's depend.
func TestWireFormat(t *testing.T) {
	b := newBench(t)
	post := func(operation, body string) (*http.Response, map[string]any) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url, strings.NewReader(body))
		must(t, req, err)
		req.Header.Set("X-Amz-Target", "secretsmanager."+operation)
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=root/x, checked by the server")
		res, err := http.DefaultClient.Do(req)
		must(t, res, err)
		defer res.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return res, out
	}
	res, out := post("GetSecretValue", `{"SecretId":"nothing"}`)
	want := map[string]any{
		"__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find the specified secret.",
	}
	if diff := cmp.Diff(want, out); diff != "" || res.StatusCode != 400 ||
		res.Header.Get("X-Amzn-ErrorType") != "ResourceNotFoundException" ||
		res.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		t.Errorf("%d %v\n%s", res.StatusCode, res.Header, diff)
	}
	if _, out := post("CreateSecret", `{"Name":"s","SecretString":"y"}`); out["__type"] != "InvalidRequestException" {
		t.Errorf("a value without a token: %v", out)
	}
	b.create(t, "s")
	b.now = b.now.Add(250 * time.Millisecond)
	post("UpdateSecret", `{"SecretId":"s","Description":"d"}`)
	if _, out := post("DescribeSecret", `{"SecretId":"s"}`); out["LastChangedDate"] != 1_700_000_000.25 {
		t.Errorf("time on the wire: %v", out["LastChangedDate"])
	}
	_, out = post("GetSecretValue", `{"SecretId":"obviously-fake-canary`)
	if text := fmt.Sprint(out); out["__type"] != "SerializationException" || strings.Contains(text, "canary") {
		t.Errorf("a body that is not JSON: %v", text)
	}
}

func TestReadAs(t *testing.T) {
	b := newBench(t)
	created := b.create(t, "s")
	if err := b.step(t, "put v2"); err != nil {
		t.Fatal(err)
	}
	role := api.Principal{Kind: api.Session, Account: account, ARN: "reader"}
	if _, _, err := b.ReadAs(role, "s", token("v1")); err == nil || err.Code != "AccessDenied" {
		t.Fatalf("without permission: %v", err)
	}
	b.access.grants = []grant{{"reader", "secretsmanager:GetSecretValue", *created.ARN}}
	content, version, err := b.ReadAs(role, "s", token("v1"))
	if err != nil || string(content) != "obviously-fake-s" || version != token("v1") {
		t.Errorf("pinned: %s %v", version, err)
	}
	if _, version, err = b.ReadAs(role, "s", ""); err != nil || version != token("v2") {
		t.Errorf("current: %s %v", version, err)
	}
	clear(content)
	if again, _, _ := b.ReadAs(role, "s", token("v1")); string(again) != "obviously-fake-s" {
		t.Error("the answer shares memory with the secret")
	}
	if _, _, err := b.ReadAs(role, "s", token("v9")); err == nil || err.Code != "ResourceNotFoundException" {
		t.Errorf("unknown version: %v", err)
	}
}

// TestConcurrentPuts: whoever comes last is current, the one before is previous, and nobody is both.
func TestConcurrentPuts(t *testing.T) {
	b := newBench(t)
	b.create(t, "s")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := b.step(t, fmt.Sprintf("put v%d", i+2)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var labels []string
	for _, label := range b.labels(t) {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	if diff := cmp.Diff([]string{"AWSCURRENT", "AWSPREVIOUS"}, labels); diff != "" {
		t.Error(diff)
	}
}
