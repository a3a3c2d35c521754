package iam_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

func (f *fixture) policy(name, document string) *string {
	f.Helper()
	out, err := f.client.CreatePolicy(f.Context(), &sdk.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	if err != nil {
		f.Fatal(err)
	}
	return out.Policy.Arn
}

// TestBoundary holds the decisions to the user guide's page on evaluating boundaries.
func TestBoundary(t *testing.T) {
	const (
		none = "because no permissions boundary allows the s3:GetObject action"
		deny = "with an explicit deny in a permissions boundary"
	)
	toRole := onBucket("Allow", "Principal", `{"AWS":"`+readerARN+`"}`)
	for name, c := range map[string]struct{ identity, boundary, bucket, want string }{
		"both allow":                        {allowGet, allowGet, "", ""},
		"the boundary grants nothing":       {"", allowGet, "", "because no identity-based policy allows"},
		"the boundary allows another":       {allowGet, other, "", none},
		"the boundary denies":               {allowGet, denyGet, "", deny},
		"the bucket allows, it does not":    {"", other, toRole, none},
		"the bucket allows, and so does it": {"", allowGet, toRole, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			role := f.role("reader", trustAll, c.identity)
			key := f.service.Issue(role, "job", time.Hour, nil, "").AccessKeyID
			_, err := f.client.PutRolePermissionsBoundary(t.Context(), &sdk.PutRolePermissionsBoundaryInput{
				RoleName: aws.String("reader"), PermissionsBoundary: f.policy("boundary", c.boundary),
			})
			checkError(t, err, "", 0)
			refused := f.service.Allow(f.call(key), api.Question{Action: "s3:GetObject", Resource: object, Policy: c.bucket})
			if (refused == nil) != (c.want == "") || refused != nil && !strings.Contains(refused.Message, c.want) {
				t.Errorf("got %v, want %q", refused, c.want)
			}
		})
	}
}

func TestBoundaryIsShown(t *testing.T) {
	f := newFixture(t)
	arn := f.policy("boundary", allowGet)
	out, err := f.client.CreateRole(t.Context(), &sdk.CreateRoleInput{
		RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trustAll), PermissionsBoundary: arn,
	})
	checkError(t, err, "", 0)
	if got := out.Role.PermissionsBoundary; got == nil || *got.PermissionsBoundaryArn != *arn {
		t.Errorf("%+v", got)
	}
	policy, err := f.client.GetPolicy(t.Context(), &sdk.GetPolicyInput{PolicyArn: arn})
	checkError(t, err, "", 0)
	if *policy.Policy.PermissionsBoundaryUsageCount != 1 {
		t.Errorf("it narrows %d roles", *policy.Policy.PermissionsBoundaryUsageCount)
	}
	_, err = f.client.DeletePolicy(t.Context(), &sdk.DeletePolicyInput{PolicyArn: arn})
	checkError(t, err, "DeleteConflict", 409)
	_, err = f.client.DeleteRolePermissionsBoundary(t.Context(), &sdk.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("r")})
	checkError(t, err, "", 0)
	got, err := f.client.GetRole(t.Context(), &sdk.GetRoleInput{RoleName: aws.String("r")})
	checkError(t, err, "", 0)
	if got.Role.PermissionsBoundary != nil {
		t.Errorf("%+v", got.Role.PermissionsBoundary)
	}
	_, err = f.client.DeletePolicy(t.Context(), &sdk.DeletePolicyInput{PolicyArn: arn})
	checkError(t, err, "", 0)
}

// TestBoundaryAsCondition lets a role make roles within a boundary alone.
func TestBoundaryAsCondition(t *testing.T) {
	f := newFixture(t)
	arn := f.policy("boundary", allowGet)
	maker := f.role("maker", trustAll, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*",`+
		`"Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"`+*arn+`"}}}]}`)
	client := f.clientOf(f.service.Issue(maker, "job", time.Hour, nil, ""))
	in := &sdk.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trustAll)}
	_, err := client.CreateRole(t.Context(), in)
	checkError(t, err, "AccessDenied", 403)
	in.PermissionsBoundary = arn
	_, err = client.CreateRole(t.Context(), in)
	checkError(t, err, "", 0)
	_, err = client.PutRolePolicy(t.Context(), &sdk.PutRolePolicyInput{
		RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allowGet),
	})
	checkError(t, err, "", 0)
}
