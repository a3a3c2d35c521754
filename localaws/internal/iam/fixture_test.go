package iam_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/iamtest"
)

const (
	account  = "123456789012"
	rootARN  = "arn:aws:iam::123456789012:root"
	rootKey  = "AKIAFAKEFAKEFAKEFAKE"
	trustAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",` +
		`"Principal":{"AWS":"123456789012"}}}`
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

type fixture struct {
	*testing.T
	service *iam.Service
	client  *sdk.Client // the root user's
	url     string
	now     time.Time
}

func newFixture(t *testing.T, change ...func(*iam.Config)) *fixture {
	t.Helper()
	f := &fixture{T: t, now: start}
	cfg := iam.Config{
		Clock: func() time.Time { return f.now }, Account: account, Region: "eu-west-1",
		RootKey: rootKey, RootSecret: "fake-root-secret",
	}
	for _, c := range change {
		c(&cfg)
	}
	f.service = iam.New(cfg)
	server := httptest.NewServer(iamtest.Front(f.service, f.service))
	t.Cleanup(server.Close)
	f.url = server.URL
	root, _ := f.service.Credential(rootKey)
	f.client = f.clientOf(root)
	return f
}

func (f *fixture) clientOf(c iam.Credential) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(f.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
	})
}

// role creates a role with one inline policy, or none when document is empty.
func (f *fixture) role(name, trust, document string) iam.Role {
	f.Helper()
	out, err := f.client.CreateRole(f.Context(), &sdk.CreateRoleInput{
		RoleName: aws.String(name), AssumeRolePolicyDocument: aws.String(trust),
	})
	if err != nil {
		f.Fatal(err)
	}
	if document != "" {
		_, err := f.client.PutRolePolicy(f.Context(), &sdk.PutRolePolicyInput{
			RoleName: aws.String(name), PolicyName: aws.String("inline"), PolicyDocument: aws.String(document),
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	role, ok := f.service.Role(aws.ToString(out.Role.Arn))
	if !ok {
		f.Fatalf("role %s is not found by its ARN %s", name, aws.ToString(out.Role.Arn))
	}
	return role
}

// call makes a call signed with a key; an empty key makes an anonymous one.
func (f *fixture) call(key string) *api.Call {
	f.Helper()
	r := httptest.NewRequestWithContext(f.Context(), http.MethodGet, "/", nil)
	r.RemoteAddr = "127.0.0.1:4321"
	c := &api.Call{Request: r, Region: "eu-west-1"}
	if key == "" {
		return c
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20300102/eu-west-1/s3/aws4_request")
	credential, ok := f.service.Credential(key)
	if !ok {
		f.Fatalf("no credential %s", key)
	}
	c.Principal = credential.Principal
	return c
}

// checkError wants an API error of that code and HTTP status; an empty code wants none.
func checkError(t *testing.T, err error, code string, status int) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("unexpected error: %v", err)
		}
		return
	}
	var refused smithy.APIError
	var response *awshttp.ResponseError
	if !errors.As(err, &refused) || !errors.As(err, &response) {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	if refused.ErrorCode() != code || response.HTTPStatusCode() != status {
		t.Errorf("got %s %d (%s), want %s %d",
			refused.ErrorCode(), response.HTTPStatusCode(), refused.ErrorMessage(), code, status)
	}
	if response.RequestID == "" {
		t.Errorf("the error carries no request id")
	}
}
