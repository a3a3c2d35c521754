package s3

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestLifecycle puts rules as Terraform does, which waits until it reads them back with the size that it sent.
func TestLifecycle(t *testing.T) {
	h := newBucketHarness(t)
	client, bucket := h.clientIn(testRegion), aws.String(testBucket)
	rules := &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
		ID: aws.String("old"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{},
		NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{
			NoncurrentDays: aws.Int32(90), NewerNoncurrentVersions: aws.Int32(3),
		},
	}}}
	for sent, want := range map[types.TransitionDefaultMinimumObjectSize]types.TransitionDefaultMinimumObjectSize{
		"":                        "all_storage_classes_128K",
		"varies_by_storage_class": "varies_by_storage_class",
	} {
		_, err := client.PutBucketLifecycleConfiguration(t.Context(), &awss3.PutBucketLifecycleConfigurationInput{
			Bucket: bucket, LifecycleConfiguration: rules, TransitionDefaultMinimumObjectSize: sent,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.GetBucketLifecycleConfiguration(t.Context(), &awss3.GetBucketLifecycleConfigurationInput{
			Bucket: bucket,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.TransitionDefaultMinimumObjectSize != want || len(got.Rules) != 1 ||
			*got.Rules[0].NoncurrentVersionExpiration.NewerNoncurrentVersions != 3 {
			t.Errorf("sent %q: %q %+v", sent, got.TransitionDefaultMinimumObjectSize, got.Rules)
		}
	}
	h.want(400, "InvalidArgument", "PUT", "/charts?lifecycle", "<LifecycleConfiguration><Rule/></LifecycleConfiguration>",
		"X-Amz-Transition-Default-Minimum-Object-Size", "some")
	h.want(400, "MalformedXML", "PUT", "/charts?lifecycle", "<LifecycleConfiguration/>")
}

func TestLogging(t *testing.T) {
	h := newBucketHarness(t)
	client := h.clientIn(testRegion)
	put := func(bucket, target string) error {
		in := &awss3.PutBucketLoggingInput{Bucket: &bucket, BucketLoggingStatus: &types.BucketLoggingStatus{}}
		if target != "" {
			in.BucketLoggingStatus.LoggingEnabled = &types.LoggingEnabled{
				TargetBucket: &target, TargetPrefix: aws.String("charts/"),
			}
		}
		_, err := client.PutBucketLogging(t.Context(), in)
		return err
	}
	read := func() *types.LoggingEnabled {
		out, err := client.GetBucketLogging(t.Context(), &awss3.GetBucketLoggingInput{Bucket: aws.String(testBucket)})
		if err != nil {
			t.Fatal(err)
		}
		return out.LoggingEnabled
	}
	if status, code := refusal(t, put(testBucket, "nowhere")); status != 400 || code != "InvalidTargetBucketForLogging" {
		t.Errorf("no target: %d %s", status, code)
	}
	if err := put(testBucket, testBucket); err != nil {
		t.Fatal(err)
	}
	if got := read(); got == nil || *got.TargetBucket != testBucket || *got.TargetPrefix != "charts/" {
		t.Errorf("%+v", got)
	}
	if err := put(testBucket, ""); err != nil || read() != nil {
		t.Errorf("still there after it was taken away: %v", err)
	}
}
