package workload_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/internal/identity/workload"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/localaws"
)

const (
	mayRead = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"secretsmanager:GetSecretValue",` +
		`"Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/kubernetes-service-account":"agent"}}}}`
	mayAssume = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`
	forPods   = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],` +
		`"Principal":{"Service":"pods.eks.amazonaws.com"}}}`
)

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// account is AWS with one cluster; what it logs at debug level must show nothing secret.
type account struct {
	*testing.T
	server  *localaws.Server
	cluster *localaws.Issuer
	root    aws.Config
	log     journal
	tokens  []string
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{T: t}
	var err error
	if a.cluster, err = localaws.StartIssuer(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.cluster.Close() })
	a.server, err = localaws.Start(localaws.Config{
		Log: slog.New(slog.NewJSONHandler(&a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.server.Close() })
	id, key := a.server.RootKeys()
	a.root = aws.Config{
		Region: a.server.Region(), BaseEndpoint: aws.String(a.server.URL()),
		Credentials: awscredentials.NewStaticCredentialsProvider(id, key, ""),
	}
	_, err = iam.NewFromConfig(a.root).CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(a.cluster.URL()), ClientIDList: []string{"sts.amazonaws.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = secretsmanager.NewFromConfig(a.root).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("team/key"), SecretString: aws.String("CANARY-not-a-real-key"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// role makes a role, with a policy unless that is empty, and gives its ARN.
func (a *account) role(name, trust, policy string) string {
	a.Helper()
	client := iam.NewFromConfig(a.root)
	out, err := client.CreateRole(a.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err == nil && policy != "" {
		_, err = client.PutRolePolicy(a.Context(), &iam.PutRolePolicyInput{
			RoleName: &name, PolicyName: aws.String("inline"), PolicyDocument: &policy,
		})
	}
	if err != nil {
		a.Fatal(err)
	}
	return *out.Role.Arn
}

func (a *account) associate(serviceAccount, role string) {
	a.Helper()
	err := a.server.AssociatePodIdentity(localaws.PodIdentityAssociation{
		Cluster: "prod", Issuer: a.cluster.URL(), Namespace: "otel", ServiceAccount: serviceAccount, RoleARN: role,
	})
	if err != nil {
		a.Fatal(err)
	}
}

// pod is the configuration of a pod by pod identity, and its token file.
func (a *account) pod(serviceAccount string) (aws.Config, string) {
	a.Helper()
	token, err := a.cluster.PodIdentityToken("otel", serviceAccount, serviceAccount+"-x7k2p")
	if err != nil {
		a.Fatal(err)
	}
	return a.configure(token, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", a.server.PodIdentityURL())
}

func (a *account) configure(token, fileVariable, variable, value string) (aws.Config, string) {
	a.Helper()
	a.tokens = append(a.tokens, token)
	file := filepath.Join(a.TempDir(), "token")
	write(a.T, file, token)
	env := map[string]string{
		fileVariable: file, variable: value, "AWS_REGION": a.server.Region(), "AWS_ENDPOINT_URL": a.server.URL(),
		"HOSTNAME": "agent-x7k2p",
	}
	cfg, err := workload.Config(a.Context(), workload.Options{Getenv: func(name string) string { return env[name] }})
	if err != nil {
		a.Fatal(err)
	}
	return cfg, file
}

func (a *account) read(cfg aws.Config) error {
	_, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(a.Context(), &secretsmanager.GetSecretValueInput{
		SecretId: aws.String("team/key"),
	})
	return err
}

// deploy puts a document in AppConfig, and gives what a session asks for and its ARN.
func (a *account) deploy() (*appconfigdata.StartConfigurationSessionInput, string) {
	a.Helper()
	client, ctx, name := appconfig.NewFromConfig(a.root), a.Context(), aws.String("otel")
	app, err := client.CreateApplication(ctx, &appconfig.CreateApplicationInput{Name: name})
	if err != nil {
		a.Fatal(err)
	}
	env, err := client.CreateEnvironment(ctx, &appconfig.CreateEnvironmentInput{ApplicationId: app.Id, Name: name})
	if err != nil {
		a.Fatal(err)
	}
	profile, err := client.CreateConfigurationProfile(ctx, &appconfig.CreateConfigurationProfileInput{
		ApplicationId: app.Id, Name: name, LocationUri: aws.String("hosted"),
	})
	if err != nil {
		a.Fatal(err)
	}
	_, err = client.CreateHostedConfigurationVersion(ctx, &appconfig.CreateHostedConfigurationVersionInput{
		ApplicationId: app.Id, ConfigurationProfileId: profile.Id, Content: []byte(`{"domain":"eu2.example.com"}`),
		ContentType: aws.String("application/json"),
	})
	if err != nil {
		a.Fatal(err)
	}
	_, err = client.StartDeployment(ctx, &appconfig.StartDeploymentInput{
		ApplicationId: app.Id, EnvironmentId: env.Id, ConfigurationProfileId: profile.Id,
		ConfigurationVersion: aws.String("1"), DeploymentStrategyId: aws.String("AppConfig.AllAtOnce"),
	})
	if err != nil {
		a.Fatal(err)
	}
	arn := fmt.Sprintf("arn:aws:appconfig:%s:%s:application/%s/environment/%s/configuration/%s", a.server.Region(),
		a.server.Account(), *app.Id, *env.Id, *profile.Id)
	in := &appconfigdata.StartConfigurationSessionInput{
		ApplicationIdentifier: name, EnvironmentIdentifier: name, ConfigurationProfileIdentifier: name,
	}
	return in, arn
}

// follow reads a configuration once.
func (a *account) follow(cfg aws.Config, in *appconfigdata.StartConfigurationSessionInput) (string, error) {
	client := appconfigdata.NewFromConfig(cfg)
	session, err := client.StartConfigurationSession(a.Context(), in)
	if err != nil {
		return "", err
	}
	out, err := client.GetLatestConfiguration(a.Context(), &appconfigdata.GetLatestConfigurationInput{
		ConfigurationToken: session.InitialConfigurationToken,
	})
	if err != nil {
		return "", err
	}
	return string(out.Configuration), nil
}

// hides wants no token and no key in the log and in text.
func (a *account) hides(text string) {
	a.Helper()
	if !strings.Contains(a.log.String(), "sts:") && !strings.Contains(a.log.String(), "eks-auth:") {
		a.Error("the log says nothing")
	}
	_, key := a.server.RootKeys()
	for _, hidden := range append([]string{key, "CANARY"}, a.tokens...) {
		hidden = hidden[strings.LastIndexByte(hidden, '.')+1:]
		if strings.Contains(a.log.String()+text, hidden) {
			a.Errorf("a token or a key shows in %s or in the log", text)
		}
	}
}

// A pod's token becomes a session of the role that its service account is associated with, and of no other; the
// policy of that role decides what it may read.
func TestPodIdentityEndToEnd(t *testing.T) {
	a := newAccount(t)
	document, arn := a.deploy()
	mayFollow := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"` + arn + `",` +
		`"Action":["appconfig:StartConfigurationSession","appconfig:GetLatestConfiguration"]}}`
	a.associate("agent", a.role("otel", forPods, mayRead))
	a.associate("follower", a.role("follower", forPods, mayFollow))
	a.associate("guest", a.role("guest", forPods, mayRead))
	a.associate("stray", a.role("stray", strings.Replace(forPods, `,"sts:TagSession"`, "", 1), mayRead))

	agent, file := a.pod("agent")
	if err := a.read(agent); err != nil {
		t.Fatal(err)
	}
	who, err := workload.WhoAmI(t.Context(), agent)
	if err != nil || who.Mechanism != workload.PodIdentity || !strings.HasSuffix(who.Role, ":role/otel") ||
		who.Token.Subject != "system:serviceaccount:otel:agent" || who.Token.Expires == nil || who.Endpoint != a.server.URL() {
		t.Errorf("%+v, %v", who, err)
	}
	guest, _ := a.pod("guest")
	if err := a.read(guest); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("the guest's tag is another, but it reads: %v", err)
	}
	follower, _ := a.pod("follower")
	if got, err := a.follow(follower, document); err != nil || got != `{"domain":"eu2.example.com"}` {
		t.Errorf("the follower reads %q, %v", got, err)
	}
	if err := a.read(follower); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("the follower reads the secret: %v", err)
	}
	if _, err := a.follow(agent, document); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("the agent follows without permission: %v", err)
	}
	for serviceAccount, hint := range map[string]string{
		"nobody": "associate a role with service account nobody in namespace otel",
		"stray":  "must allow both sts:AssumeRole and sts:TagSession to the service pods.eks.amazonaws.com",
	} {
		cfg, _ := a.pod(serviceAccount)
		err := a.read(cfg)
		if problem.KindOf(err) != problem.Denied || !strings.Contains(problem.HintOf(err), hint) {
			t.Errorf("%s: %v, hint %q", serviceAccount, err, problem.HintOf(err))
		}
		a.hides(fmt.Sprintf("%v %+v %s", err, err, problem.HintOf(err)))
	}

	// The token file goes and comes back; what is cached serves meanwhile.
	_ = os.Remove(file)
	if err := a.read(agent); err != nil {
		t.Errorf("with credentials in the cache: %v", err)
	}
	agent.Credentials.(interface{ Invalidate() }).Invalidate()
	if err := a.read(agent); !strings.Contains(problem.HintOf(err), "names a file that is not mounted") {
		t.Errorf("without the file: %v", err)
	}
	write(t, file, a.tokens[0])
	if err := a.read(agent); err != nil {
		t.Errorf("with the file again: %v", err)
	}
	a.hides(fmt.Sprintf("%+v %s %+v", agent, agent.Credentials, who))
}

// A role elsewhere is assumed with the pod's credentials, whichever identity they are from; each thing that can be
// missing is named.
func TestAssumeEndToEnd(t *testing.T) {
	a := newAccount(t)
	shared := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":%s,"Principal":{"AWS":%q}%s}}`
	both, external := `["sts:AssumeRole","sts:TagSession"]`, `,"Condition":{"StringEquals":{"sts:ExternalId":"pinnace-1"}}`
	reads := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}}`
	byPod := a.role("otel", forPods, mayAssume)
	a.associate("agent", byPod)
	byWeb := a.role("web", fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",`+
		`"Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"arn:aws:iam::%s:oidc-provider/%s"},`+
		`"Condition":{"StringEquals":{"%[2]s:sub":"system:serviceaccount:otel:agent","%[2]s:aud":"sts.amazonaws.com"}}}}`,
		a.server.Account(), a.cluster.Host()), "")
	account := a.server.Account()
	open := a.role("open", fmt.Sprintf(shared, both, byPod, external), reads)
	untagged := a.role("untagged", fmt.Sprintf(shared, `"sts:AssumeRole"`, byPod, ""), reads)
	closed := a.role("closed", fmt.Sprintf(shared, both, byWeb, ""), reads)
	delegated := a.role("delegated", fmt.Sprintf(shared, both, account, ""), reads)

	pod, _ := a.pod("agent")
	token, err := a.cluster.ServiceAccountToken("otel", "agent")
	if err != nil {
		t.Fatal(err)
	}
	web, _ := a.configure(token, "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", byWeb)
	tests := []struct {
		name string
		base aws.Config
		role workload.Role
		hint string // none when it is to succeed
	}{
		{"external id", pod, workload.Role{ARN: open, ExternalID: "pinnace-1", Duration: time.Hour}, ""},
		{"by web identity", web, workload.Role{ARN: closed}, ""},
		{"no external id", pod, workload.Role{ARN: open}, "give the external id, for none is given"},
		{"wrong external id", pod, workload.Role{ARN: open, ExternalID: "other"}, "must be the external id that is given"},
		{"tags are not taken", pod, workload.Role{ARN: untagged}, "sts:TagSession beside sts:AssumeRole"},
		{"not trusted", pod, workload.Role{ARN: closed}, "the trust policy of " + closed + " must allow sts:AssumeRole"},
		{
			"may not ask", web,
			workload.Role{ARN: delegated},
			"the policy of " + byWeb + " must allow sts:AssumeRole on " + delegated,
		},
		{"no such role", pod, workload.Role{ARN: open + "2"}, "so check the ARN"},
	}
	for _, test := range tests {
		cfg, err := workload.Assume(test.base, test.role)
		if err != nil {
			t.Fatal(err)
		}
		err = a.read(cfg)
		if test.hint == "" && err != nil || test.hint != "" &&
			(problem.KindOf(err) != problem.Denied || !strings.Contains(problem.HintOf(err), test.hint)) {
			t.Errorf("%s: %v, hint %q", test.name, err, problem.HintOf(err))
		}
		a.hides(fmt.Sprintf("%v %s %+v %s", err, problem.HintOf(err), cfg, cfg.Credentials))
	}

	// One role more: the chain goes on, and says who is whose.
	first, err := workload.Assume(web, workload.Role{ARN: closed})
	if err != nil {
		t.Fatal(err)
	}
	second := a.role("second", fmt.Sprintf(shared, both, closed, ""), reads)
	chained, err := workload.Assume(first, workload.Role{ARN: second, SessionName: "third-hand"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.read(chained); err != nil {
		t.Error(err)
	}
	who, err := workload.WhoAmI(t.Context(), chained)
	if err != nil || who.Role != second || who.From != closed || !strings.HasSuffix(who.ARN, "second/third-hand") {
		t.Errorf("%+v, %v", who, err)
	}
}
