package terraform_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pinnace-dev/pinnace/internal/agent"
	"github.com/pinnace-dev/pinnace/localaws"
)

const (
	account    = "111122223333"
	githubURL  = "https://token.actions.githubusercontent.com"
	uatCluster = "https://oidc.eks.eu-west-1.amazonaws.com/id/UAT0EXAMPLE"
	prodIssuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/PROD0EXAMPLE"
	alarmName  = "collector-export-errors"
)

// internet is where issuers are found by their public URLs, though each listens on the loopback.
type internet map[string]*localaws.Issuer

// RoundTrip implements http.RoundTripper.
func (n internet) RoundTrip(r *http.Request) (*http.Response, error) {
	for public, issuer := range n {
		rest, ok := strings.CutPrefix(r.URL.String(), public)
		if !ok {
			continue
		}
		inner, err := http.NewRequestWithContext(r.Context(), r.Method, issuer.URL()+rest, nil)
		if err != nil {
			return nil, err
		}
		answer, err := http.DefaultTransport.RoundTrip(inner)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		body = bytes.ReplaceAll(body, []byte(issuer.URL()), []byte(public))
		answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return answer, err
	}
	return http.DefaultTransport.RoundTrip(r)
}

// world is one AWS account with the clusters and pipelines around it, and what pinnace wrote there.
type world struct {
	clock   *clock
	aws     *localaws.Server
	root    aws.Config // of the account's owner, who makes what was there before Terraform
	issuers internet
	pinnace string // the program

	mu  sync.Mutex
	log bytes.Buffer // of localaws, of pinnace and of agents
}

// Write implements io.Writer for logs.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: newClock(), issuers: internet{}, pinnace: buildPinnace(t)}
	for _, public := range []string{githubURL, uatCluster, prodIssuer} {
		issuer := must(localaws.StartIssuer(w.clock.Now))(t)
		t.Cleanup(func() { _ = issuer.Close() })
		w.issuers[public] = issuer
	}
	w.aws = must(localaws.Start(localaws.Config{
		Account: account, Now: w.clock.Now, HTTPClient: &http.Client{Transport: w.issuers, Timeout: 5 * time.Second},
		Log: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}))(t)
	t.Cleanup(func() { _ = w.aws.Close() })
	id, key := w.aws.RootKeys()
	w.root = w.config(credentials.NewStaticCredentialsProvider(id, key, ""))
	for name, issuer := range map[string]string{"uat": uatCluster, "prod": prodIssuer} {
		if err := w.aws.RegisterCluster(name, issuer); err != nil {
			t.Fatal(err)
		}
	}
	w.makeAlarm(t)
	w.makeTerraformRole(t)
	return w
}

func (w *world) config(c aws.CredentialsProvider) aws.Config {
	return aws.Config{Region: w.aws.Region(), BaseEndpoint: aws.String(w.aws.URL()), Credentials: c, RetryMaxAttempts: 1}
}

func (w *world) makeAlarm(t *testing.T) {
	t.Helper()
	must(cloudwatch.NewFromConfig(w.root).PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String(alarmName), MetricName: aws.String("ExportErrors"), Namespace: aws.String("Collector"),
		Period: aws.Int32(60), Statistic: cwtypes.StatisticSum, EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(0),
		ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("notBreaching"),
	}))(t)
}

// makeTerraformRole makes the administrator that Terraform is, by an issuer of its own, and makes the test's process
// that: for Terraform alone, since everything else here has an environment or a configuration of its own.
func (w *world) makeTerraformRole(t *testing.T) {
	t.Helper()
	issuer := must(localaws.StartIssuer(w.clock.Now))(t)
	t.Cleanup(func() { _ = issuer.Close() })
	client := iam.NewFromConfig(w.root)
	provider := must(client.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(issuer.URL()), ClientIDList: []string{"sts.amazonaws.com"},
	}))(t)
	role := must(client.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("terraform"), AssumeRolePolicyDocument: aws.String(fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},`+
				`"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"%s:sub":"terraform","%s:aud":"sts.amazonaws.com"}}}]}`,
			*provider.OpenIDConnectProviderArn, issuer.Host(), issuer.Host())),
	}))(t)
	must(client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("terraform"), PolicyName: aws.String("administrator"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`),
	}))(t)
	token := must(issuer.Token("terraform", "sts.amazonaws.com", 24*time.Hour, nil))(t)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": w.aws.URL(), "AWS_ENDPOINT_URL_STS": w.aws.URL(), "AWS_REGION": w.aws.Region(),
		"AWS_ROLE_ARN": *role.Role.Arn, "AWS_WEB_IDENTITY_TOKEN_FILE": tokenFile(t, token), "AWS_MAX_ATTEMPTS": "2",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
		if value == "" {
			_ = os.Unsetenv(name) // t.Setenv puts it back
		}
	}
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, token)
	return path
}

// token is one of the issuer at a public URL.
func (w *world) token(t *testing.T, public, subject string) string {
	t.Helper()
	return must(w.issuers[public].Token(subject, "sts.amazonaws.com", 24*time.Hour, map[string]any{"iss": public}))(t)
}

// job is the environment of a pipeline's job with this subject that becomes role.
func (w *world) job(t *testing.T, role, subject string) map[string]string {
	t.Helper()
	return w.identity(t, role, w.token(t, githubURL, subject))
}

// pod is the environment that EKS gives a pod of a service account by IRSA.
func (w *world) pod(t *testing.T, role, cluster, namespace, serviceAccount string) map[string]string {
	t.Helper()
	return w.identity(t, role, w.token(t, cluster, "system:serviceaccount:"+namespace+":"+serviceAccount))
}

func (w *world) identity(t *testing.T, role, token string) map[string]string {
	t.Helper()
	return map[string]string{
		"AWS_ENDPOINT_URL": w.aws.URL(), "AWS_REGION": w.aws.Region(), "AWS_ROLE_ARN": role,
		"AWS_WEB_IDENTITY_TOKEN_FILE": tokenFile(t, token), "AWS_ROLE_SESSION_NAME": "e2e", "AWS_MAX_ATTEMPTS": "1",
	}
}

// podIdentity is the environment that EKS gives a pod of a service account by Pod Identity.
func (w *world) podIdentity(t *testing.T, cluster, namespace, serviceAccount string) map[string]string {
	t.Helper()
	token := must(w.issuers[cluster].Token("system:serviceaccount:"+namespace+":"+serviceAccount, "pods.eks.amazonaws.com",
		24*time.Hour, map[string]any{"iss": cluster, "kubernetes.io": map[string]any{
			"namespace": namespace, "serviceaccount": map[string]string{"name": serviceAccount},
			"pod": map[string]string{"name": "agent-0", "uid": "0"},
		}}))(t)
	return map[string]string{
		"AWS_ENDPOINT_URL": w.aws.URL(), "AWS_REGION": w.aws.Region(), "AWS_MAX_ATTEMPTS": "1",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI":     w.aws.PodIdentityURL(),
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": tokenFile(t, token),
	}
}

// as is what a job's environment is for calls of AWS that pinnace has no verb for.
func (w *world) as(env map[string]string) aws.Config {
	client := sts.New(sts.Options{Region: w.aws.Region(), BaseEndpoint: aws.String(w.aws.URL())})
	return w.config(aws.NewCredentialsCache(stscreds.NewWebIdentityRoleProvider(client, env["AWS_ROLE_ARN"],
		stscreds.IdentityTokenFile(env["AWS_WEB_IDENTITY_TOKEN_FILE"]))))
}

// run runs the pinnace program in an environment. The error has what it printed.
func (w *world) run(ctx context.Context, env map[string]string, args ...string) error {
	_, err := w.runOut(ctx, env, args...)
	return err
}

// runOut is run with what it printed on standard output.
func (w *world) runOut(ctx context.Context, env map[string]string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, w.pinnace, args...)
	cmd.Dir = os.TempDir()
	cmd.Env = []string{"HOME=" + os.TempDir(), "PATH=" + os.Getenv("PATH")}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	_, _ = w.Write(slices.Concat(out.Bytes(), errs.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("pinnace %s: %w: %s%s", args[0], err, errs.Bytes(), out.Bytes())
	}
	return out.Bytes(), nil
}

// agent runs a command line of the agent in a pod's environment. The error has what it printed.
func (w *world) agent(ctx context.Context, env map[string]string, args ...string) error {
	return w.waitingAgent(ctx, env, w.clock.Wait, args...)
}

func (w *world) waitingAgent(
	ctx context.Context, env map[string]string, wait func(context.Context, time.Duration) error, args ...string,
) error {
	var out bytes.Buffer
	code := agent.Program{
		Getenv: func(name string) string { return env[name] }, Stdout: &out, Stderr: io.MultiWriter(&out, w),
		Wait: wait, Now: w.clock.Now,
	}.Main(ctx, args)
	_, _ = w.Write(out.Bytes())
	if code != 0 {
		return fmt.Errorf("pinnace-agent %s: status %d: %s", args[0], code, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// follower is an agent that runs.
type follower struct {
	w       *world
	file    string
	waiting chan struct{} // has one when the agent began to wait
	end     chan error
	stop    context.CancelFunc
}

// follow starts an agent that keeps the key in a file, and ends it with the test.
func (w *world) follow(t *testing.T, env map[string]string, args ...string) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{
		w: w, file: filepath.Join(t.TempDir(), "key"), waiting: make(chan struct{}, 1), end: make(chan error, 1), stop: cancel,
	}
	args = append([]string{"run", "--poll-interval", "15s", "--file", f.file + "=private_key"}, args...)
	go func() { f.end <- w.waitingAgent(ctx, env, f.wait, args...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-f.end; err != nil {
			t.Errorf("the agent: %v", err)
		}
	})
	f.quiet(t)
	return f
}

func (f *follower) wait(ctx context.Context, d time.Duration) error {
	select {
	case f.waiting <- struct{}{}:
	default:
	}
	return f.w.clock.Wait(ctx, d)
}

// quiet returns when the agent waits for its next poll.
func (f *follower) quiet(t *testing.T) {
	t.Helper()
	select {
	case <-f.waiting:
	case err := <-f.end:
		f.end <- nil // told here
		t.Fatalf("the agent ended: %v", err)
	case <-t.Context().Done():
		t.Fatal("the agent does not come to rest")
	}
}

// await sets the clock forward, poll by poll, until the agent has the key, or patience is over.
func (f *follower) await(t *testing.T, key string, patience time.Duration) (after time.Duration) {
	t.Helper()
	const poll = 20 * time.Second // more than the interval with its jitter
	for ; after <= patience; after += poll {
		data, err := os.ReadFile(f.file)
		switch {
		case err == nil && string(data) == key:
			return after
		case err != nil && !errors.Is(err, os.ErrNotExist):
			t.Fatal(err)
		}
		f.w.clock.Forward(poll)
		f.quiet(t)
	}
	t.Fatalf("after %v the agent has another key, or none", patience)
	return after
}

// wantHidden looks for the keys in the logs.
func (w *world) wantHidden(t *testing.T, keys ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range keys {
		if bytes.Contains(w.log.Bytes(), []byte(key)) {
			t.Error("a key is in a log")
		}
	}
	t.Logf("no key in %d bytes of logs", w.log.Len())
}

// document is the secret's content.
func document(key string) string {
	text, _ := json.Marshal(map[string]string{"private_key": key}) // of strings: it does not fail
	return string(text)
}
