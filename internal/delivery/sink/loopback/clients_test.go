package loopback_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
)

// client runs a program that is not ours in an environment that has the sink's address and token alone.
type client struct {
	program, url, dir string
}

func newClient(t *testing.T, program string) client {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not on this machine: it is not tried as a client of the loopback sink", program)
	}
	address, _ := serve(t, filled(t, loopback.Config{}))
	c := client{program: path, url: "http://" + address, dir: t.TempDir()}
	must(t, os.WriteFile(filepath.Join(c.dir, "token"), []byte(token+"\n"), 0o400))
	return c
}

func (c client) run(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Dir = c.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "AWS_PAGER=", "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1",
		"AWS_ENDPOINT_URL=" + c.url, "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_SESSION_TOKEN=" + token,
		"AWS_MAX_ATTEMPTS=1",
	}
	if root := os.Getenv("PYENV_ROOT"); root != "" {
		cmd.Env = append(cmd.Env, "PYENV_ROOT="+root)
	}
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	t.Logf("$ %s %s\n%s", filepath.Base(c.program), strings.Join(args, " "), text)
	if err != nil {
		return text + " (" + err.Error() + ")"
	}
	return text
}

func TestAWSCommandLine(t *testing.T) {
	aws := newClient(t, "aws")
	for _, test := range []struct{ line, want string }{
		{"secretsmanager get-secret-value --secret-id coralogix/prod/key --query SecretString", `"` + canary + `-<1>"`},
		{"secretsmanager get-secret-value --secret-id " + arn + " --version-stage AWSPREVIOUS --query SecretString", `"` + canary + `-0"`},
		{"secretsmanager get-secret-value --secret-id cert --query SecretBinary --output text", "/wAB"},
		{"secretsmanager batch-get-secret-value --secret-id-list cert nothing --query Errors[0].ErrorCode", `"ResourceNotFoundException"`},
		{"secretsmanager describe-secret --secret-id coralogix/prod/key --query VersionIdsToStages." + `"` + before + `"`, "AWSPREVIOUS"},
		{"secretsmanager get-secret-value --secret-id nothing", "An error occurred (ResourceNotFoundException) when calling the " +
			"GetSecretValue operation: Secrets Manager can't find the specified secret. Expose an item with secret nothing"},
		{"secretsmanager list-secrets", "(UnknownOperationException)"},
		{"appconfigdata start-configuration-session --application-identifier shop --environment-identifier prod " +
			"--configuration-profile-identifier nothing", "(ResourceNotFoundException)"},
	} {
		if got := aws.run(t, strings.Fields(test.line)...); !strings.Contains(got, test.want) {
			t.Errorf("aws %s\n%s\nwant %s", test.line, got, test.want)
		}
	}
	session := aws.run(t, strings.Fields("appconfigdata start-configuration-session --application-identifier shop "+
		"--environment-identifier prod --configuration-profile-identifier team/flags --output text")...)
	next := aws.run(t, "appconfigdata", "get-latest-configuration", "--configuration-token", session, "first",
		"--query", "NextPollConfigurationToken", "--output", "text")
	if got, err := os.ReadFile(filepath.Join(aws.dir, "first")); err != nil || string(got) != document {
		t.Errorf("%s, %v", got, err)
	}
	aws.run(t, "appconfigdata", "get-latest-configuration", "--configuration-token", next, "second")
	if got, err := os.ReadFile(filepath.Join(aws.dir, "second")); err != nil || len(got) != 0 {
		t.Errorf("what did not change was given again: %s, %v", got, err)
	}
}

// The script knows nothing of pinnace: it is what an application has.
const boto3Script = `
import boto3, botocore.exceptions
sm = boto3.client('secretsmanager')
r = sm.get_secret_value(SecretId='coralogix/prod/key')
print(r['SecretString'], r['VersionStages'], r['CreatedDate'].timestamp(), r['Name'], r['ARN'])
print(sm.get_secret_value(SecretId='cert')['SecretBinary'])
r = sm.batch_get_secret_value(SecretIdList=['coralogix/prod/key', 'nothing'])
print([v['Name'] for v in r['SecretValues']], [e['ErrorCode'] for e in r['Errors']])
print(sm.describe_secret(SecretId='coralogix/prod/key')['VersionIdsToStages'])
try:
    sm.get_secret_value(SecretId='coralogix/prod/key', VersionStage='AWSPENDING')
except sm.exceptions.ResourceNotFoundException as e:
    print(e.response['ResponseMetadata']['HTTPStatusCode'], e)
ac = boto3.client('appconfigdata')
t = ac.start_configuration_session(ApplicationIdentifier='shop', EnvironmentIdentifier='prod',
    ConfigurationProfileIdentifier='team/flags', RequiredMinimumPollIntervalInSeconds=30)['InitialConfigurationToken']
for _ in range(2):
    r = ac.get_latest_configuration(ConfigurationToken=t)
    t = r['NextPollConfigurationToken']
    print(r['NextPollIntervalInSeconds'], r.get('VersionLabel'), r['Configuration'].read())
try:
    ac.get_latest_configuration(ConfigurationToken='made-up')
except ac.exceptions.BadRequestException as e:
    print(e.response['Reason'], e.response['Details'])
try:
    boto3.client('secretsmanager', aws_access_key_id='any', aws_secret_access_key='any',
        aws_session_token='wrong').get_secret_value(SecretId='cert')
except botocore.exceptions.ClientError as e:
    print(e.response['Error']['Code'])
`

func TestBoto3(t *testing.T) {
	python := newClient(t, "python3")
	if out := python.run(t, "-c", "import boto3; print(boto3.__version__)"); strings.Contains(out, "Error") {
		t.Skip("boto3 is not on this machine: it is not tried as a client of the loopback sink")
	}
	got := python.run(t, "-c", boto3Script)
	for _, want := range []string{
		canary + "-<1> ['AWSCURRENT'] 1569534789.046 coralogix/prod/key " + arn,
		`b'\xff\x00\x01'`,
		"['coralogix/prod/key'] ['ResourceNotFoundException']",
		fmt.Sprintf("{'%s': ['AWSCURRENT'], '%s': ['AWSPREVIOUS']}", current, before),
		"400 An error occurred (ResourceNotFoundException) when calling the GetSecretValue operation: Secrets Manager can't " +
			"find the specified secret value for staging label: AWSPENDING",
		`30 v7-canary b'{\n  "checkout"`,
		"30 None b''",
		"InvalidParameters {'InvalidParameters': {'ConfigurationToken': {'Problem': 'Corrupted'}}}",
		"UnrecognizedClientException",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the script does not print %s", want)
		}
	}
}

// The commands of AWS's own pages for both agents, but for the port.
func TestCurl(t *testing.T) {
	curl := newClient(t, "curl")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(curl.url, "http://"))
	must(t, err)
	for _, test := range []struct{ command, want string }{
		{
			`curl -sv -H "X-Aws-Parameters-Secrets-Token: $(cat token)" 'http://localhost:2773/secretsmanager/get?secretId=coralogix/prod/key'; echo`,
			`"SecretString":"` + canary + `-<1>"`,
		},
		{
			`curl -sv -H "X-Aws-Parameters-Secrets-Token: $(cat token)" 'http://localhost:2773/v1/coralogix/prod/key'`,
			`"Name":"coralogix/prod/key"`,
		},
		{
			`curl -sv -H "X-Aws-Parameters-Secrets-Token: $(cat token)" 'http://localhost:2773/secretsmanager/get?secretId=coralogix/prod/key&refreshNow=true'`,
			"HTTP/1.1 200 OK",
		},
		{
			`curl -s -i -H "Authorization: Bearer $(cat token)" "http://localhost:2772/applications/shop/environments/prod/configurations/team%2Fflags"`,
			"Configuration-Version: 7\r\n",
		},
		{
			`curl -s -H "Authorization: Bearer $(cat token)" "http://localhost:2772/applications/shop/environments/prod/configurations/team%2Fflags?flag=search"`,
			`{"enabled":false}`,
		},
		{
			`curl -s -H "Authorization: Bearer $(cat token)" -H "Context: country=US" "http://localhost:2772/applications/shop/environments/prod/configurations/team%2Fflags?flag=checkout&flag=search"`,
			`{"checkout":{"enabled":true,"limit":5},"search":{"enabled":false}}`,
		},
		{`curl -s -i http://localhost:2773/v1/cert`, "Bad Token"},
		{`curl -s http://localhost:2773/ping`, "healthy"},
	} {
		command := strings.NewReplacer(":2772", ":"+port, ":2773", ":"+port).Replace(test.command)
		shell := client{program: "/bin/sh", url: curl.url, dir: curl.dir}
		if got := shell.run(t, "-c", command); !strings.Contains(got, test.want) {
			t.Errorf("%s\n%s\nwant %s", command, got, test.want)
		}
	}
}
