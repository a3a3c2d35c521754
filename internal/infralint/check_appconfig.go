package infralint

import (
	"slices"
	"strings"
)

// locations are how a location_uri begins, as AppConfig documents it.
var locations = []string{
	"hosted", "secretsmanager://", "ssm-parameter://", "ssm-document://", "s3://", "codepipeline://", "arn:",
}

// secretByARN tells whether a location is a secret's ARN or id, which is its ARN too.
func secretByARN(v value) bool {
	text := strings.TrimPrefix(v.text, "secretsmanager://")
	if v.kind == scalar && strings.HasPrefix(text, "arn:") {
		return strings.Contains(text, ":secretsmanager:") || strings.HasPrefix(v.text, "secretsmanager://")
	}
	if v.kind == scalar && !strings.HasPrefix(text, opening) {
		return false
	}
	return len(v.refs) == 1 && strings.Contains(v.refs[0].address, "aws_secretsmanager_secret.") &&
		(v.refs[0].name == "arn" || v.refs[0].name == "id")
}

func checkLocation(j *judge) error {
	for _, r := range j.of("aws_appconfig_configuration_profile") {
		v := r.get("location_uri")
		text, known := v.known()
		switch {
		case secretByARN(v):
			j.find(r, v.at, "location_uri is the ARN of a secret")
		case known && !slices.ContainsFunc(locations, func(prefix string) bool { return strings.HasPrefix(text, prefix) }):
			j.find(r, v.at, "location_uri has no scheme that AppConfig knows")
		case known && text == "secretsmanager://":
			j.find(r, v.at, "location_uri names no secret")
		}
	}
	return nil
}

// hosted tells whether a profile's content is in AppConfig itself.
func hosted(profile *resource) (is, known bool) {
	v := profile.get("location_uri")
	switch {
	case v.kind == scalar && v.literal() != "":
		return strings.HasPrefix(v.text, "hosted"), true
	case secretByARN(v):
		return false, true
	}
	return false, false
}

func checkRetrievalRole(j *judge) error {
	for _, r := range j.of("aws_appconfig_configuration_profile") {
		is, known := hosted(r)
		pipeline := strings.HasPrefix(r.get("location_uri").text, "codepipeline://")
		if known && !is && !pipeline && r.get("retrieval_role_arn").blank() {
			j.find(r, r.at, "the profile has no retrieval_role_arn")
		}
	}
	return nil
}

const deployment = "aws_appconfig_deployment"

const profileID = "configuration_profile_id"

// lacks tells whether a profile certainly has nothing of a kind. A state does not tell what pipelines add.
func (j *judge) lacks(profile *resource, kind string) bool {
	found, more := j.belonging(profile, kind, profileID)
	return j.origin != fromState && len(found) == 0 && !more && !j.leftOut(profile, kind, profileID)
}

func checkDeployed(j *judge) error {
	for _, r := range j.of("aws_appconfig_configuration_profile") {
		if j.lacks(r, deployment) {
			j.find(r, r.at, "nothing deploys the profile")
		}
	}
	return nil
}

func checkHostedVersion(j *judge) error {
	for _, r := range j.of("aws_appconfig_configuration_profile") {
		if is, _ := hosted(r); is && j.lacks(r, "aws_appconfig_hosted_configuration_version") {
			j.find(r, r.at, "the hosted profile has no version")
		}
	}
	return nil
}

func checkStrategy(j *judge) error {
	deployments := j.of(deployment)
	for _, r := range deployments {
		v := r.get("deployment_strategy_id")
		if v.is("AppConfig.AllAtOnce") && r.stage() != rehearsal {
			j.find(r, v.at, "the strategy is AppConfig.AllAtOnce")
		}
	}
	if len(deployments) > 0 || len(j.of("aws_appconfig_deployment_strategy")) > 0 {
		return nil
	}
	for _, r := range j.of("aws_appconfig_environment") {
		j.find(r, r.at, "no strategy says how fast a change reaches this environment")
	}
	return nil
}

func checkAlarms(j *judge) error {
	for _, r := range j.of("aws_appconfig_environment") {
		if r.stage() == production && r.get("monitor").blank() {
			j.find(r, r.at, "the production environment has no monitor")
		}
	}
	return nil
}

// checkPinned looks at deployments of secrets.
func checkPinned(j *judge) error {
	for _, r := range j.of("aws_appconfig_configuration_profile") {
		if is, known := hosted(r); is || !known {
			continue
		}
		found, _ := j.belonging(r, deployment, profileID)
		for _, d := range found {
			v := d.get("configuration_version")
			if _, known := v.known(); known && !v.derived && len(v.refs) == 0 && j.origin == fromFiles {
				j.find(d, v.at, "configuration_version is written out")
			}
		}
	}
	return nil
}

// checkConcurrent looks at deployments of one environment.
func checkConcurrent(j *judge) error {
	for _, environment := range j.of("aws_appconfig_environment") {
		found, _ := j.belonging(environment, deployment, "environment_id")
		for i, r := range found {
			if i > 0 && j.origin != fromState && len(found) > 1 {
				j.find(r, r.at, "%s is deployed to the same environment", found[0].address)
			}
		}
	}
	return nil
}
