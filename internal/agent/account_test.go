package agent_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	actypes "github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/localaws"
)

// account is one on localaws, with an application that has one configuration, and a pod whose role may read it and some
// secrets, and no more.
type account struct {
	t       *testing.T
	aws     *localaws.Server
	issuer  *localaws.Issuer
	iam     *iam.Client
	secrets *secretsmanager.Client
	config  *appconfig.Client
	env     map[string]string // of the pod

	app, environment, profile, strategy string
}

// newAccount makes one on a server that is reached by client at url.
func newAccount(t *testing.T, server *localaws.Server, issuer *localaws.Issuer, url string, client aws.HTTPClient) *account {
	t.Helper()
	id, key := server.RootKeys()
	root := aws.Config{
		Region: server.Region(), BaseEndpoint: &url, HTTPClient: client, RetryMaxAttempts: 10,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
	a := &account{
		t: t, aws: server, issuer: issuer, iam: iam.NewFromConfig(root), secrets: secretsmanager.NewFromConfig(root),
		config: appconfig.NewFromConfig(root),
	}
	a.makeConfiguration()
	jwt := must(issuer.ServiceAccountToken("otel", "agent"))(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(jwt), 0o600); err != nil {
		t.Fatal(err)
	}
	a.env = map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_REGION": server.Region(), "AWS_WEB_IDENTITY_TOKEN_FILE": token,
		"AWS_ROLE_ARN": a.makePodRole(), "AWS_ROLE_SESSION_NAME": "pod",
	}
	return a
}

// must stops the test when a call of the account's owner fails.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (a *account) makeConfiguration() {
	ctx, t := a.t.Context(), a.t
	a.app = *must(a.config.CreateApplication(ctx, &appconfig.CreateApplicationInput{Name: aws.String("otel-config")}))(t).Id
	a.environment = *must(a.config.CreateEnvironment(ctx, &appconfig.CreateEnvironmentInput{
		ApplicationId: &a.app, Name: aws.String("prod"),
	}))(t).Id
	a.profile = *must(a.config.CreateConfigurationProfile(ctx, &appconfig.CreateConfigurationProfileInput{
		ApplicationId: &a.app, Name: aws.String("coralogix"), LocationUri: aws.String("hosted"),
	}))(t).Id
	a.strategy = *must(a.config.CreateDeploymentStrategy(ctx, &appconfig.CreateDeploymentStrategyInput{
		Name: aws.String("at-once"), DeploymentDurationInMinutes: aws.Int32(0), GrowthFactor: aws.Float32(100),
		GrowthType: actypes.GrowthTypeLinear, ReplicateTo: actypes.ReplicateToNone,
	}))(t).Id
}

func (a *account) makePodRole() (arn string) {
	provider := must(a.iam.CreateOpenIDConnectProvider(a.t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(a.issuer.URL()), ClientIDList: []string{"sts.amazonaws.com"},
	}))(a.t)
	host := a.issuer.Host()
	return a.makeRole("otel", `{"Federated":"`+*provider.OpenIDConnectProviderArn+`"}`, "sts:AssumeRoleWithWebIdentity",
		`{"`+host+`:sub":"system:serviceaccount:otel:agent","`+host+`:aud":"sts.amazonaws.com"}`)
}

// makeRole makes one that a principal may take when strings are equal.
func (a *account) makeRole(name, principal, action, equal string) (arn string) {
	return *must(a.iam.CreateRole(a.t.Context(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
			`"Principal":` + principal + `,"Action":"` + action + `","Condition":{"StringEquals":` + equal + `}}]}`),
	}))(a.t).Role.Arn
}

// allow makes the policy of a role that of these statements: actions, then their resource.
func (a *account) allow(role string, statements ...string) {
	a.t.Helper()
	var list []string
	for i := 0; i < len(statements); i += 2 {
		list = append(list, fmt.Sprintf(`{"Effect":"Allow","Action":["%s"],"Resource":"%s"}`,
			strings.ReplaceAll(statements[i], " ", `","`), statements[i+1]))
	}
	must(a.iam.PutRolePolicy(a.t.Context(), &iam.PutRolePolicyInput{
		RoleName: &role, PolicyName: aws.String("it"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`),
	}))(a.t)
}

const (
	readConfiguration = "appconfig:StartConfigurationSession appconfig:GetLatestConfiguration"
	readSecret        = "secretsmanager:GetSecretValue"
	readSecrets       = "secretsmanager:BatchGetSecretValue"
)

// configurationARN is what a policy calls the configuration.
func (a *account) configurationARN() string {
	return fmt.Sprintf("arn:aws:appconfig:%s:%s:application/%s/environment/%s/configuration/%s",
		a.aws.Region(), a.aws.Account(), a.app, a.environment, a.profile)
}

// create makes a secret.
func (a *account) create(name, value string) (arn, version string) {
	a.t.Helper()
	out := must(a.secrets.CreateSecret(a.t.Context(), &secretsmanager.CreateSecretInput{
		Name: &name, SecretString: &value,
	}))(a.t)
	return *out.ARN, *out.VersionId
}

// put rotates a secret.
func (a *account) put(name, value string) (version string) {
	a.t.Helper()
	return *must(a.secrets.PutSecretValue(a.t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &name, SecretString: &value,
	}))(a.t).VersionId
}

// deploy rolls a document out to everybody at once.
func (a *account) deploy(document string) {
	a.t.Helper()
	version := must(a.config.CreateHostedConfigurationVersion(a.t.Context(), &appconfig.CreateHostedConfigurationVersionInput{
		ApplicationId: &a.app, ConfigurationProfileId: &a.profile, Content: []byte(document),
		ContentType: aws.String("application/json"),
	}))(a.t).VersionNumber
	must(a.config.StartDeployment(a.t.Context(), &appconfig.StartDeploymentInput{
		ApplicationId: &a.app, EnvironmentId: &a.environment, ConfigurationProfileId: &a.profile,
		ConfigurationVersion: aws.String(fmt.Sprint(version)), DeploymentStrategyId: &a.strategy,
	}))(a.t)
}

// calls are those since the last call of calls, "12 of which 3 throttled" by action, the owner's own among them.
type calls struct{ all, throttled map[string]int }

func (a *account) calls() calls {
	return calls{maps.Clone(a.aws.Calls()), maps.Clone(a.aws.Throttled())}
}

// since subtracts what was before.
func (c calls) since(before calls) calls {
	less := func(now, then map[string]int) map[string]int {
		out := map[string]int{}
		for action, n := range now {
			if n -= then[action]; n != 0 {
				out[action] = n
			}
		}
		return out
	}
	return calls{less(c.all, before.all), less(c.throttled, before.throttled)}
}
