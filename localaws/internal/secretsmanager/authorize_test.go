package secretsmanager

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

func TestDeniedBeforeNotFound(t *testing.T) {
	b := newBench(t)
	created := b.create(t, "s")
	pod := b.as("pod")
	for id, resource := range map[string]string{
		"s": *created.ARN, prefix + "s": *created.ARN, *created.ARN: *created.ARN,
		"nothing": prefix + "nothing", prefix + "nothing-abcdef": prefix + "nothing-abcdef",
	} {
		_, err := pod.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: &id})
		if code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "GetSecretValue on resource: "+resource) ||
			!strings.Contains(err.Error(), "StatusCode: 400") {
			t.Errorf("%s: %v", id, err)
		}
	}
	b.access.grants = []grant{{"pod", "secretsmanager:GetSecretValue", *created.ARN}}
	if _, err := pod.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("s")}); err != nil {
		t.Errorf("with permission: %v", err)
	}
	_, err := pod.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("s")})
	if code(err) != "AccessDeniedException" {
		t.Errorf("another action: %v", err)
	}
}

func TestEveryOperationIsAuthorised(t *testing.T) {
	b := newBench(t)
	for name := range operations {
		before := len(b.access.asked)
		c := newCall(t, name, `{"SecretId":"s","Name":"s","SecretIdList":["s"]}`)
		_, err := b.locked(operations[name], c)
		if err == nil || err.Code != "AccessDenied" || len(b.access.asked) == before {
			t.Errorf("%s for a stranger: %v", name, err)
			continue
		}
		if got := b.access.last().Action; got != "secretsmanager:"+name || got != b.Action(c) {
			t.Errorf("%s asks for %s and is named %s", name, got, b.Action(c))
		}
	}
}

func TestConditions(t *testing.T) {
	b := newBench(t)
	ctx, root := t.Context(), b.as("root")
	out, err := root.CreateSecret(ctx, &sm.CreateSecretInput{
		Name: aws.String("s"), SecretString: aws.String("obviously-fake"), ClientRequestToken: aws.String(token("v1")),
		Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("uat")}},
	})
	must(t, out, err)
	want := api.Question{
		Action: "secretsmanager:CreateSecret", Resource: prefix + "s",
		Condition: map[string][]string{
			"secretsmanager:SecretId": {prefix + "s"}, "secretsmanager:Name": {"s"},
			"aws:RequestTag/env": {"uat"}, "aws:TagKeys": {"env"},
		},
	}
	if diff := cmp.Diff(want, b.access.last()); diff != "" {
		t.Error(diff)
	}
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"}}}`
	put, err := root.PutResourcePolicy(ctx, &sm.PutResourcePolicyInput{SecretId: out.ARN, ResourcePolicy: &policy})
	must(t, put, err)
	_, err = root.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: out.ARN, VersionId: aws.String(token("v1"))})
	if err != nil {
		t.Fatal(err)
	}
	want = api.Question{
		Action: "secretsmanager:GetSecretValue", Resource: *out.ARN, Policy: policy,
		Condition: map[string][]string{
			"secretsmanager:SecretId": {*out.ARN}, "secretsmanager:VersionId": {token("v1")},
			"secretsmanager:ResourceTag/env": {"uat"}, "aws:ResourceTag/env": {"uat"},
		},
	}
	if diff := cmp.Diff(want, b.access.last()); diff != "" {
		t.Error(diff)
	}
	if _, err = root.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: out.ARN}); err != nil {
		t.Fatal(err)
	}
	if got := b.access.last().Condition["secretsmanager:VersionStage"]; !cmp.Equal(got, []string{"AWSCURRENT"}) {
		t.Errorf("without version or stage the condition is %v", got)
	}
}

func TestResourcePolicy(t *testing.T) {
	b := newBench(t)
	ctx, root := t.Context(), b.as("root")
	b.create(t, "s")
	id := aws.String("s")
	put := func(policy string, block bool) error {
		_, err := root.PutResourcePolicy(ctx, &sm.PutResourcePolicyInput{
			SecretId: id, ResourcePolicy: &policy, BlockPublicPolicy: &block,
		})
		return err
	}
	public := `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	if err := put("{", false); code(err) != "MalformedPolicyDocumentException" {
		t.Errorf("not JSON: %v", err)
	}
	if err := put(public, true); code(err) != "PublicPolicyException" {
		t.Errorf("public: %v", err)
	}
	if err := put(public, false); err != nil {
		t.Errorf("public, not blocked: %v", err)
	}
	got, err := root.GetResourcePolicy(ctx, &sm.GetResourcePolicyInput{SecretId: id})
	if must(t, got, err); *got.ResourcePolicy != public {
		t.Errorf("policy %s", *got.ResourcePolicy)
	}
	deleted, err := root.DeleteResourcePolicy(ctx, &sm.DeleteResourcePolicyInput{SecretId: id})
	must(t, deleted, err)
	got, err = root.GetResourcePolicy(ctx, &sm.GetResourcePolicyInput{SecretId: id})
	if must(t, got, err); got.ResourcePolicy != nil {
		t.Errorf("deleted policy %s", *got.ResourcePolicy)
	}
	if err := put(`{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`, true); err != nil {
		t.Fatal(err)
	}
	if _, err := root.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: id}); code(err) != "AccessDeniedException" {
		t.Errorf("against a Deny: %v", err)
	}
}

// TestLogsHoldNoValues drives a value through every operation that carries one.
func TestLogsHoldNoValues(t *testing.T) {
	b := newBench(t)
	b.create(t, "canary")
	_, _ = b.as("root").GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("canary")})
	_, _ = b.as("root").PutSecretValue(t.Context(), &sm.PutSecretValueInput{
		SecretId: aws.String("canary"), SecretString: aws.String("obviously-fake-other"),
		ClientRequestToken: aws.String(token("v1")),
	})
	_, _ = b.as("pod").BatchGetSecretValue(t.Context(), &sm.BatchGetSecretValueInput{SecretIdList: []string{"canary"}})
	logs := b.logs.b.String()
	if !strings.Contains(logs, "GetSecretValue") || strings.Contains(logs, "obviously-fake") {
		t.Errorf("logs:\n%s", logs)
	}
}
