package getter_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/getter"
	"github.com/pinnace-dev/pinnace/localaws"
)

// world is a bucket acme-charts on localaws, a cache, and a note of what every answer carried.
type world struct {
	*localaws.Server
	client *s3.Client
	cache  string

	mu      sync.Mutex
	answers []answer
}

type answer struct {
	Status int
	Bytes  int
}

type counted struct {
	http.ResponseWriter
	answer
}

func (c *counted) WriteHeader(status int) {
	c.Status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(p []byte) (int, error) {
	c.Bytes += len(p)
	return c.ResponseWriter.Write(p)
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	c := &counted{ResponseWriter: rw}
	w.Server.ServeHTTP(c, r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, c.answer)
}

// seen are the answers since it was last called.
func (w *world) seen() []answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.answers
	w.answers = nil
	return got
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server, err := localaws.New(localaws.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Server: server, cache: t.TempDir()}
	front := httptest.NewServer(w)
	t.Cleanup(front.Close)
	id, key := server.RootKeys()
	w.client = s3.New(s3.Options{
		Region: server.Region(), BaseEndpoint: &front.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
	_, err = w.client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String("acme-charts"), CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(server.Region()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Nothing but these reaches the SDK.
	t.Setenv("HOME", t.TempDir())
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"} {
		unset(t, name)
	}
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	t.Setenv("AWS_REGION", server.Region())
	t.Setenv("AWS_ACCESS_KEY_ID", id)
	t.Setenv("AWS_SECRET_ACCESS_KEY", key)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	t.Setenv("HELM_CACHE_HOME", w.cache)
	return w
}

// unset removes a variable for the length of the test.
func unset(t *testing.T, name string) {
	t.Setenv(name, "")
	_ = os.Unsetenv(name)
}

func (w *world) put(t *testing.T, key, body string, change ...func(*s3.PutObjectInput)) {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: aws.String("acme-charts"), Key: &key, Body: strings.NewReader(body)}
	for _, c := range change {
		c(in)
	}
	if _, err := w.client.PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	w.seen()
}

// fetch runs the getter as Helm does.
func fetch(url string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = getter.Main(context.Background(), []string{"", "", "", url}, os.Getenv, &out, &errs)
	return code, out.String(), errs.String()
}

func mustFetch(t *testing.T, url, want string) {
	t.Helper()
	code, got, errs := fetch(url)
	if code != 0 || errs != "" {
		t.Fatalf("%s: exit status %d, %s", url, code, errs)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", url, diff)
	}
}

func (w *world) wantAnswers(t *testing.T, what string, want ...answer) {
	t.Helper()
	if diff := cmp.Diff(want, w.seen()); diff != "" {
		t.Errorf("%s: answers (-want +got):\n%s", what, diff)
	}
}

const (
	indexURL = "s3://acme-charts/stable/index.yaml"
	index1   = `{"apiVersion":"v1","entries":{}}`
	index2   = `{"apiVersion":"v1","entries":{},"generated":"2026-01-01T00:00:00Z"}`
)

func (w *world) kept(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.cache, "pinnace", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// pod replaces the identity of the environment by a service account's: a role that may read one prefix.
func pod(t *testing.T, w *world) {
	t.Helper()
	issuer, err := localaws.StartIssuer(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = issuer.Close() })
	id, key := w.RootKeys()
	client := iam.New(iam.Options{
		Region: w.Region(), BaseEndpoint: w.client.Options().BaseEndpoint,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
	provider, err := client.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(issuer.URL()), ClientIDList: []string{"sts.amazonaws.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	role, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("reader"),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{
		  "Effect":"Allow","Principal":{"Federated":"` + *provider.OpenIDConnectProviderArn + `"},
		  "Action":"sts:AssumeRoleWithWebIdentity",
		  "Condition":{"StringEquals":{"` + issuer.Host() + `:sub":"system:serviceaccount:argocd:repo-server"}}}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("reader"), PolicyName: aws.String("read"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{
		  "Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::acme-charts/stable/*"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := issuer.ServiceAccountToken("argocd", "repo-server")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	unset(t, "AWS_ACCESS_KEY_ID")
	unset(t, "AWS_SECRET_ACCESS_KEY")
	t.Setenv("AWS_ROLE_ARN", *role.Role.Arn)
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file)
	w.seen()
}
