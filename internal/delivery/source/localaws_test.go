// Package source_test runs the sources against localaws, as a pod would: with a web identity and a role's policy.
package source_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	actypes "github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
	"github.com/pinnace-dev/pinnace/localaws"
)

const canary = "CANARY-not-a-real-key"

// world is an account with an empty application and a pod whose role may do nothing yet.
type world struct {
	t       *testing.T
	aws     *localaws.Server
	iam     *iam.Client
	secrets *sm.Client
	config  *ac.Client
	root    aws.Config
	pod     aws.Config

	app, env, strategy string

	mu    sync.Mutex
	ahead time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	if w.aws, err = localaws.Start(localaws.Config{Now: w.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.aws.Close() })
	id, key := w.aws.RootKeys()
	w.root = w.with(credentials.NewStaticCredentialsProvider(id, key, ""))
	w.iam, w.secrets, w.config = iam.NewFromConfig(w.root), sm.NewFromConfig(w.root), ac.NewFromConfig(w.root)
	w.makePod()
	w.makeApplication()
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

func (w *world) with(provider aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region: w.aws.Region(), BaseEndpoint: aws.String(w.aws.URL()), Credentials: provider, RetryMaxAttempts: 1,
		HTTPClient: &http.Client{Timeout: 10 * time.Second},
	}
}

// must stops the test when a call of the account's owner fails.
func must[T any](w *world) func(T, error) T {
	w.t.Helper()
	return func(v T, err error) T {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
		return v
	}
}

type token string

func (t token) GetIdentityToken() ([]byte, error) { return []byte(t), nil }

func (w *world) makePod() {
	issuer := must[*localaws.Issuer](w)(localaws.StartIssuer(w.now))
	w.t.Cleanup(func() { _ = issuer.Close() })
	ctx := w.t.Context()
	provider := must[*iam.CreateOpenIDConnectProviderOutput](w)(w.iam.CreateOpenIDConnectProvider(ctx,
		&iam.CreateOpenIDConnectProviderInput{Url: aws.String(issuer.URL()), ClientIDList: []string{"sts.amazonaws.com"}}))
	role := w.makeRole("pod", `{"Federated":"`+*provider.OpenIDConnectProviderArn+`"}`, "sts:AssumeRoleWithWebIdentity",
		`,"Condition":{"StringEquals":{"`+issuer.Host()+`:sub":"system:serviceaccount:otel:agent","`+issuer.Host()+
			`:aud":"sts.amazonaws.com"}}`)
	jwt := must[string](w)(issuer.ServiceAccountToken("otel", "agent"))
	w.pod = w.with(aws.NewCredentialsCache(stscreds.NewWebIdentityRoleProvider(
		sts.NewFromConfig(w.with(aws.AnonymousCredentials{})), role, token(jwt))))
}

func (w *world) makeRole(name, principal, action, condition string) (arn string) {
	made := must[*iam.CreateRoleOutput](w)(w.iam.CreateRole(w.t.Context(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
			`"Principal":` + principal + `,"Action":"` + action + `"` + condition + `}]}`),
	}))
	return *made.Role.Arn
}

// allow makes the policy of a role that of these statements: an action, then its resource.
func (w *world) allow(role string, statements ...string) {
	w.t.Helper()
	var list []string
	for i := 0; i < len(statements); i += 2 {
		list = append(list, fmt.Sprintf(`{"Effect":"Allow","Action":"%s","Resource":"%s"}`, statements[i], statements[i+1]))
	}
	must[*iam.PutRolePolicyOutput](w)(w.iam.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{
		RoleName: &role, PolicyName: aws.String("it"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`),
	}))
}

func (w *world) makeApplication() {
	ctx := w.t.Context()
	w.app = *must[*ac.CreateApplicationOutput](w)(w.config.CreateApplication(ctx,
		&ac.CreateApplicationInput{Name: aws.String("telemetry")})).Id
	w.env = *must[*ac.CreateEnvironmentOutput](w)(w.config.CreateEnvironment(ctx,
		&ac.CreateEnvironmentInput{ApplicationId: &w.app, Name: aws.String("uat")})).Id
	w.strategy = *must[*ac.CreateDeploymentStrategyOutput](w)(w.config.CreateDeploymentStrategy(ctx,
		&ac.CreateDeploymentStrategyInput{
			Name: aws.String("at once"), DeploymentDurationInMinutes: aws.Int32(0), GrowthFactor: aws.Float32(100),
			GrowthType: actypes.GrowthTypeLinear, ReplicateTo: actypes.ReplicateToNone,
		})).Id
}

// profile makes one, and gives its id and what a policy calls it.
func (w *world) profile(name, location, role string) (id, arn string) {
	in := &ac.CreateConfigurationProfileInput{ApplicationId: &w.app, Name: &name, LocationUri: &location}
	if role != "" {
		in.RetrievalRoleArn = &role
	}
	id = *must[*ac.CreateConfigurationProfileOutput](w)(w.config.CreateConfigurationProfile(w.t.Context(), in)).Id
	return id, fmt.Sprintf("arn:aws:appconfig:%s:%s:application/%s/environment/%s/configuration/%s",
		w.aws.Region(), w.aws.Account(), w.app, w.env, id)
}

// host deploys a document with a label.
func (w *world) host(profile, content, label string) {
	w.t.Helper()
	v := must[*ac.CreateHostedConfigurationVersionOutput](w)(w.config.CreateHostedConfigurationVersion(w.t.Context(),
		&ac.CreateHostedConfigurationVersionInput{
			ApplicationId: &w.app, ConfigurationProfileId: &profile, Content: []byte(content), VersionLabel: &label,
			ContentType: aws.String("application/json"),
		}))
	w.deploy(profile, fmt.Sprint(v.VersionNumber))
}

func (w *world) deploy(profile, version string) {
	w.t.Helper()
	must[*ac.StartDeploymentOutput](w)(w.config.StartDeployment(w.t.Context(), &ac.StartDeploymentInput{
		ApplicationId: &w.app, EnvironmentId: &w.env, ConfigurationProfileId: &profile,
		ConfigurationVersion: &version, DeploymentStrategyId: &w.strategy,
	}))
	w.pass(time.Minute)
}

// create makes a secret and gives its ARN.
func (w *world) create(name, value string) (arn string) {
	w.t.Helper()
	return *must[*sm.CreateSecretOutput](w)(w.secrets.CreateSecret(w.t.Context(),
		&sm.CreateSecretInput{Name: &name, SecretString: &value})).ARN
}

// put rotates a secret and gives its version.
func (w *world) put(name, value string) (version string) {
	w.t.Helper()
	return *must[*sm.PutSecretValueOutput](w)(w.secrets.PutSecretValue(w.t.Context(),
		&sm.PutSecretValueInput{SecretId: &name, SecretString: &value})).VersionId
}

// calls counts those since before.
func (w *world) calls(before map[string]int) map[string]int {
	since := map[string]int{}
	for action, n := range w.aws.Calls() {
		if n -= before[action]; n > 0 {
			since[action] = n
		}
	}
	return since
}

func (w *world) before() map[string]int { return maps.Clone(w.aws.Calls()) }

func (w *world) fetch(source delivery.Source) delivery.Answer {
	w.t.Helper()
	answer, err := source.Fetch(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, err := range answer.Failed {
		secrettest.Find(w.t, err.Error()+problem.HintOf(err), canary)
	}
	return answer
}

func (w *world) fail(source delivery.Source, want string) error {
	w.t.Helper()
	_, err := source.Fetch(w.t.Context())
	if err == nil || !strings.Contains(err.Error(), want) {
		w.t.Fatalf("error %v, want one with %q", err, want)
	}
	secrettest.Find(w.t, err.Error()+problem.HintOf(err), canary)
	return err
}

func valueOf(answer delivery.Answer, name string) string {
	item, ok := answer.Snapshot.Get(name)
	if !ok {
		return "(none)"
	}
	return string(item.Value.Reveal())
}

func object(members map[string]string) string {
	text, _ := json.Marshal(members)
	return string(text)
}
