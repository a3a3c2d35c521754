package sts_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/iamtest"
	"github.com/pinnace-dev/pinnace/localaws/internal/sts"
)

const (
	account = "123456789012"
	rootARN = "arn:aws:iam::123456789012:root"
	rootKey = "AKIAFAKEFAKEFAKEFAKE"
	subject = "system:serviceaccount:observability:collector"
)

// fixture is a directory with one registered issuer, whose keys are served over the loopback.
type fixture struct {
	*testing.T
	directory *iam.Service
	iam       *iamsdk.Client // the root user's
	url       string         // of STS
	now       time.Time
	issuer    *issuer
}

// issuer is an identity provider. Its fields are changed between calls only.
type issuer struct {
	*httptest.Server
	name   string // what its discovery document says
	keys   []any  // of the key set, as JSON
	answer http.HandlerFunc
	asked  atomic.Int32 // for keys
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		if i.answer != nil {
			i.answer(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.name, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": i.keys})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	i.name = i.URL
	return i
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), issuer: newIssuer(t)}
	clock := func() time.Time { return f.now }
	f.directory = iam.New(iam.Config{
		Clock: clock, Account: account, Region: "eu-west-1", RootKey: rootKey, RootSecret: "fake-root-secret",
	})
	service := sts.New(sts.Config{Clock: clock, Directory: f.directory, Account: account})
	server := httptest.NewServer(iamtest.Front(f.directory, service))
	t.Cleanup(server.Close)
	f.url = server.URL
	front := httptest.NewServer(iamtest.Front(f.directory, f.directory))
	t.Cleanup(front.Close)
	f.iam = iamsdk.New(iamsdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(front.URL),
		Credentials: credentials.NewStaticCredentialsProvider(rootKey, "fake-root-secret", ""),
	})
	f.issuer.keys = []any{public("one", keyOne)}
	_, err := f.iam.CreateOpenIDConnectProvider(t.Context(), &iamsdk.CreateOpenIDConnectProviderInput{
		Url: aws.String(f.issuer.URL), ClientIDList: []string{"sts.amazonaws.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// client is an STS client; the zero credential signs nothing.
func (f *fixture) client(c iam.Credential) *sdk.Client {
	o := sdk.Options{Region: "eu-west-1", BaseEndpoint: aws.String(f.url), RetryMaxAttempts: 1}
	if c.AccessKeyID != "" {
		o.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	}
	return sdk.New(o)
}

func (f *fixture) root() iam.Credential {
	c, _ := f.directory.Credential(rootKey)
	return c
}

// host is the issuer as condition keys name it.
func (f *fixture) host() string { return f.issuer.URL[len("http://"):] }

func (f *fixture) provider() string { return "arn:aws:iam::" + account + ":oidc-provider/" + f.host() }

// role creates a role; a policy is put on it unless empty.
func (f *fixture) role(name, trust, policy string, limit time.Duration) iam.Role {
	f.Helper()
	in := &iamsdk.CreateRoleInput{RoleName: aws.String(name), AssumeRolePolicyDocument: aws.String(trust)}
	if limit > 0 {
		in.MaxSessionDuration = aws.Int32(int32(limit / time.Second))
	}
	out, err := f.iam.CreateRole(f.Context(), in)
	if err != nil {
		f.Fatal(err)
	}
	if policy != "" {
		_, err := f.iam.PutRolePolicy(f.Context(), &iamsdk.PutRolePolicyInput{
			RoleName: in.RoleName, PolicyName: aws.String("inline"), PolicyDocument: aws.String(policy),
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	r, _ := f.directory.Role(aws.ToString(out.Role.Arn))
	return r
}

// webTrust is a trust policy for the issuer; conditions are claims and the values that they must equal.
func (f *fixture) webTrust(effect string, conditions map[string]string) map[string]any {
	statement := map[string]any{
		"Effect": effect, "Action": "sts:AssumeRoleWithWebIdentity",
		"Principal": map[string]string{"Federated": f.provider()},
	}
	if len(conditions) > 0 {
		equal := map[string]string{}
		for claim, value := range conditions {
			equal[f.host()+":"+claim] = value
		}
		statement["Condition"] = map[string]any{"StringEquals": equal}
	}
	return statement
}

func document(statements ...map[string]any) string {
	b, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	return string(b)
}

// claims are those of a good token, with changes laid over them; a nil value removes a claim.
func (f *fixture) claims(changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": f.issuer.URL, "sub": subject, "aud": []string{"sts.amazonaws.com"},
		"iat": f.now.Unix(), "nbf": f.now.Unix(), "exp": f.now.Add(time.Hour).Unix(),
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

var keyOne, keyTwo = newKey(), newKey()

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func public(kid string, key *ecdsa.PrivateKey) jose.JSONWebKey {
	return jose.JSONWebKey{Key: &key.PublicKey, KeyID: kid, Use: "sig", Algorithm: string(jose.ES256)}
}

func sign(t *testing.T, kid string, key any, algorithm jose.SignatureAlgorithm, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// checkError wants an API error of that code and status; an empty code wants none.
func checkError(t *testing.T, err error, code string, status int) {
	t.Helper()
	got := "no error"
	var refused smithy.APIError
	var response *awshttp.ResponseError
	if errors.As(err, &refused) && errors.As(err, &response) {
		got = fmt.Sprintf("%s %d", refused.ErrorCode(), response.HTTPStatusCode())
	} else if err != nil {
		got = err.Error()
	}
	want := "no error"
	if code != "" {
		want = fmt.Sprintf("%s %d", code, status)
	}
	if got != want {
		t.Errorf("got %s, want %s (%v)", got, want, err)
	}
}

// signed is a request as a client signs it.
func signed(t *testing.T, c iam.Credential) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.AccessKeyID+"/20300102/eu-west-1/s3/aws4_request")
	return r
}
