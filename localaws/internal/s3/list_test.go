package s3

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
)

// model lists naively: all results of live keys, prefixes marked by a trailing bar.
func model(keys []string, prefix, delimiter, after string) []string {
	var names []string
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		name, mark := key, ""
		if head, _, cut := strings.Cut(rest, delimiter); delimiter != "" && cut {
			name, mark = prefix+head+delimiter, "|"
		}
		if name > after && !slices.Contains(names, name+mark) {
			names = append(names, name+mark)
		}
	}
	slices.Sort(names)
	return names
}

// TestPaging compares the listings of both versions, page by page, with the model: over a bucket with keys that were
// deleted outright, hidden by delete markers, and restored.
func TestPaging(t *testing.T) {
	h := newBucketHarness(t)
	live := []string{
		"a", "a!", "a+b.tgz", "a/1", "a/2", "a/b/1", "a/b/2", "a0", "b/", "b/1", "c//1", "c//2", "d", "é", "z/1",
	}
	for _, key := range live {
		h.put(key, key)
	}
	for _, key := range []string{"a/0", "b/0", "dead/1"} {
		h.put(key, "")
		h.want(204, "", "DELETE", "/charts/"+key, "")
	}
	h.version("Enabled")
	for _, key := range []string{"0", "a/11", "cc/1", "cc/2", "zz"} {
		h.put(key, "")
		h.want(204, "", "DELETE", "/charts/"+key, "")
	}
	h.put("a", "again")
	marker := h.want(204, "", "DELETE", "/charts/d", "").header.Get("X-Amz-Version-Id")
	h.want(204, "", "DELETE", "/charts/d?versionId="+marker, "")

	client := h.client()
	for _, prefix := range []string{"", "a", "b/", "c"} {
		for _, delimiter := range []string{"", "/", "//", "b"} {
			for _, after := range []string{"", "a/", "a/1", "zzz"} {
				want := model(live, prefix, delimiter, after)
				for _, size := range []int32{1, 2, 3} {
					name := fmt.Sprintf("prefix %q delimiter %q after %q by %d", prefix, delimiter, after, size)
					if diff := cmp.Diff(want, listV2(t, client, prefix, delimiter, after, size)); diff != "" {
						t.Errorf("V2 %s: %s", name, diff)
					}
					if diff := cmp.Diff(want, listV1(t, client, prefix, delimiter, after, size)); diff != "" {
						t.Errorf("V1 %s: %s", name, diff)
					}
				}
			}
		}
	}
}

func listV2(t *testing.T, client *awss3.Client, prefix, delimiter, after string, size int32) []string {
	t.Helper()
	var names []string
	for pages := awss3.NewListObjectsV2Paginator(client, &awss3.ListObjectsV2Input{
		Bucket: aws.String(testBucket), Prefix: aws.String(prefix), Delimiter: aws.String(delimiter),
		StartAfter: aws.String(after), MaxKeys: aws.Int32(size),
	}); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := len(out.Contents) + len(out.CommonPrefixes)
		if n > int(size) || n == 0 && len(names) > 0 || int(aws.ToInt32(out.KeyCount)) != n {
			t.Errorf("a page of %d, KeyCount %d, by %d", n, aws.ToInt32(out.KeyCount), size)
		}
		for _, o := range out.Contents {
			names = append(names, *o.Key)
		}
		for _, p := range out.CommonPrefixes {
			names = append(names, *p.Prefix+"|")
		}
	}
	slices.Sort(names)
	return names
}

func listV1(t *testing.T, client *awss3.Client, prefix, delimiter, after string, size int32) []string {
	t.Helper()
	var names []string
	for {
		out, err := client.ListObjects(t.Context(), &awss3.ListObjectsInput{
			Bucket: aws.String(testBucket), Prefix: aws.String(prefix), Delimiter: aws.String(delimiter),
			Marker: aws.String(after), MaxKeys: aws.Int32(size),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.Contents {
			names = append(names, *o.Key)
			after = *o.Key
		}
		for _, p := range out.CommonPrefixes {
			names = append(names, *p.Prefix+"|")
		}
		if !*out.IsTruncated || len(names) > 100 { // more than there are: the pages do not end
			slices.Sort(names)
			return names
		}
		if (out.NextMarker != nil) != (delimiter != "") {
			t.Errorf("NextMarker %q with delimiter %q", aws.ToString(out.NextMarker), delimiter)
		}
		if out.NextMarker != nil {
			after = *out.NextMarker
		}
	}
}

func TestListingDetails(t *testing.T) {
	h := newBucketHarness(t)
	h.put("a%20b%2Bc/%26", "x")
	h.put("z", "x")
	got := h.want(200, "", "GET", "/charts?list-type=2&encoding-type=url&delimiter=%26&start-after=%20", "").body
	for _, want := range []string{
		`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`, "<Prefix>a+b%2Bc/%26</Prefix>",
		"<Delimiter>%26</Delimiter>", "<StartAfter>+</StartAfter>", "<EncodingType>url</EncodingType>",
		"<KeyCount>2</KeyCount>", "<LastModified>2026-05-04T03:02:01.000Z</LastModified>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if strings.Contains(got, "<Owner>") {
		t.Error("the owner is listed without being asked for")
	}
	if got := h.raw("GET", "/charts?list-type=2&fetch-owner=true", ""); !strings.Contains(got.body, "<Owner><ID>") {
		t.Error("the owner is missing")
	}
	none := h.want(200, "", "GET", "/charts?max-keys=0", "").body
	if !strings.Contains(none, "<IsTruncated>false<") || strings.Contains(none, "<Key>") {
		t.Errorf("a page of none: %s", none)
	}
	h.want(400, "InvalidArgument", "GET", "/charts?max-keys=-1", "")
	h.want(400, "InvalidArgument", "GET", "/charts?max-keys=many", "")
	h.want(400, "InvalidArgument", "GET", "/charts?list-type=2&continuation-token=!", "")
	h.want(400, "InvalidArgument", "GET", "/charts?encoding-type=rot13", "")
}

func TestJunkContinuationToken(t *testing.T) {
	h := newBucketHarness(t)
	for _, token := range []string{"", "junk", "anVuaw==", "YWZ0ZXI6"} { // the last two are "junk" and "after:"
		h.want(400, "InvalidArgument", "GET", "/charts?list-type=2&continuation-token="+token, "")
	}
}
