package s3

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

func tagsOf(t *testing.T, c *awss3.Client, key string) map[string]string {
	t.Helper()
	out, err := c.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: aws.String(testBucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]string{}
	for _, tag := range out.TagSet {
		tags[*tag.Key] = *tag.Value
	}
	return tags
}

func TestObjectTags(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	in := putInput("key", "x")
	in.Tagging = aws.String("team=platform&note=a%20b%26c&empty=")
	if _, err := client.PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"team": "platform", "note": "a b&c", "empty": ""}
	if diff := cmp.Diff(want, tagsOf(t, client, "key")); diff != "" {
		t.Error(diff)
	}
	if got := h.want(200, "", "HEAD", "/charts/key", "").header.Get("X-Amz-Tagging-Count"); got != "3" {
		t.Errorf("x-amz-tagging-count %q, want 3", got)
	}

	copies := func(to string, edit func(*awss3.CopyObjectInput)) map[string]string {
		in := &awss3.CopyObjectInput{Bucket: aws.String(testBucket), Key: &to, CopySource: aws.String("charts/key")}
		edit(in)
		if _, err := client.CopyObject(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		return tagsOf(t, client, to)
	}
	if diff := cmp.Diff(want, copies("copy", func(*awss3.CopyObjectInput) {})); diff != "" {
		t.Error(diff)
	}
	replaced := copies("other", func(in *awss3.CopyObjectInput) {
		in.TaggingDirective, in.Tagging = types.TaggingDirectiveReplace, aws.String("a=b")
	})
	if diff := cmp.Diff(map[string]string{"a": "b"}, replaced); diff != "" {
		t.Error(diff)
	}

	h.put("key", "untagged")
	if got := tagsOf(t, client, "key"); len(got) != 0 {
		t.Errorf("tags of the old object are left: %v", got)
	}
	h.want(404, "NoSuchKey", "GET", "/charts/nothing?tagging", "")
}

func TestTagLimits(t *testing.T) {
	h := newBucketHarness(t)
	many := url.Values{}
	for i := range 10 {
		many.Set("k"+strconv.Itoa(i), "v")
	}
	h.want(200, "", "PUT", "/charts/key", "", "X-Amz-Tagging", many.Encode())
	many.Set("one", "more")
	h.want(400, "BadRequest", "PUT", "/charts/key", "", "X-Amz-Tagging", many.Encode())
	h.want(400, "InvalidArgument", "PUT", "/charts/key", "", "X-Amz-Tagging", "a=b&a=c")
	h.want(400, "InvalidArgument", "PUT", "/charts/key", "", "X-Amz-Tagging", "a=%zz")
	h.want(400, "InvalidTag", "PUT", "/charts/key", "", "X-Amz-Tagging", strings.Repeat("k", 129)+"=v")
	h.want(400, "InvalidTag", "PUT", "/charts/key", "", "X-Amz-Tagging", "k="+strings.Repeat("v", 257))
	h.want(400, "InvalidTag", "PUT", "/charts/key", "", "X-Amz-Tagging", "aws:k=v")
}

func TestTagPermissions(t *testing.T) {
	h := newBucketHarness(t)
	h.asked()
	h.want(200, "", "PUT", "/charts/key", "", "X-Amz-Tagging", "team=platform")
	for _, q := range h.asked() {
		got := []string{strings.Join(q.Condition["s3:RequestObjectTag/team"], ","), q.Condition["s3:RequestObjectTagKeys"][0]}
		if diff := cmp.Diff([]string{"platform", "team"}, got); diff != "" {
			t.Errorf("conditions of %s: %s", q.Action, diff)
		}
	}
	h.denying(func(_ *api.Call, q api.Question) bool { return strings.HasSuffix(q.Action, "ObjectTagging") })
	h.want(403, "AccessDenied", "PUT", "/charts/key", "", "X-Amz-Tagging", "team=other")
	h.want(403, "AccessDenied", "GET", "/charts/key?tagging", "")
	h.want(403, "AccessDenied", "PUT", "/charts/copy", "", "X-Amz-Copy-Source", "charts/key")
	h.want(403, "AccessDenied", "POST", "/charts/parts?uploads", "", "X-Amz-Tagging", "team=other")
	if got := h.want(200, "", "GET", "/charts/key", "").header.Get("X-Amz-Tagging-Count"); got != "" {
		t.Errorf("the number of tags (%s) is told to whoever may not read them", got)
	}
	h.want(200, "", "PUT", "/charts/untagged", "")
}
