package sts_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
)

const (
	ciARN   = "arn:aws:iam::123456789012:role/ci"
	jobARN  = "arn:aws:sts::123456789012:assumed-role/ci/job"
	mayTake = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`
	denied  = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sts:*","Resource":"*"}}`
)

// names is a trust policy that allows actions to a principal.
func names(principal, rest string, actions ...string) string {
	if len(actions) == 0 {
		actions = []string{"sts:AssumeRole"}
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["%s"],"Principal":{"AWS":%q}%s}}`,
		strings.Join(actions, `","`), principal, rest)
}

func TestAssumeRole(t *testing.T) {
	external := `,"Condition":{"StringEquals":{"sts:ExternalId":"fake-id"}}`
	named := `,"Condition":{"StringEquals":{"sts:RoleSessionName":"release"}}`
	tagged := `,"Condition":{"StringEquals":{"aws:RequestTag/team":"blue"}}`
	blue := []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}}
	tests := []struct {
		name, caller, identity, trust string
		input                         sdk.AssumeRoleInput
		code                          string
		status                        int
		reason                        string
	}{
		{name: "role named", caller: "session", trust: names(ciARN, "")},
		{name: "session named", caller: "session", trust: names(jobARN, "")},
		{name: "account named and permitted", caller: "session", identity: mayTake, trust: names(account, "")},
		{
			name: "account named alone", caller: "session", trust: names(rootARN, ""), code: "AccessDenied", status: 403,
			reason: "because no identity-based policy allows the sts:AssumeRole action",
		},
		{
			name: "permitted, not named", caller: "session", identity: mayTake, trust: names(ciARN+"2", ""),
			code: "AccessDenied", status: 403, reason: "because no resource-based policy allows the sts:AssumeRole action",
		},
		{
			name: "named, denied", caller: "session", identity: denied, trust: names(ciARN, ""),
			code: "AccessDenied", status: 403, reason: "with an explicit deny in an identity-based policy",
		},
		{name: "root", caller: "root", trust: names(account, "")},
		{name: "root not named", caller: "root", trust: names(ciARN, ""), code: "AccessDenied", status: 403},
		{
			name: "external id", caller: "session", trust: names(ciARN, external),
			input: sdk.AssumeRoleInput{ExternalId: aws.String("fake-id")},
		},
		{name: "no external id", caller: "session", trust: names(ciARN, external), code: "AccessDenied", status: 403},
		{name: "session name", caller: "session", trust: names(ciARN, named)},
		{
			name: "tags", caller: "session", trust: names(ciARN, tagged, "sts:AssumeRole", "sts:TagSession"),
			input: sdk.AssumeRoleInput{Tags: blue},
		},
		{
			name: "tags without TagSession", caller: "session", trust: names(ciARN, tagged),
			input: sdk.AssumeRoleInput{Tags: blue}, code: "AccessDenied", status: 403,
		},
		{
			name: "no such role", caller: "session", trust: names(ciARN, ""),
			input: sdk.AssumeRoleInput{RoleArn: aws.String(ciARN + "3")}, code: "AccessDenied", status: 403,
		},
		{
			name: "an hour of a chain", caller: "session", trust: names(ciARN, ""),
			input: sdk.AssumeRoleInput{DurationSeconds: aws.Int32(3600)},
		},
		{
			name: "more than an hour of a chain", caller: "session", trust: names(ciARN, ""),
			input: sdk.AssumeRoleInput{DurationSeconds: aws.Int32(3601)}, code: "ValidationError", status: 400,
		},
		{
			name: "root is no chain", caller: "root", trust: names(account, ""),
			input: sdk.AssumeRoleInput{DurationSeconds: aws.Int32(7200)},
		},
		{
			name: "longer than the role allows", caller: "root", trust: names(account, ""),
			input: sdk.AssumeRoleInput{DurationSeconds: aws.Int32(7201)}, code: "ValidationError", status: 400,
		},
		{name: "not ignored", caller: "root", trust: names(account, ""), input: sdk.AssumeRoleInput{
			PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::123456789012:policy/x")}},
		}, code: "ValidationError", status: 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			ci := f.role("ci", names(account, ""), tt.identity, 0)
			target := f.role("publisher", tt.trust, "", 2*time.Hour)
			caller := map[string]iam.Credential{
				"session": f.directory.Issue(ci, "job", time.Hour, nil, ""), "root": f.root(),
			}[tt.caller]
			in := tt.input
			if in.RoleArn == nil {
				in.RoleArn = aws.String(target.ARN)
			}
			in.RoleSessionName = aws.String("release")
			out, err := f.client(caller).AssumeRole(t.Context(), &in)
			checkError(t, err, tt.code, tt.status)
			switch {
			case err != nil && !strings.Contains(err.Error(), tt.reason):
				t.Errorf("got %v, want %q", err, tt.reason)
			case err == nil && *out.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/publisher/release":
				t.Errorf("got %s", *out.AssumedRoleUser.Arn)
			}
		})
	}
}

func TestSessionPolicyAndTagsOfAssumedRole(t *testing.T) {
	f := newFixture(t)
	all := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*",` +
		`"Resource":"arn:aws:s3:::blue/*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}}}`
	role := f.role("publisher", names(account, "", "sts:AssumeRole", "sts:TagSession"), all, 0)
	out, err := f.client(f.root()).AssumeRole(t.Context(), &sdk.AssumeRoleInput{
		RoleArn: aws.String(role.ARN), RoleSessionName: aws.String("release"),
		Tags:   []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}},
		Policy: aws.String(`{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	session, _ := f.directory.Credential(*out.Credentials.AccessKeyId)
	for _, tt := range []struct {
		action, resource string
		allowed          bool
	}{
		{"s3:GetObject", "arn:aws:s3:::blue/x", true},
		{"s3:GetObject", "arn:aws:s3:::red/x", false},
		{"s3:PutObject", "arn:aws:s3:::blue/x", false},
	} {
		c := &api.Call{Principal: session.Principal, Request: signed(t, session)}
		err := f.directory.Allow(c, api.Question{Action: tt.action, Resource: tt.resource})
		if (err == nil) != tt.allowed {
			t.Errorf("%s on %s: got %v, want allowed = %t", tt.action, tt.resource, err, tt.allowed)
		}
	}
}

func TestGetCallerIdentity(t *testing.T) {
	f := newFixture(t)
	out, err := f.client(f.root()).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Arn != rootARN || *out.UserId != account || *out.Account != account {
		t.Errorf("got %s %s %s", *out.Arn, *out.UserId, *out.Account)
	}
	role := f.role("nobody", names(account, ""), denied, 0)
	session := f.directory.Issue(role, "job", time.Hour, nil, "")
	if _, err := f.client(session).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{}); err != nil {
		t.Errorf("it needs no permission, but: %v", err)
	}
	_, err = f.client(f.root()).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{})
	checkError(t, err, "InvalidAction", 400)
}

func TestUnsignedCallsAreRefused(t *testing.T) {
	f := newFixture(t)
	target := f.role("publisher", names("*", ""), "", 0)
	for _, action := range []string{"AssumeRole", "GetCallerIdentity"} {
		form := url.Values{
			"Action": {action}, "Version": {"2011-06-15"}, "RoleArn": {target.ARN}, "RoleSessionName": {"release"},
		}
		response, err := http.PostForm(f.url, form)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var answer struct {
			XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
			Code    string   `xml:"Error>Code"`
			Type    string   `xml:"Error>Type"`
		}
		if err := xml.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != 403 || answer.Code != "MissingAuthenticationToken" || answer.Type != "Sender" {
			t.Errorf("%s: got %d %+v", action, response.StatusCode, answer)
		}
	}
}
