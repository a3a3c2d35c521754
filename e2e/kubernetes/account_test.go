package kubernetes_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/e2e/kubernetes/cluster"
	"github.com/pinnace-dev/pinnace/localaws"
	"github.com/pinnace-dev/pinnace/terraform/policies"
)

const (
	application = "opentelemetry" // of AppConfig, as are the two below; the chart's own defaults
	profile     = "collector"
	stage       = "uat"
	secretName  = "coralogix/uat/private_key"
	audience    = "sts.amazonaws.com"
)

// account is an AWS of one test: localaws behind TLS at an address that pods reach. It trusts the cluster's tokens by
// the keys that the API server publishes.
type account struct {
	server   *localaws.Server
	endpoint string // https, for pods
	address  string
	identity tls.Certificate

	mu    sync.Mutex
	front *http.Server // nil while AWS is unreachable

	iam     *iam.Client
	secrets *secretsmanager.Client
	config  *appconfig.Client

	ids       map[string]string // of the application, the environment, the profile and the strategies
	secretARN string
	version   string // of the secret, which the newest configuration pins
}

func newAccount(t *testing.T) *account {
	t.Helper()
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(kube.AuthorityPEM())
	server, err := localaws.Start(localaws.Config{HTTPClient: &http.Client{
		Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	a := &account{server: server, address: kube.Address(), ids: map[string]string{}}
	a.endpoint = "https://" + a.address
	if a.identity, err = kube.Certificate(a.address); err != nil {
		t.Fatal(err)
	}
	a.reachable(t)
	t.Cleanup(func() { a.unreachable() })

	id, key := server.RootKeys()
	root := aws.Config{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
	a.iam, a.secrets, a.config = iam.NewFromConfig(root), secretsmanager.NewFromConfig(root), appconfig.NewFromConfig(root)
	return a
}

// reachable lets pods reach AWS.
func (a *account) reachable(t *testing.T) {
	t.Helper()
	listener, err := tls.Listen("tcp", a.address+":443", &tls.Config{Certificates: []tls.Certificate{a.identity}})
	if err != nil {
		t.Fatal(err)
	}
	front := &http.Server{Handler: a.server}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.front = front
	go func() { _ = front.Serve(listener) }() // until it is closed
}

// unreachable ends every connection to AWS and refuses new ones.
func (a *account) unreachable() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.front != nil {
		_ = a.front.Close()
	}
	a.front = nil
}

// newKey makes a key that looks like a Coralogix Send-Your-Data key and opens nothing.
func newKey() string { return "cxtp_" + rand.Text() }

// provision makes what Terraform would: a secret with key, a configuration that points at it and is deployed, and the
// role that the subjects may assume, which are NAMESPACE:SERVICE-ACCOUNT.
func (a *account) provision(t *testing.T, key string, subjects ...string) (roleARN string) {
	t.Helper()
	ctx := t.Context()
	made, err := a.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String(secretName), SecretString: document(key),
	})
	must(t, err)
	a.secretARN, a.version = *made.ARN, *made.VersionId
	app, err := a.config.CreateApplication(ctx, &appconfig.CreateApplicationInput{Name: aws.String(application)})
	must(t, err)
	env, err := a.config.CreateEnvironment(ctx, &appconfig.CreateEnvironmentInput{
		ApplicationId: app.Id, Name: aws.String(stage),
	})
	must(t, err)
	prof, err := a.config.CreateConfigurationProfile(ctx, &appconfig.CreateConfigurationProfileInput{
		ApplicationId: app.Id, Name: aws.String(profile), LocationUri: aws.String("hosted"),
	})
	must(t, err)
	a.ids["application"], a.ids["environment"], a.ids["profile"] = *app.Id, *env.Id, *prof.Id
	for name, minutes := range map[string]int32{"at once": 0, "gradual": 1} {
		growth := map[int32]float32{0: 100, 1: 25}[minutes]
		strategy, err := a.config.CreateDeploymentStrategy(ctx, &appconfig.CreateDeploymentStrategyInput{
			Name: aws.String(name), DeploymentDurationInMinutes: &minutes, GrowthFactor: &growth,
			GrowthType: types.GrowthTypeLinear, ReplicateTo: types.ReplicateToNone,
		})
		must(t, err)
		a.ids[name] = *strategy.Id
	}
	a.deploy(t, "at once")
	return a.role(t, subjects)
}

// role makes the pods' role from the very documents that Terraform renders, with one statement of trust for each
// subject.
func (a *account) role(t *testing.T, subjects []string) string {
	t.Helper()
	issuer, host := cluster.Issuer, strings.TrimPrefix(cluster.Issuer, "https://")
	_, err := a.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: &issuer, ClientIDList: []string{audience},
	})
	must(t, err)
	base := fmt.Sprintf("arn:aws:appconfig:%s:%s:application/%s", a.server.Region(), a.server.Account(), a.ids["application"])
	vars := map[string]string{
		"provider_arn": "arn:aws:iam::" + a.server.Account() + ":oidc-provider/" + host, "issuer": host,
		"audience": audience, "secret_arn": a.secretARN,
		"configuration_arn": base + "/environment/" + a.ids["environment"] + "/configuration/" + a.ids["profile"],
	}
	var trust struct {
		Version   string
		Statement []map[string]any
	}
	for i, subject := range subjects {
		vars["subject"] = "system:serviceaccount:" + subject
		one := trust
		one.Statement = nil
		must(t, json.Unmarshal([]byte(render(t, "workload-trust", vars)), &one))
		one.Statement[0]["Sid"] = "ServiceAccount" + strconv.Itoa(i)
		trust.Version, trust.Statement = one.Version, append(trust.Statement, one.Statement...)
	}
	trusted, err := json.Marshal(trust)
	must(t, err)
	role, err := a.iam.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("opentelemetry"), AssumeRolePolicyDocument: aws.String(string(trusted)),
	})
	must(t, err)
	_, err = a.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("opentelemetry"), PolicyName: aws.String("workload"),
		PolicyDocument: aws.String(render(t, "workload", vars)),
	})
	must(t, err)
	return *role.Role.Arn
}

// render fills a policy template with those of vars that it asks for.
func render(t *testing.T, name string, vars map[string]string) string {
	t.Helper()
	wanted, err := policies.Variables(policies.Templates, name)
	must(t, err)
	some := map[string]string{}
	for _, v := range wanted {
		some[v] = vars[v]
	}
	text, err := policies.Render(policies.Templates, name, some)
	must(t, err)
	return text
}

func document(key string) *string { return aws.String(`{"privateKey": "` + key + `"}`) }

// deploy starts to roll out a configuration that pins the secret's version.
func (a *account) deploy(t *testing.T, strategy string) {
	t.Helper()
	reference := fmt.Sprintf("{{resolve:secretsmanager:%s:SecretString:privateKey::%s}}", secretName, a.version)
	content, err := json.Marshal(map[string]string{"domain": "eu2.coralogix.com", "private_key": reference})
	must(t, err)
	app, prof := a.ids["application"], a.ids["profile"]
	hosted, err := a.config.CreateHostedConfigurationVersion(t.Context(), &appconfig.CreateHostedConfigurationVersionInput{
		ApplicationId: &app, ConfigurationProfileId: &prof, Content: content, ContentType: aws.String("application/json"),
	})
	must(t, err)
	_, err = a.config.StartDeployment(t.Context(), &appconfig.StartDeploymentInput{
		ApplicationId: &app, EnvironmentId: aws.String(a.ids["environment"]), ConfigurationProfileId: &prof,
		ConfigurationVersion: aws.String(strconv.Itoa(int(hosted.VersionNumber))),
		DeploymentStrategyId: aws.String(a.ids[strategy]),
	})
	must(t, err)
}

// stage puts a further key beside the current one, which the next deployment pins.
func (a *account) stage(t *testing.T, key string) {
	t.Helper()
	staged, err := a.secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &a.secretARN, SecretString: document(key), VersionStages: []string{"PINNACE_NEXT"},
	})
	must(t, err)
	a.version = *staged.VersionId
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
