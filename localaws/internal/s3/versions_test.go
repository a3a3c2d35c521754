package s3

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// history lists all versions by pages of size, as "key id" with + for the latest and † for a delete marker.
func (h *harness) history(size int32) []string {
	h.Helper()
	var rows []string
	in := &awss3.ListObjectVersionsInput{Bucket: aws.String(testBucket), MaxKeys: aws.Int32(size)}
	for pages := awss3.NewListObjectVersionsPaginator(h.client(), in); pages.HasMorePages() && len(rows) < 100; {
		out, err := pages.NextPage(h.Context())
		if err != nil {
			h.Fatal(err)
		}
		for _, v := range out.Versions {
			rows = append(rows, fmt.Sprintf("%s %s%s", *v.Key, *v.VersionId, map[bool]string{true: "+"}[*v.IsLatest]))
		}
		for _, m := range out.DeleteMarkers {
			rows = append(rows, fmt.Sprintf("%s %s†%s", *m.Key, *m.VersionId, map[bool]string{true: "+"}[*m.IsLatest]))
		}
	}
	return rows
}

func TestVersioning(t *testing.T) {
	h := newBucketHarness(t)
	if id := h.put("key", "zero"); id != "" {
		t.Errorf("a version id %q without versioning", id)
	}
	h.version("Enabled")
	one := h.put("key", "one")
	marker := h.want(204, "", "DELETE", "/charts/key", "").header
	if marker.Get("X-Amz-Delete-Marker") != "true" || marker.Get("X-Amz-Version-Id") == "" {
		t.Errorf("delete marker: %v", marker)
	}
	hidden := h.want(404, "NoSuchKey", "GET", "/charts/key", "").header
	if hidden.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("a hidden object: %v", hidden)
	}
	h.want(405, "MethodNotAllowed", "GET", "/charts/key?versionId="+marker.Get("X-Amz-Version-Id"), "")
	h.want(404, "NoSuchVersion", "GET", "/charts/key?versionId=fake", "")
	h.denying(func(_ *api.Call, q api.Question) bool { return q.Action == "s3:ListBucket" })
	if secret := h.want(403, "AccessDenied", "GET", "/charts/key", "").header; secret.Get("X-Amz-Delete-Marker") != "" {
		t.Errorf("a caller who may not list learns of the delete marker: %v", secret)
	}
	h.denying(nil)
	for id, want := range map[string]string{"null": "zero", one: "one"} {
		got := h.raw("GET", "/charts/key?versionId="+id, "")
		if got.body != want || got.header.Get("X-Amz-Version-Id") != id {
			t.Errorf("version %s: %q %v", id, got.body, got.header)
		}
	}

	removed := h.want(204, "", "DELETE", "/charts/key?versionId="+marker.Get("X-Amz-Version-Id"), "").header
	if removed.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("removing the marker: %v", removed)
	}
	if got := h.raw("GET", "/charts/key", ""); got.body != "one" {
		t.Errorf("below the marker is %q", got.body)
	}
	h.want(204, "", "DELETE", "/charts/key?versionId="+one, "")
	if got := h.raw("GET", "/charts/key", ""); got.body != "zero" {
		t.Errorf("below the newest version is %q", got.body)
	}
	h.want(204, "", "DELETE", "/charts/key?versionId="+one, "")
}

func TestSuspendedVersioning(t *testing.T) {
	h := newBucketHarness(t)
	h.version("Enabled")
	one := h.put("key", "one")
	h.version("Suspended")
	if id := h.put("key", "two"); id != "null" {
		t.Errorf("version id %q", id)
	}
	h.put("key", "three")
	if diff := cmp.Diff([]string{"key null+", "key " + one}, h.history(1000)); diff != "" {
		t.Error(diff)
	}
	h.want(204, "", "DELETE", "/charts/key", "")
	if diff := cmp.Diff([]string{"key " + one, "key null†+"}, h.history(1000)); diff != "" {
		t.Error(diff)
	}
	h.version("Enabled")
	two := h.put("key", "four")
	if diff := cmp.Diff([]string{"key " + two + "+", "key " + one, "key null†"}, h.history(1000)); diff != "" {
		t.Error(diff)
	}
}

func TestVersionPages(t *testing.T) {
	h := newBucketHarness(t)
	h.put("a", "old")
	h.version("Enabled")
	want := []string{"a " + h.put("a", "1"), "b/1 " + h.put("b/1", "1"), "b/2 " + h.put("b/2", "1")}
	want = []string{
		"a " + h.put("a", "2") + "+", want[0], "a null", want[1] + "+", "b/2 " + h.put("b/2", "2") + "+", want[2],
	}
	for _, size := range []int32{1, 2, 3, 1000} {
		if diff := cmp.Diff(want, h.history(size)); diff != "" {
			t.Errorf("by %d: %s", size, diff)
		}
	}
	out, err := h.client().ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{
		Bucket: aws.String(testBucket), Delimiter: aws.String("/"), MaxKeys: aws.Int32(4),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Versions) != 3 || len(out.CommonPrefixes) != 1 || *out.IsTruncated {
		t.Errorf("with a delimiter: %d versions, %d prefixes, truncated %t",
			len(out.Versions), len(out.CommonPrefixes), *out.IsTruncated)
	}
	h.want(400, "InvalidArgument", "GET", "/charts?versions&version-id-marker=x", "")
}

func TestCopyOfAVersion(t *testing.T) {
	h := newBucketHarness(t)
	h.version("Enabled")
	one := h.put("key", "one")
	h.put("key", "two")
	h.advance(time.Minute)
	got := h.want(200, "", "PUT", "/charts/key", "", "x-amz-copy-source", "/charts/key?versionId="+one)
	if got.header.Get("X-Amz-Copy-Source-Version-Id") != one || got.header.Get("X-Amz-Version-Id") == one {
		t.Errorf("header %v", got.header)
	}
	if now := h.raw("GET", "/charts/key", ""); now.body != "one" ||
		now.header.Get("Last-Modified") != "Mon, 04 May 2026 03:03:01 GMT" {
		t.Errorf("restored to %q of %s", now.body, now.header.Get("Last-Modified"))
	}
}

func TestDeleteObjects(t *testing.T) {
	h := newBucketHarness(t)
	for _, key := range []string{"a", "b", "c"} {
		h.put(key, key)
	}
	out, err := h.client().DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{
		Bucket: aws.String(testBucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
			{Key: aws.String("a")}, {Key: aws.String("absent")}, {Key: aws.String("b"), ETag: aws.String(some)},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 2 || len(out.Errors) != 1 || aws.ToString(out.Errors[0].Code) != "PreconditionFailed" {
		t.Errorf("deleted %v, errors %v", out.Deleted, out.Errors)
	}
	if diff := cmp.Diff([]string{"b null+", "c null+"}, h.history(1000)); diff != "" {
		t.Error(diff)
	}
	body := "<Delete><Object><Key>b</Key></Object></Delete>"
	h.want(http.StatusBadRequest, "InvalidRequest", "POST", "/charts?delete", body)
	h.want(http.StatusBadRequest, "MalformedXML", "POST", "/charts?delete", "<Delete></Delete>")
}
