package localaws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/localaws"
)

func start(t *testing.T, cfg localaws.Config) *localaws.Server {
	t.Helper()
	s, err := localaws.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// root is the account's root user, without retries, so that a test sees each answer.
func root(s *localaws.Server) aws.Config {
	id, key := s.RootKeys()
	return with(s, credentials.NewStaticCredentialsProvider(id, key, ""))
}

func with(s *localaws.Server, provider aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region: s.Region(), BaseEndpoint: aws.String(s.URL()), Credentials: provider,
		RetryMaxAttempts: 1, HTTPClient: &http.Client{Timeout: 10 * time.Second},
	}
}

func s3Client(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return "no API error: " + err.Error()
	}
	return ""
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1"} {
		s, err := localaws.Start(localaws.Config{Addr: addr})
		if err == nil {
			_ = s.Close()
			t.Errorf("%s was accepted", addr)
		}
	}
	start(t, localaws.Config{Addr: "localhost:0"})
}

// Each service refuses what is not signed by its caller, in the words of its own protocol.
func TestAuthentication(t *testing.T) {
	s := start(t, localaws.Config{})
	id, key := s.RootKeys()
	for name, test := range map[string]struct {
		provider aws.CredentialsProvider
		region   string
		want     [4]string // of s3, sts, secretsmanager, appconfigdata
	}{
		"wrong secret": {
			credentials.NewStaticCredentialsProvider(id, key+"x", ""), "",
			[4]string{"SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSignatureException"},
		},
		"unknown key": {
			credentials.NewStaticCredentialsProvider("AKIAUNKNOWN", key, ""), "",
			[4]string{"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "UnrecognizedClientException"},
		},
		"a token that nobody issued": {
			credentials.NewStaticCredentialsProvider(id, key, "made-up"), "",
			[4]string{"InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException", "UnrecognizedClientException"},
		},
		"another region": {
			credentials.NewStaticCredentialsProvider(id, key, ""), "us-west-2",
			[4]string{"", "", "InvalidSignatureException", "InvalidSignatureException"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := with(s, test.provider)
			if test.region != "" {
				cfg.Region = test.region
			}
			for i, err := range callEach(t.Context(), cfg) {
				if got := code(err); got != test.want[i] {
					t.Errorf("service %d: %q, want %q (%v)", i, got, test.want[i], err)
				}
			}
		})
	}
}

// callEach makes a harmless call of each service.
func callEach(ctx context.Context, cfg aws.Config) [4]error {
	_, err0 := s3Client(cfg).ListBuckets(ctx, &s3.ListBucketsInput{})
	_, err1 := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	_, err2 := secretsmanager.NewFromConfig(cfg).ListSecrets(ctx, &secretsmanager.ListSecretsInput{})
	_, err3 := appconfigdata.NewFromConfig(cfg).StartConfigurationSession(ctx, &appconfigdata.StartConfigurationSessionInput{
		ApplicationIdentifier: aws.String("a"), EnvironmentIdentifier: aws.String("e"),
		ConfigurationProfileIdentifier: aws.String("p"),
	})
	return [4]error{err0, err1, err2, err3}
}

func TestClockSkewAndUnsigned(t *testing.T) {
	s := start(t, localaws.Config{SignatureNow: func() time.Time { return time.Now().Add(time.Hour) }})
	errs := callEach(t.Context(), root(s))
	for i, want := range []string{
		"RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSignatureException",
	} {
		if got := code(errs[i]); got != want {
			t.Errorf("service %d: %q, want %q", i, got, want)
		}
	}
	errs = callEach(t.Context(), with(s, aws.AnonymousCredentials{}))
	for i, want := range []string{
		"AccessDenied", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
		"MissingAuthenticationTokenException",
	} {
		if got := code(errs[i]); got != want {
			t.Errorf("unsigned, service %d: %q, want %q (%v)", i, got, want, errs[i])
		}
	}
}

// A pod's token becomes a session that may do what its role may, and no more, until it expires.
func TestWebIdentityEndToEnd(t *testing.T) {
	var ahead time.Duration
	clock := func() time.Time { return time.Now().Add(ahead) }
	s := start(t, localaws.Config{Now: clock})
	issuer, err := localaws.StartIssuer(clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = issuer.Close() })
	makeRole(t, s, issuer)

	pod := func(serviceAccount string) aws.Config {
		token, err := issuer.ServiceAccountToken("otel", serviceAccount)
		if err != nil {
			t.Fatal(err)
		}
		return with(s, aws.NewCredentialsCache(stscreds.NewWebIdentityRoleProvider(
			sts.NewFromConfig(with(s, aws.AnonymousCredentials{})),
			"arn:aws:iam::123456789012:role/pod", token0(token))))
	}
	agent := pod("agent")
	who, err := sts.NewFromConfig(agent).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || !strings.HasPrefix(aws.ToString(who.Arn), "arn:aws:sts::123456789012:assumed-role/pod/") {
		t.Fatalf("%v, %v", aws.ToString(who.Arn), err)
	}
	if _, err := s3Client(agent).ListBuckets(t.Context(), &s3.ListBucketsInput{}); err != nil {
		t.Errorf("what the role allows: %v", err)
	}
	_, err = s3Client(agent).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("mine")})
	if code(err) != "AccessDenied" {
		t.Errorf("what the role does not allow: %v", err)
	}
	_, err = s3Client(pod("intruder")).ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if code(err) != "AccessDenied" || !strings.Contains(err.Error(), "AssumeRoleWithWebIdentity") {
		t.Errorf("another service account: %v", err)
	}
	ahead = 2 * time.Hour // the session lasts one
	_, err = sts.NewFromConfig(agent).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if code(err) != "ExpiredToken" {
		t.Errorf("an expired session: %v", err)
	}
}

// token0 is a token that is held in memory.
type token0 string

func (t token0) GetIdentityToken() ([]byte, error) { return []byte(t), nil }

func makeRole(t *testing.T, s *localaws.Server, issuer *localaws.Issuer) {
	t.Helper()
	client := iam.NewFromConfig(root(s))
	provider, err := client.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(issuer.URL()), ClientIDList: []string{"sts.amazonaws.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("pod"), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{
		  "Effect":"Allow","Principal":{"Federated":"` + *provider.OpenIDConnectProviderArn + `"},
		  "Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{
		    "` + issuer.Host() + `:sub":"system:serviceaccount:otel:agent","` + issuer.Host() + `:aud":"sts.amazonaws.com"}}}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("pod"), PolicyName: aws.String("list"), PolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFaults(t *testing.T) {
	s := start(t, localaws.Config{Region: "us-east-1"})
	client := s3Client(root(s))
	put := func(key string) error {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String("charts"), Key: aws.String(key), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*"),
		})
		return err
	}
	exists := func(key string) bool {
		_, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("charts"), Key: aws.String(key)})
		return err == nil
	}
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("charts")}); err != nil {
		t.Fatal(err)
	}

	s.Inject(localaws.Throttle("s3:PutObject", 1))
	if got := code(put("throttled")); got != "SlowDown" || exists("throttled") {
		t.Errorf("throttled: %q", got)
	}
	if err := put("throttled"); err != nil {
		t.Errorf("the second time: %v", err)
	}
	s.Inject(localaws.LoseReply("s3:PutObject", 1))
	if err := put("lost"); err == nil || !exists("lost") {
		t.Errorf("a lost reply: %v", err)
	}
	s.Inject(localaws.Fault{Action: "s3:Put*", Path: "/charts/later", Skip: 1, Code: "ConditionalRequestConflict", Status: 409})
	if err := put("other"); err != nil {
		t.Errorf("another path: %v", err)
	}
	if err := put("later"); err != nil {
		t.Errorf("the skipped call: %v", err)
	}
	if got := code(put("later")); got != "ConditionalRequestConflict" {
		t.Errorf("after the skipped call: %q", got)
	}
	remove := s.Inject(localaws.Unavailable("*", 0))
	if got := code(put("down")); got == "" || exists("down") {
		t.Errorf("unavailable: %q", got)
	}
	remove()
	s.Inject(localaws.ExpiredToken("secretsmanager:*", 1))
	_, err := secretsmanager.NewFromConfig(root(s)).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	if got := code(err); got != "ExpiredTokenException" {
		t.Errorf("expired: %q", got)
	}
	if n := s.Calls()["s3:PutObject"]; n != 7 {
		t.Errorf("%d puts counted, want 7", n)
	}
}

// Clients that cannot read their body twice send it in chunks, with the checksum behind it.
func TestStreamingUpload(t *testing.T) {
	s := start(t, localaws.Config{Region: "us-east-1"})
	client := s3Client(root(s))
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("charts")}); err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("0123456789"), 50_000)
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("charts"), Key: aws.String("k"), Body: bytes.NewReader(body),
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("charts"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}
