package s3

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

func TestCreateBucket(t *testing.T) {
	for _, c := range []struct {
		name, bucket, region, constraint string
		status                           int
		code                             string
	}{
		{"here", "fresh", testRegion, testRegion, 200, ""},
		{"us-east-1", "fresh", "us-east-1", "", 200, ""},
		{"elsewhere", "fresh", testRegion, "eu-central-1", 400, "IllegalLocationConstraintException"},
		{"unsaid", "fresh", testRegion, "", 400, "IllegalLocationConstraintException"},
		{"us-east-1 said", "fresh", "us-east-1", "us-east-1", 400, "InvalidLocationConstraint"},
		{"twice", testBucket, testRegion, testRegion, 409, "BucketAlreadyOwnedByYou"},
		{"short", "ab", testRegion, testRegion, 400, "InvalidBucketName"},
		{"capital", "Charts", testRegion, testRegion, 400, "InvalidBucketName"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newBucketHarness(t)
			in := &awss3.CreateBucketInput{Bucket: aws.String(c.bucket)}
			if c.constraint != "" {
				in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
					LocationConstraint: types.BucketLocationConstraint(c.constraint),
				}
			}
			_, err := h.clientIn(c.region).CreateBucket(t.Context(), in)
			if status, code := refusal(t, err); status != c.status || code != c.code {
				t.Errorf("%d %s, want %d %s", status, code, c.status, c.code)
			}
		})
	}
}

func TestRegions(t *testing.T) {
	h := newBucketHarness(t)
	other := h.clientIn("eu-central-1")
	_, err := other.PutObject(t.Context(), putInput("key", ""))
	status, code := refusal(t, err)
	const message = "The authorization header is malformed; the region 'eu-central-1' is wrong; expecting 'eu-west-1'"
	if status != 400 || code != "AuthorizationHeaderMalformed" || !strings.Contains(err.Error(), message) {
		t.Errorf("wrong region: %d %s: %v", status, code, err)
	}
	elsewhere := "AWS4-HMAC-SHA256 Credential=FAKEKEY/20260504/eu-central-1/s3/aws4_request"
	got := h.want(400, "AuthorizationHeaderMalformed", "GET", "/charts/key", "", "Authorization", elsewhere)
	if !strings.Contains(got.body, "<Region>eu-west-1</Region>") {
		t.Errorf("no region in %s", got.body)
	}
	got = h.want(400, "", "HEAD", "/charts", "", "Authorization", elsewhere)
	if got.header.Get("X-Amz-Bucket-Region") != testRegion {
		t.Errorf("header %v", got.header)
	}
	out, err := h.client().GetBucketLocation(t.Context(), &awss3.GetBucketLocationInput{Bucket: aws.String(testBucket)})
	if err != nil || out.LocationConstraint != testRegion {
		t.Errorf("location %v, %v", out, err)
	}
	if _, err := h.clientIn("us-east-1").CreateBucket(t.Context(), &awss3.CreateBucketInput{
		Bucket: aws.String("american"),
	}); err != nil {
		t.Fatal(err)
	}
	list, err := other.ListBuckets(t.Context(), &awss3.ListBucketsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range list.Buckets {
		names = append(names, *b.Name+" "+*b.BucketRegion)
	}
	if diff := cmp.Diff([]string{"american us-east-1", "charts eu-west-1"}, names); diff != "" {
		t.Error(diff)
	}
	h.want(403, "AccessDenied", "GET", "/charts", "", "x-amz-expected-bucket-owner", "210987654321")
}

func TestDeleteBucket(t *testing.T) {
	h := newBucketHarness(t)
	h.version("Enabled")
	h.put("key", "")
	h.want(409, "BucketNotEmpty", "DELETE", "/charts", "")
	h.want(204, "", "DELETE", "/charts/key", "")
	h.want(409, "BucketNotEmpty", "DELETE", "/charts", "")
	for _, row := range h.history(1000) {
		_, id, _ := strings.Cut(strings.Trim(row, "†+"), " ")
		h.want(204, "", "DELETE", "/charts/key?versionId="+id, "")
	}
	h.want(204, "", "DELETE", "/charts", "")
	got := h.want(404, "NoSuchBucket", "GET", "/charts/key", "")
	if !strings.Contains(got.body, "<BucketName>charts</BucketName>") {
		t.Errorf("no name in %s", got.body)
	}
	h.want(200, "", "PUT", "/charts", locationBody(testRegion))
}

// TestBucketDeletedMeanwhile writes into a bucket that goes, and one that comes again, while the write is under way.
func TestBucketDeletedMeanwhile(t *testing.T) {
	h := newBucketHarness(t)
	h.service.committing = func(string, string) {
		h.want(204, "", "DELETE", "/charts", "")
		h.want(200, "", "PUT", "/charts", locationBody(testRegion))
	}
	h.want(404, "NoSuchBucket", "PUT", "/charts/key", "")
}

// TestSettings is what a fresh bucket answers to those who look at all of it, and what can be put.
func TestSettings(t *testing.T) {
	h := newBucketHarness(t)
	for _, c := range []struct {
		sub    string
		status int
		want   string // in the body
	}{
		{"acl", 200, "<Permission>FULL_CONTROL</Permission>"},
		{"abac", 200, "<Status>Disabled</Status>"},
		{"accelerate", 200, "<AccelerateConfiguration "},
		{"cors", 404, "<Code>NoSuchCORSConfiguration</Code>"},
		{"encryption", 200, "<SSEAlgorithm>AES256</SSEAlgorithm>"},
		{"lifecycle", 404, "<Code>NoSuchLifecycleConfiguration</Code>"},
		{"location", 200, ">eu-west-1</LocationConstraint>"},
		{"logging", 200, "<BucketLoggingStatus "},
		{"notification", 200, "<NotificationConfiguration "},
		{"object-lock", 404, "<Code>ObjectLockConfigurationNotFoundError</Code>"},
		{"ownershipControls", 200, "<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>"},
		{"policy", 404, "<Code>NoSuchBucketPolicy</Code>"},
		{"publicAccessBlock", 200, "<BlockPublicPolicy>true</BlockPublicPolicy>"},
		{"replication", 404, "<Code>ReplicationConfigurationNotFoundError</Code>"},
		{"requestPayment", 200, "<Payer>BucketOwner</Payer>"},
		{"tagging", 404, "<Code>NoSuchTagSet</Code>"},
		{"versioning", 200, "<VersioningConfiguration "},
		{"website", 404, "<Code>NoSuchWebsiteConfiguration</Code>"},
	} {
		if got := h.want(c.status, "", "GET", "/charts?"+c.sub, ""); !strings.Contains(got.body, c.want) {
			t.Errorf("%s: no %s in %s", c.sub, c.want, got.body)
		}
	}
	for sub, root := range map[string]string{
		"tagging": "Tagging", "lifecycle": "LifecycleConfiguration", "ownershipControls": "OwnershipControls",
	} {
		body := "<" + root + "><Fake>1</Fake></" + root + ">"
		if got := h.raw("PUT", "/charts?"+sub, body); got.status >= 300 {
			t.Errorf("put %s: %d %s", sub, got.status, got.body)
		}
		if got := h.want(200, "", "GET", "/charts?"+sub, ""); got.body != body {
			t.Errorf("%s came back as %s", sub, got.body)
		}
		h.want(400, "MalformedXML", "PUT", "/charts?"+sub, "<Other/>")
		h.want(204, "", "DELETE", "/charts?"+sub, "")
		h.want(404, "", "GET", "/charts?"+sub, "")
	}
	h.want(400, "IllegalVersioningConfigurationException", "PUT", "/charts?versioning", "<VersioningConfiguration/>")
	h.version("Enabled")
	if got := h.raw("GET", "/charts?versioning", ""); !strings.Contains(got.body, "<Status>Enabled</Status>") {
		t.Errorf("versioning: %s", got.body)
	}
}

func TestTagsAtCreation(t *testing.T) {
	h := newHarness(t)
	client := h.client()
	if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{
		Bucket: aws.String("tagged"), CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: testRegion, Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("uat")}},
		},
	}); err != nil {
		t.Fatal(err)
	}
	out, err := client.GetBucketTagging(t.Context(), &awss3.GetBucketTaggingInput{Bucket: aws.String("tagged")})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.TagSet) != 1 || *out.TagSet[0].Key != "env" || *out.TagSet[0].Value != "uat" {
		t.Errorf("tags %v", out.TagSet)
	}
}

func TestEmptySettingIsMalformed(t *testing.T) {
	h := newBucketHarness(t)
	for _, document := range []string{"<LifecycleConfiguration/>", "<LifecycleConfiguration> </LifecycleConfiguration>"} {
		h.want(400, "MalformedXML", "PUT", "/charts?lifecycle", document)
	}
	h.want(404, "NoSuchLifecycleConfiguration", "GET", "/charts?lifecycle", "")
}
