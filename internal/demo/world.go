package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/internal/identity"
	"github.com/pinnace-dev/pinnace/internal/secret"
	"github.com/pinnace-dev/pinnace/localaws"
	"github.com/pinnace-dev/pinnace/terraform/policies"
)

// The names of the demo's account. They are those of the mission: two environments of one application.
const (
	bucket      = "acme-charts"
	prefix      = "stable"
	application = "otel-config"
	profile     = "coralogix-config"
	namespace   = "otel"
	account     = "otel-agent" // the Kubernetes service account that the collector runs under
	pipeline    = "repo:acme/charts:ref:refs/heads/main"
	audience    = "sts.amazonaws.com"
	keyItem     = "private_key"
)

// World is everything that a run made: an account on localaws, two clusters' and a pipeline's issuers, and a
// temporary folder. A test reaches it through Options.Tamper to break one thing and see the matching step fail.
type World struct {
	AWS      *localaws.Server
	Dir      string
	Prod     *Environment
	UAT      *Environment
	S3       *s3.Client // as the account's root user, as the four below
	IAM      *iam.Client
	Secrets  *secretsmanager.Client
	AppCfg   *appconfig.Client
	pipeline *localaws.Issuer
	clock    *warp
	// strategies are the ids of the deployment strategies.
	strategies map[strategy]string
	policies   fs.FS
	log        *slog.Logger
	closers    []func() error
}

// Environment is one of uat and prod: a cluster with an issuer of its own, a secret, the configuration that points at
// it, and the role that may read both.
type Environment struct {
	Name          string
	cluster       *localaws.Issuer
	SecretName    string
	SecretARN     string
	VersionID     string // of the secret that the configuration pins
	Key           secret.Value
	ApplicationID string
	EnvironmentID string
	ProfileID     string
	RoleARN       string
}

// startWorld starts the servers. Close ends them.
func startWorld(o Options) (*World, error) {
	w := &World{policies: o.Policies, log: o.Log, clock: newWarp(o.Now, o.Speed)}
	dir, err := os.MkdirTemp(o.TempDir, "pinnace-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	w.Dir = dir
	w.closers = append(w.closers, func() error { return os.RemoveAll(dir) })
	if w.AWS, err = localaws.Start(localaws.Config{Now: w.clock.Now, Log: o.Log}); err != nil {
		return w, err
	}
	w.closers = append(w.closers, w.AWS.Close)
	w.UAT, w.Prod = &Environment{Name: "uat"}, &Environment{Name: "prod"}
	for _, issuer := range []**localaws.Issuer{&w.pipeline, &w.UAT.cluster, &w.Prod.cluster} {
		if *issuer, err = localaws.StartIssuer(w.clock.Now); err != nil {
			return w, err
		}
		w.closers = append(w.closers, (*issuer).Close)
	}
	id, key := w.AWS.RootKeys()
	root := aws.Config{
		Region: w.AWS.Region(), BaseEndpoint: aws.String(w.AWS.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
	w.S3 = s3.NewFromConfig(root, func(o *s3.Options) { o.UsePathStyle = true })
	w.IAM, w.Secrets = iam.NewFromConfig(root), secretsmanager.NewFromConfig(root)
	w.AppCfg = appconfig.NewFromConfig(root)
	return w, nil
}

// Close ends everything and removes the temporary folder.
func (w *World) Close() error {
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	return errors.Join(errs...)
}

// role makes a role from two policy templates and answers its ARN.
func (w *World) role(ctx context.Context, name, trust, permissions string, vars map[string]string) (string, error) {
	trustDocument, err := w.render(trust, vars)
	if err != nil {
		return "", err
	}
	created, err := w.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trustDocument})
	if err != nil {
		return "", fmt.Errorf("creating role %s: %w", name, err)
	}
	document, err := w.render(permissions, vars)
	if err != nil {
		return "", err
	}
	_, err = w.IAM.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: &name, PolicyName: &permissions, PolicyDocument: &document,
	})
	if err != nil {
		return "", fmt.Errorf("giving role %s its policy: %w", name, err)
	}
	return aws.ToString(created.Role.Arn), nil
}

// render fills a policy template with those of vars that it asks for.
func (w *World) render(name string, vars map[string]string) (string, error) {
	wanted, err := policies.Variables(w.policies, name)
	if err != nil {
		return "", err
	}
	some := map[string]string{}
	for _, v := range wanted {
		if value, ok := vars[v]; ok {
			some[v] = value
		}
	}
	return policies.Render(w.policies, name, some)
}

// podEnvironment is that of a container whose pod has the named service account: what EKS's webhook puts there.
func (w *World) podEnvironment(issuer *localaws.Issuer, subject, roleARN, session string) (func(string) string, error) {
	token, err := issuer.Token(subject, audience, 24*time.Hour, nil)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(w.Dir, "tokens", session)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return nil, err
	}
	env := map[string]string{
		"AWS_ROLE_ARN": roleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_SESSION_NAME": session,
		"AWS_REGION": w.AWS.Region(), "AWS_ENDPOINT_URL": w.AWS.URL(),
	}
	return func(name string) string { return env[name] }, nil
}

// assume gives the AWS configuration of such a container.
func (w *World) assume(
	ctx context.Context, issuer *localaws.Issuer, subject, roleARN, session string,
) (aws.Config, error) {
	env, err := w.podEnvironment(issuer, subject, roleARN, session)
	if err != nil {
		return aws.Config{}, err
	}
	return identity.Workload(ctx, identity.Options{Getenv: env})
}

func serviceAccount(name string) string { return "system:serviceaccount:" + namespace + ":" + name }

// document is the configuration that AppConfig delivers: settings, and a reference where the key belongs.
func (e *Environment) document() ([]byte, error) {
	return json.MarshalIndent(map[string]string{
		"domain": "eu2.coralogix.com",
		keyItem: fmt.Sprintf("{{resolve:secretsmanager:%s:SecretString:privateKey::%s}}",
			e.SecretName, e.VersionID),
	}, "", "  ")
}
