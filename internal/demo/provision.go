package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	appconfigtypes "github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/internal/secret"
)

// schema refuses a document in which a key stands itself, instead of a reference to it: AppConfig runs it before it
// deploys.
const schema = `{
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "additionalProperties": false,
  "required": ["domain", "private_key"],
  "properties": {
    "domain": {"type": "string", "pattern": "^[a-z0-9.-]+$"},
    "private_key": {"type": "string", "pattern": "^\\{\\{resolve:secretsmanager:[^{}]+\\}\\}$"}
  }
}`

// newKey makes a key that looks like a Coralogix Send-Your-Data key and opens nothing.
func newKey(mark string) secret.Value { return secret.FromString("cxtp_" + mark + rand.Text()) }

// provision does what Terraform will: it makes the account's resources, from the same policy templates.
func (w *World) provision(ctx context.Context, mark string) error {
	if err := w.provisionBucket(ctx); err != nil {
		return err
	}
	for _, issuer := range []string{w.pipeline.URL(), w.UAT.cluster.URL(), w.Prod.cluster.URL()} {
		_, err := w.IAM.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
			Url: &issuer, ClientIDList: []string{audience},
		})
		if err != nil {
			return fmt.Errorf("registering issuer %s: %w", issuer, err)
		}
	}
	app, err := w.AppCfg.CreateApplication(ctx, &appconfig.CreateApplicationInput{Name: aws.String(application)})
	if err != nil {
		return fmt.Errorf("creating application %s: %w", application, err)
	}
	shared, err := w.AppCfg.CreateConfigurationProfile(ctx, &appconfig.CreateConfigurationProfileInput{
		ApplicationId: app.Id, Name: aws.String(profile), LocationUri: aws.String("hosted"),
		Validators: []appconfigtypes.Validator{{
			Type: appconfigtypes.ValidatorTypeJsonSchema, Content: aws.String(schema),
		}},
	})
	if err != nil {
		return fmt.Errorf("creating profile %s: %w", profile, err)
	}
	if err := w.provisionStrategies(ctx); err != nil {
		return err
	}
	for _, e := range []*Environment{w.UAT, w.Prod} {
		e.ApplicationID, e.ProfileID, e.Key = *app.Id, *shared.Id, newKey(mark)
		if err := w.provisionEnvironment(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) provisionBucket(ctx context.Context) error {
	_, err := w.S3.CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket: aws.String(bucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
			LocationConstraint: s3types.BucketLocationConstraint(w.AWS.Region()),
		},
	})
	if err != nil {
		return fmt.Errorf("creating bucket %s: %w", bucket, err)
	}
	_, err = w.S3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: aws.String(bucket), VersioningConfiguration: &s3types.VersioningConfiguration{
			Status: s3types.BucketVersioningStatusEnabled,
		},
	})
	if err != nil {
		return fmt.Errorf("versioning bucket %s: %w", bucket, err)
	}
	policy, err := w.render("chart-repository-bucket", w.repositoryVars())
	if err != nil {
		return err
	}
	_, err = w.S3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: &policy})
	if err != nil {
		return fmt.Errorf("setting the policy of bucket %s: %w", bucket, err)
	}
	return nil
}

func (w *World) repositoryVars() map[string]string {
	return map[string]string{
		"bucket_arn": "arn:aws:s3:::" + bucket, "prefix": prefix + "/", "account_id": w.AWS.Account(),
		"provider_arn": w.providerARN(w.pipeline.Host()), "issuer": w.pipeline.Host(),
		"subject": pipeline, "audience": audience,
		"maintainer_role_arn": "arn:aws:iam::" + w.AWS.Account() + ":role/chart-maintainer",
	}
}

func (w *World) providerARN(host string) string {
	return "arn:aws:iam::" + w.AWS.Account() + ":oidc-provider/" + host
}

// provisionEnvironment makes one environment: its secret, a first deployment that points at it, and the role of its
// pods.
func (w *World) provisionEnvironment(ctx context.Context, e *Environment) error {
	e.SecretName = "coralogix/" + e.Name + "/private_key"
	value, err := secretDocument(e.Key)
	if err != nil {
		return err
	}
	made, err := w.Secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: &e.SecretName, SecretString: aws.String(value),
	})
	if err != nil {
		return fmt.Errorf("creating secret %s: %w", e.SecretName, err)
	}
	e.SecretARN, e.VersionID = *made.ARN, *made.VersionId
	env, err := w.AppCfg.CreateEnvironment(ctx, &appconfig.CreateEnvironmentInput{
		ApplicationId: &e.ApplicationID, Name: &e.Name,
	})
	if err != nil {
		return fmt.Errorf("creating environment %s: %w", e.Name, err)
	}
	e.EnvironmentID = *env.Id
	if err := w.rollOut(ctx, w.AppCfg, e, atOnce); err != nil {
		return err
	}
	if err := w.awaitRollout(ctx, e); err != nil {
		return err
	}
	e.RoleARN, err = w.role(ctx, e.Name+"-"+account, "workload-trust", "workload", w.workloadVars(e))
	return err
}

func (w *World) workloadVars(e *Environment) map[string]string {
	base := fmt.Sprintf("arn:aws:appconfig:%s:%s:", w.AWS.Region(), w.AWS.Account())
	app := base + "application/" + e.ApplicationID
	return map[string]string{
		"issuer": e.cluster.Host(), "provider_arn": w.providerARN(e.cluster.Host()),
		"subject": serviceAccount(account), "audience": audience, "account_id": w.AWS.Account(),
		"secret_arn":        e.SecretARN,
		"configuration_arn": app + "/environment/" + e.EnvironmentID + "/configuration/" + e.ProfileID,
		"application_arn":   app,
		"environment_arn":   app + "/environment/" + e.EnvironmentID,
		"profile_arn":       app + "/configurationprofile/" + e.ProfileID,
		"strategy_arn":      base + "deploymentstrategy/" + w.strategies[gradual],
	}
}

// deployerVars are those of the pipeline's role that rotates prod's key.
func (w *World) deployerVars() map[string]string {
	vars := w.workloadVars(w.Prod)
	maps.Copy(vars, w.repositoryVars())
	return vars
}

func secretDocument(key secret.Value) (string, error) {
	b, err := json.Marshal(map[string]string{"privateKey": string(key.Reveal())})
	return string(b), err
}
