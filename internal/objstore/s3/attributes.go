package s3

import (
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Attributes are what S3 keeps with every object that a store writes, besides its content.
type Attributes struct {
	// KMSKeyID encrypts with a KMS key (id, alias or ARN) and the bucket's key, which spares calls to KMS. Empty
	// leaves encryption to the bucket.
	KMSKeyID string
	// Tags are at most 10, with keys of up to 128 and values of up to 256 characters.
	Tags map[string]string
}

// With is the same store, whose writes bear the attributes. They need kms:GenerateDataKey and kms:Decrypt on the key,
// and s3:PutObjectTagging.
func (s *Store) With(a Attributes) *Store {
	other := *s
	tags := url.Values{}
	for key, value := range a.Tags {
		tags.Set(key, value)
	}
	other.with = attributes{a.KMSKeyID, tags.Encode()}
	return &other
}

// attributes are Attributes as they are sent.
type attributes struct {
	kmsKeyID string
	tags     string // KEY=VALUE&…, escaped as a query
}

func (a attributes) set(in *awss3.PutObjectInput) {
	if a.kmsKeyID != "" {
		in.ServerSideEncryption = types.ServerSideEncryptionAwsKms
		in.SSEKMSKeyId = aws.String(a.kmsKeyID)
		in.BucketKeyEnabled = aws.Bool(true)
	}
	if a.tags != "" {
		in.Tagging = aws.String(a.tags)
	}
}

// permissions is what the attributes need on top of a write, as a part of a hint.
func (a attributes) permissions() string {
	var more string
	if a.tags != "" {
		more += ", s3:PutObjectTagging too"
	}
	if a.kmsKeyID != "" {
		more += ", and kms:GenerateDataKey and kms:Decrypt on the key " + a.kmsKeyID
	}
	return more
}
