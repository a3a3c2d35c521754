package s3

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const some = `"0123456789abcdef0123456789abcdef"` // an ETag that no object has

// TestConditions is the documented behaviour, case by case. Each case starts with the object "old" alone.
func TestConditions(t *testing.T) {
	const object, fresh = "/charts/old", "/charts/new"
	old := `"` + hexMD5([]byte("old body")) + `"`
	for _, c := range []struct {
		name, method, path string
		headers            []string
		status             int
		code               string
	}{
		{"put new", "PUT", fresh, []string{"If-None-Match", "*"}, 200, ""},
		{"put existing", "PUT", object, []string{"If-None-Match", "*"}, 412, "PreconditionFailed"},
		{"put good ETag", "PUT", object, []string{"If-Match", old}, 200, ""},
		{"put good ETag without quotes", "PUT", object, []string{"If-Match", strings.Trim(old, `"`)}, 200, ""},
		{"put stale ETag", "PUT", object, []string{"If-Match", some}, 412, "PreconditionFailed"},
		{"put ETag on nothing", "PUT", fresh, []string{"If-Match", old}, 404, "NoSuchKey"},
		{"put If-None-Match with an ETag", "PUT", object, []string{"If-None-Match", some}, 501, "NotImplemented"},
		{"put If-Match with a star", "PUT", object, []string{"If-Match", "*"}, 501, "NotImplemented"},
		{"put empty If-None-Match", "PUT", object, []string{"If-None-Match", ""}, 400, "InvalidArgument"},
		{"put blank If-None-Match", "PUT", object, []string{"If-None-Match", " "}, 400, "InvalidArgument"},
		{"put empty If-Match", "PUT", object, []string{"If-Match", ""}, 400, "InvalidArgument"},
		{"put two If-None-Match", "PUT", object, []string{"If-None-Match", "*", "If-None-Match", "*"}, 400, "InvalidArgument"},
		{"put first one empty", "PUT", object, []string{"If-None-Match", "", "If-None-Match", "*"}, 400, "InvalidArgument"},
		{"put two If-Match", "PUT", object, []string{"If-Match", old, "If-Match", some}, 400, "InvalidArgument"},
		{
			"put unmodified since", "PUT", object,
			[]string{"If-Unmodified-Since", "Mon, 04 May 2026 03:02:01 GMT"},
			501,
			"NotImplemented",
		},
		{"begin an upload on condition", "POST", object + "?uploads", []string{"If-None-Match", "*"}, 501, "NotImplemented"},
		{"delete empty If-Match", "DELETE", object, []string{"If-Match", ""}, 400, "InvalidArgument"},
		{"delete If-None-Match", "DELETE", object, []string{"If-None-Match", "*"}, 501, "NotImplemented"},
		{
			"copy empty If-None-Match", "PUT", object,
			[]string{"x-amz-copy-source", "charts/other", "If-None-Match", ""},
			400,
			"InvalidArgument",
		},
		{"get unchanged", "GET", object, []string{"If-None-Match", old}, 304, ""},
		{"get changed", "GET", object, []string{"If-None-Match", some}, 200, ""},
		{"get one of many", "GET", object, []string{"If-None-Match", some + ", W/" + old}, 304, ""},
		{"get good ETag", "GET", object, []string{"If-Match", old}, 200, ""},
		{"get stale ETag", "GET", object, []string{"If-Match", some}, 412, "PreconditionFailed"},
		{"get not modified since", "GET", object, []string{"If-Modified-Since", "Mon, 04 May 2026 03:02:01 GMT"}, 304, ""},
		{"get modified since", "GET", object, []string{"If-Modified-Since", "Mon, 04 May 2026 03:02:00 GMT"}, 200, ""},
		{
			"get modified after", "GET", object,
			[]string{"If-Unmodified-Since", "Mon, 04 May 2026 03:02:00 GMT"},
			412,
			"PreconditionFailed",
		},
		{
			"the ETag outranks the time", "GET", object,
			[]string{"If-None-Match", some, "If-Modified-Since", "Mon, 04 May 2026 03:02:01 GMT"},
			200, "",
		},
		{"head unchanged", "HEAD", object, []string{"If-None-Match", old}, 304, ""},
		{"head stale ETag", "HEAD", object, []string{"If-Match", some}, 412, ""},
		{"delete good ETag", "DELETE", object, []string{"If-Match", old}, 204, ""},
		{"delete stale ETag", "DELETE", object, []string{"If-Match", some}, 412, "PreconditionFailed"},
		{"delete any", "DELETE", object, []string{"If-Match", "*"}, 204, ""},
		{"delete any of nothing", "DELETE", fresh, []string{"If-Match", "*"}, 412, "PreconditionFailed"},
		{"delete ETag of nothing", "DELETE", fresh, []string{"If-Match", old}, 404, "NoSuchKey"},
		{"copy onto new", "PUT", fresh, []string{"x-amz-copy-source", "charts/old", "If-None-Match", "*"}, 200, ""},
		{
			"copy onto existing", "PUT", object,
			[]string{"x-amz-copy-source", "charts/other", "If-None-Match", "*"},
			412,
			"PreconditionFailed",
		},
		{
			"copy stale ETag", "PUT", object,
			[]string{"x-amz-copy-source", "charts/other", "If-Match", some},
			412,
			"PreconditionFailed",
		},
		{
			"copy good source", "PUT", fresh,
			[]string{"x-amz-copy-source", "charts/old", "x-amz-copy-source-if-match", old},
			200, "",
		},
		{
			"copy stale source", "PUT", fresh,
			[]string{"x-amz-copy-source", "charts/old", "x-amz-copy-source-if-match", some},
			412, "PreconditionFailed",
		},
		{
			"copy unchanged source", "PUT", fresh,
			[]string{"x-amz-copy-source", "charts/old", "x-amz-copy-source-if-none-match", old},
			412, "PreconditionFailed",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newBucketHarness(t)
			h.put("old", "old body")
			h.put("other", "other body")
			h.want(c.status, c.code, c.method, c.path, "", c.headers...)
			if c.method != "GET" && c.status >= 300 {
				if got := h.raw("GET", object, ""); got.body != "old body" {
					t.Errorf("a refused call changed the object to %q", got.body)
				}
			}
		})
	}
}

func TestPreconditionDocument(t *testing.T) {
	h := newBucketHarness(t)
	h.put("old", "")
	got := h.raw("PUT", "/charts/old", "x", "If-None-Match", "*")
	const want = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Error><Code>PreconditionFailed</Code>` +
		`<Message>At least one of the pre-conditions you specified did not hold</Message>` +
		`<Condition>If-None-Match</Condition><Resource>/charts/old</Resource><RequestId>REQUEST1</RequestId>` +
		`<HostId>bG9jYWxhd3MvUkVRVUVTVDE=</HostId></Error>`
	if got.body != want || got.header.Get("X-Amz-Request-Id") != "REQUEST1" {
		t.Errorf("got %s\nwant %s", got.body, want)
	}
}

// TestConflict deletes the object between the arrival of a conditional write and its commit.
func TestConflict(t *testing.T) {
	for _, c := range []struct {
		name, header string
		meanwhile    func(b *bucket, now func() *version)
		status       int
		code         string
	}{
		{"created under If-None-Match", "If-None-Match", nil, 412, "PreconditionFailed"},
		{"deleted under If-None-Match", "If-None-Match", remove, 409, "ConditionalRequestConflict"},
		{"deleted under If-Match", "If-Match", remove, 404, "NoSuchKey"},
		{"deleted and made again under If-Match", "If-Match", func(b *bucket, v func() *version) {
			remove(b, v)
			if err := b.put("key", v(), []byte("body")); err != nil {
				panic(err)
			}
		}, 409, "ConditionalRequestConflict"},
		{"something else deleted", "If-Match", func(b *bucket, _ func() *version) {
			if _, err := b.remove("other", "", b.created); err != nil {
				panic(err)
			}
		}, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newBucketHarness(t)
			h.put("key", "body")
			h.put("other", "")
			condition := map[string]string{"If-None-Match": "*", "If-Match": `"` + hexMD5([]byte("body")) + `"`}[c.header]
			h.service.committing = func(string, string) {
				h.service.mu.Lock()
				defer h.service.mu.Unlock()
				if c.meanwhile != nil {
					c.meanwhile(h.service.buckets[testBucket], func() *version {
						return h.service.newVersion([]byte("body"), attributes{}, encryption{}, checksum{})
					})
				}
			}
			h.want(c.status, c.code, "PUT", "/charts/key", "new", c.header, condition)
			if h.service.committing = nil; c.status == http.StatusConflict && c.header == "If-None-Match" {
				h.want(200, "", "PUT", "/charts/key", "new", c.header, condition)
			}
		})
	}
}

func remove(b *bucket, _ func() *version) {
	if _, err := b.remove("key", "", b.created); err != nil {
		panic(err)
	}
}

func TestDeletedCountsAsAbsent(t *testing.T) {
	for _, versioning := range []string{"", "Enabled", "Suspended"} {
		h := newBucketHarness(t)
		if versioning != "" {
			h.version(versioning)
		}
		h.put("key", "body")
		h.want(204, "", "DELETE", "/charts/key", "")
		h.want(404, "NoSuchKey", "PUT", "/charts/key", "", "If-Match", `"`+hexMD5([]byte("body"))+`"`)
		h.want(200, "", "PUT", "/charts/key", "", "If-None-Match", "*")
		h.want(412, "PreconditionFailed", "PUT", "/charts/key", "", "If-None-Match", "*")
	}
}

func TestRacingCreators(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	const keys, racers = 20, 10
	var wins [keys]atomic.Int32
	var wg sync.WaitGroup
	for key := range keys {
		for racer := range racers {
			wg.Go(func() {
				in := putInput(fmt.Sprintf("key-%d", key), strconv.Itoa(racer))
				in.IfNoneMatch = aws.String("*")
				_, err := client.PutObject(t.Context(), in)
				switch status, _ := refusal(t, err); status {
				case http.StatusOK:
					wins[key].Add(1)
				case http.StatusPreconditionFailed:
				default:
					t.Errorf("unexpected: %v", err)
				}
			})
		}
	}
	wg.Wait()
	for key := range wins {
		if n := wins[key].Load(); n != 1 {
			t.Errorf("key %d has %d winners", key, n)
		}
	}
}

func TestCompareAndSwapCounter(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	h.put("counter", "0")
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 10 {
				if err := increment(t, client); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if body, _, err := get(t.Context(), client, "counter"); body != "100" || err != nil {
		t.Errorf("counter is %q (%v), want 100", body, err)
	}
}

func increment(t *testing.T, client *awss3.Client) error {
	for {
		body, etag, err := get(t.Context(), client, "counter")
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(body)
		if err != nil {
			return err
		}
		in := putInput("counter", strconv.Itoa(n+1))
		in.IfMatch = aws.String(etag)
		_, err = client.PutObject(t.Context(), in)
		if status, _ := refusal(t, err); status != http.StatusPreconditionFailed {
			return err
		}
	}
}

// A policy that asks for the value of a condition must not be shown only the first of two headers.
func TestPoliciesSeeWholeConditions(t *testing.T) {
	h := newBucketHarness(t)
	h.asked()
	h.want(400, "", "PUT", "/charts/key", "", "If-None-Match", "*", "If-None-Match", "")
	asked := h.asked()
	if len(asked) != 1 || len(asked[0].Condition["s3:if-none-match"]) != 1 || asked[0].Condition["s3:if-none-match"][0] != "*," {
		t.Errorf("asked %v", asked)
	}
}

func TestPoliciesSeeTheTransport(t *testing.T) {
	call := func(authType string) *request { return &request{Call: &api.Call{AuthType: authType}} }
	given := map[string][]string{"s3:prefix": {"a"}}
	got := New(Config{}).withTransport(call("REST-QUERY-STRING"), given)
	want := map[string][]string{
		"s3:prefix": {"a"}, "s3:authType": {"REST-QUERY-STRING"}, "s3:signatureversion": {"AWS4-HMAC-SHA256"},
		"s3:TlsVersion": {"1.3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := New(Config{InsecureTransport: true}).withTransport(call(""), given); len(got) != 1 || len(given) != 1 {
		t.Errorf("anonymous and in clear: %v", got)
	}
}
