package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/localaws"
)

// account is one on localaws, with a document that refers to secrets and a pod that may read all.
type account struct {
	server  *localaws.Server
	issuer  *localaws.Issuer
	secrets *secretsmanager.Client
	config  *appconfig.Client
	env     []string // of the pod

	app, environment, profile, strategy string
}

func newAccount(ctx context.Context, dir string) (a *account, err error) {
	a = &account{}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if a.server, err = localaws.Start(localaws.Config{}); err != nil {
		return a, err
	}
	if a.issuer, err = localaws.StartIssuer(nil); err != nil {
		return a, err
	}
	id, key := a.server.RootKeys()
	root := aws.Config{
		Region: a.server.Region(), BaseEndpoint: aws.String(a.server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
	a.secrets, a.config = secretsmanager.NewFromConfig(root), appconfig.NewFromConfig(root)
	for i := range items {
		name, value := secretName(i), fmt.Sprintf("not-a-real-key-%d", i)
		in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}
		if _, err := a.secrets.CreateSecret(ctx, in); err != nil {
			return a, err
		}
	}
	if err := a.makeConfiguration(ctx); err != nil {
		return a, err
	}
	return a, a.makePod(ctx, iam.NewFromConfig(root), filepath.Join(dir, "web-identity-token"))
}

func (a *account) close() {
	if a.server != nil {
		_ = a.server.Close()
	}
	if a.issuer != nil {
		_ = a.issuer.Close()
	}
}

func secretName(i int) string { return fmt.Sprintf("team/%d", i) }

func (a *account) makeConfiguration(ctx context.Context) error {
	app, err := a.config.CreateApplication(ctx, &appconfig.CreateApplicationInput{Name: aws.String("otel-config")})
	if err != nil {
		return err
	}
	a.app = *app.Id
	environment, err := a.config.CreateEnvironment(ctx, &appconfig.CreateEnvironmentInput{
		ApplicationId: &a.app, Name: aws.String("prod"),
	})
	if err != nil {
		return err
	}
	a.environment = *environment.Id
	profile, err := a.config.CreateConfigurationProfile(ctx, &appconfig.CreateConfigurationProfileInput{
		ApplicationId: &a.app, Name: aws.String("coralogix"), LocationUri: aws.String("hosted"),
	})
	if err != nil {
		return err
	}
	a.profile = *profile.Id
	strategy, err := a.config.CreateDeploymentStrategy(ctx, &appconfig.CreateDeploymentStrategyInput{
		Name: aws.String("at-once"), DeploymentDurationInMinutes: aws.Int32(0), GrowthFactor: aws.Float32(100),
		GrowthType: types.GrowthTypeLinear, ReplicateTo: types.ReplicateToNone,
	})
	if err != nil {
		return err
	}
	a.strategy = *strategy.Id
	return nil
}

// deploy rolls out a document whose key and other fields refer to the first half of the secrets.
func (a *account) deploy(ctx context.Context, domain string) error {
	document := `{"domain":"` + domain + `"`
	for i := range items / 2 {
		document += fmt.Sprintf(`,"key%d":"{{resolve:secretsmanager:%s}}"`, i, secretName(i))
	}
	version, err := a.config.CreateHostedConfigurationVersion(ctx, &appconfig.CreateHostedConfigurationVersionInput{
		ApplicationId: &a.app, ConfigurationProfileId: &a.profile, Content: []byte(document + "}"),
		ContentType: aws.String("application/json"),
	})
	if err != nil {
		return err
	}
	_, err = a.config.StartDeployment(ctx, &appconfig.StartDeploymentInput{
		ApplicationId: &a.app, EnvironmentId: &a.environment, ConfigurationProfileId: &a.profile,
		ConfigurationVersion: aws.String(fmt.Sprint(version.VersionNumber)), DeploymentStrategyId: &a.strategy,
	})
	return err
}

func (a *account) makePod(ctx context.Context, client *iam.Client, tokenFile string) error {
	provider, err := client.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(a.issuer.URL()), ClientIDList: []string{"sts.amazonaws.com"},
	})
	if err != nil {
		return err
	}
	role, err := client.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String("otel"), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` +
			`{"Effect":"Allow","Principal":{"Federated":"` + *provider.OpenIDConnectProviderArn + `"},"Action":` +
			`"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + a.issuer.Host() +
			`:sub":"system:serviceaccount:otel:agent","` + a.issuer.Host() + `:aud":"sts.amazonaws.com"}}}]}`),
	})
	if err != nil {
		return err
	}
	if _, err := client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String("otel"), PolicyName: aws.String("read"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["appconfig:*",` +
			`"secretsmanager:GetSecretValue","secretsmanager:BatchGetSecretValue"],"Resource":"*"}]}`),
	}); err != nil {
		return err
	}
	jwt, err := a.issuer.ServiceAccountToken("otel", "agent")
	if err != nil {
		return err
	}
	a.env = []string{
		"AWS_ENDPOINT_URL=" + a.server.URL(), "AWS_REGION=" + a.server.Region(), "AWS_ROLE_ARN=" + *role.Role.Arn,
		"AWS_WEB_IDENTITY_TOKEN_FILE=" + tokenFile,
	}
	return os.WriteFile(tokenFile, []byte(jwt), 0o600)
}
