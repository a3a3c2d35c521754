package terraform_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// motoModule is what moto can hold of an environment: the bucket, the secret and the publisher.
const motoModule = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "eu-west-1"
}

variable "key" {
  type      = string
  ephemeral = true
}

module "chart_repository" {
  source              = "../../modules/chart-repository"
  bucket              = "acme-charts-uat"
  prefix              = "stable/"
  maintainer_role_arn = module.publisher_identity.maintainer_role_arn
}

module "publisher_identity" {
  source                 = "../../modules/publisher-identity"
  name                   = "otel-charts-uat"
  bucket_arn             = module.chart_repository.bucket_arn
  prefix                 = "stable/"
  create_github_provider = true
  github = {
    subjects            = ["repo:acme/platform:environment:uat"]
    maintainer_subjects = ["repo:acme/platform:environment:prune-uat"]
  }
}

module "secret" {
  source        = "../../modules/secret"
  name          = "coralogix/uat/private_key"
  manage_value  = true
  value         = var.key
  value_version = 1
  reader_arns   = ["arn:aws:iam::123456789012:role/otel-uat"]
}
`

// withoutLifecycle leaves out the one resource that moto does not keep as it was given.
const withoutLifecycle = "resource \"aws_s3_bucket_lifecycle_configuration\" \"this\" {\n  count = 0\n}\n"

// TestMoto applies the modules on an emulator that others wrote, so that localaws is not the only judge.
func TestMoto(t *testing.T) {
	needTerraform(t)
	url := startMoto(t)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_MAX_ATTEMPTS": "2", "TF_VAR_key": document(uatKey1),
	} {
		t.Setenv(name, value)
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "") // which puts it back
		_ = os.Unsetenv(name)
	}
	d := newDeployment(t, "moto", map[string]string{
		"main.tf": motoModule, "../../modules/chart-repository/moto_override.tf": withoutLifecycle,
	})
	d.init(t)
	d.plan(t, "first.plan")
	d.apply(t, "first.plan")
	if d.plan(t, "second.plan") {
		t.Errorf("the second plan changes something:\n%s", d.last.String())
	}
	d.wantHidden(t, uatKey1)
	logTimings(t, d)
}

// startMoto starts moto_server on a free port of the loopback and gives its URL.
func startMoto(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("SKIP moto_server is not on this machine: the modules are not tried on moto")
	}
	cmd := exec.CommandContext(t.Context(), program, "-H", "127.0.0.1", "-p", "0")
	stderr := must(cmd.StderrPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	running := regexp.MustCompile(`Running on (http://127\.0\.0\.1:[0-9]+)`)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if found := running.FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return found[1]
		}
	}
	t.Fatal("moto_server ended, or does not say where it listens")
	return ""
}
