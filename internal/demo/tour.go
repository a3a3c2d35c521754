package demo

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Tour is what to type next, against a demo that was left running.
type Tour struct {
	Environment []string // NAME=value for any AWS client, as the account's root user
	Commands    []Command
}

// Command is one thing to try, and what it shows.
type Command struct{ Shows, Line string }

func (r *run) tour() Tour {
	archive := "s3://" + bucket + "/" + prefix + "/" + chartName + "-0.1.0.tgz"
	values := filepath.Join(r.Dir, "charts", chartName, "values-prod.yaml")
	pod := r.pods[0]
	asPod := strings.Join([]string{
		"env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY", "AWS_ROLE_ARN=" + r.Prod.RoleARN,
		"AWS_WEB_IDENTITY_TOKEN_FILE=" + filepath.Join(r.Dir, "tokens", pod.name), "",
	}, " ")
	secret := "aws secretsmanager get-secret-value --query VersionStages --secret-id "
	return Tour{Environment: r.AWS.Environ(), Commands: []Command{
		{"the repository", "aws s3 ls s3://" + bucket + "/" + prefix + "/"},
		{
			"publish it again: nothing happens, the version is there",
			"pinnace publish " + filepath.Join(r.Dir, "charts", "service-01") + " --repo s3://" + bucket + "/" + prefix,
		},
		{"the chart, rendered by Helm itself", fmt.Sprintf(
			"aws s3 cp %s . && helm template otel %s-0.1.0.tgz -f %s --set aws.roleArn=%s",
			archive, chartName, values, r.Prod.RoleARN)},
		{"the same, to a cluster of yours", fmt.Sprintf(
			"helm template otel %s-0.1.0.tgz -f %s | kubectl apply --dry-run=client -f -", chartName, values)},
		{"the rollouts of prod", fmt.Sprintf("aws appconfig list-deployments --application-id %s --environment-id %s",
			r.Prod.ApplicationID, r.Prod.EnvironmentID)},
		{"the secret's versions", "aws secretsmanager describe-secret --secret-id " + r.Prod.SecretName},
		{"who the pod is", asPod + "aws sts get-caller-identity"},
		{"the pod may read its own secret", asPod + secret + r.Prod.SecretName},
		{"and no other", asPod + secret + r.UAT.SecretName},
		{"nobody else may read a chart", "aws s3 cp --no-sign-request " + archive + " ."},
		{"the file that a pod's agent keeps (it holds the key)", "ls -l " + pod.file},
	}}
}
