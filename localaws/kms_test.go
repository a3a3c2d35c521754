package localaws_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	acTypes "github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwTypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3Types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pinnace-dev/pinnace/localaws"
)

// role makes a role of these statements that trusts principal, and gives its ARN.
func role(t *testing.T, s *localaws.Server, name, principal, statements string) string {
	t.Helper()
	client := iam.NewFromConfig(root(s))
	out, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":` + principal + `}}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: &name, PolicyName: aws.String("inline"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + statements + `]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Role.Arn
}

// assume is the configuration of a session of a role that the account may assume.
func assume(t *testing.T, s *localaws.Server, statements string) aws.Config {
	t.Helper()
	arn := role(t, s, "caller", `{"AWS":"`+s.Account()+`"}`, statements)
	return with(s, aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(root(s)), arn)))
}

// sealed makes a key, a secret under it, and an object under it with a bucket key.
func sealed(t *testing.T, s *localaws.Server) (keyARN, secretARN string) {
	t.Helper()
	key, err := kms.NewFromConfig(root(s)).CreateKey(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := secretsmanager.NewFromConfig(root(s)).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("otel/key"), SecretString: aws.String("obviously-fake"), KmsKeyId: key.KeyMetadata.Arn,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := s3Client(root(s))
	_, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String("charts"), CreateBucketConfiguration: &s3Types.CreateBucketConfiguration{
			LocationConstraint: s3Types.BucketLocationConstraint(s.Region()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("charts"), Key: aws.String("index.yaml"), Body: strings.NewReader("entries: {}"),
		ServerSideEncryption: s3Types.ServerSideEncryptionAwsKms, SSEKMSKeyId: key.KeyMetadata.Arn,
		BucketKeyEnabled: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *key.KeyMetadata.Arn, *secret.ARN
}

// TestCustomerKeys reads a secret and an object under a key of the account with narrower and narrower permissions.
func TestCustomerKeys(t *testing.T) {
	const (
		reading = `{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","s3:GetObject"],"Resource":"*"}`
		decrypt = `,{"Effect":"Allow","Action":"kms:Decrypt","Resource":"KEY"`
		when    = decrypt + `,"Condition":{"StringEquals":{%s}}}`
		secrets = `"kms:ViaService":"secretsmanager.eu-west-1.amazonaws.com"`
		objects = `"kms:ViaService":"s3.eu-west-1.amazonaws.com"`
	)
	for name, c := range map[string]struct {
		statements     string
		secret, object bool // can be read
	}{
		"without kms:Decrypt":           {reading, false, false},
		"kms:Decrypt":                   {reading + decrypt + "}", true, true},
		"on another key":                {reading + strings.ReplaceAll(decrypt, "KEY", "KEY2") + "}", false, false},
		"by Secrets Manager":            {reading + fmt.Sprintf(when, secrets), true, false},
		"by S3":                         {reading + fmt.Sprintf(when, objects), false, true},
		"of this secret":                {reading + fmt.Sprintf(when, `"kms:EncryptionContext:SecretARN":"SECRET"`), true, false},
		"of another secret":             {reading + fmt.Sprintf(when, `"kms:EncryptionContext:SecretARN":"SECRET2"`), false, false},
		"of the bucket, by bucket key":  {reading + fmt.Sprintf(when, `"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::charts"`), false, true},
		"of the object, but bucket key": {reading + fmt.Sprintf(when, `"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::charts/index.yaml"`), false, false},
		"kms:Decrypt alone":             {decrypt[1:] + "}", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, localaws.Config{})
			keyARN, secretARN := sealed(t, s)
			cfg := assume(t, s, strings.NewReplacer("KEY", keyARN, "SECRET", secretARN).Replace(c.statements))
			_, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{
				SecretId: &secretARN,
			})
			if (err == nil) != c.secret || err != nil && code(err) != "AccessDeniedException" {
				t.Errorf("the secret: %v", err)
			}
			if name == "without kms:Decrypt" && !strings.Contains(err.Error(), "Access to KMS is not allowed") {
				t.Errorf("not AWS's words: %v", err)
			}
			_, err = s3Client(cfg).GetObject(t.Context(), &s3.GetObjectInput{
				Bucket: aws.String("charts"), Key: aws.String("index.yaml"),
			})
			if (err == nil) != c.object || err != nil && code(err) != "AccessDenied" {
				t.Errorf("the object: %v", err)
			}
		})
	}
}

// TestAlarmRollsBack raises an alarm by CloudWatch's API while a deployment bakes.
func TestAlarmRollsBack(t *testing.T) {
	now := time.Now()
	s := start(t, localaws.Config{Now: func() time.Time { return now }})
	alarms, client := cloudwatch.NewFromConfig(root(s)), appconfig.NewFromConfig(root(s))
	name := aws.String("errors")
	_, err := alarms.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: name, MetricName: name, Namespace: name, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1),
		Statistic: cwTypes.StatisticSum, Threshold: aws.Float64(0),
		ComparisonOperator: cwTypes.ComparisonOperatorGreaterThanThreshold,
	})
	if err != nil {
		t.Fatal(err)
	}
	alarmARN := "arn:aws:cloudwatch:" + s.Region() + ":" + s.Account() + ":alarm:errors"
	watcher := role(t, s, "watcher", `{"Service":"appconfig.amazonaws.com"}`,
		`{"Effect":"Allow","Action":"cloudwatch:DescribeAlarms","Resource":"`+alarmARN+`"}`)
	start := deploymentUnder(t, client, acTypes.Monitor{AlarmArn: &alarmARN, AlarmRoleArn: &watcher})
	out, err := client.StartDeployment(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(5 * time.Minute)
	_, err = alarms.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{
		AlarmName: name, StateValue: cwTypes.StateValueAlarm, StateReason: aws.String("a test"),
	})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	got, err := client.GetDeployment(t.Context(), &appconfig.GetDeploymentInput{
		ApplicationId: start.ApplicationId, EnvironmentId: start.EnvironmentId, DeploymentNumber: &out.DeploymentNumber,
	})
	if err != nil || got.State != acTypes.DeploymentStateRolledBack {
		t.Fatalf("%+v, %v", got, err)
	}
	if e := got.EventLog[0]; e.EventType != acTypes.DeploymentEventTypeRollbackCompleted {
		t.Errorf("the last event is %s", e.EventType)
	}
	// without permission to see the alarm there is no deployment
	_, err = iam.NewFromConfig(root(s)).DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{
		RoleName: aws.String("watcher"), PolicyName: aws.String("inline"),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.StartDeployment(t.Context(), start)
	if code(err) != "BadRequestException" || !strings.Contains(err.Error(), "cloudwatch:DescribeAlarms") {
		t.Errorf("an alarm that cannot be seen: %v", err)
	}
}

// deploymentUnder prepares a deployment of a hosted document to a new environment with a monitor.
func deploymentUnder(t *testing.T, client *appconfig.Client, m acTypes.Monitor) *appconfig.StartDeploymentInput {
	t.Helper()
	app, err := client.CreateApplication(t.Context(), &appconfig.CreateApplicationInput{Name: aws.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	env, err := client.CreateEnvironment(t.Context(), &appconfig.CreateEnvironmentInput{
		ApplicationId: app.Id, Name: aws.String("e"), Monitors: []acTypes.Monitor{m},
	})
	if err != nil {
		t.Fatal(err)
	}
	profile, err := client.CreateConfigurationProfile(t.Context(), &appconfig.CreateConfigurationProfileInput{
		ApplicationId: app.Id, Name: aws.String("p"), LocationUri: aws.String("hosted"),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateHostedConfigurationVersion(t.Context(), &appconfig.CreateHostedConfigurationVersionInput{
		ApplicationId: app.Id, ConfigurationProfileId: profile.Id, Content: []byte("{}"),
		ContentType: aws.String("application/json"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &appconfig.StartDeploymentInput{
		ApplicationId: app.Id, EnvironmentId: env.Id, ConfigurationProfileId: profile.Id,
		ConfigurationVersion: aws.String("1"), DeploymentStrategyId: aws.String("AppConfig.AllAtOnce"),
	}
}
