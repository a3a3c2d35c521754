package infralint_test

import (
	"slices"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/infralint"
)

// Parts of configurations.
const (
	bucket   = `resource "aws_s3_bucket" "b" { bucket = "charts-${var.environment}" }` + "\n"
	secret   = `resource "aws_secretsmanager_secret" "s" { name = "s-${var.environment}" }` + "\n"
	profile  = `resource "aws_appconfig_configuration_profile" "p" { location_uri = "secretsmanager://x" }` + "\n"
	hosted   = `resource "aws_appconfig_configuration_profile" "p" { location_uri = "hosted" }` + "\n"
	stage    = `resource "aws_appconfig_environment" "e" { name = "prod" }` + "\n"
	provider = `resource "aws_iam_openid_connect_provider" "o" { url = "https://x" }` + "\n"
	applied  = `terraform {
  backend "s3" {}
}
`
)

// of makes a resource about the bucket b.
func of(kind, arguments string) string {
	return `resource "` + kind + `" "x" {
  bucket = aws_s3_bucket.b.id
  ` + arguments + "\n}\n"
}

// policyOf makes a document of one statement.
func policyOf(statement string) string {
	return "policy = jsonencode({ Statement = [{ " + statement + " }] })"
}

func may(statement string) string {
	return `resource "aws_iam_role_policy" "x" { ` + policyOf(`Effect = "Allow", `+statement) + " }\n"
}

func trust(statement string) string {
	return `resource "aws_iam_role" "x" { assume_role_policy = jsonencode({ Statement = { Effect = "Allow", ` + statement + " } }) }\n"
}

// podTrust is trust in the cluster under a condition.
func podTrust(condition string) string {
	return provider + trust(`Action = "sts:AssumeRoleWithWebIdentity",
  Principal = { Federated = aws_iam_openid_connect_provider.o.arn }, Condition = { `+condition+` }`)
}

func key(statement string) string {
	return `resource "aws_kms_key" "k" { ` + policyOf(statement) + " }\n"
}

const both = `StringEquals = { "x:sub" = "system:serviceaccount:a:b", "x:aud" = "sts.amazonaws.com" }`

func TestRules(t *testing.T) {
	tested := map[string]bool{}
	shows := func(t *testing.T, config, rule string) bool {
		report := lint(t, folder(t, map[string]string{"main.tf": config}))
		return slices.ContainsFunc(report.Findings, func(f infralint.Finding) bool { return f.Rule == rule })
	}
	for _, c := range cases {
		tested[c.rule] = true
		t.Run(c.rule, func(t *testing.T) {
			for _, config := range c.bad {
				if !shows(t, config, c.rule) {
					t.Errorf("not found in:\n%s", config)
				}
			}
			for _, config := range c.good {
				if shows(t, config, c.rule) {
					t.Errorf("found in:\n%s", config)
				}
			}
			if len(c.bad) == 0 || len(c.good) == 0 {
				t.Error("a rule is shown by both")
			}
		})
	}
	for _, r := range infralint.Rules() {
		if !tested[r.ID] {
			t.Errorf("rule %s has no cases", r.ID)
		}
	}
}
