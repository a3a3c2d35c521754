package s3

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// sealed is a write under a key; with a bucket key if so wanted.
func sealed(key, keyID string, bucketKey bool) *awss3.PutObjectInput {
	in := putInput(key, "body")
	in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &keyID
	in.BucketKeyEnabled = &bucketKey
	return in
}

// TestKeyIsAsked holds what is asked of KMS to the user guide's page on SSE-KMS and on bucket keys.
func TestKeyIsAsked(t *testing.T) {
	h := newBucketHarness(t)
	client, ctx := h.client(), t.Context()
	const key = "arn:aws:kms:eu-west-1:123456789012:alias/k"
	check := func(when string, err error, want ...string) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", when, err)
		}
		var got []string
		for _, u := range h.uses {
			if u.Service != "s3" || len(u.Context) != 1 {
				t.Errorf("%s: %+v", when, u)
			}
			got = append(got, u.Action+" "+u.Key[strings.LastIndex(u.Key, ":")+1:]+" "+u.Context["aws:s3:arn"])
		}
		if h.uses = nil; strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s: asked %q, want %q", when, got, want)
		}
	}
	out, err := client.PutObject(ctx, sealed("one", key, false))
	check("writing", err, "kms:GenerateDataKey alias/k arn:aws:s3:::charts/one")
	if *out.SSEKMSKeyId != "arn:aws:kms:eu-west-1:123456789012:key/of-k" {
		t.Errorf("the alias is not resolved: %s", *out.SSEKMSKeyId)
	}
	_, err = client.PutObject(ctx, sealed("two", key, true))
	check("writing with a bucket key", err, "kms:GenerateDataKey alias/k arn:aws:s3:::charts")
	bucket, one := aws.String(testBucket), aws.String("one")
	_, err = client.GetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: one})
	check("reading", err, "kms:Decrypt key/of-k arn:aws:s3:::charts/one")
	_, err = client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: bucket, Key: one})
	check("looking", err)
	_, err = client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: bucket, Key: one, ChecksumMode: types.ChecksumModeEnabled})
	check("looking at the checksum", err, "kms:Decrypt key/of-k arn:aws:s3:::charts/one")
	_, err = client.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: bucket, Key: aws.String("three"), CopySource: aws.String("charts/one")})
	check("copying into the open", err, "kms:Decrypt key/of-k arn:aws:s3:::charts/one")
	_, err = client.PutObject(ctx, putInput("plain", "body"))
	check("writing without", err)
	managed := sealed("managed", "", false)
	managed.SSEKMSKeyId = nil
	_, err = client.PutObject(ctx, managed)
	check("writing under the managed key", err, "kms:GenerateDataKey alias/aws/s3 arn:aws:s3:::charts/managed")

	upload, err := client.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{
		Bucket: bucket, Key: one, ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: aws.String(key),
	})
	check("beginning an upload", err, "kms:GenerateDataKey alias/k arn:aws:s3:::charts/one")
	part, err := client.UploadPart(ctx, &awss3.UploadPartInput{
		Bucket: bucket, Key: one, UploadId: upload.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x"),
	})
	check("a part", err, "kms:GenerateDataKey key/of-k arn:aws:s3:::charts/one")
	_, err = client.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: one, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{
			Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}},
		},
	})
	check("the end", err, "kms:Decrypt key/of-k arn:aws:s3:::charts/one")
}

func TestKeyRefuses(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:123456789012:key/k"
	h := newBucketHarness(t)
	if _, err := h.client().PutObject(t.Context(), sealed("one", key, false)); err != nil {
		t.Fatal(err)
	}
	get := func(key string) error {
		_, err := h.client().GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(testBucket), Key: &key})
		return err
	}
	put := func(key, keyID string) error {
		_, err := h.client().PutObject(t.Context(), sealed(key, keyID, false))
		return err
	}
	denying := func(action string) {
		h.denying(func(_ *api.Call, q api.Question) bool { return q.Action == action })
	}
	check := func(when string, err error, status int, code string) {
		t.Helper()
		if gotStatus, gotCode := refusal(t, err); gotStatus != status || gotCode != code {
			t.Errorf("%s: %d %s, want %d %s", when, gotStatus, gotCode, status, code)
		}
	}
	denying("kms:Decrypt")
	err := get("one")
	check("reading", err, 403, "AccessDenied")
	if !strings.Contains(err.Error(), "kms:Decrypt") {
		t.Errorf("the refusal does not say what is missing: %v", err)
	}
	if err := put("two", key); err != nil {
		t.Errorf("writing without Decrypt: %v", err)
	}
	denying("kms:GenerateDataKey")
	check("writing", put("three", key), 403, "AccessDenied")
	check("not written", get("three"), 404, "NoSuchKey")
	if err := get("one"); err != nil {
		t.Errorf("reading without GenerateDataKey: %v", err)
	}
	h.denying(nil)
	check("a key that is gone", put("four", "arn:aws:kms:eu-west-1:123456789012:key/gone"), 400, "KMS.NotFoundException")
}
