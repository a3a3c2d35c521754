package s3

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	noBlock    = "<PublicAccessBlockConfiguration></PublicAccessBlockConfiguration>"
	openPolicy = `{"Version":"2012-10-17","Statement":{"Sid":"open","Effect":"Allow","Principal":"*",` +
		`"Action":"s3:GetObject","Resource":"arn:aws:s3:::charts/*"}}`
	closedPolicy = `{"Version":"2012-10-17","Statement":[{"Sid":"org","Effect":"Allow","Principal":{"AWS":"*"},` +
		`"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::charts/*"],` +
		`"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-fake"}}}]}`
)

const bucketARN, keyARN = "arn:aws:s3:::charts", "arn:aws:s3:::charts/key"

var (
	created = map[string][]string{"s3:ObjectCreationOperation": {"true"}}
	prepare = map[string][]string{"s3:ObjectCreationOperation": {"false"}}
	none    = map[string][]string{}
)

// questions is what each call asks Access: the actions, with their resources and conditions.
var questions = []struct {
	method, path string
	headers      []string
	want         []api.Question
}{
	{"GET", "/", nil, []api.Question{{Action: "s3:ListAllMyBuckets", Resource: "*", Condition: none}}},
	{"PUT", "/fresh", nil, []api.Question{{Action: "s3:CreateBucket", Resource: "arn:aws:s3:::fresh", Condition: none}}},
	{"HEAD", "/charts", nil, []api.Question{{Action: "s3:ListBucket", Resource: bucketARN, Condition: none}}},
	{"GET", "/charts?list-type=2&prefix=p/&delimiter=/&max-keys=5", nil, []api.Question{{
		Action: "s3:ListBucket", Resource: bucketARN, Condition: map[string][]string{
			"s3:prefix": {"p/"}, "s3:delimiter": {"/"}, "s3:max-keys": {"5"},
		},
	}}},
	{"GET", "/charts?versions&prefix=p", nil, []api.Question{{
		Action: "s3:ListBucketVersions", Resource: bucketARN, Condition: map[string][]string{"s3:prefix": {"p"}},
	}}},
	{"GET", "/charts/key", nil, []api.Question{{Action: "s3:GetObject", Resource: keyARN, Condition: none}}},
	{"HEAD", "/charts/key?versionId=null", nil, []api.Question{{
		Action: "s3:GetObjectVersion", Resource: keyARN, Condition: map[string][]string{"s3:VersionId": {"null"}},
	}}},
	{"GET", "/charts/gone", nil, []api.Question{
		{Action: "s3:GetObject", Resource: "arn:aws:s3:::charts/gone", Condition: none},
		{Action: "s3:ListBucket", Resource: bucketARN, Condition: map[string][]string{"s3:prefix": {"gone"}}},
	}},
	{"PUT", "/charts/key", nil, []api.Question{{Action: "s3:PutObject", Resource: keyARN, Condition: created}}},
	{"PUT", "/charts/key", []string{"If-None-Match", "*", "X-Amz-Server-Side-Encryption", "AES256"}, []api.Question{{
		Action: "s3:PutObject", Resource: keyARN, Condition: map[string][]string{
			"s3:ObjectCreationOperation": {"true"}, "s3:if-none-match": {"*"}, "s3:x-amz-server-side-encryption": {"AES256"},
		},
	}}},
	{"PUT", "/charts/key", []string{"If-Match", some}, []api.Question{
		{Action: "s3:PutObject", Resource: keyARN, Condition: map[string][]string{
			"s3:ObjectCreationOperation": {"true"}, "s3:if-match": {some},
		}},
		{Action: "s3:GetObject", Resource: keyARN},
	}},
	{"PUT", "/charts/key", []string{"X-Amz-Copy-Source", "charts/other"}, []api.Question{
		{Action: "s3:PutObject", Resource: keyARN, Condition: map[string][]string{
			"s3:ObjectCreationOperation": {"true"}, "s3:x-amz-copy-source": {"charts/other"},
		}},
		{Action: "s3:GetObject", Resource: "arn:aws:s3:::charts/other"},
	}},
	{"POST", "/charts/key?uploads", nil, []api.Question{{Action: "s3:PutObject", Resource: keyARN, Condition: prepare}}},
	{
		"PUT", "/charts/key?uploadId=u&partNumber=1", nil,
		[]api.Question{{Action: "s3:PutObject", Resource: keyARN, Condition: prepare}},
	},
	{
		"POST", "/charts/key?uploadId=u", nil,
		[]api.Question{{Action: "s3:PutObject", Resource: keyARN, Condition: created}},
	},
	{
		"DELETE", "/charts/key?uploadId=u", nil,
		[]api.Question{{Action: "s3:AbortMultipartUpload", Resource: keyARN, Condition: none}},
	},
	{"DELETE", "/charts/key", nil, []api.Question{{Action: "s3:DeleteObject", Resource: keyARN, Condition: none}}},
	{"DELETE", "/charts/key?versionId=v", nil, []api.Question{{
		Action: "s3:DeleteObjectVersion", Resource: keyARN, Condition: map[string][]string{"s3:VersionId": {"v"}},
	}}},
	{"DELETE", "/charts/key", []string{"If-Match", some}, []api.Question{
		{Action: "s3:DeleteObject", Resource: keyARN, Condition: map[string][]string{"s3:if-match": {some}}},
		{Action: "s3:GetObject", Resource: keyARN},
	}},
	{
		"DELETE", "/charts?publicAccessBlock", nil,
		[]api.Question{{Action: "s3:PutBucketPublicAccessBlock", Resource: bucketARN, Condition: none}},
	},
	{"PATCH", "/charts/key", nil, nil},
}

func TestQuestions(t *testing.T) {
	for _, c := range questions {
		h := newBucketHarness(t)
		h.put("key", "body")
		h.put("other", "body")
		h.asked()
		h.raw(c.method, c.path, "", c.headers...)
		if diff := cmp.Diff(c.want, h.asked()); diff != "" {
			t.Errorf("%s %s %q: %s", c.method, c.path, c.headers, diff)
		}
	}
}

// TestEachPermissionIsNeeded removes one permission at a time and sees the call that needs it refused, without effect.
func TestEachPermissionIsNeeded(t *testing.T) {
	etag := `"` + hexMD5([]byte("body")) + `"`
	for _, c := range []struct {
		action, method, path string
		headers              []string
	}{
		{"s3:GetObject", "GET", "/charts/key", nil},
		{"s3:GetObject", "PUT", "/charts/key", []string{"If-Match", etag}},
		{"s3:GetObject", "PUT", "/charts/key", []string{"X-Amz-Copy-Source", "charts/other"}},
		{"s3:GetObject", "DELETE", "/charts/key", []string{"If-Match", etag}},
		{"s3:PutObject", "PUT", "/charts/key", nil},
		{"s3:PutObject", "PUT", "/charts/key", []string{"X-Amz-Copy-Source", "charts/other"}},
		{"s3:DeleteObject", "DELETE", "/charts/key", nil},
		{"s3:ListBucket", "GET", "/charts", nil},
		{"s3:ListBucket", "GET", "/charts/gone", nil},
		{"s3:ListBucket", "GET", "/charts/key?versionId=gone", nil},
		{"s3:ListBucket", "PUT", "/charts/key", []string{"X-Amz-Copy-Source", "charts/gone"}},
		{"s3:DeleteBucket", "DELETE", "/charts", nil},
		{"s3:ListAllMyBuckets", "GET", "/", nil},
		{"s3:GetBucketPolicy", "GET", "/charts?policy", nil},
	} {
		h := newBucketHarness(t)
		h.put("key", "body")
		h.put("other", "other")
		h.denying(func(_ *api.Call, q api.Question) bool { return q.Action == c.action })
		h.want(403, "AccessDenied", c.method, c.path, "", c.headers...)
		h.denying(nil)
		if got := h.raw("GET", "/charts/key", ""); got.body != "body" {
			t.Errorf("%s without %s changed the object to %q", c.method, c.action, got.body)
		}
	}
}

func TestDeleteObjectsAsksPerKey(t *testing.T) {
	h := newBucketHarness(t)
	h.put("mine", "")
	h.put("yours", "")
	h.denying(func(_ *api.Call, q api.Question) bool { return strings.HasSuffix(q.Resource, "/yours") })
	out, err := h.client().DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{
		Bucket: aws.String(testBucket), Delete: &types.Delete{Quiet: aws.Bool(true), Objects: []types.ObjectIdentifier{
			{Key: aws.String("mine")}, {Key: aws.String("yours")},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 0 || len(out.Errors) != 1 || *out.Errors[0].Key != "yours" ||
		*out.Errors[0].Code != "AccessDenied" {
		t.Errorf("deleted %v, errors %v", out.Deleted, out.Errors)
	}
	if diff := cmp.Diff([]string{"yours null+"}, h.history(1000)); diff != "" {
		t.Error(diff)
	}
}

func TestAnonymous(t *testing.T) {
	h := newBucketHarness(t)
	h.put("key", "body")
	anonymously := func(method, path string) answer { return h.raw(method, path, "", "Authorization", "") }
	want := func(when string, status int) {
		t.Helper()
		if got := anonymously("GET", "/charts/key"); got.status != status {
			t.Errorf("%s: %d %s", when, got.status, got.body)
		}
	}
	want("without a policy", 403)
	h.want(403, "AccessDenied", "PUT", "/charts?policy", openPolicy)
	want("the public policy was blocked", 403)

	h.want(200, "", "PUT", "/charts?publicAccessBlock", noBlock)
	h.want(204, "", "PUT", "/charts?policy", openPolicy)
	want("public", 200)
	if got := anonymously("GET", "/charts/key?response-content-type=a/b"); got.status != 400 {
		t.Errorf("an override: %d", got.status)
	}
	for _, path := range []string{"/", "/fresh"} {
		if got := anonymously("PUT", path); got.status < 400 {
			t.Errorf("PUT %s: %d", path, got.status)
		}
	}
	h.want(200, "", "PUT", "/charts?publicAccessBlock", "<PublicAccessBlockConfiguration>"+
		"<RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>")
	want("restricted", 403)
	h.want(200, "", "GET", "/charts/key", "")
	h.want(204, "", "DELETE", "/charts?publicAccessBlock", "")
	h.want(404, "NoSuchPublicAccessBlockConfiguration", "GET", "/charts?publicAccessBlock", "")
	want("public again", 200)
	h.want(204, "", "DELETE", "/charts?policy", "")
	want("without a policy again", 403)
}

func TestPolicy(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	h.want(404, "NoSuchBucketPolicy", "GET", "/charts?policy", "")
	h.want(404, "NoSuchBucketPolicy", "GET", "/charts?policyStatus", "")
	in := &awss3.PutBucketPolicyInput{Bucket: aws.String(testBucket), Policy: aws.String(closedPolicy)}
	if _, err := client.PutBucketPolicy(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetBucketPolicy(t.Context(), &awss3.GetBucketPolicyInput{Bucket: in.Bucket})
	if err != nil || aws.ToString(got.Policy) != closedPolicy {
		t.Errorf("policy %v, %v", got, err)
	}
	status, err := client.GetBucketPolicyStatus(t.Context(), &awss3.GetBucketPolicyStatusInput{Bucket: in.Bucket})
	if err != nil || *status.PolicyStatus.IsPublic {
		t.Errorf("status %v, %v", status, err)
	}
	h.asked()
	h.want(200, "", "PUT", "/charts/key", "")
	if asked := h.asked(); len(asked) != 1 || asked[0].Policy != closedPolicy {
		t.Errorf("asked without the policy: %v", asked)
	}
	root := "AWS4-HMAC-SHA256 Credential=ROOT/20260504/" + testRegion + "/s3/aws4_request"
	h.want(200, "", "GET", "/charts?policy", "", "Authorization", root)
	if asked := h.asked(); len(asked) != 1 || asked[0].Policy != "" {
		t.Errorf("the owner can be locked out: %v", asked)
	}
}

func TestParsePolicy(t *testing.T) {
	statement := func(more string) string { return `{"Version":"2012-10-17","Statement":[{` + more + `}]}` }
	const allow = `"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::charts"`
	const malformed = "malformed"
	for _, c := range []struct{ text, want string }{
		{openPolicy, "public"},
		{closedPolicy, "private"},
		{statement(allow + `,"Principal":"*"`), "public"},
		{statement(allow + `,"Principal":{"AWS":["123456789012","*"]}`), "public"},
		{statement(allow + `,"NotPrincipal":{"AWS":"123456789012"}`), "public"},
		{statement(allow + `,"Principal":{"AWS":"arn:aws:iam::123456789012:root"}`), "private"},
		{statement(allow + `,"Principal":{"Service":"appconfig.amazonaws.com"}`), "private"},
		{statement(strings.Replace(allow, "Allow", "Deny", 1) + `,"Principal":"*"`), "private"},
		{statement(allow + `,"Principal":"*","Condition":{"Bool":{"aws:SecureTransport":true}}`), "public"},
		{statement(allow + `,"Principal":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-fake"}}`), "private"},
		{statement(allow + `,"Principal":"*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-fake"}}`), "public"},
		{statement(allow + `,"Principal":"*","Condition":{"StringLike":{"aws:PrincipalArn":"*"}}`), "public"},
		{statement(allow + `,"Principal":"*","Condition":{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o"}}`), "public"},
		{statement(allow + `,"Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`), "private"},
		{statement(allow + `,"Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`), "public"},
		{``, malformed},
		{`[]`, malformed},
		{`{"Version":"2012-10-17","Statement":[`, malformed},
		{`{"Version":"2012-10-17","Statement":[]}`, malformed},
		{`{"Version":"1999","Statement":[{` + allow + `,"Principal":"*"}]}`, malformed},
		{statement(allow), malformed},
		{statement(allow + `,"Principal":"everybody"`), malformed},
		{statement(allow + `,"Principal":{"AWS":"somebody"}`), malformed},
		{statement(allow + `,"Principal":"*","Unknown":1`), malformed},
		{statement(`"Effect":"Perhaps","Action":"s3:*","Resource":"arn:aws:s3:::charts","Principal":"*"`), malformed},
		{statement(`"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:s3:::charts","Principal":"*"`), malformed},
		{statement(`"Effect":"Allow","Action":"s3:*","Principal":"*"`), malformed},
		{statement(`"Effect":"Allow","Resource":"arn:aws:s3:::charts","Principal":"*"`), malformed},
		{statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::charts2/*","Principal":"*"`), malformed},
	} {
		policy, err := parsePolicy([]byte(c.text), testBucket)
		got := malformed
		switch {
		case err == nil:
			got = map[bool]string{true: "public", false: "private"}[policy.public]
		case err.Code != "MalformedPolicy" || err.Status != http.StatusBadRequest:
			t.Errorf("%s: %v", c.text, err)
		}
		if got != c.want {
			t.Errorf("%s is %s (%v), want %s", c.text, got, err, c.want)
		}
	}
}
