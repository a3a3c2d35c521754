package iam_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// The operations whose refusals are tested, each in one line.

type action func(context.Context, *sdk.Client) error

func drop[T any](_ T, err error) error { return err }

func createRole(name, trust string, change ...func(*sdk.CreateRoleInput)) action {
	return func(ctx context.Context, c *sdk.Client) error {
		in := &sdk.CreateRoleInput{RoleName: aws.String(name), AssumeRolePolicyDocument: aws.String(trust)}
		for _, apply := range change {
			apply(in)
		}
		return drop(c.CreateRole(ctx, in))
	}
}

func put(role, name, document string) action {
	return func(ctx context.Context, c *sdk.Client) error {
		return drop(c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{
			RoleName: aws.String(role), PolicyName: aws.String(name), PolicyDocument: aws.String(document),
		}))
	}
}

func createPolicy(name, document string) action {
	return func(ctx context.Context, c *sdk.Client) error {
		return drop(c.CreatePolicy(ctx, &sdk.CreatePolicyInput{
			PolicyName: aws.String(name), PolicyDocument: aws.String(document),
		}))
	}
}

func onManaged(name string, do func(context.Context, *sdk.Client, *string) error) action {
	return func(ctx context.Context, c *sdk.Client) error {
		return do(ctx, c, aws.String("arn:aws:iam::123456789012:policy/"+name))
	}
}

func attach(role, name string) action {
	return onManaged(name, func(ctx context.Context, c *sdk.Client, arn *string) error {
		return drop(c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String(role), PolicyArn: arn}))
	})
}

func detach(role, name string) action {
	return onManaged(name, func(ctx context.Context, c *sdk.Client, arn *string) error {
		return drop(c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: aws.String(role), PolicyArn: arn}))
	})
}

func deleteManaged(name string) action {
	return onManaged(name, func(ctx context.Context, c *sdk.Client, arn *string) error {
		return drop(c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn}))
	})
}

func addVersion(name string) action {
	return onManaged(name, func(ctx context.Context, c *sdk.Client, arn *string) error {
		return drop(c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{
			PolicyArn: arn, PolicyDocument: aws.String(allowGet),
		}))
	})
}

func deleteVersion(name, id string) action {
	return onManaged(name, func(ctx context.Context, c *sdk.Client, arn *string) error {
		return drop(c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String(id)}))
	})
}

func deleteRole(name string) action {
	return func(ctx context.Context, c *sdk.Client) error {
		return drop(c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String(name)}))
	}
}

func createProvider(ctx context.Context, c *sdk.Client) error {
	return drop(c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://example.org"), ClientIDList: []string{"sts.amazonaws.com"},
	}))
}

func TestRefusals(t *testing.T) {
	trust := func(principal string) string {
		return strings.Replace(trustAll, `{"AWS":"123456789012"}`, principal, 1)
	}
	tagged := func(tags ...string) func(*sdk.CreateRoleInput) {
		return func(in *sdk.CreateRoleInput) {
			for _, key := range tags {
				in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String("x")})
			}
		}
	}
	seconds := func(n int32) func(*sdk.CreateRoleInput) {
		return func(in *sdk.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(n) }
	}
	long := strings.Replace(allowGet, "s3:GetObject", "s3:"+strings.Repeat("x", 6100), 1)
	reader := createRole("r", trustAll)
	tests := []struct {
		name   string
		steps  []action // all but the last succeed
		code   string
		status int
	}{
		{"role exists", []action{reader, reader}, "EntityAlreadyExists", 409},
		{"policy exists", []action{createPolicy("p", allowGet), createPolicy("p", other)}, "EntityAlreadyExists", 409},
		{"provider exists", []action{createProvider, createProvider}, "EntityAlreadyExists", 409},
		{"no role", []action{deleteRole("none")}, "NoSuchEntity", 404},
		{"no role to put to", []action{put("none", "p", allowGet)}, "NoSuchEntity", 404},
		{"no policy", []action{deleteManaged("none")}, "NoSuchEntity", 404},
		{"no policy to attach", []action{reader, attach("r", "none")}, "NoSuchEntity", 404},
		{"not attached", []action{reader, createPolicy("p", allowGet), detach("r", "p")}, "NoSuchEntity", 404},
		{"no version", []action{createPolicy("p", allowGet), deleteVersion("p", "v2")}, "NoSuchEntity", 404},

		{"role with a policy", []action{reader, put("r", "p", allowGet), deleteRole("r")}, "DeleteConflict", 409},
		{"role with an attachment", []action{
			reader, createPolicy("p", allowGet), attach("r", "p"), deleteRole("r"),
		}, "DeleteConflict", 409},
		{"attached policy", []action{
			reader, createPolicy("p", allowGet), attach("r", "p"), attach("r", "p"), deleteManaged("p"),
		}, "DeleteConflict", 409},
		{
			"policy with versions",
			[]action{createPolicy("p", allowGet), addVersion("p"), deleteManaged("p")},
			"DeleteConflict", 409,
		},
		{"default version", []action{createPolicy("p", allowGet), deleteVersion("p", "v1")}, "DeleteConflict", 409},

		{"no JSON", []action{reader, put("r", "p", "{")}, "MalformedPolicyDocument", 400},
		{
			"principal in an identity policy",
			[]action{createPolicy("p", onBucket("Allow", "Principal", `"*"`))},
			"MalformedPolicyDocument", 400,
		},
		{"unknown operator", []action{reader, put("r", "p", strings.Replace(allowGet, `"Resource"`,
			`"Condition":{"Sounds":{"a:b":"c"}},"Resource"`, 1))}, "MalformedPolicyDocument", 400},
		{"unknown variable", []action{reader, put("r", "p", strings.Replace(allowGet, `"*"`,
			`"arn:aws:s3:::\u0024{aws:PrincipalTag/team}"`, 1))}, "MalformedPolicyDocument", 400},
		{"known variable", []action{reader, put("r", "p", strings.Replace(allowGet, `"*"`,
			`"arn:aws:s3:::b/${aws:userid}"`, 1))}, "", 0},
		{"trust without principal", []action{createRole("r", allowGet)}, "MalformedPolicyDocument", 400},
		{"trust by known services", []action{createRole("r",
			trust(`{"Service":["appconfig.amazonaws.com","pods.eks.amazonaws.com"]}`))}, "", 0},
		{
			"trust by nonsense",
			[]action{createRole("r", trust(`{"Service":"appconfig.example.org"}`))},
			"MalformedPolicyDocument", 400,
		},
		{
			"trust by a wildcard within a name",
			[]action{createRole("r", trust(`{"AWS":"arn:aws:iam::1:role/*"}`))},
			"MalformedPolicyDocument", 400,
		},
		{"long trust", []action{createRole("r", strings.Replace(trustAll, `"Effect"`,
			`"Sid":"`+strings.Repeat("x", 2048)+`","Effect"`, 1))}, "LimitExceeded", 409},

		{
			"long inline policies",
			[]action{reader, put("r", "a", long), put("r", "a", long), put("r", "b", long)},
			"LimitExceeded", 409,
		},
		{"long managed policy", []action{createPolicy("p", long)}, "LimitExceeded", 409},
		{"sixth version", append([]action{createPolicy("p", allowGet)}, repeat(5, func(int) action {
			return addVersion("p")
		})...), "LimitExceeded", 409},
		{"eleventh attachment", append(append([]action{reader}, repeat(11, func(i int) action {
			return createPolicy(fmt.Sprint("p", i), allowGet)
		})...), repeat(11, func(i int) action { return attach("r", fmt.Sprint("p", i)) })...), "LimitExceeded", 409},

		{"role name", []action{createRole("a b", trustAll)}, "ValidationError", 400},
		{"long role name", []action{createRole(strings.Repeat("x", 65), trustAll)}, "ValidationError", 400},
		{
			"path",
			[]action{createRole("r", trustAll, func(in *sdk.CreateRoleInput) { in.Path = aws.String("team") })},
			"ValidationError", 400,
		},
		{"long description", []action{createRole("r", trustAll, func(in *sdk.CreateRoleInput) {
			in.Description = aws.String(strings.Repeat("x", 1001))
		})}, "ValidationError", 400},
		{"short sessions", []action{createRole("r", trustAll, seconds(3599))}, "ValidationError", 400},
		{"long sessions", []action{createRole("r", trustAll, seconds(43201))}, "ValidationError", 400},
		{"twelve hours", []action{createRole("r", trustAll, seconds(43200))}, "", 0},
		{"reserved tag", []action{createRole("r", trustAll, tagged("AWS:x"))}, "InvalidInput", 400},
		{"tag twice", []action{createRole("r", trustAll, tagged("x", "X"))}, "InvalidInput", 400},
		{"many tags", []action{createRole("r", trustAll, tagged(numbers(51)...))}, "LimitExceeded", 409},
		{"permissions boundary", []action{createRole("r", trustAll, func(in *sdk.CreateRoleInput) {
			in.PermissionsBoundary = aws.String(policyARN)
		})}, "NoSuchEntity", 404},
		{"unknown operation", []action{func(ctx context.Context, c *sdk.Client) error {
			return drop(c.ListUsers(ctx, &sdk.ListUsersInput{}))
		}}, "InvalidAction", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			last := len(tt.steps) - 1
			for _, step := range tt.steps[:last] {
				checkError(t, step(t.Context(), f.client), "", 0)
			}
			checkError(t, tt.steps[last](t.Context(), f.client), tt.code, tt.status)
		})
	}
}

func repeat(n int, make func(int) action) []action {
	var list []action
	for i := range n {
		list = append(list, make(i))
	}
	return list
}

func numbers(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(i))
	}
	return list
}
