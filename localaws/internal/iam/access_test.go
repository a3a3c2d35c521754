package iam_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
)

const (
	object    = "arn:aws:s3:::charts/index.yaml"
	allowGet  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	denyGet   = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`
	other     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}]}`
	readerARN = "arn:aws:iam::123456789012:role/reader"
	jobARN    = "arn:aws:sts::123456789012:assumed-role/reader/job"
)

// onBucket is a bucket policy of one statement.
func onBucket(effect, element, principal string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Id":"p","Statement":[{"Sid":"a","Effect":%q,%q:%s,`+
		`"Action":"s3:GetObject","Resource":"arn:aws:s3:::charts/*"}]}`, effect, element, principal)
}

func TestAllowDecides(t *testing.T) {
	const (
		noIdentity   = "because no identity-based policy allows the s3:GetObject action"
		noResource   = "because no resource-based policy allows the s3:GetObject action"
		noSession    = "because no session policy allows the s3:GetObject action"
		denyIdentity = "with an explicit deny in an identity-based policy"
		denyResource = "with an explicit deny in a resource-based policy"
		denySession  = "with an explicit deny in a session policy"
	)
	role, everyone := fmt.Sprintf(`{"AWS":%q}`, readerARN), `"*"`
	accounts, stranger := fmt.Sprintf(`{"AWS":%q}`, rootARN), fmt.Sprintf(`{"AWS":%q}`, readerARN+"2")
	allow := func(principal string) string { return onBucket("Allow", "Principal", principal) }
	deny := func(principal string) string { return onBucket("Deny", "Principal", principal) }
	denyBut := func(names ...string) string {
		return onBucket("Deny", "NotPrincipal", `{"AWS":["`+strings.Join(names, `","`)+`"]}`)
	}
	tests := []struct {
		name, caller, identity, session, bucket, want string
	}{
		{"nothing allows", "session", "", "", "", noIdentity},
		{"identity allows", "session", allowGet, "", "", ""},
		{"identity allows something else", "session", other, "", "", noIdentity},
		{"identity denies", "session", denyGet, "", "", denyIdentity},
		{"bucket allows everyone", "session", "", "", allow(everyone), ""},
		{"bucket allows any AWS caller", "session", "", "", allow(`{"AWS":["*"]}`), ""},
		{"bucket allows role", "session", "", "", allow(role), ""},
		{"bucket allows session", "session", "", "", allow(fmt.Sprintf(`{"AWS":%q}`, jobARN)), ""},
		{"bucket allows other role", "session", "", "", allow(stranger), noIdentity},
		{"account alone grants nothing", "session", "", "", allow(accounts), noIdentity},
		{"account and identity", "session", allowGet, "", allow(accounts), ""},
		{"bucket allows a service", "session", "", "", allow(`{"Service":"x.amazonaws.com"}`), noIdentity},
		{"bucket denies everyone", "session", allowGet, "", deny(everyone), denyResource},
		{"bucket denies role", "session", allowGet, "", deny(role), denyResource},
		{"bucket denies account", "session", allowGet, "", deny(`{"AWS":"123456789012"}`), denyResource},
		{"bucket denies another", "session", allowGet, "", deny(stranger), ""},
		{"identity denies what the bucket allows", "session", denyGet, "", allow(role), denyIdentity},
		{"deny all but names the session", "session", allowGet, "", denyBut(rootARN, readerARN, jobARN), ""},
		{"deny all but lacks the session", "session", allowGet, "", denyBut(rootARN, readerARN), denyResource},
		{"deny all but lacks the account", "session", allowGet, "", denyBut(jobARN, readerARN), denyResource},
		{"allow all but the role", "session", "", "", onBucket("Allow", "NotPrincipal", role), noIdentity},
		{"allow all but another", "session", "", "", onBucket("Allow", "NotPrincipal", stranger), ""},
		{"malformed bucket policy", "session", allowGet, "", `{"Statement":`, denyResource},
		{"wildcard inside a principal", "session", allowGet, "", deny(`{"AWS":"arn:aws:iam::1:role/*"}`), denyResource},
		{"unknown kind of principal", "session", allowGet, "", allow(`{"User":"x"}`), denyResource},
		{"variable that would never match", "session", allowGet, "", strings.Replace(deny(everyone), "charts/*",
			"${aws:PrincipalTag/bucket}/*", 1), denyResource},
		{"no principal", "session", allowGet, "", allowGet, denyResource},
		{"both principals", "session", allowGet, "", `{"Statement":[{"Effect":"Allow","Action":"s3:GetObject",` +
			`"Resource":"*","Principal":"*","NotPrincipal":"*"}]}`, denyResource},
		{"bad statement about another", "session", allowGet, "", `{"Statement":[{"Effect":"Perhaps",` +
			`"Action":"s3:GetObject","Resource":"*","Principal":{"AWS":"` + rootARN + `"}}]}`, denyResource},

		{"session policy allows", "session", allowGet, allowGet, "", ""},
		{"session policy narrows", "session", allowGet, other, "", noSession},
		{"session policy widens nothing", "session", other, allowGet, "", noIdentity},
		{"session policy denies", "session", allowGet, denyGet, "", denySession},
		{"session policy narrows the bucket's grant", "session", "", other, allow(role), noSession},

		{"anonymous", "anonymous", "", "", "", noResource},
		{"anonymous on public bucket", "anonymous", "", "", allow(everyone), ""},
		{"anonymous on any AWS caller's", "anonymous", "", "", allow(`{"AWS":"*"}`), ""},
		{"anonymous on the account's", "anonymous", "", "", allow(accounts), noResource},
		{"anonymous is not spared", "anonymous", "", "", denyBut(rootARN), denyResource},
		{"anonymous denied", "anonymous", "", "", deny(everyone), denyResource},

		{"root", "root", "", "", "", ""},
		{"root denied by the bucket", "root", "", "", deny(everyone), denyResource},
		{"root denied by name", "root", "", "", deny(accounts), denyResource},
		{"root spared", "root", "", "", denyBut(rootARN), ""},
		{"root not denied with a role", "root", "", "", deny(role), ""},

		{"service", "service", "", "", "", noResource},
		{"service by name", "service", "", "", allow(`{"Service":["appconfig.amazonaws.com"]}`), ""},
		{"another service", "service", "", "", allow(`{"Service":"s3.amazonaws.com"}`), noResource},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			r := f.role("reader", trustAll, tt.identity)
			session := f.service.Issue(r, "job", time.Hour, nil, tt.session)
			f.service.Issue(r, "job", time.Hour, nil, "") // a namesake without a session policy lends nothing
			who := map[string]*api.Call{
				"session": f.call(session.AccessKeyID), "anonymous": f.call(""), "root": f.call(rootKey),
				"service": {Principal: api.Principal{Kind: api.Service, ARN: "appconfig.amazonaws.com"}},
			}[tt.caller]
			name := map[string]string{
				"session": jobARN, "anonymous": "anonymous", "root": rootARN, "service": "appconfig.amazonaws.com",
			}[tt.caller]
			err := f.service.Allow(who, api.Question{Action: "s3:GetObject", Resource: object, Policy: tt.bucket})
			want := ""
			if tt.want != "" {
				want = "User: " + name + " is not authorized to perform: s3:GetObject on resource: " + object + " " + tt.want
			}
			checkDenial(t, err, want)
		})
	}
}

func checkDenial(t *testing.T, err *api.Error, want string) {
	t.Helper()
	switch {
	case err == nil && want == "":
	case err == nil:
		t.Errorf("allowed, want %q", want)
	case err.Code != "AccessDenied" || err.Status != 403 || err.Message != want:
		t.Errorf("got  %d %v\nwant 403 AccessDenied: %s", err.Status, err, want)
	}
}

func TestConditionKeys(t *testing.T) {
	with := func(operator, key, value string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject",`+
			`"Resource":"*","Condition":{%q:{%q:%q}}}]}`, operator, key, value)
	}
	tests := []struct {
		name, policy string
		allowed      bool
	}{
		{"role, not session", with("ArnEquals", "aws:PrincipalArn", readerARN), true},
		{"session", with("ArnEquals", "aws:PrincipalArn", jobARN), false},
		{"account", with("StringEquals", "aws:PrincipalAccount", account), true},
		{"type", with("StringEquals", "aws:PrincipalType", "AssumedRole"), true},
		{"user id", with("StringLike", "aws:userid", "AROA*:job"), true},
		{"no user name", with("Null", "aws:username", "true"), true},
		{"source", with("IpAddress", "aws:SourceIp", "127.0.0.0/8"), true},
		{"other source", with("IpAddress", "aws:SourceIp", "10.0.0.0/8"), false},
		{"transport", with("Bool", "aws:SecureTransport", "true"), true},
		{"time", with("DateLessThan", "aws:CurrentTime", "2030-01-02T03:04:06Z"), true},
		{"too late", with("DateLessThan", "aws:CurrentTime", "2030-01-02T03:04:05Z"), false},
		{"epoch", with("NumericEquals", "aws:EpochTime", fmt.Sprint(start.Unix())), true},
		{"region", with("StringEquals", "aws:RequestedRegion", "eu-west-1"), true},
		{"no service", with("Bool", "aws:PrincipalIsAWSService", "false"), true},
		{"session tag", with("StringEquals", "aws:PrincipalTag/team", "blue"), true},
		{"the service's own key", with("StringEquals", "s3:if-match", "etag"), true},
		{"a service cannot overrule", with("StringEquals", "aws:PrincipalArn", "forged"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			r := f.role("reader", trustAll, tt.policy)
			session := f.service.Issue(r, "job", time.Hour, map[string]string{"team": "blue"}, "")
			err := f.service.Allow(f.call(session.AccessKeyID), api.Question{
				Action: "s3:GetObject", Resource: object,
				Condition: map[string][]string{"s3:if-match": {"etag"}, "aws:PrincipalArn": {"forged"}},
			})
			if (err == nil) != tt.allowed {
				t.Errorf("got %v, want allowed = %t", err, tt.allowed)
			}
		})
	}
}

func TestInsecureTransport(t *testing.T) {
	f := newFixture(t, func(c *iam.Config) { c.InsecureTransport = true })
	deny := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*",` +
		`"Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`
	err := f.service.Allow(f.call(rootKey), api.Question{Action: "s3:GetObject", Resource: object, Policy: deny})
	if err == nil || !strings.Contains(err.Message, "explicit deny in a resource-based policy") {
		t.Errorf("got %v, want an explicit deny", err)
	}
}

func TestAttachedPolicyDecidesByItsDefaultVersion(t *testing.T) {
	f := newFixture(t)
	r := f.role("reader", trustAll, "")
	created, err := f.client.CreatePolicy(t.Context(), &sdk.CreatePolicyInput{
		PolicyName: aws.String("read"), PolicyDocument: aws.String(allowGet),
	})
	if err != nil {
		t.Fatal(err)
	}
	arn := created.Policy.Arn
	call := f.call(f.service.Issue(r, "job", time.Hour, nil, "").AccessKeyID)
	allowed := func() bool {
		return f.service.Allow(call, api.Question{Action: "s3:GetObject", Resource: object}) == nil
	}
	if allowed() {
		t.Error("allowed by a policy that is not attached")
	}
	_, err = f.client.AttachRolePolicy(t.Context(), &sdk.AttachRolePolicyInput{
		RoleName: aws.String("reader"), PolicyArn: arn,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !allowed() {
		t.Error("not allowed by an attached policy")
	}
	_, err = f.client.CreatePolicyVersion(t.Context(), &sdk.CreatePolicyVersionInput{
		PolicyArn: arn, PolicyDocument: aws.String(other), SetAsDefault: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if allowed() {
		t.Error("allowed by a version that is no longer the default")
	}
}

func TestDeletedRoleDeniesItsSessions(t *testing.T) {
	f := newFixture(t)
	r := f.role("reader", trustAll, "")
	call := f.call(f.service.Issue(r, "job", time.Hour, nil, "").AccessKeyID)
	public := api.Question{Action: "s3:GetObject", Resource: object, Policy: onBucket("Allow", "Principal", `"*"`)}
	if err := f.service.Allow(call, public); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.DeleteRole(t.Context(), &sdk.DeleteRoleInput{RoleName: aws.String("reader")}); err != nil {
		t.Fatal(err)
	}
	if f.service.Allow(call, public) == nil {
		t.Error("the session outlived its role")
	}
	f.role("reader", trustAll, allowGet)
	if f.service.Allow(call, public) == nil {
		t.Error("the session became one of a new role with the old name")
	}
}

func TestAssumeService(t *testing.T) {
	trust := func(service, condition string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",`+
			`"Principal":{"Service":%q}%s}]}`, service, condition)
	}
	const service = "appconfig.amazonaws.com"
	ours := `,"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}`
	tests := []struct {
		name, trust string
		allowed     bool
	}{
		{"named", trust(service, ""), true},
		{"named for this account", trust(service, ours), true},
		{"named for another account", trust(service, strings.ReplaceAll(ours, account, "9")), false},
		{"another service", trust("pods.eks.amazonaws.com", ""), false},
		{"the account", trustAll, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			r := f.role("retrieval", tt.trust, allowGet)
			p, err := f.service.AssumeService(r.ARN, service)
			if (err == nil) != tt.allowed {
				t.Fatalf("got %v, want allowed = %t", err, tt.allowed)
			}
			if err != nil {
				return
			}
			if p.Kind != api.Session || p.Role != r.ARN || p.Account != account {
				t.Errorf("got %+v", p)
			}
			err = f.service.Allow(&api.Call{Principal: p}, api.Question{Action: "s3:GetObject", Resource: object})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// The session is that of the key whose signature was checked, whatever else the request says, and one that is not known
// may do nothing.
func TestSessionIsThatOfTheCheckedKey(t *testing.T) {
	f := newFixture(t)
	narrow := f.service.Issue(f.role("reader", trustAll, allowGet), "job", time.Hour, nil, other)
	question := api.Question{Action: "s3:GetObject", Resource: object}
	call := f.call(narrow.AccessKeyID)
	for _, authorization := range []string{
		"", "AWS4-HMAC-SHA256 X=Credential=nobody/, Credential=" + narrow.AccessKeyID + "/20300102/eu-west-1/s3/aws4_request",
	} {
		call.Request.Header.Set("Authorization", authorization)
		if err := f.service.Allow(call, question); err == nil {
			t.Errorf("with %q the session policy is lost", authorization)
		}
	}
	wide := f.call(f.service.Issue(mustRole(f, narrow.Principal.Role), "job", time.Hour, nil, "").AccessKeyID)
	if err := f.service.Allow(wide, question); err != nil {
		t.Fatal(err)
	}
	wide.Principal.AccessKeyID = "ASIAUNKNOWN"
	if err := f.service.Allow(wide, question); err == nil {
		t.Error("a session that nobody issued is allowed")
	}
}

func mustRole(f *fixture, arn string) iam.Role {
	f.Helper()
	r, ok := f.service.Role(arn)
	if !ok {
		f.Fatalf("no role %s", arn)
	}
	return r
}

func TestAServiceDoesNotInheritTheSessionOfItsCaller(t *testing.T) {
	f := newFixture(t)
	narrow := f.service.Issue(f.role("reader", trustAll, ""), "job", time.Hour, map[string]string{"team": "blue"}, other)
	condition := `"Condition":{"Null":{"aws:PrincipalTag/team":"true"}},"Effect"`
	untagged := strings.Replace(allowGet, `"Effect"`, condition, 1)
	trust := strings.Replace(trustAll, `"AWS":"123456789012"`, `"Service":"appconfig.amazonaws.com"`, 1)
	r := f.role("retrieval", trust, untagged)
	p, err := f.service.AssumeService(r.ARN, "appconfig.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	call := f.call(narrow.AccessKeyID)
	call.Principal = p
	if err := f.service.Allow(call, api.Question{Action: "s3:GetObject", Resource: object}); err != nil {
		t.Error(err)
	}
}

func TestAssumeServiceWithoutARole(t *testing.T) {
	_, err := newFixture(t).service.AssumeService("arn:aws:iam::123456789012:role/none", "appconfig.amazonaws.com")
	checkDenial(t, err, "User: appconfig.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: "+
		"arn:aws:iam::123456789012:role/none because the role does not exist")
}
