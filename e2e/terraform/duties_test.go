package terraform_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	actypes "github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// needs is what fails without each permission, to the word: a permission that is not here is one too many.
var needs = map[string]string{
	"otel-prod trust OneServiceAccountOfOneCluster1 sts:AssumeRole":                 "follow the document, get the key",
	"otel-prod trust OneServiceAccountOfOneCluster1 sts:TagSession":                 "follow the document, get the key",
	"otel-prod trust OneServiceAccountOfOneCluster2 sts:AssumeRole":                 "get the key for the cluster",
	"otel-prod trust OneServiceAccountOfOneCluster2 sts:TagSession":                 "get the key for the cluster",
	"otel-prod workload FollowOneConfiguration appconfig:StartConfigurationSession": "everything",
	"otel-prod workload FollowOneConfiguration appconfig:GetLatestConfiguration":    "everything",
	"otel-prod workload ReadOneSecret secretsmanager:GetSecretValue":                "get the key, get the key for the cluster",

	"otel-uat trust OneServiceAccount1 sts:AssumeRoleWithWebIdentity":              "get the key by IRSA",
	"otel-uat trust OneServiceAccount2 sts:AssumeRoleWithWebIdentity":              "get the key for the cluster by IRSA",
	"otel-uat trust OneServiceAccountOfOneCluster3 sts:AssumeRole":                 "get the key by Pod Identity",
	"otel-uat trust OneServiceAccountOfOneCluster3 sts:TagSession":                 "get the key by Pod Identity",
	"otel-uat trust OneServiceAccountOfOneCluster4 sts:AssumeRole":                 "get the key for the cluster by Pod Identity",
	"otel-uat trust OneServiceAccountOfOneCluster4 sts:TagSession":                 "get the key for the cluster by Pod Identity",
	"otel-uat workload FollowOneConfiguration appconfig:StartConfigurationSession": "everything",
	"otel-uat workload FollowOneConfiguration appconfig:GetLatestConfiguration":    "everything",

	"otel-uat-retrieval trust AppConfigOfThisAccount sts:AssumeRole":           "roll the secret out",
	"otel-uat-retrieval retrieval ReadOneSecret secretsmanager:GetSecretValue": "roll the secret out",

	"otel-charts-prod-publisher trust OnePublishingPipeline1 sts:AssumeRoleWithWebIdentity":           "everything",
	"otel-charts-prod-publisher publisher WriteChartsAndIndex s3:PutObject":                           "everything",
	"otel-charts-prod-publisher publisher WriteChartsAndIndex s3:GetObject":                           "everything",
	"otel-charts-prod-publisher publisher WriteChartsAndIndex acme-charts-prod/stable/*.tgz":          "everything",
	"otel-charts-prod-publisher publisher WriteChartsAndIndex acme-charts-prod/stable/*.prov":         "promote",
	"otel-charts-prod-publisher publisher WriteChartsAndIndex acme-charts-prod/stable/index.yaml":     "everything",
	"otel-charts-prod-publisher publisher WriteChartsAndIndex acme-charts-prod/stable/.pending/*":     "everything",
	"otel-charts-prod-publisher publisher WriteChartsAndIndex acme-charts-prod/stable/.pinnace-probe": "ask whether conditions hold",
	"otel-charts-prod-publisher publisher SweepPending s3:DeleteObject":                               "take in what lost a race",
	"otel-charts-prod-publisher publisher TellMissingFromForbidden s3:ListBucket":                     "everything",
	"otel-charts-prod-publisher reader-uat ReadChartsAndIndex s3:GetObject":                           "promote",
	"otel-charts-prod-publisher reader-uat TellMissingFromForbidden s3:ListBucket":                    "promote",

	"otel-charts-prod-maintainer trust OneMaintenancePipeline1 sts:AssumeRoleWithWebIdentity":            "everything",
	"otel-charts-prod-maintainer maintainer ReadChartsAndIndex s3:GetObject":                             "everything",
	"otel-charts-prod-maintainer maintainer WriteIndex s3:PutObject":                                     "everything",
	"otel-charts-prod-maintainer maintainer WriteIndex acme-charts-prod/stable/index.yaml":               "everything",
	"otel-charts-prod-maintainer maintainer WriteIndex acme-charts-prod/stable/.pinnace-probe":           "ask whether conditions hold",
	"otel-charts-prod-maintainer maintainer DeleteArchivesAndPending s3:DeleteObject":                    "everything",
	"otel-charts-prod-maintainer maintainer DeleteArchivesAndPending acme-charts-prod/stable/*.tgz":      "everything",
	"otel-charts-prod-maintainer maintainer DeleteArchivesAndPending acme-charts-prod/stable/*.prov":     "prune what is signed",
	"otel-charts-prod-maintainer maintainer DeleteArchivesAndPending acme-charts-prod/stable/.pending/*": "take in what lost a race",
	"otel-charts-prod-maintainer maintainer TellMissingFromForbidden s3:ListBucket":                      "everything",

	"otel-prod-deployer trust OneRotatingPipeline1 sts:AssumeRoleWithWebIdentity":                                              "everything",
	"otel-prod-deployer deployer StageAndRetireKeys secretsmanager:PutSecretValue":                                             "stage a key",
	"otel-prod-deployer deployer StageAndRetireKeys secretsmanager:UpdateSecretVersionStage":                                   "make it current",
	"otel-prod-deployer deployer StageAndRetireKeys secretsmanager:DescribeSecret":                                             "see its labels",
	"otel-prod-deployer deployer WriteConfigurationVersions appconfig:CreateHostedConfigurationVersion":                        "write the document",
	"otel-prod-deployer deployer WriteConfigurationVersions appconfig:GetHostedConfigurationVersion":                           "read the document",
	"otel-prod-deployer deployer WriteConfigurationVersions application/A":                                                     unasked,
	"otel-prod-deployer deployer WriteConfigurationVersions application/A/configurationprofile/P":                              "write the document",
	"otel-prod-deployer deployer WriteConfigurationVersions application/A/configurationprofile/P/hostedconfigurationversion/*": "read the document",
	"otel-prod-deployer deployer StartRollouts appconfig:StartDeployment":                                                      "roll out",
	"otel-prod-deployer deployer StartRollouts application/A":                                                                  "roll out",
	"otel-prod-deployer deployer StartRollouts application/A/environment/E":                                                    "roll out",
	"otel-prod-deployer deployer StartRollouts application/A/configurationprofile/P":                                           "roll out",
	"otel-prod-deployer deployer StartRollouts deploymentstrategy/S":                                                           "roll out",
	"otel-prod-deployer deployer WatchAndStopRollouts appconfig:GetDeployment":                                                 "watch",
	"otel-prod-deployer deployer WatchAndStopRollouts appconfig:StopDeployment":                                                "stop",
	"otel-prod-deployer deployer WatchAndStopRollouts application/A":                                                           unasked,
	"otel-prod-deployer deployer WatchAndStopRollouts application/A/environment/E":                                             unasked,
	"otel-prod-deployer deployer WatchAndStopRollouts application/A/environment/E/deployment/*":                                "watch, stop",

	"otel-prod-alarm trust AppConfigOfThisAccount sts:AssumeRole": "roll back on an alarm",
	"otel-prod-alarm alarm SeeAlarms cloudwatch:DescribeAlarms":   "roll back on an alarm",
}

// unasked is of what AWS's service authorization reference asks for besides, and localaws does not: it is not proven here.
const unasked = ""

// duties are the roles of the two environments and what each is for.
func (s *scene) duties(t *testing.T) []duty {
	return []duty{
		s.workload(t), s.follower(t), s.retrieval(t), s.publisher(t), s.maintainer(t), s.deployer(t), s.alarm(t),
	}
}

// check is the agent's own: it fetches once.
func (s *scene) check(t *testing.T, env map[string]string, args ...string) func(context.Context) error {
	args = append([]string{"check", "--file", filepath.Join(t.TempDir(), "key") + "=private_key"}, args...)
	return func(ctx context.Context) error { return s.agent(ctx, env, args...) }
}

// workload is the role of two service accounts of the chart, as follower is.
func (s *scene) workload(t *testing.T) duty {
	agent := s.podIdentity(t, prodIssuer, "observability", "otel-agent")
	cluster := s.podIdentity(t, prodIssuer, "observability", "otel-cluster")
	return duty{s.prodOut.WorkloadRole, []operation{
		{"follow the document", s.check(t, agent, "--verbatim", "--appconfig", s.prodOut.document())},
		{"get the key", s.check(t, agent, "--appconfig", s.prodOut.document())},
		{"get the key for the cluster", s.check(t, cluster, "--appconfig", s.prodOut.document())},
	}}
}

func (s *scene) follower(t *testing.T) duty {
	var operations []operation
	for account, what := range map[string]string{"otel-agent": "get the key", "otel-cluster": "get the key for the cluster"} {
		byIRSA := s.pod(t, s.uatOut.WorkloadRole, uatCluster, "observability", account)
		byPodIdentity := s.podIdentity(t, uatCluster, "observability", account)
		operations = append(operations,
			operation{what + " by IRSA", s.check(t, byIRSA, "--verbatim", "--appconfig", s.uatOut.document())},
			operation{what + " by Pod Identity", s.check(t, byPodIdentity, "--verbatim", "--appconfig", s.uatOut.document())})
	}
	return duty{s.uatOut.WorkloadRole, operations}
}

// retrieval is AppConfig's role: it reads uat's secret when a rollout of it starts.
func (s *scene) retrieval(t *testing.T) duty {
	role := strings.Replace(s.uatOut.WorkloadRole, "otel-uat", "otel-uat-retrieval", 1)
	return duty{role, []operation{{"roll the secret out", func(ctx context.Context) error {
		client := appconfig.NewFromConfig(s.root)
		c := s.uatOut.Configuration
		started, err := client.StartDeployment(ctx, &appconfig.StartDeploymentInput{
			ApplicationId: &c.ApplicationID, EnvironmentId: &c.EnvironmentID, ConfigurationProfileId: &c.ProfileID,
			DeploymentStrategyId: &c.StrategyID, ConfigurationVersion: &s.uatOut.SecretVersion,
		})
		if err != nil {
			return err
		}
		s.clock.Forward(time.Minute)
		d, err := client.GetDeployment(ctx, &appconfig.GetDeploymentInput{
			ApplicationId: &c.ApplicationID, EnvironmentId: &c.EnvironmentID, DeploymentNumber: &started.DeploymentNumber,
		})
		if err == nil && d.State != actypes.DeploymentStateComplete {
			err = fmt.Errorf("the rollout is %s", d.State)
		}
		return err
	}}}}
}

func (s *scene) publisher(t *testing.T) duty {
	job := s.job(t, s.prodOut.PublisherRole, publish+"prod")
	publishOne := func(ctx context.Context) error {
		folder, _ := s.chart(t, "app")
		return s.run(ctx, job, "publish", folder, "--repo", s.prodOut.RepositoryURL)
	}
	return duty{s.prodOut.PublisherRole, []operation{
		{"publish", publishOne},
		{"take in what lost a race", func(ctx context.Context) error { return s.takeIn(t, ctx, publishOne) }},
		{"ask whether conditions hold", func(ctx context.Context) error { return s.askConditions(t, ctx, publishOne) }},
		{"promote", func(ctx context.Context) error {
			return s.run(ctx, job, "promote", "web", "1.1.0", "--from", s.uatOut.RepositoryURL, "--to", s.prodOut.RepositoryURL)
		}},
	}}
}

// object is one of prod's repository, as the account's owner has it.
func object(key string) (bucket, whole *string) {
	return aws.String("acme-charts-prod"), aws.String("stable/" + key)
}

func (s *scene) putObject(t *testing.T, key, body string) {
	t.Helper()
	bucket, whole := object(key)
	must(s3.NewFromConfig(s.root).PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: bucket, Key: whole, Body: strings.NewReader(body), IfNoneMatch: aws.String("*"),
	}))(t)
}

func (s *scene) deleteObject(t *testing.T, key string) {
	t.Helper()
	bucket, whole := object(key)
	must(s3.NewFromConfig(s.root).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: whole}))(t)
}

func (s *scene) hasObject(ctx context.Context, key string) bool {
	bucket, whole := object(key)
	_, err := s3.NewFromConfig(s.root).HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: whole})
	return err == nil
}

// takeIn leaves an entry as a publisher does that lost the race for the index, and looks that it is gone after the next
// write.
func (s *scene) takeIn(t *testing.T, ctx context.Context, next func(context.Context) error) error {
	const key = ".pending/left.json"
	entry := map[string]any{
		"apiVersion": "v2", "name": "web", "version": "1.1.0", "digest": strings.Repeat("0", 64), "urls": []string{"web-1.1.0.tgz"},
	}
	s.putObject(t, key, string(must(json.Marshal(map[string]any{"entries": []any{entry}}))(t)))
	err := next(ctx)
	if left := s.hasObject(ctx, key); left {
		s.deleteObject(t, key)
		if err == nil {
			err = fmt.Errorf("sweeping: %w", errNotDone)
		}
	}
	return err
}

// askConditions looks for the object by which a client asks whether the bucket holds to conditions.
func (s *scene) askConditions(t *testing.T, ctx context.Context, write func(context.Context) error) error {
	const key = ".pinnace-probe"
	s.deleteObject(t, key)
	if err := write(ctx); err != nil {
		return err
	}
	if !s.hasObject(ctx, key) {
		return fmt.Errorf("asking: %w", errNotDone)
	}
	return nil
}

func (s *scene) maintainer(t *testing.T) duty {
	return duty{s.prodOut.MaintainerRole, []operation{
		{"prune", func(ctx context.Context) error { return s.toPrune(t, ctx, false)(ctx) }},
		{"prune what is signed", func(ctx context.Context) error { return s.toPrune(t, ctx, true)(ctx) }},
		{"take in what lost a race", func(ctx context.Context) error { return s.takeIn(t, ctx, s.toPrune(t, ctx, false)) }},
		{"ask whether conditions hold", func(ctx context.Context) error {
			return s.askConditions(t, ctx, s.toPrune(t, ctx, false))
		}},
	}}
}

// toPrune publishes two versions of a chart, and gives what prunes the older one.
func (s *scene) toPrune(t *testing.T, ctx context.Context, signed bool) func(context.Context) error {
	t.Helper()
	publisher := s.job(t, s.prodOut.PublisherRole, publish+"prod")
	for i := range 2 {
		folder, version := s.chart(t, "old")
		if err := s.run(ctx, publisher, "publish", folder, "--repo", s.prodOut.RepositoryURL); err != nil {
			t.Fatal(err)
		}
		if signed && i == 0 {
			s.putObject(t, "old-"+version+".tgz.prov", "a signature")
		}
	}
	job := s.job(t, s.prodOut.MaintainerRole, prune+"prod")
	command := []string{"prune", "old", "--keep", "1", "--repo", s.prodOut.RepositoryURL}
	return func(ctx context.Context) error {
		out, err := s.runOut(ctx, job, append(command, "--output", "json")...)
		if err != nil {
			return err
		}
		var plan struct{ Token string }
		if err := json.Unmarshal(out, &plan); err != nil {
			return fmt.Errorf("%w in %s", err, out)
		}
		return s.run(ctx, job, append(command, "--apply", plan.Token)...)
	}
}

// deployer does what a rotation does, call by call.
func (s *scene) deployer(t *testing.T) duty {
	job, c := s.job(t, s.prodOut.DeployerRole, rotate+"prod"), s.prodOut.Configuration
	owner := appconfig.NewFromConfig(s.root)
	secrets := func() *secretsmanager.Client { return secretsmanager.NewFromConfig(s.as(job)) } // a session of its own each
	client := func() *appconfig.Client { return appconfig.NewFromConfig(s.as(job)) }
	start := func(ctx context.Context, client *appconfig.Client) (int32, error) {
		out, err := client.StartDeployment(ctx, &appconfig.StartDeploymentInput{
			ApplicationId: &c.ApplicationID, EnvironmentId: &c.EnvironmentID, ConfigurationProfileId: &c.ProfileID,
			DeploymentStrategyId: &c.StrategyID, ConfigurationVersion: aws.String("1"),
		})
		if err != nil {
			return 0, err
		}
		return out.DeploymentNumber, nil
	}
	stop := func(ctx context.Context, client *appconfig.Client, number int32) error {
		_, err := client.StopDeployment(ctx, &appconfig.StopDeploymentInput{
			ApplicationId: &c.ApplicationID, EnvironmentId: &c.EnvironmentID, DeploymentNumber: &number,
		})
		return err
	}
	// byOwner starts a rollout, lets the deployer do something with it, and ends it if it still runs.
	byOwner := func(do func(ctx context.Context, number int32) error) func(context.Context) error {
		return func(ctx context.Context) error {
			number := must(start(ctx, owner))(t)
			defer func() { _ = stop(ctx, owner, number) }()
			return do(ctx, number)
		}
	}
	return duty{s.prodOut.DeployerRole, []operation{
		{"stage a key", func(ctx context.Context) error {
			_, err := secrets().PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
				SecretId: &s.prodOut.SecretName, SecretString: aws.String(document(prodKey1)), VersionStages: []string{"PINNACE_NEXT"},
			})
			return err
		}},
		{"make it current", func(ctx context.Context) error { return s.makeCurrent(t, ctx, secrets()) }},
		{"see its labels", func(ctx context.Context) error {
			_, err := secrets().DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.prodOut.SecretName})
			return err
		}},
		{"read the document", func(ctx context.Context) error {
			_, err := client().GetHostedConfigurationVersion(ctx, &appconfig.GetHostedConfigurationVersionInput{
				ApplicationId: &c.ApplicationID, ConfigurationProfileId: &c.ProfileID, VersionNumber: aws.Int32(1),
			})
			return err
		}},
		{"write the document", func(ctx context.Context) error {
			_, err := client().CreateHostedConfigurationVersion(ctx, &appconfig.CreateHostedConfigurationVersionInput{
				ApplicationId: &c.ApplicationID, ConfigurationProfileId: &c.ProfileID, ContentType: aws.String("application/json"),
				Content: []byte("{}"),
			})
			return err
		}},
		{"roll out", func(ctx context.Context) error {
			number, err := start(ctx, client())
			if err == nil {
				err = stop(ctx, owner, number)
			}
			return err
		}},
		{"watch", byOwner(func(ctx context.Context, number int32) error {
			_, err := client().GetDeployment(ctx, &appconfig.GetDeploymentInput{
				ApplicationId: &c.ApplicationID, EnvironmentId: &c.EnvironmentID, DeploymentNumber: &number,
			})
			return err
		})},
		{"stop", byOwner(func(ctx context.Context, number int32) error { return stop(ctx, client(), number) })},
	}}
}

// makeCurrent moves AWSCURRENT from the version that has it to the one that was staged, and the owner moves it back.
func (s *scene) makeCurrent(t *testing.T, ctx context.Context, deployer *secretsmanager.Client) error {
	owner := secretsmanager.NewFromConfig(s.root)
	secret := must(owner.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.prodOut.SecretName}))(t)
	at := map[string]string{}
	for version, stages := range secret.VersionIdsToStages {
		for _, stage := range stages {
			at[stage] = version
		}
	}
	move := func(client *secretsmanager.Client, from, to string) error {
		_, err := client.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: &s.prodOut.SecretName, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &to, RemoveFromVersionId: &from,
		})
		return err
	}
	current, staged := at["AWSCURRENT"], at["PINNACE_NEXT"]
	if current == staged {
		return nil
	}
	if err := move(deployer, current, staged); err != nil {
		return err
	}
	return move(owner, staged, current)
}

// alarm is the role by which AppConfig sees prod's alarm.
func (s *scene) alarm(t *testing.T) duty {
	role := strings.Replace(s.prodOut.WorkloadRole, "otel-prod", "otel-prod-alarm", 1)
	client, c := appconfig.NewFromConfig(s.root), s.prodOut.Configuration
	set := func(ctx context.Context, state cwtypes.StateValue) {
		must(cloudwatch.NewFromConfig(s.root).SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{
			AlarmName: aws.String(alarmName), StateReason: aws.String("a test"), StateValue: state,
		}))(t)
	}
	return duty{role, []operation{{"roll back on an alarm", func(ctx context.Context) error {
		started, err := client.StartDeployment(ctx, &appconfig.StartDeploymentInput{
			ApplicationId: &c.ApplicationID, EnvironmentId: &c.EnvironmentID, ConfigurationProfileId: &c.ProfileID,
			DeploymentStrategyId: &c.StrategyID, ConfigurationVersion: aws.String("1"),
		})
		if err != nil {
			return err
		}
		s.clock.Forward(time.Minute)
		set(ctx, cwtypes.StateValueAlarm)
		defer set(ctx, cwtypes.StateValueOk)
		s.clock.Forward(time.Minute)
		d, err := client.GetDeployment(ctx, &appconfig.GetDeploymentInput{
			ApplicationId: &c.ApplicationID, EnvironmentId: &c.EnvironmentID, DeploymentNumber: &started.DeploymentNumber,
		})
		if err == nil && d.State != actypes.DeploymentStateRolledBack {
			err = fmt.Errorf("the rollout is %s", d.State)
		}
		return err
	}}}}
}
