package appconfig

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
)

// seal starts a deployment under a key.
func (s *scene) seal(client *ac.Client, profile, version, key string) (*ac.StartDeploymentOutput, error) {
	return client.StartDeployment(s.t.Context(), &ac.StartDeploymentInput{
		ApplicationId: &s.app, EnvironmentId: &s.env, ConfigurationProfileId: &profile, ConfigurationVersion: &version,
		DeploymentStrategyId: aws.String("AppConfig.AllAtOnce"), KmsKeyIdentifier: &key,
	})
}

func TestDeploymentUnderAKey(t *testing.T) {
	s := newScene(t)
	version := s.host(`{"a":1}`)
	s.access.grants = []grant{{"deployer", "appconfig:*", "*"}, {"agent", "appconfig:*", "*"}}
	if _, err := s.seal(s.as("deployer"), s.profile, version, "alias/k"); code(err) != "AccessDeniedException" {
		t.Errorf("a deployer without kms:GenerateDataKey: %v", err)
	}
	if _, err := s.seal(s.root, s.profile, version, "alias/gone"); code(err) != "BadRequestException" {
		t.Errorf("a key that is not there: %v", err)
	}
	s.access.grants = append(s.access.grants, grant{"deployer", "kms:GenerateDataKey", "alias/k"})
	out, err := s.seal(s.as("deployer"), s.profile, version, "alias/k")
	if must(t, out, err); !strings.HasSuffix(*out.KmsKeyArn, "key/of-alias/k") {
		t.Errorf("the key is %s", *out.KmsKeyArn)
	}
	s.turn(10 * time.Minute)

	s.data = s.dataAs("agent")
	c := s.open(s.profile)
	if _, err := c.get(); code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "kms:Decrypt") {
		t.Errorf("a reader without kms:Decrypt: %v", err)
	}
	s.access.grants = append(s.access.grants, grant{"agent", "kms:Decrypt", "*"})
	if got := c.poll(); got != `{"a":1}` { // the refusal has not spent the token
		t.Errorf("got %q", got)
	}
}

func TestSealedSecretNeedsAKey(t *testing.T) {
	s := newScene(t)
	s.secrets[version1] = "obviously-fake"
	p := s.addProfile("key", "secretsmanager://team/sealed", reader)
	_, err := s.start(p, version1, "AppConfig.AllAtOnce")
	if code(err) != "BadRequestException" || !strings.Contains(err.Error(), "KmsKeyIdentifier") {
		t.Errorf("without a key: %v", err)
	}
	if _, err = s.seal(s.root, p, version1, "alias/k"); !strings.Contains(err.Error(), "may not read team/sealed") {
		t.Errorf("with a key it is the role that is asked: %v", err)
	}
}

func TestHostedUnderAKey(t *testing.T) {
	s := newScene(t)
	made, err := s.root.CreateConfigurationProfile(t.Context(), &ac.CreateConfigurationProfileInput{
		ApplicationId: &s.app, Name: aws.String("sealed"), LocationUri: aws.String("hosted"),
		KmsKeyIdentifier: aws.String("alias/k"),
	})
	must(t, made, err)
	arn := *made.KmsKeyArn
	host := func(client *ac.Client) error {
		_, err := client.CreateHostedConfigurationVersion(t.Context(), &ac.CreateHostedConfigurationVersionInput{
			ApplicationId: &s.app, ConfigurationProfileId: made.Id, Content: []byte("1"), ContentType: aws.String("text/plain"),
		})
		return err
	}
	read := func(client *ac.Client) error {
		_, err := client.GetHostedConfigurationVersion(t.Context(), &ac.GetHostedConfigurationVersionInput{
			ApplicationId: &s.app, ConfigurationProfileId: made.Id, VersionNumber: aws.Int32(1),
		})
		return err
	}
	start := func(client *ac.Client) error {
		_, err := client.StartDeployment(t.Context(), &ac.StartDeploymentInput{
			ApplicationId: &s.app, EnvironmentId: &s.env, ConfigurationProfileId: made.Id,
			ConfigurationVersion: aws.String("1"), DeploymentStrategyId: aws.String("AppConfig.AllAtOnce"),
		})
		return err
	}
	s.access.grants = []grant{{"writer", "appconfig:*", "*"}}
	if err := host(s.as("writer")); code(err) != "AccessDeniedException" {
		t.Errorf("writing without kms:GenerateDataKey: %v", err)
	}
	s.access.grants = append(s.access.grants, grant{"writer", "kms:GenerateDataKey", arn})
	if err := host(s.as("writer")); err != nil {
		t.Error(err)
	}
	for name, call := range map[string]func(*ac.Client) error{"reading": read, "deploying": start} {
		if err := call(s.as("writer")); code(err) != "AccessDeniedException" {
			t.Errorf("%s without kms:Decrypt: %v", name, err)
		}
	}
	s.access.grants = append(s.access.grants, grant{"writer", "kms:Decrypt", arn})
	for name, call := range map[string]func(*ac.Client) error{"reading": read, "deploying": start} {
		if err := call(s.as("writer")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
