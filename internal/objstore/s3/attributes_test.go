package s3_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/localaws"
)

// What S3 is asked to keep with an object, it keeps: of a new object as of a replaced one.
func TestAttributes(t *testing.T) {
	server, client := startBucket(t, "charts")
	made, err := kms.New(kms.Options{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()), Credentials: client.Options().Credentials,
	}).CreateKey(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	store := s3.New(client, "charts", "stable").With(s3.Attributes{
		KMSKeyID: *made.KeyMetadata.KeyId,
		Tags:     map[string]string{"team": "platform", "note": "a b&c=d"},
	})
	content := objstore.Content{Body: []byte("x"), Type: "application/gzip", CacheControl: "private, max-age=1"}
	old, err := store.Create(t.Context(), "app.tgz", content)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Replace(t.Context(), "app.tgz", old, content); err != nil {
		t.Fatal(err)
	}
	bucket, key := aws.String("charts"), aws.String("stable/app.tgz")
	head, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		*head.ContentType, *head.CacheControl, string(head.ServerSideEncryption), *head.SSEKMSKeyId,
		map[bool]string{true: "bucket key", false: "no bucket key"}[aws.ToBool(head.BucketKeyEnabled)],
	}
	want := []string{
		"application/gzip", "private, max-age=1", "aws:kms", *made.KeyMetadata.Arn, "bucket key",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	out, err := client.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]string{}
	for _, tag := range out.TagSet {
		tags[*tag.Key] = *tag.Value
	}
	if diff := cmp.Diff(map[string]string{"team": "platform", "note": "a b&c=d"}, tags); diff != "" {
		t.Error(diff)
	}
}

// Who lacks a permission that only the attributes need is told its name.
func TestAttributesHint(t *testing.T) {
	server, client := startBucket(t, "charts")
	server.Inject(localaws.Fault{Action: "s3:PutObject", Status: 403, Code: "AccessDenied"})
	store := s3.New(client, "charts", "").With(s3.Attributes{KMSKeyID: "alias/charts", Tags: map[string]string{"a": "b"}})
	_, err := store.Create(t.Context(), "key", objstore.Content{})
	for _, want := range []string{"s3:PutObject ", "s3:PutObjectTagging", "kms:GenerateDataKey", "alias/charts"} {
		if problem.KindOf(err) != problem.Denied || !strings.Contains(problem.HintOf(err), want) {
			t.Errorf("error %v, hint %q; want it to name %s", err, problem.HintOf(err), want)
		}
	}
}

func startBucket(t *testing.T, name string) (*localaws.Server, *awss3.Client) {
	t.Helper()
	server, err := localaws.Start(localaws.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	id, key := server.RootKeys()
	client := awss3.New(awss3.Options{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
	_, err = client.CreateBucket(t.Context(), &awss3.CreateBucketInput{
		Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(server.Region()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}
