package localaws_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/localaws"
)

// before is the environment in which the runbook begins: a rollout that bakes is in the way.
const before = `set -eu
application=$(aws appconfig create-application --name otel-prod --query Id --output text)
environment=$(aws appconfig create-environment --application-id $application --name prod --query Id --output text)
profile=$(aws appconfig create-configuration-profile --application-id $application --name collector --location-uri hosted \
  --query Id --output text)
old=$(aws secretsmanager create-secret --name coralogix/prod/private_key --secret-string '{"privateKey":"old"}' \
  --query VersionId --output text)
echo '{"private_key":"{{resolve:secretsmanager:coralogix/prod/private_key:SecretString:privateKey::'$old'}}"}' > old.json
aws appconfig create-hosted-configuration-version --application-id $application --configuration-profile-id $profile \
  --content-type application/json --content fileb://old.json /dev/null
aws appconfig start-deployment --application-id $application --environment-id $environment \
  --configuration-profile-id $profile --configuration-version 1 --deployment-strategy-id AppConfig.AllAtOnce
`

// after looks at what it has brought.
const after = `
echo "now $(aws secretsmanager get-secret-value --secret-id coralogix/prod/private_key --version-id $version \
  --query SecretString --output text) by $(grep -c "privateKey::$version}}" document.json) in" \
  $(aws appconfig list-deployments $in --query 'Items[0].[DeploymentNumber,ConfigurationVersion]' --output text)
`

// TestRunbookOfARevokedKey runs the commands that docs/runbook-revoked-key.md gives to whoever is on call, with the AWS
// command line that is here.
func TestRunbookOfARevokedKey(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts the AWS command line twenty times")
	}
	for _, program := range []string{"bash", "aws", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on this machine: the runbook is not tried", program)
		}
	}
	text, err := os.ReadFile("../docs/runbook-revoked-key.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(block[1], "aws appconfig") {
			commands += block[1]
		}
	}
	for _, typed := range []struct{ was, is string }{
		{"--deployment-number NUMBER", "--deployment-number 1"}, {"read -rs KEY ", "KEY='a \"new\" one' "},
	} {
		if !strings.Contains(commands, typed.was) {
			t.Fatalf("the runbook has no %q", typed.was)
		}
		commands = strings.ReplaceAll(commands, typed.was, typed.is)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", before+commands+after)
	cmd.Dir = t.TempDir()
	cmd.Env = append(start(t, localaws.Config{}).Environ(), "PATH="+os.Getenv("PATH"), "HOME="+cmd.Dir, "AWS_PAGER=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if want := `now {"privateKey":"a \"new\" one"} by 1 in 2 2`; !strings.Contains(string(out), want) {
		t.Errorf("want %q after\n%s", want, out)
	}
}
