package s3

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// multipart uploads bodies as parts 1, 2, … of key and answers what completes the upload.
func (h *harness) multipart(client *awss3.Client, in *awss3.CreateMultipartUploadInput, bodies ...[]byte,
) *awss3.CompleteMultipartUploadInput {
	h.Helper()
	in.Bucket = aws.String(testBucket)
	created, err := client.CreateMultipartUpload(h.Context(), in)
	if err != nil {
		h.Fatal(err)
	}
	done := &awss3.CompleteMultipartUploadInput{
		Bucket: in.Bucket, Key: in.Key, UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{},
	}
	for i, body := range bodies {
		number := aws.Int32(int32(i + 1))
		out, err := client.UploadPart(h.Context(), &awss3.UploadPartInput{
			Bucket: in.Bucket, Key: in.Key, UploadId: created.UploadId, PartNumber: number, Body: bytes.NewReader(body),
			ChecksumAlgorithm: in.ChecksumAlgorithm,
		})
		if err != nil {
			h.Fatal(err)
		}
		done.MultipartUpload.Parts = append(done.MultipartUpload.Parts, types.CompletedPart{
			PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256,
		})
	}
	return done
}

func TestMultipart(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	big, small := bytes.Repeat([]byte("p"), minPart), []byte("the end")
	for _, c := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
		want      string // the checksum of the object
	}{
		{"", "", sum("CRC64NVME", append(bytes.Clone(big), small...)).value},
		{"CRC32", "FULL_OBJECT", sum("CRC32", append(bytes.Clone(big), small...)).value},
		{"SHA256", "", compose("SHA256", []*part{{checksum: sum("SHA256", big)}, {checksum: sum("SHA256", small)}}).value},
	} {
		in := &awss3.CreateMultipartUploadInput{
			Key: aws.String("big-" + string(c.algorithm)), ChecksumAlgorithm: c.algorithm, ChecksumType: c.kind,
			Metadata: map[string]string{"a": "b"}, ContentType: aws.String("text/plain"),
		}
		done, err := client.CompleteMultipartUpload(t.Context(), h.multipart(client, in, big, small))
		if err != nil {
			t.Fatal(err)
		}
		if got := aws.ToString(done.ETag); len(got) != 36 || got[33:] != `-2"` {
			t.Errorf("ETag %s", got)
		}
		head, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{
			Bucket: in.Bucket, Key: in.Key, ChecksumMode: types.ChecksumModeEnabled,
		})
		if err != nil {
			t.Fatal(err)
		}
		got := aws.ToString(head.ChecksumCRC32) + aws.ToString(head.ChecksumCRC64NVME) + aws.ToString(head.ChecksumSHA256)
		if got != c.want || *head.ContentLength != minPart+7 || *head.ContentType != "text/plain" ||
			head.Metadata["a"] != "b" {
			t.Errorf("%s: checksum %s, want %s; %d bytes, %s, %v", c.algorithm, got, c.want, *head.ContentLength,
				*head.ContentType, head.Metadata)
		}
		body, _, err := get(t.Context(), client, *in.Key)
		if err != nil || body != string(big)+string(small) {
			t.Errorf("%s: %d bytes come back, %v", c.algorithm, len(body), err)
		}
	}
}

func TestConditionalMultipart(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	h.put("key", "body")
	complete := func(condition func(in *awss3.CompleteMultipartUploadInput)) (status int, code string) {
		in := h.multipart(client, &awss3.CreateMultipartUploadInput{Key: aws.String("key")}, []byte("parts"))
		condition(in)
		_, err := client.CompleteMultipartUpload(t.Context(), in)
		return refusal(t, err)
	}
	for _, c := range []struct {
		name      string
		condition func(in *awss3.CompleteMultipartUploadInput)
		want      string
	}{
		{
			"existing", func(in *awss3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") },
			"412 PreconditionFailed",
		},
		{"stale", func(in *awss3.CompleteMultipartUploadInput) { in.IfMatch = aws.String(some) }, "412 PreconditionFailed"},
		{"good", func(in *awss3.CompleteMultipartUploadInput) {
			in.IfMatch = aws.String(`"` + hexMD5([]byte("body")) + `"`)
		}, "200 "},
		{"conflict", func(in *awss3.CompleteMultipartUploadInput) {
			in.IfNoneMatch = aws.String("*")
			h.service.committing = func(string, string) {
				h.service.committing = nil
				h.want(204, "", "DELETE", "/charts/key", "")
			}
		}, "409 ConditionalRequestConflict"},
	} {
		status, code := complete(c.condition)
		if got := fmt.Sprint(status, " ", code); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if n := len(h.service.buckets[testBucket].uploads); n != 2 {
		t.Errorf("%d uploads are left, want those that met 412", n)
	}
}

func TestMultipartRefusals(t *testing.T) {
	h := newBucketHarness(t)
	client := h.client()
	whole := h.multipart(client, &awss3.CreateMultipartUploadInput{Key: aws.String("key")}, []byte("one"), []byte("two"))
	parts := whole.MultipartUpload.Parts
	for _, c := range []struct {
		name  string
		parts []types.CompletedPart
		code  string
	}{
		{"small", parts, "EntityTooSmall"},
		{"order", []types.CompletedPart{parts[1], parts[0]}, "InvalidPartOrder"},
		{"unknown", []types.CompletedPart{{PartNumber: aws.Int32(3), ETag: parts[0].ETag}}, "InvalidPart"},
		{"ETag", []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: parts[1].ETag}}, "InvalidPart"},
		{"none", nil, "MalformedXML"},
	} {
		in := *whole
		in.MultipartUpload = &types.CompletedMultipartUpload{Parts: c.parts}
		_, err := client.CompleteMultipartUpload(t.Context(), &in)
		if status, code := refusal(t, err); status != 400 || code != c.code {
			t.Errorf("%s: %d %s, want %s", c.name, status, code, c.code)
		}
	}
	var listed []string
	for pages := awss3.NewListPartsPaginator(client, &awss3.ListPartsInput{
		Bucket: whole.Bucket, Key: whole.Key, UploadId: whole.UploadId, MaxParts: aws.Int32(1),
	}); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Parts {
			listed = append(listed, fmt.Sprint(*p.PartNumber, *p.Size))
		}
	}
	if diff := cmp.Diff([]string{"1 3", "2 3"}, listed); diff != "" {
		t.Error(diff)
	}
	uploads, err := client.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: whole.Bucket})
	if err != nil || len(uploads.Uploads) != 1 || *uploads.Uploads[0].UploadId != *whole.UploadId {
		t.Errorf("uploads %v, %v", uploads, err)
	}
	if _, err := client.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{
		Bucket: whole.Bucket, Key: whole.Key, UploadId: whole.UploadId,
	}); err != nil {
		t.Fatal(err)
	}
	_, err = client.CompleteMultipartUpload(t.Context(), whole)
	if status, code := refusal(t, err); status != 404 || code != "NoSuchUpload" {
		t.Errorf("aborted: %d %s", status, code)
	}
	h.want(400, "InvalidArgument", "PUT", "/charts/key?uploadId=u&partNumber=0", "")
	h.want(501, "NotImplemented", "PUT", "/charts/key?uploadId=u&partNumber=1", "", "x-amz-copy-source", "charts/key")
}
