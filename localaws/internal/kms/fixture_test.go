package kms_test

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/iamtest"
	"github.com/pinnace-dev/pinnace/localaws/internal/kms"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
	rootKey = "AKIAFAKEFAKEFAKEFAKE"
	trust   = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",` +
		`"Principal":{"AWS":"123456789012"}}}`
)

// bench is KMS under the decisions of the real IAM, with a clock that the test turns.
type bench struct {
	*testing.T
	directory *iam.Service
	service   *kms.Service
	iam       *iamsdk.Client
	root      *sdk.Client
	url       string
	now       time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	clock := func() time.Time { return b.now }
	b.directory = iam.New(iam.Config{
		Clock: clock, Account: account, Region: region, RootKey: rootKey, RootSecret: "fake-root-secret",
	})
	b.service = kms.New(kms.Config{Clock: clock, Access: b.directory, Account: account, Region: region})
	server := httptest.NewServer(iamtest.Front(b.directory, b.service))
	t.Cleanup(server.Close)
	b.url = server.URL
	root, _ := b.directory.Credential(rootKey)
	b.root = b.client(root)
	directory := httptest.NewServer(iamtest.Front(b.directory, b.directory))
	t.Cleanup(directory.Close)
	b.iam = iamsdk.New(iamsdk.Options{
		Region: "us-east-1", BaseEndpoint: &directory.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(rootKey, "fake-root-secret", ""),
	})
	return b
}

func (b *bench) client(c iam.Credential) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: region, BaseEndpoint: &b.url, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
	})
}

// session is one of a new role with that statement of policy; none when it is empty.
func (b *bench) session(name, statement string) iam.Credential {
	b.Helper()
	out, err := b.iam.CreateRole(b.Context(), &iamsdk.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(trust),
	})
	if err != nil {
		b.Fatal(err)
	}
	if statement != "" {
		_, err := b.iam.PutRolePolicy(b.Context(), &iamsdk.PutRolePolicyInput{
			RoleName: &name, PolicyName: aws.String("inline"), PolicyDocument: aws.String(document(statement)),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	role, _ := b.directory.Role(*out.Role.Arn)
	return b.directory.Issue(role, "test", time.Hour, nil, "")
}

func document(statement string) string {
	return `{"Version":"2012-10-17","Statement":[` + statement + `]}`
}

// key makes a key under a policy of that statement besides the account's own; or the default policy.
func (b *bench) key(statement string) string {
	b.Helper()
	in := &sdk.CreateKeyInput{}
	if statement != "" {
		in.Policy = aws.String(document(ownersAlone + "," + statement))
	}
	out, err := b.root.CreateKey(b.Context(), in)
	if err != nil {
		b.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// ownersAlone lets the root user look after a key, and nobody by the account's policies.
const ownersAlone = `{"Effect":"Allow","Action":"kms:*","Resource":"*","Principal":` +
	`{"AWS":"arn:aws:iam::123456789012:root"},"Condition":{"ArnEquals":` +
	`{"aws:PrincipalArn":"arn:aws:iam::123456789012:root"}}}`

// code is that of a refusal; empty for none.
func code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (b *bench) want(err error, want string) {
	b.Helper()
	if got := code(err); got != want {
		b.Errorf("got %q (%v), want %q", got, err, want)
	}
}

// use asks as a service on behalf of a session.
func (b *bench) use(c iam.Credential, u api.KeyUse) string {
	b.Helper()
	_, err := b.service.Use(&api.Call{Principal: c.Principal}, u)
	if err != nil {
		return err.Code
	}
	return ""
}
