package s3

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

func TestPutReplacesMetadata(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	in := putInput("key", "one")
	in.Metadata = map[string]string{"digest": "abc", "Owner": "me"}
	in.ContentType, in.CacheControl = aws.String("application/gzip"), aws.String("no-cache")
	in.ContentEncoding, in.ContentDisposition = aws.String("gzip"), aws.String("attachment")
	if _, err := client.PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	head := func() *awss3.HeadObjectOutput {
		out, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := head()
	got := []string{*out.ContentType, *out.CacheControl, *out.ContentEncoding, *out.ContentDisposition}
	if diff := cmp.Diff([]string{"application/gzip", "no-cache", "gzip", "attachment"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"digest": "abc", "owner": "me"}, out.Metadata); diff != "" {
		t.Error(diff)
	}
	if want := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC); !out.LastModified.Equal(want) {
		t.Errorf("Last-Modified %v, want %v", out.LastModified, want)
	}
	if aws.ToInt64(out.ContentLength) != 3 || aws.ToString(out.ETag) != `"`+hexMD5([]byte("one"))+`"` {
		t.Errorf("length %d, ETag %s", aws.ToInt64(out.ContentLength), aws.ToString(out.ETag))
	}

	h.put("key", "two")
	if out = head(); len(out.Metadata) != 0 || aws.ToString(out.ContentType) != "binary/octet-stream" ||
		out.CacheControl != nil {
		t.Errorf("metadata of the old object is left: %v %v %v", out.Metadata, out.ContentType, out.CacheControl)
	}
}

func TestRequestHeadersDoNotComeBack(t *testing.T) {
	h := newBucketHarness(t)
	h.want(200, "", "PUT", "/charts/key", "x", "X-Amz-Date", "20260504T030201Z", "X-Amz-Security-Token", "fake-token",
		"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "X-Amz-User-Agent", "fake", "X-Amz-Sdk-Checksum-Algorithm", "CRC32",
		"X-Amz-Checksum-Crc32", sum("CRC32", []byte("x")).value, "X-Unknown", "fake")
	got := h.want(200, "", "GET", "/charts/key", "")
	var names []string
	for name := range got.header {
		if strings.HasPrefix(name, "X-") && name != "X-Amz-Request-Id" && name != "X-Amz-Id-2" {
			names = append(names, name)
		}
	}
	if diff := cmp.Diff([]string{"X-Amz-Server-Side-Encryption"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestMetadataLimit(t *testing.T) {
	h := newBucketHarness(t)
	h.want(200, "", "PUT", "/charts/key", "", "x-amz-meta-a", strings.Repeat("v", 2047))
	h.want(400, "MetadataTooLarge", "PUT", "/charts/key", "", "x-amz-meta-a", strings.Repeat("v", 2048))
}

func TestRange(t *testing.T) {
	h := newBucketHarness(t)
	h.put("key", "0123456789")
	h.put("empty", "")
	for _, c := range []struct {
		path, header string
		status       int
		body, span   string
	}{
		{"key", "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"key", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"key", "bytes=7-99", 206, "789", "bytes 7-9/10"},
		{"key", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"key", "bytes=-99", 206, "0123456789", "bytes 0-9/10"},
		{"key", "bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"key", "bytes=4-2", 200, "0123456789", ""},
		{"key", "bytes=1-2,4-5", 200, "0123456789", ""},
		{"key", "lines=1-2", 200, "0123456789", ""},
		{"key", "bytes=10-", 416, "", ""},
		{"key", "bytes=-0", 416, "", ""},
		{"empty", "bytes=0-1", 416, "", ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			got := h.want(c.status, "", method, "/charts/"+c.path, "", "Range", c.header)
			if method == "GET" && c.status != 416 && got.body != c.body || got.header.Get("Content-Range") != c.span {
				t.Errorf("%s %s %s: %q, %q", method, c.path, c.header, got.body, got.header.Get("Content-Range"))
			}
		}
	}
	h.want(416, "InvalidRange", "GET", "/charts/key", "", "Range", "bytes=10-")
}

// TestChecksums lets the SDK compute each checksum and check it again when it reads.
func TestChecksums(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	for _, algorithm := range []types.ChecksumAlgorithm{"", "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		in := putInput("key-"+string(algorithm), "some bytes")
		in.ChecksumAlgorithm = algorithm
		put, err := client.PutObject(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{
			Bucket: in.Bucket, Key: in.Key, ChecksumMode: types.ChecksumModeEnabled,
		})
		if err != nil {
			t.Fatal(err)
		}
		written := []*string{
			put.ChecksumCRC32, put.ChecksumCRC32C, put.ChecksumCRC64NVME, put.ChecksumSHA1, put.ChecksumSHA256,
		}
		kept := []*string{
			out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256,
		}
		if diff := cmp.Diff(written, kept); diff != "" || out.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: %s %s", algorithm, diff, out.ChecksumType)
		}
		if body, _, err := get(t.Context(), client, *in.Key); body != "some bytes" || err != nil {
			t.Errorf("%s: %q, %v", algorithm, body, err)
		}
	}
}

func TestDigests(t *testing.T) {
	h := newBucketHarness(t)
	right := md5.Sum([]byte("body"))
	wrong := md5.Sum([]byte("other"))
	encode := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		name    string
		headers []string
		status  int
		code    string
	}{
		{"right MD5", []string{"Content-MD5", encode(right[:])}, 200, ""},
		{"wrong MD5", []string{"Content-MD5", encode(wrong[:])}, 400, "BadDigest"},
		{"no MD5", []string{"Content-MD5", "x"}, 400, "InvalidDigest"},
		{"empty MD5", []string{"Content-MD5", ""}, 400, "InvalidDigest"},
		{"right CRC64NVME", []string{"x-amz-checksum-crc64nvme", sum("CRC64NVME", []byte("body")).value}, 200, ""},
		{"wrong CRC32", []string{"x-amz-checksum-crc32", "AAAAAA=="}, 400, "BadDigest"},
		{"wrong CRC32C", []string{"x-amz-checksum-crc32c", "AAAAAA=="}, 400, "BadDigest"},
		{"short SHA256", []string{"x-amz-checksum-sha256", "AAAAAA=="}, 400, "InvalidRequest"},
		{"two", []string{"x-amz-checksum-crc32", "AAAAAA==", "x-amz-checksum-crc32c", "AAAAAA=="}, 400, "InvalidRequest"},
		{"announced only", []string{"x-amz-sdk-checksum-algorithm", "CRC32"}, 400, "InvalidRequest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.T = t
			h.want(c.status, c.code, "PUT", "/charts/key", "body", c.headers...)
		})
	}
	// The check value of CRC-64/NVME in the catalogue of parametrised CRC algorithms is ae8b14860a799888.
	check := encode([]byte{0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88})
	if got := sum("CRC64NVME", []byte("123456789")).value; got != check {
		t.Errorf("CRC64NVME of 123456789 is %s", got)
	}
}

func TestEncryption(t *testing.T) {
	h := newBucketHarness(t)
	const key = "arn:aws:kms:eu-west-1:123456789012:key/fake"
	in := putInput("key", "body")
	in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, aws.String(key)
	in.BucketKeyEnabled = aws.Bool(true)
	if _, err := h.client().PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	out, err := h.client().HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key})
	if err != nil {
		t.Fatal(err)
	}
	if out.ServerSideEncryption != types.ServerSideEncryptionAwsKms || aws.ToString(out.SSEKMSKeyId) != key ||
		!aws.ToBool(out.BucketKeyEnabled) {
		t.Errorf("encryption %s %s %v", out.ServerSideEncryption, aws.ToString(out.SSEKMSKeyId), out.BucketKeyEnabled)
	}
	if aws.ToString(out.ETag) == `"`+hexMD5([]byte("body"))+`"` {
		t.Error("the ETag under aws:kms is the MD5")
	}
	h.want(400, "InvalidArgument", "PUT", "/charts/key", "", "x-amz-server-side-encryption", "rot13")

	h.want(200, "", "PUT", "/charts?encryption", "<ServerSideEncryptionConfiguration><Rule>"+
		"<ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>fake</KMSMasterKeyID>"+
		"</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>")
	h.put("default", "")
	got := h.want(200, "", "HEAD", "/charts/default", "").header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")
	if got != key {
		t.Errorf("the bucket's key is %q", got)
	}
}

func TestCopy(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	in := putInput("a+b c", "body")
	in.Metadata, in.ContentType = map[string]string{"kept": "yes"}, aws.String("text/plain")
	if _, err := client.PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	copyTo := func(key, directive, source string) (*awss3.HeadObjectOutput, error) {
		_, err := client.CopyObject(t.Context(), &awss3.CopyObjectInput{
			Bucket: in.Bucket, Key: aws.String(key), CopySource: aws.String(source),
			MetadataDirective: types.MetadataDirective(directive), Metadata: map[string]string{"new": "yes"},
		})
		if err != nil {
			return nil, err
		}
		return client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: in.Bucket, Key: aws.String(key)})
	}
	for directive, want := range map[string]map[string]string{"COPY": {"kept": "yes"}, "REPLACE": {"new": "yes"}} {
		out, err := copyTo("copy-"+directive, directive, "charts/a%2Bb%20c")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.Metadata); diff != "" {
			t.Error(diff)
		}
	}
	for name, c := range map[string]struct {
		source, key string
		status      int
		code        string
	}{
		"a plus sign is a space": {"charts/a+b%20c", "x", 404, "NoSuchKey"},
		"to itself":              {"charts/a%2Bb%20c", "a+b c", 400, "InvalidRequest"},
		"no key":                 {"charts", "x", 400, "InvalidArgument"},
		"no bucket":              {"elsewhere/key", "x", 404, "NoSuchBucket"},
	} {
		_, err := copyTo(c.key, "COPY", c.source)
		if status, code := refusal(t, err); status != c.status || code != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, status, code, c.status, c.code)
		}
	}
}

func TestKeysAndHosts(t *testing.T) {
	h := newBucketHarness(t)
	for _, path := range []string{"/charts/a%2Bb", "/charts/a+b"} {
		h.want(200, "", "PUT", path, "plus")
	}
	if got := h.raw("GET", "/a+b", "", "Host", "charts.s3.localhost:1234"); got.body != "plus" {
		t.Errorf("virtual host: %d %q", got.status, got.body)
	}
	if got := h.raw("GET", "/charts/a%2bb", "", "Host", "s3.localhost"); got.body != "plus" {
		t.Errorf("path style on s3.localhost: %d %q", got.status, got.body)
	}
	h.want(200, "", "PUT", "/charts//lead/../x", "slashes")
	if got := h.raw("GET", "/charts/%2Flead/../x", ""); got.body != "slashes" {
		t.Errorf("slashes: %d %q", got.status, got.body)
	}
	h.want(400, "KeyTooLongError", "PUT", "/charts/"+strings.Repeat("k", 1025), "")
	h.want(200, "", "PUT", "/charts/"+strings.Repeat("k", 1024), "")
}

func TestOverrides(t *testing.T) {
	h := newBucketHarness(t)
	h.put("key", "")
	got := h.want(200, "", "GET", "/charts/key?response-content-type=text/x-fake", "")
	if got.header.Get("Content-Type") != "text/x-fake" {
		t.Errorf("Content-Type %q", got.header.Get("Content-Type"))
	}
}

func TestRefusesWhatItDoesNotEmulate(t *testing.T) {
	h := newBucketHarness(t)
	h.put("key", "body")
	for _, c := range []struct {
		method, path string
		headers      []string
		status       int
		code         string
	}{
		{"GET", "/charts/key?attributes", nil, 501, "NotImplemented"},
		{"GET", "/charts/key?partNumber=1", nil, 501, "NotImplemented"},
		{"PUT", "/charts/key?acl", nil, 501, "NotImplemented"},
		{"PUT", "/charts/key?tagging", nil, 501, "NotImplemented"},
		{"PUT", "/charts?website", nil, 501, "NotImplemented"},
		{"POST", "/charts", nil, 501, "NotImplemented"},
		{"PATCH", "/charts/key", nil, 501, "NotImplemented"},
		{"PUT", "/charts/key", []string{"x-amz-storage-class", "GLACIER"}, 501, "NotImplemented"},
		{"PUT", "/charts/key", []string{"x-amz-acl", "public-read"}, 400, "AccessControlListNotSupported"},
		{"PUT", "/charts/key", []string{"x-amz-grant-read", "id=fake"}, 400, "AccessControlListNotSupported"},
	} {
		h.want(c.status, c.code, c.method, c.path, "", c.headers...)
	}
	if got := h.raw(http.MethodGet, "/charts/key", ""); got.body != "body" {
		t.Errorf("a refused call changed the object to %q", got.body)
	}
}
