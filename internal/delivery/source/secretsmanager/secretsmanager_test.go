package secretsmanager_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery/reference"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/secretsmanager"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

const (
	canary = "CANARY-not-a-real-key"
	v1     = "11111111-1111-1111-1111-111111111111"
	v2     = "22222222-2222-2222-2222-222222222222"
)

type request struct{ SecretId, VersionId, VersionStage string }

// service speaks AWS JSON 1.1: it answers every GetSecretValue by its answer function and keeps the requests. It
// answers BatchGetSecretValue from the same function, or by its batch function where that is set.
type service struct {
	requests []request
	answer   func(request) (status int, body map[string]any)

	batches [][]string // ids of each BatchGetSecretValue
	batch   func(ids []string) (status int, body map[string]any)
}

func start(t *testing.T, answer func(request) (int, map[string]any)) (*service, *secretsmanager.Resolver) {
	t.Helper()
	s := &service{answer: answer, batch: denyBatch}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, secretsmanager.New(config(server.URL), nil)
}

// whole reads an answer before it gives it on. The SDK closes the request's body as soon as an answer begins; where the
// transport was not done with that body it closes the connection, and the SDK asks again, which these tests forbid.
type whole struct{ client *http.Client }

func (w whole) Do(r *http.Request) (*http.Response, error) {
	answer, err := w.client.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, err
}

func config(url string) aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &url, RetryMaxAttempts: 1, HTTPClient: whole{&http.Client{}},
		Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			c, err := credentials.NewStaticCredentialsProvider("AKIAFAKE", "not-a-real-key", "").Retrieve(ctx)
			c.AccountID = "111122223333"
			return c, err
		}),
	}
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		request
		SecretIdList []string
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &in)
	var status int
	var out map[string]any
	switch got := r.Header.Get("X-Amz-Target"); got {
	case "secretsmanager.GetSecretValue":
		s.requests = append(s.requests, in.request)
		status, out = s.answer(in.request)
	case "secretsmanager.BatchGetSecretValue":
		s.batches = append(s.batches, in.SecretIdList)
		if s.batch != nil {
			status, out = s.batch(in.SecretIdList)
		} else {
			status, out = s.each(in.SecretIdList)
		}
	default:
		http.Error(w, got, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// each answers a batch from what is answered for each of its secrets.
func (s *service) each(ids []string) (int, map[string]any) {
	values, errs := []map[string]any{}, []map[string]any{}
	for _, id := range ids {
		status, out := s.answer(request{SecretId: id, VersionStage: "AWSCURRENT"})
		if status == 200 {
			out["Name"], out["ARN"] = id, arnOf(id)
			values = append(values, out)
		} else {
			errs = append(errs, map[string]any{"SecretId": id, "ErrorCode": out["__type"], "Message": out["message"]})
		}
	}
	return 200, map[string]any{"SecretValues": values, "Errors": errs}
}

func arnOf(name string) string {
	return "arn:aws:secretsmanager:eu-west-1:111122223333:secret:" + name + "-AbCdEf"
}

func refusing(code, message string) func(request) (int, map[string]any) {
	return func(request) (int, map[string]any) { return 400, map[string]any{"__type": code, "message": message} }
}

// denyBatch is a role that may read secrets only one by one.
func denyBatch([]string) (int, map[string]any) {
	return refusing("AccessDeniedException", "not authorized to perform: secretsmanager:BatchGetSecretValue")(request{})
}

// vault answers as Secrets Manager would with two versions of the secret "k", and a binary one.
func vault(in request) (int, map[string]any) {
	version := in.VersionId
	switch in.VersionStage {
	case "AWSCURRENT":
		version = v2
	case "AWSPREVIOUS":
		version = v1
	}
	switch in.SecretId + " " + version {
	case "k " + v1:
		return 200, map[string]any{"SecretString": `{"user":"ada","key":"old ` + canary + `"}`, "VersionId": v1}
	case "k " + v2:
		return 200, map[string]any{"SecretString": `{"user":"eve","key":"new ` + canary + `"}`, "VersionId": v2}
	case "binary " + v2:
		return 200, map[string]any{"SecretBinary": []byte("\x00\xff"), "VersionId": v2}
	case "plain " + v2:
		return 200, map[string]any{"SecretString": canary, "VersionId": v2}
	case "empty " + v2:
		return 200, map[string]any{"SecretString": "", "VersionId": v2}
	}
	return 400, map[string]any{"__type": "ResourceNotFoundException", "message": "can't find it"}
}

func TestResolve(t *testing.T) {
	s, r := start(t, vault)
	refs := []reference.Reference{
		{SecretID: "k", JSONKey: "user"},
		{SecretID: "k", JSONKey: "key", Stage: "AWSCURRENT"},
		{SecretID: "k", JSONKey: "key", Stage: "AWSPREVIOUS"},
		{SecretID: "k", JSONKey: "user", VersionID: v1},
		{SecretID: "binary"},
	}
	want := []string{v2 + " eve", v2 + " new " + canary, v1 + " old " + canary, v1 + " ada", v2 + " \x00\xff"}
	for range 2 {
		resolved, err := r.Resolve(t.Context(), refs)
		if err != nil {
			t.Fatal(err)
		}
		for i, ref := range refs {
			if got := resolved[ref].Version + " " + string(resolved[ref].Value.Reveal()); got != want[i] {
				t.Errorf("%s = %q, want %q", ref, got, want[i])
			}
		}
	}
	once := []request{
		{SecretId: "k", VersionStage: "AWSCURRENT"},
		{SecretId: "k", VersionStage: "AWSPREVIOUS"},
		{SecretId: "k", VersionId: v1},
		{SecretId: "binary", VersionStage: "AWSCURRENT"},
	}
	wantRequests := append(once, once[0], once[1], once[3]) // the pinned version is not read again
	if diff := cmp.Diff(wantRequests, s.requests); diff != "" {
		t.Errorf("requests (-want +got)\n%s", diff)
	}
}

func TestPinnedVersionsAreForgottenWhenNobodyAsks(t *testing.T) {
	s, r := start(t, vault)
	one := []reference.Reference{{SecretID: "k", VersionID: v1}}
	two := []reference.Reference{{SecretID: "k", VersionID: v2}}
	broken := append(two, reference.Reference{SecretID: "none"})
	for i, refs := range [][]reference.Reference{one, broken, one, two, one} {
		if _, err := r.Resolve(t.Context(), refs); (err != nil) != (i == 1) {
			t.Fatal(err)
		}
	}
	// v1, v2 and none, nothing for v1 (the failure before it forgot nothing), v2 (forgotten), v1 (forgotten)
	if len(s.requests) != 5 {
		t.Errorf("%d requests: %v", len(s.requests), s.requests)
	}
}

func TestFailures(t *testing.T) {
	ref := reference.Reference{SecretID: "team/key"}
	const arn = "arn:aws:secretsmanager:us-east-1:444455556666:secret:team/key-AbCdEf"
	tests := []struct {
		name        string
		answer      func(request) (int, map[string]any)
		ref         reference.Reference
		kind        problem.Kind
		text, hints string
	}{
		{
			"access denied", refusing("AccessDeniedException", "User: x is not authorized"), ref, problem.Denied,
			"reading secret team/key (stage AWSCURRENT): AccessDeniedException: User: x is not authorized",
			"secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:111122223333:secret:team/key-??????",
		},
		{
			"access denied by ARN", refusing("AccessDeniedException", "no"),
			reference.Reference{SecretID: arn},
			problem.Denied,
			"AccessDeniedException", "secretsmanager:GetSecretValue on " + arn,
		},
		{
			"no KMS access", refusing("AccessDeniedException", "Access to KMS is not allowed"), ref, problem.Denied,
			"KMS", "kms:ViaService = secretsmanager.eu-west-1.amazonaws.com",
		},
		{
			"decryption", refusing("DecryptionFailure", "cannot decrypt"), ref, problem.Denied,
			"DecryptionFailure", "kms:Decrypt",
		},
		{
			"not found", refusing("ResourceNotFoundException", "can't find"), ref, problem.Failed,
			"team/key", "check the name and the stage in region eu-west-1",
		},
		{
			"version not found", refusing("ResourceNotFoundException", "can't find"),
			reference.Reference{SecretID: "k", VersionID: v1},
			problem.Failed, "version " + v1, "the version in region",
		},
		{
			"deleted", refusing("InvalidRequestException", "it was marked for deletion"), ref, problem.Failed, "team/key",
			"aws secretsmanager restore-secret --secret-id team/key",
		},
		{"throttled", refusing("ThrottlingException", "Rate exceeded"), ref, problem.Failed, "Rate exceeded", ""},
		{
			"pending", vault,
			reference.Reference{SecretID: "k", Stage: "AWSPENDING"},
			problem.Refused,
			"stage AWSPENDING is not delivered", "AWSCURRENT",
		},
		{"empty", vault, reference.Reference{SecretID: "empty"}, problem.Refused, "is empty", "put-secret-value"},
		{
			"no such JSON key", vault,
			reference.Reference{SecretID: "k", JSONKey: "none"},
			problem.Refused,
			"secret k: field none is missing", "JSON key",
		},
		{
			"not JSON", vault,
			reference.Reference{SecretID: "plain", JSONKey: "key"},
			problem.Refused,
			"secret plain has no key key: it is not valid JSON", "JSON key",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, r := start(t, test.answer)
			_, err := r.Resolve(t.Context(), []reference.Reference{test.ref})
			if err == nil {
				t.Fatal("no error")
			}
			if got := problem.KindOf(err); got != test.kind {
				t.Errorf("kind %d, want %d", got, test.kind)
			}
			if !strings.Contains(err.Error(), test.text) || !strings.Contains(problem.HintOf(err), test.hints) {
				t.Errorf("error %q, hint %q", err, problem.HintOf(err))
			}
			if strings.Contains(err.Error()+problem.HintOf(err), "CANARY") {
				t.Errorf("a value is shown: %v", err)
			}
		})
	}
}

// What the identity says about itself is not buried, and keeps its kind and hint.
func TestCredentialFailure(t *testing.T) {
	cfg := config("http://127.0.0.1:1")
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, problem.New(problem.Denied, "mount the token", "no token file: %w", io.EOF)
	})
	_, err := secretsmanager.New(cfg, nil).Resolve(t.Context(), []reference.Reference{{SecretID: "k"}})
	if err == nil || err.Error() != "reading secret k (stage AWSCURRENT): no token file: EOF" {
		t.Errorf("error %v", err)
	}
	if problem.KindOf(err) != problem.Denied || problem.HintOf(err) != "mount the token" || !errors.Is(err, io.EOF) {
		t.Errorf("kind %d, hint %q", problem.KindOf(err), problem.HintOf(err))
	}
}

// The resolver holds pinned values and credentials; neither is printed with it.
func TestResolverShowsNothing(t *testing.T) {
	_, r := start(t, vault)
	if _, err := r.Resolve(t.Context(), []reference.Reference{{SecretID: "k", VersionID: v1}}); err != nil {
		t.Fatal(err)
	}
	type holder struct{ resolver *secretsmanager.Resolver }
	out := secrettest.Print(r, holder{r}, &holder{r}, []any{r})
	secrettest.Find(t, out, canary)
	if got := fmt.Sprintf("%d", r); got != "Secrets Manager in eu-west-1" {
		t.Errorf("%q", got)
	}
}

func TestUnreachable(t *testing.T) {
	_, err := secretsmanager.New(config("http://127.0.0.1:1"), nil).Resolve(t.Context(), []reference.Reference{{SecretID: "k"}})
	hint := problem.HintOf(err)
	if problem.KindOf(err) != problem.Failed || !strings.Contains(hint, "reach 127.0.0.1:1: ") ||
		!strings.Contains(hint, "com.amazonaws.eu-west-1.secretsmanager") {
		t.Errorf("error %v, hint %q", err, hint)
	}
}
