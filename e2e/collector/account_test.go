package collector_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	actypes "github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/localaws"
	"github.com/pinnace-dev/pinnace/terraform/policies"
)

const (
	accountID   = "111122223333"
	application = "opentelemetry"
	profile     = "collector"
	namespace   = "observability"
	audience    = "sts.amazonaws.com"
)

// account is one AWS account. Each scenario has an environment of its own in it.
type account struct {
	aws     *localaws.Server
	cluster *localaws.Issuer
	appcfg  *appconfig.Client
	secrets *secretsmanager.Client
	iam     *iam.Client

	application, profile string // ids
	atOnce, gradual      string // deployment strategies
}

// environment is where a scenario's pod gets its key.
type environment struct {
	of         *account
	name, id   string
	secret     string // its ARN
	role       string // its ARN
	deployment int32  // the newest
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{cluster: must(localaws.StartIssuer(time.Now))(t)}
	t.Cleanup(func() { _ = a.cluster.Close() })
	a.aws = must(localaws.Start(localaws.Config{Account: accountID}))(t)
	t.Cleanup(func() { _ = a.aws.Close() })
	id, key := a.aws.RootKeys()
	cfg := aws.Config{
		Region: a.aws.Region(), BaseEndpoint: aws.String(a.aws.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
	a.appcfg, a.secrets, a.iam = appconfig.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg), iam.NewFromConfig(cfg)
	ctx := t.Context()
	must(a.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(a.cluster.URL()), ClientIDList: []string{audience},
	}))(t)
	a.application = *must(a.appcfg.CreateApplication(ctx, &appconfig.CreateApplicationInput{
		Name: aws.String(application),
	}))(t).Id
	a.profile = *must(a.appcfg.CreateConfigurationProfile(ctx, &appconfig.CreateConfigurationProfileInput{
		ApplicationId: &a.application, Name: aws.String(profile), LocationUri: aws.String("hosted"),
	}))(t).Id
	a.atOnce = a.strategy(t, "at-once", 0, 100)
	a.gradual = a.strategy(t, "linear-25-percent-over-a-minute", 1, 25)
	return a
}

func (a *account) strategy(t *testing.T, name string, minutes int32, percent float32) string {
	t.Helper()
	return *must(a.appcfg.CreateDeploymentStrategy(t.Context(), &appconfig.CreateDeploymentStrategyInput{
		Name: &name, DeploymentDurationInMinutes: &minutes, GrowthFactor: &percent,
		GrowthType: actypes.GrowthTypeLinear, ReplicateTo: actypes.ReplicateToNone,
	}))(t).Id
}

// newEnvironment makes a secret with the key, a first deployment that points at it, and a role for the pods of one
// service account, by the policies that Terraform applies.
func (a *account) newEnvironment(t *testing.T, name, key, serviceAccount string) *environment {
	t.Helper()
	e := &environment{of: a, name: name}
	made := must(a.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("coralogix/" + name), SecretString: aws.String(secretDocument(key)),
	}))(t)
	e.secret = *made.ARN
	e.id = *must(a.appcfg.CreateEnvironment(t.Context(), &appconfig.CreateEnvironmentInput{
		ApplicationId: &a.application, Name: &name,
	}))(t).Id
	e.rollOut(t, *made.VersionId, a.atOnce)
	if err := e.complete(t.Context()); err != nil {
		t.Fatal(err)
	}
	host := a.cluster.Host()
	vars := map[string]string{
		"issuer": host, "provider_arn": "arn:aws:iam::" + accountID + ":oidc-provider/" + host, "audience": audience,
		"subject": "system:serviceaccount:" + namespace + ":" + serviceAccount, "secret_arn": e.secret,
		"configuration_arn": fmt.Sprintf("arn:aws:appconfig:%s:%s:application/%s/environment/%s/configuration/%s",
			a.aws.Region(), accountID, a.application, e.id, a.profile),
	}
	e.role = *must(a.iam.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(policy(t, "workload-trust", vars)),
	}))(t).Role.Arn
	must(a.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: &name, PolicyName: aws.String("workload"), PolicyDocument: aws.String(policy(t, "workload", vars)),
	}))(t)
	return e
}

// policy renders a template with those of the variables that it takes.
func policy(t *testing.T, name string, vars map[string]string) string {
	t.Helper()
	some := map[string]string{}
	for _, v := range must(policies.Variables(policies.Templates, name))(t) {
		some[v] = vars[v]
	}
	return must(policies.Render(policies.Templates, name, some))(t)
}

// secretDocument is what the secret holds.
func secretDocument(key string) string {
	text, _ := json.Marshal(map[string]string{"privateKey": key}) // of strings: it does not fail
	return string(text)
}

// stage puts a new key beside the current one and gives its version.
func (e *environment) stage(t *testing.T, key string) string {
	t.Helper()
	return *must(e.of.secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &e.secret, SecretString: aws.String(secretDocument(key)), VersionStages: []string{"PINNACE_NEXT"},
	}))(t).VersionId
}

// rollOut starts the deployment of a version of the secret.
func (e *environment) rollOut(t *testing.T, version, strategy string) {
	t.Helper()
	document := must(json.Marshal(map[string]string{
		"private_key": fmt.Sprintf("{{resolve:secretsmanager:%s:SecretString:privateKey::%s}}", e.secret, version),
	}))(t)
	hosted := must(e.of.appcfg.CreateHostedConfigurationVersion(t.Context(),
		&appconfig.CreateHostedConfigurationVersionInput{
			ApplicationId: &e.of.application, ConfigurationProfileId: &e.of.profile, Content: document,
			ContentType: aws.String("application/json"),
		}))(t)
	e.deployment = must(e.of.appcfg.StartDeployment(t.Context(), &appconfig.StartDeploymentInput{
		ApplicationId: &e.of.application, EnvironmentId: &e.id, ConfigurationProfileId: &e.of.profile,
		ConfigurationVersion: aws.String(strconv.Itoa(int(hosted.VersionNumber))), DeploymentStrategyId: &strategy,
	}))(t).DeploymentNumber
}

// complete returns when every pod is meant to have what was rolled out.
func (e *environment) complete(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		d, err := e.of.appcfg.GetDeployment(ctx, &appconfig.GetDeploymentInput{
			ApplicationId: &e.of.application, EnvironmentId: &e.id, DeploymentNumber: &e.deployment,
		})
		if err != nil {
			return false, err
		}
		if d.State == actypes.DeploymentStateRolledBack {
			return false, fmt.Errorf("the deployment of %s was rolled back", e.name)
		}
		return d.State == actypes.DeploymentStateComplete, nil
	})
}

// retire makes the version the current one.
func (e *environment) retire(t *testing.T, version string) {
	t.Helper()
	secret := must(e.of.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &e.secret}))(t)
	for old, stages := range secret.VersionIdsToStages {
		for _, stage := range stages {
			if stage == "AWSCURRENT" && old != version {
				must(e.of.secrets.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
					SecretId: &e.secret, VersionStage: aws.String(stage), MoveToVersionId: &version, RemoveFromVersionId: &old,
				}))(t)
			}
		}
	}
}

// poll asks several times a second until it is done, fails or the context ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// must stops the test when there is an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
