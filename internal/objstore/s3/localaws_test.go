package s3_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/objstore/storetest"
	"github.com/pinnace-dev/pinnace/localaws"
)

// The contract holds against localaws too, which answers conditional writes as S3 does and signs for nobody.
func TestStoreOnLocalAWS(t *testing.T) {
	server, err := localaws.Start(localaws.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	id, key := server.RootKeys()
	cfg := aws.Config{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
	var buckets atomic.Int64
	storetest.Run(t, func(t *testing.T) objstore.Store {
		bucket := "bucket-" + strconv.FormatInt(buckets.Add(1), 10)
		client := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true })
		_, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{
			Bucket: &bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{
				LocationConstraint: types.BucketLocationConstraint(server.Region()),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return s3.Open(cfg, bucket, "charts")
	})
}
