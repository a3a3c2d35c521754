package terraform_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// The keys that no file and no log may have.
const (
	uatKey1  = "cxtp_canary-of-uat-one-0001"
	uatKey2  = "cxtp_canary-of-uat-two-0002"
	prodKey1 = "cxtp_canary-of-prod-one-0003"
	prodKey2 = "cxtp_canary-of-prod-two-0004"
)

// The subjects of terraform.tfvars.
const (
	publish = "repo:acme/platform:environment:"
	prune   = "repo:acme/platform:environment:prune-"
	rotate  = "repo:acme/platform:environment:rotate-"
)

// scene is the account with both environments.
type scene struct {
	*world
	uat, prod       *deployment
	uatOut, prodOut outputs
	charts          int // how many were made
}

// TestEnvironments applies uat and prod to one account, and then does everything with the roles from their states.
func TestEnvironments(t *testing.T) {
	needTerraform(t)
	s := &scene{world: newWorld(t)}
	s.uat = newDeployment(t, "uat", map[string]string{
		"backend_override.tf": localState, "e2e.auto.tfvars.json": variables(t, uatVariables()),
	})
	s.prod = newDeployment(t, "prod", map[string]string{
		"backend_override.tf": localState, "e2e.auto.tfvars.json": variables(t, prodVariables()),
	})
	steps := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"uat is applied", s.applyUAT},
		{"prod is applied", s.applyProd},
		{"lint finds nothing", s.lint},
		{"charts are published", s.publishCharts},
		{"keys are delivered", s.deliver},
		{"intruders are refused", s.intrude},
		{"no permission is spare", s.matrix},
		{"keys are rotated", s.rotate},
		{"uat is destroyed", s.destroyUAT},
		{"prod is destroyed by its switch alone", s.destroyProd},
	}
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			break
		}
	}
	s.uat.wantHidden(t, uatKey1, uatKey2, prodKey1, prodKey2)
	s.prod.wantHidden(t, uatKey1, uatKey2, prodKey1, prodKey2)
	s.wantHidden(t, uatKey1, uatKey2, prodKey1, prodKey2)
	logTimings(t, s.uat, s.prod)
}

// uatVariables are what the test needs beside uat's terraform.tfvars: the secret is the document, and Terraform writes
// it and rolls it out.
func uatVariables() map[string]any {
	return map[string]any{
		"github": map[string]any{
			"subjects": []string{publish + "uat"}, "maintainer_subjects": []string{prune + "uat"},
		},
		"create_github_provider": true,
		"mode":                   "both", "create_oidc_provider": true, "oidc_issuer_url": uatCluster,
		"document_location": "secret", "manage_key": true, "deploy": true,
		"key_reader_arns": []string{"arn:aws:iam::" + account + ":role/terraform"},
		"strategy":        map[string]any{"duration_minutes": 0, "growth_percent": 100, "bake_minutes": 0},
		"force_destroy":   true,
	}
}

// prodVariables put prod into uat's account; the rest is prod's terraform.tfvars: the document is hosted, the command
// writes the key and rolls out.
func prodVariables() map[string]any {
	provider := "arn:aws:iam::" + account + ":oidc-provider/" + strings.TrimPrefix(githubURL, "https://")
	return map[string]any{
		"account_id": account, "cluster_arn": "arn:aws:eks:eu-west-1:" + account + ":cluster/prod",
		"alarm_arns": []string{"arn:aws:cloudwatch:eu-west-1:" + account + ":alarm:" + alarmName},
		"github": map[string]any{
			"provider_arn": provider, "subjects": []string{publish + "prod"}, "maintainer_subjects": []string{prune + "prod"},
		},
		"deployer": map[string]any{"provider_arn": provider, "subjects": []string{rotate + "prod"}},
	}
}

// setKey is how the key reaches Terraform: by the environment, for as long as the test runs.
func setKey(t *testing.T, key string, version int) {
	t.Helper()
	t.Setenv("TF_VAR_key", document(key))
	t.Setenv("TF_VAR_key_version", fmt.Sprint(version))
}

func (s *scene) applyUAT(t *testing.T) {
	setKey(t, uatKey1, 1)
	s.uat.applyTwice(t)
	s.uatOut = s.uat.outputs(t)
	s.uat.wantHidden(t, uatKey1)
}

func (s *scene) applyProd(t *testing.T) {
	s.prod.applyTwice(t)
	s.prodOut = s.prod.outputs(t)
	t.Logf("the plan of prod:\n%s", summary(t, filepath.Join(s.prod.dir, "first.plan.json")))
}

// applyTwice applies a plan, and wants none afterwards.
func (d *deployment) applyTwice(t *testing.T) {
	t.Helper()
	d.init(t)
	if !d.plan(t, "first.plan") {
		t.Error("the first plan has no changes")
	}
	d.showPlan(t, "first.plan")
	d.apply(t, "first.plan")
	if d.plan(t, "second.plan") {
		t.Errorf("the second plan changes something:\n%s", d.last.String())
	}
	d.showState(t)
}

// summary counts what a plan makes, by type.
func summary(t *testing.T, file string) string {
	t.Helper()
	var plan struct {
		Changes []struct {
			Mode, Type string
			Change     struct{ Actions []string }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(read(t, file), &plan); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, c := range plan.Changes {
		if c.Mode == "managed" {
			counts[strings.Join(c.Change.Actions, "+")+" "+c.Type]++
		}
	}
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%3d %s\n", counts[what], what)
	}
	return b.String()
}

// lint holds the plans, the states and the sources to the rules of infra lint.
func (s *scene) lint(t *testing.T) {
	terraform := filepath.Join("..", "..", "terraform")
	// The source accepts this by a comment, which plans and states do not have.
	inputs := []string{"infra", "lint", "--accept", "bucket-logging"}
	for _, d := range []*deployment{s.uat, s.prod} {
		inputs = append(inputs, filepath.Join(d.dir, "first.plan.json"), filepath.Join(d.dir, "state.json"),
			filepath.Join(d.dir, "terraform.tfstate"))
	}
	for _, folder := range []string{"environments", "modules"} {
		inputs = append(inputs, must(filepath.Abs(filepath.Join(terraform, folder)))(t))
	}
	if err := s.run(t.Context(), nil, inputs...); err != nil {
		t.Error(err)
	}
}

// chart makes the folder of a chart that is not there yet.
func (s *scene) chart(t *testing.T, name string) (folder, version string) {
	t.Helper()
	s.charts++
	version = fmt.Sprintf("1.%d.0", s.charts)
	folder = filepath.Join(t.TempDir(), name)
	write(t, filepath.Join(folder, "Chart.yaml"), fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\ndescription: a chart\n", name, version))
	write(t, filepath.Join(folder, "templates", "map.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n")
	return folder, version
}

// publishCharts publishes to uat and promotes the same bytes to prod, each as the environment's pipeline.
func (s *scene) publishCharts(t *testing.T) {
	folder, version := s.chart(t, "web")
	from, to := s.uatOut.RepositoryURL, s.prodOut.RepositoryURL
	uat := s.job(t, s.uatOut.PublisherRole, publish+"uat")
	if err := s.run(t.Context(), uat, "publish", folder, "--repo", from); err != nil {
		t.Error(err)
	}
	prod := s.job(t, s.prodOut.PublisherRole, publish+"prod")
	if err := s.run(t.Context(), prod, "promote", "web", version, "--from", from, "--to", to); err != nil {
		t.Error(err)
	}
	if err := s.run(t.Context(), prod, "verify", "--repo", s.prodOut.RepositoryURL); err != nil {
		t.Error(err)
	}
}

// deliver puts prod's key and document as the deployer, and looks what pods get.
func (s *scene) deliver(t *testing.T) {
	s.putKey(t, prodKey1)
	s.rollOut(t)
	agents := s.agents(t)
	agents.prod.await(t, prodKey1, time.Hour)
	agents.uat.await(t, uatKey1, time.Minute)
}

// putKey writes prod's key as its deployer.
func (s *scene) putKey(t *testing.T, key string) {
	t.Helper()
	client := secretsmanager.NewFromConfig(s.as(s.job(t, s.prodOut.DeployerRole, rotate+"prod")))
	must(client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &s.prodOut.SecretName, SecretString: aws.String(document(key)),
	}))(t)
}

// rollOut hosts prod's document and starts its rollout as prod's deployer.
func (s *scene) rollOut(t *testing.T) {
	t.Helper()
	client := appconfig.NewFromConfig(s.as(s.job(t, s.prodOut.DeployerRole, rotate+"prod")))
	c := s.prodOut.Configuration
	hosted := must(client.CreateHostedConfigurationVersion(t.Context(), &appconfig.CreateHostedConfigurationVersionInput{
		ApplicationId: &c.ApplicationID, ConfigurationProfileId: &c.ProfileID, ContentType: aws.String("application/json"),
		Content: []byte(document("{{resolve:secretsmanager:" + s.prodOut.SecretName + ":SecretString:private_key}}")),
	}))(t)
	must(client.StartDeployment(t.Context(), &appconfig.StartDeploymentInput{
		ApplicationId: &c.ApplicationID, EnvironmentId: &c.EnvironmentID, ConfigurationProfileId: &c.ProfileID,
		DeploymentStrategyId: &c.StrategyID, ConfigurationVersion: aws.String(fmt.Sprint(hosted.VersionNumber)),
	}))(t)
	s.clock.Forward(time.Hour) // by then the strategy has reached every session, and its bake time is over
}

// agents are one in each environment.
type agents struct{ uat, prod *follower }

// agents starts them: uat's with IRSA, prod's with Pod Identity.
func (s *scene) agents(t *testing.T) agents {
	t.Helper()
	return agents{
		prod: s.follow(t, s.podIdentity(t, prodIssuer, "observability", "otel-agent"), "--appconfig", s.prodOut.document()),
		uat: s.follow(t, s.pod(t, s.uatOut.WorkloadRole, uatCluster, "observability", "otel-agent"),
			"--verbatim", "--appconfig", s.uatOut.document()),
	}
}

// intrude tries what must not work.
func (s *scene) intrude(t *testing.T) {
	check := func(o outputs, env map[string]string) func() error {
		return func() error {
			return s.agent(t.Context(), env, "check", "--appconfig", o.document(), "--item", "private_key",
				"--file", filepath.Join(t.TempDir(), "key")+"=private_key")
		}
	}
	publisher := s.job(t, s.uatOut.PublisherRole, publish+"uat")
	folder, _ := s.chart(t, "evil")
	for name, try := range map[string]func() error{
		"another service account by IRSA":         check(s.uatOut, s.pod(t, s.uatOut.WorkloadRole, uatCluster, "observability", "evil")),
		"another namespace by IRSA":               check(s.uatOut, s.pod(t, s.uatOut.WorkloadRole, uatCluster, "default", "otel-agent")),
		"prod's pod with uat's role":              check(s.uatOut, s.pod(t, s.uatOut.WorkloadRole, prodIssuer, "observability", "otel-agent")),
		"uat's pod with prod's role":              check(s.prodOut, s.pod(t, s.prodOut.WorkloadRole, uatCluster, "observability", "otel-agent")),
		"uat's pod at prod's document":            check(s.prodOut, s.pod(t, s.uatOut.WorkloadRole, uatCluster, "observability", "otel-agent")),
		"another service account by Pod Identity": check(s.prodOut, s.podIdentity(t, prodIssuer, "observability", "evil")),
		"uat's pod by Pod Identity at prod's":     check(s.prodOut, s.podIdentity(t, uatCluster, "observability", "otel-agent")),
		"a pull request's job": func() error {
			job := s.job(t, s.uatOut.PublisherRole, "repo:acme/platform:pull_request")
			return s.run(t.Context(), job, "publish", folder, "--repo", s.uatOut.RepositoryURL)
		},
		"uat's pipeline in prod": func() error {
			return s.run(t.Context(), publisher, "publish", folder, "--repo", s.prodOut.RepositoryURL)
		},
		"uat's deployer at prod's secret": func() error {
			_, err := secretsmanager.NewFromConfig(s.as(s.job(t, s.uatOut.DeployerRole, rotate+"uat"))).PutSecretValue(t.Context(),
				&secretsmanager.PutSecretValueInput{SecretId: &s.prodOut.SecretName, SecretString: aws.String("{}")})
			return err
		},
		"the account's owner at prod's key": func() error {
			_, err := secretsmanager.NewFromConfig(s.root).GetSecretValue(t.Context(),
				&secretsmanager.GetSecretValueInput{SecretId: &s.prodOut.SecretName})
			return err
		},
		"an anonymous reader":        func() error { return s.readAnonymously(t) },
		"the index, unconditionally": func() error { return s.put(t, publisher, "stable/index.yaml", nil) },
		"an archive, unconditionally": func() error {
			return s.put(t, publisher, "stable/web-9.9.9.tgz", nil)
		},
		"an archive that is there": func() error { return s.put(t, publisher, "stable/web-1.1.0.tgz", aws.String("*")) },
		"deletion by the owner": func() error {
			_, err := s3.NewFromConfig(s.root).DeleteObject(t.Context(), &s3.DeleteObjectInput{
				Bucket: aws.String("acme-charts-uat"), Key: aws.String("stable/web-1.1.0.tgz"),
			})
			return err
		},
	} {
		err := try()
		if err == nil {
			t.Errorf("%s: not refused", name)
			continue
		}
		t.Logf("%s: %.160q", name, err)
	}
}

// readAnonymously reads the index without a signature.
func (s *scene) readAnonymously(t *testing.T) error {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.aws.URL()+"/acme-charts-uat/stable/index.yaml", nil))(t)
	answer := must(http.DefaultClient.Do(r))(t)
	defer answer.Body.Close()
	body := must(io.ReadAll(answer.Body))(t)
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("%s %d bytes", answer.Status, len(body))
}

// put writes an object as a client that is not pinnace would.
func (s *scene) put(t *testing.T, env map[string]string, key string, ifNoneMatch *string) error {
	t.Helper()
	_, err := s3.NewFromConfig(s.as(env)).PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("acme-charts-uat"), Key: &key, Body: bytes.NewReader([]byte("other bytes")), IfNoneMatch: ifNoneMatch,
	})
	return err
}

// rotate gives both environments a new key, while agents follow: uat's by Terraform, prod's by its deployer.
func (s *scene) rotate(t *testing.T) {
	agents := s.agents(t)
	agents.uat.await(t, uatKey1, time.Minute)
	agents.prod.await(t, prodKey1, time.Minute)

	setKey(t, uatKey2, 1)
	if s.uat.plan(t, "forgotten.plan") {
		t.Errorf("a new key without a new version changes something:\n%s", s.uat.last.String())
	}
	setKey(t, uatKey2, 2)
	s.uat.plan(t, "rotation.plan")
	t.Logf("the rotation by Terraform:\n%s", summary(t, s.uat.showPlan(t, "rotation.plan")))
	s.uat.apply(t, "rotation.plan")
	t.Logf("uat's agent had the new key after %v", agents.uat.await(t, uatKey2, 5*time.Minute))
	s.putKey(t, prodKey2)
	t.Logf("prod's agent had the new key after %v", agents.prod.await(t, prodKey2, 5*time.Minute))
	s.uat.wantHidden(t, uatKey1, uatKey2)
}

// destroyUAT destroys uat; prod stays.
func (s *scene) destroyUAT(t *testing.T) {
	setKey(t, uatKey2, 2)
	s.uat.must(t, "destroy", func() error { return s.uat.tf.Destroy(t.Context()) })
	s.stillDelivers(t)
}

// destroyProd tries without the switch, and then with it.
func (s *scene) destroyProd(t *testing.T) {
	err := s.prod.timed(t, "destroy without the switch", func() error { return s.prod.tf.Destroy(t.Context()) })
	if err == nil || !strings.Contains(err.Error(), "prevent_destroy") {
		t.Fatalf("destroying prod without the switch: %v", err)
	}
	s.stillDelivers(t)
	override := filepath.Join(s.prod.dir, "destroy_override.tf")
	if err := os.Rename(override+".example", override); err != nil {
		t.Fatal(err)
	}
	v := prodVariables()
	v["force_destroy"] = true
	write(t, filepath.Join(s.prod.dir, "e2e.auto.tfvars.json"), variables(t, v))
	s.prod.plan(t, "force.plan")
	s.prod.apply(t, "force.plan")
	s.deleteDocuments(t)
	s.prod.must(t, "destroy with the switch", func() error { return s.prod.tf.Destroy(t.Context()) })
	left := must(s3.NewFromConfig(s.root).ListBuckets(t.Context(), nil))(t)
	if len(left.Buckets) != 0 {
		t.Errorf("%d buckets are left", len(left.Buckets))
	}
}

// deleteDocuments deletes what the deployer hosted. Terraform does not know it, and AppConfig keeps a profile that has
// documents.
func (s *scene) deleteDocuments(t *testing.T) {
	t.Helper()
	client, c := appconfig.NewFromConfig(s.root), s.prodOut.Configuration
	list := must(client.ListHostedConfigurationVersions(t.Context(), &appconfig.ListHostedConfigurationVersionsInput{
		ApplicationId: &c.ApplicationID, ConfigurationProfileId: &c.ProfileID,
	}))(t)
	for _, hosted := range list.Items {
		must(client.DeleteHostedConfigurationVersion(t.Context(), &appconfig.DeleteHostedConfigurationVersionInput{
			ApplicationId: &c.ApplicationID, ConfigurationProfileId: &c.ProfileID, VersionNumber: &hosted.VersionNumber,
		}))(t)
	}
}

// stillDelivers looks that prod still delivers.
func (s *scene) stillDelivers(t *testing.T) {
	t.Helper()
	f := s.follow(t, s.podIdentity(t, prodIssuer, "observability", "otel-agent"), "--appconfig", s.prodOut.document())
	f.await(t, prodKey2, time.Minute)
}

func logTimings(t *testing.T, all ...*deployment) {
	t.Helper()
	var b strings.Builder
	var sum time.Duration
	for _, d := range all {
		for _, one := range d.timings {
			fmt.Fprintf(&b, "%-5s %-28s %6.1f s\n", d.name, one.what, one.took.Seconds())
			sum += one.took
		}
	}
	t.Logf("terraform's calls:\n%ssum %.1f s", b.String(), sum.Seconds())
}
