package iam_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go/document"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	policyARN   = "arn:aws:iam::123456789012:policy/team/read"
	providerARN = "arn:aws:iam::123456789012:oidc-provider/127.0.0.1:8443/id/A"
)

var plain = cmpopts.IgnoreTypes(document.NoSerde{})

// must unwraps the answer of a call that has to succeed: must(call())(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestRoleRoundTrip(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	must(f.client.CreateRole(ctx, &sdk.CreateRoleInput{
		RoleName: aws.String("reader"), Path: aws.String("/team/"), AssumeRolePolicyDocument: aws.String(trustAll),
		Description: aws.String("reads <charts> & more"), MaxSessionDuration: aws.Int32(7200),
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}},
	}))(t)
	must(f.client.TagRole(ctx, &sdk.TagRoleInput{
		RoleName: aws.String("reader"), Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("")}},
	}))(t)
	must(f.client.UntagRole(ctx, &sdk.UntagRoleInput{
		RoleName: aws.String("reader"), TagKeys: []string{"a", "none"},
	}))(t)
	must(f.client.UpdateRole(ctx, &sdk.UpdateRoleInput{
		RoleName: aws.String("reader"), MaxSessionDuration: aws.Int32(3600),
	}))(t)
	trust := strings.Replace(trustAll, "sts:AssumeRole", "sts:TagSession", 1)
	must(f.client.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{
		RoleName: aws.String("reader"), PolicyDocument: aws.String(trust),
	}))(t)
	got := must(f.client.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("reader")}))(t).Role
	want := &types.Role{
		Arn: aws.String("arn:aws:iam::123456789012:role/team/reader"), Path: aws.String("/team/"),
		RoleName: aws.String("reader"), RoleId: got.RoleId, CreateDate: aws.Time(start),
		AssumeRolePolicyDocument: aws.String(strings.ReplaceAll(url.QueryEscape(trust), "+", "%20")),
		Description:              aws.String("reads <charts> & more"), MaxSessionDuration: aws.Int32(3600),
		Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("")}},
	}
	if diff := cmp.Diff(want, got, plain); diff != "" {
		t.Errorf("role (-want +got):\n%s", diff)
	}
	if id := aws.ToString(got.RoleId); len(id) != 21 || !strings.HasPrefix(id, "AROA") {
		t.Errorf("role id %q", id)
	}
	for prefix, want := range map[string]int{"/": 1, "/team/": 1, "/other/": 0} {
		list := must(f.client.ListRoles(ctx, &sdk.ListRolesInput{PathPrefix: aws.String(prefix)}))(t)
		if len(list.Roles) != want {
			t.Errorf("%d roles under %s, want %d", len(list.Roles), prefix, want)
		}
	}
	profiles := must(f.client.ListInstanceProfilesForRole(ctx,
		&sdk.ListInstanceProfilesForRoleInput{RoleName: aws.String("reader")}))(t)
	if len(profiles.InstanceProfiles) != 0 {
		t.Errorf("instance profiles: %v", profiles.InstanceProfiles)
	}
}

func TestPoliciesOfARole(t *testing.T) {
	f, ctx, name := newFixture(t), t.Context(), aws.String("reader")
	f.role("reader", trustAll, allowGet)
	inline := must(f.client.GetRolePolicy(ctx, &sdk.GetRolePolicyInput{
		RoleName: name, PolicyName: aws.String("inline"),
	}))(t)
	if text, err := url.QueryUnescape(*inline.PolicyDocument); err != nil || text != allowGet {
		t.Errorf("document %q, %v", text, err)
	}
	for i := range 2 {
		must(f.client.CreatePolicy(ctx, &sdk.CreatePolicyInput{
			PolicyName: aws.String(fmt.Sprint("p", i)), PolicyDocument: aws.String(allowGet),
		}))(t)
		must(f.client.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{
			RoleName: name, PolicyArn: aws.String(fmt.Sprint("arn:aws:iam::123456789012:policy/p", i)),
		}))(t)
	}
	var attached []string
	pages := sdk.NewListAttachedRolePoliciesPaginator(f.client, &sdk.ListAttachedRolePoliciesInput{
		RoleName: name, MaxItems: aws.Int32(1),
	})
	for pages.HasMorePages() {
		for _, p := range must(pages.NextPage(ctx))(t).AttachedPolicies {
			attached = append(attached, *p.PolicyName)
		}
	}
	if diff := cmp.Diff([]string{"p0", "p1"}, attached); diff != "" {
		t.Errorf("attached (-want +got):\n%s", diff)
	}
	entities := must(f.client.ListEntitiesForPolicy(ctx,
		&sdk.ListEntitiesForPolicyInput{PolicyArn: aws.String("arn:aws:iam::123456789012:policy/p0")}))(t)
	if len(entities.PolicyRoles) != 1 || *entities.PolicyRoles[0].RoleName != "reader" {
		t.Errorf("entities: %v", entities.PolicyRoles)
	}
	must(f.client.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{
		RoleName: name, PolicyArn: aws.String("arn:aws:iam::123456789012:policy/p0"),
	}))(t)
	must(f.client.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{
		RoleName: name, PolicyName: aws.String("inline"),
	}))(t)
	names := must(f.client.ListRolePolicies(ctx, &sdk.ListRolePoliciesInput{RoleName: name}))(t)
	used := must(f.client.ListPolicies(ctx, &sdk.ListPoliciesInput{OnlyAttached: true}))(t)
	if len(names.PolicyNames) != 0 || len(used.Policies) != 1 || *used.Policies[0].PolicyName != "p1" {
		t.Errorf("inline %v, attached anywhere %v", names.PolicyNames, used.Policies)
	}
}

func TestPolicyVersions(t *testing.T) {
	f, ctx, arn := newFixture(t), t.Context(), aws.String(policyARN)
	must(f.client.CreatePolicy(ctx, &sdk.CreatePolicyInput{
		PolicyName: aws.String("read"), Path: aws.String("/team/"), PolicyDocument: aws.String(allowGet),
	}))(t)
	must(f.client.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{
		PolicyArn: arn, PolicyDocument: aws.String(other),
	}))(t)
	got := must(f.client.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn}))(t).Policy
	if *got.DefaultVersionId != "v1" || *got.AttachmentCount != 0 || *got.Path != "/team/" {
		t.Errorf("policy: %s %d %s", *got.DefaultVersionId, *got.AttachmentCount, *got.Path)
	}
	must(f.client.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{
		PolicyArn: arn, VersionId: aws.String("v2"),
	}))(t)
	must(f.client.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{
		PolicyArn: arn, VersionId: aws.String("v1"),
	}))(t)
	must(f.client.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{
		PolicyArn: arn, PolicyDocument: aws.String(denyGet), SetAsDefault: true,
	}))(t)
	var ids []string
	list := must(f.client.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: arn}))(t)
	for _, v := range list.Versions {
		ids = append(ids, fmt.Sprint(*v.VersionId, v.IsDefaultVersion))
	}
	if diff := cmp.Diff([]string{"v3true", "v2false"}, ids); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	v := must(f.client.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{
		PolicyArn: arn, VersionId: aws.String("v3"),
	}))(t).PolicyVersion
	if text, err := url.QueryUnescape(*v.Document); err != nil || text != denyGet {
		t.Errorf("document %q, %v", text, err)
	}
}

func TestProviders(t *testing.T) {
	f, ctx, arn := newFixture(t), t.Context(), aws.String(providerARN)
	thumbprint := strings.Repeat("ab", 20)
	created := must(f.client.CreateOpenIDConnectProvider(ctx,
		&sdk.CreateOpenIDConnectProviderInput{
			Url: aws.String("http://127.0.0.1:8443/id/A"), ClientIDList: []string{"sts.amazonaws.com"},
			ThumbprintList: []string{thumbprint}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}},
		}))(t)
	if *created.OpenIDConnectProviderArn != providerARN {
		t.Errorf("ARN %s", *created.OpenIDConnectProviderArn)
	}
	for _, id := range []string{"vault", "vault"} {
		must(f.client.AddClientIDToOpenIDConnectProvider(ctx,
			&sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String(id)}))(t)
	}
	must(f.client.RemoveClientIDFromOpenIDConnectProvider(ctx,
		&sdk.RemoveClientIDFromOpenIDConnectProviderInput{
			OpenIDConnectProviderArn: arn, ClientID: aws.String("sts.amazonaws.com"),
		}))(t)
	must(f.client.UpdateOpenIDConnectProviderThumbprint(ctx,
		&sdk.UpdateOpenIDConnectProviderThumbprintInput{
			OpenIDConnectProviderArn: arn, ThumbprintList: []string{strings.Repeat("cd", 20)},
		}))(t)
	got := must(f.client.GetOpenIDConnectProvider(ctx,
		&sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	want := &sdk.GetOpenIDConnectProviderOutput{
		Url: aws.String("127.0.0.1:8443/id/A"), ClientIDList: []string{"vault"}, CreateDate: aws.Time(start),
		ThumbprintList: []string{strings.Repeat("cd", 20)},
		Tags:           []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}, ResultMetadata: got.ResultMetadata,
	}
	if diff := cmp.Diff(want, got, plain, cmpopts.IgnoreFields(*got, "ResultMetadata")); diff != "" {
		t.Errorf("provider (-want +got):\n%s", diff)
	}
	list := must(f.client.ListOpenIDConnectProviders(ctx,
		&sdk.ListOpenIDConnectProvidersInput{}))(t)
	if len(list.OpenIDConnectProviderList) != 1 || *list.OpenIDConnectProviderList[0].Arn != providerARN {
		t.Errorf("list: %v", list.OpenIDConnectProviderList)
	}
}

func TestIssuerURLs(t *testing.T) {
	f := newFixture(t)
	tests := map[string]string{
		"https://oidc.eks.eu-west-1.amazonaws.com/id/A": "",
		"http://localhost:8080":                         "",
		"http://[::1]:8080":                             "",
		"http://127.0.0.2":                              "",
		"http://example.org":                            "ValidationError",
		"http://127.0.0.1.example.org":                  "ValidationError",
		"http://10.0.0.1":                               "ValidationError",
		"ftp://127.0.0.1":                               "ValidationError",
		"https://user:fake@example.org":                 "ValidationError",
		"https://example.org?q":                         "ValidationError",
		"example.org":                                   "ValidationError",
	}
	for issuer, code := range tests {
		_, err := f.client.CreateOpenIDConnectProvider(t.Context(), &sdk.CreateOpenIDConnectProviderInput{
			Url: aws.String(issuer), ClientIDList: []string{"sts.amazonaws.com"},
		})
		t.Run(issuer, func(t *testing.T) { checkError(t, err, code, 400) })
	}
}

func TestTagsOfPoliciesAndProviders(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	tags := []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}
	want := tags[1:]
	must(f.client.CreatePolicy(ctx, &sdk.CreatePolicyInput{
		PolicyName: aws.String("read"), Path: aws.String("/team/"), PolicyDocument: aws.String(allowGet),
	}))(t)
	must(f.client.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: aws.String(policyARN), Tags: tags}))(t)
	must(f.client.UntagPolicy(ctx, &sdk.UntagPolicyInput{
		PolicyArn: aws.String(policyARN), TagKeys: []string{"a"},
	}))(t)
	policy := must(f.client.ListPolicyTags(ctx, &sdk.ListPolicyTagsInput{
		PolicyArn: aws.String(policyARN),
	}))(t)
	must(f.client.CreateOpenIDConnectProvider(ctx,
		&sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://127.0.0.1:8443/id/A")}))(t)
	must(f.client.TagOpenIDConnectProvider(ctx, &sdk.TagOpenIDConnectProviderInput{
		OpenIDConnectProviderArn: aws.String(providerARN), Tags: tags,
	}))(t)
	must(f.client.UntagOpenIDConnectProvider(ctx,
		&sdk.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(providerARN), TagKeys: []string{"a"}}))(t)
	provider := must(f.client.ListOpenIDConnectProviderTags(ctx,
		&sdk.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: aws.String(providerARN)}))(t)
	for name, got := range map[string][]types.Tag{"policy": policy.Tags, "provider": provider.Tags} {
		if diff := cmp.Diff(want, got, plain); diff != "" {
			t.Errorf("tags of the %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOnlyPermittedCallersManage(t *testing.T) {
	f := newFixture(t)
	may := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:AttachRolePolicy",` +
		`"Resource":"arn:aws:iam::123456789012:role/reader",` +
		`"Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::123456789012:policy/team/read"}}}}`
	must(f.client.CreatePolicy(t.Context(), &sdk.CreatePolicyInput{
		PolicyName: aws.String("read"), Path: aws.String("/team/"), PolicyDocument: aws.String(allowGet),
	}))(t)
	manager := f.clientOf(f.service.Issue(f.role("manager", trustAll, may), "job", time.Hour, nil, ""))
	f.role("reader", trustAll, "")
	attach := func(ctx context.Context, role, policy string) error {
		_, err := manager.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{
			RoleName: aws.String(role), PolicyArn: aws.String(policy),
		})
		return err
	}
	checkError(t, attach(t.Context(), "reader", policyARN), "", 0)
	checkError(t, attach(t.Context(), "reader", policyARN+"2"), "AccessDenied", 403)
	checkError(t, attach(t.Context(), "manager", policyARN), "AccessDenied", 403)
}
