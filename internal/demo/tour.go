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
	archive := "s3://" + bucket + "/" + prefix + "/" + r.archiveName()
	values := filepath.Join(r.Dir, "charts", chartName, "values-prod.yaml")
	template := fmt.Sprintf(
		"helm template otel %s -n %s -f %s --set aws.roleArn=%s --set serviceAccount.name=%s",
		r.archiveName(), namespace, values, r.Prod.RoleARN, account)
	pod := r.pods[0]
	identity := []string{
		"AWS_ROLE_ARN=" + r.Prod.RoleARN, "AWS_WEB_IDENTITY_TOKEN_FILE=" + filepath.Join(r.Dir, "tokens", pod.name),
	}
	asPod := "env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY " + strings.Join(identity, " ") + " "
	stages := "aws secretsmanager get-secret-value --query VersionStages --secret-id "
	return Tour{Environment: r.AWS.Environ(), Commands: []Command{
		{"the repository", "aws s3 ls s3://" + bucket + "/" + prefix + "/"},
		{
			"publish it again: nothing happens, the version is there",
			"pinnace publish " + filepath.Join(r.Dir, "charts", "service-01") + " --repo s3://" + bucket + "/" + prefix,
		},
		{"the chart, rendered by Helm itself", "aws s3 cp " + archive + " . && " + template},
		{"the same, to a cluster of yours", template + " | kubectl apply --dry-run=client -f -"},
		{"the rollouts of prod", fmt.Sprintf("aws appconfig list-deployments --application-id %s --environment-id %s",
			r.Prod.ApplicationID, r.Prod.EnvironmentID)},
		{"the secret's versions", "aws secretsmanager describe-secret --secret-id " + r.Prod.SecretName},
		{"who the pod is", asPod + "aws sts get-caller-identity"},
		{"the agent, as one more pod", fmt.Sprintf("%spinnace-agent run --once --appconfig %s/%s/%s --file %s=%s",
			asPod, application, r.Prod.Name, profile, filepath.Join(filepath.Dir(pod.file), "mine"), keyItem)},
		{"the pod may read its own secret", asPod + stages + r.Prod.SecretName},
		{"and no other", asPod + stages + r.UAT.SecretName},
		{"nobody else may read a chart", "aws s3 cp --no-sign-request " + archive + " ."},
		{"the file that a pod's agent keeps (it holds the key)", "ls -l " + pod.file},
	}}
}
