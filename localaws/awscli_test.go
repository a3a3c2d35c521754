package localaws_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/localaws"
)

// The AWS command line, whatever version is here, makes a call of each service.
func TestAWSCommandLine(t *testing.T) {
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS command line is not on this machine: its calls are not tried")
	}
	s := start(t, localaws.Config{})
	dir := t.TempDir()
	document := filepath.Join(dir, "document.json")
	if err := os.WriteFile(document, []byte(`{"domain":"eu2.coralogix.com"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, aws, append(args, "--output", "text")...)
		cmd.Dir = dir
		cmd.Env = append(s.Environ(), "PATH="+os.Getenv("PATH"), "HOME="+dir, "AWS_PAGER=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	for _, test := range []struct{ want, line string }{
		{"arn:aws:iam::123456789012:root", "sts get-caller-identity --query Arn"},
		{"make_bucket: charts", "s3 mb s3://charts"},
		{"upload: ./document.json to s3://charts/a b/document.json", "s3 cp document.json s3://charts/a\u00a0b/document.json"},
		{"document.json", "s3 ls s3://charts/a\u00a0b/"},
		{"coralogix/prod/private_key", "secretsmanager create-secret --name coralogix/prod/private_key --secret-string fake --query Name"},
		{"fake", "secretsmanager get-secret-value --secret-id coralogix/prod/private_key --query SecretString"},
		{"otel-config", "appconfig create-application --name otel-config --query Name"},
		{"AppConfig.AllAtOnce", "appconfig get-deployment-strategy --deployment-strategy-id AppConfig.AllAtOnce --query Id"},
		{"arn:aws:iam::123456789012:policy/p", "iam create-policy --policy-name p --query Policy.Arn --policy-document " +
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`},
	} {
		args := strings.Split(test.line, " ")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "\u00a0", " ")
		}
		if got := run(args...); !strings.Contains(got, test.want) {
			t.Errorf("aws %s: %q, want %q", test.line, got, test.want)
		}
	}
}
