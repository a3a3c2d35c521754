package s3

import (
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	sseHeader       = "X-Amz-Server-Side-Encryption"
	sseKeyHeader    = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	sseBucketHeader = "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
	kms             = "aws:kms"
	encryptAction   = "kms:GenerateDataKey"
	decryptAction   = "kms:Decrypt"
)

// encryption is how an object is said to be encrypted at rest. Its bytes are in memory as they are, but its key is
// asked as if they were not.
type encryption struct {
	algorithm string // AES256 or aws:kms
	keyID     string // ARN of the key, with aws:kms
	bucketKey bool
}

// readEncryption takes the encryption from the header of a write, or else the bucket's, and asks its key.
func (s *Service) readEncryption(r *request) (encryption, *api.Error) {
	e := encryption{algorithm: r.header(sseHeader), keyID: r.header(sseKeyHeader)}
	switch e.algorithm {
	case "":
		if e.keyID != "" {
			return e, errInvalidArgument("x-amz-server-side-encryption", "", "Server Side Encryption with AWS KMS managed "+
				"key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		s.mu.RLock()
		e = r.bucket.encryption
		s.mu.RUnlock()
	case "AES256":
		e = encryption{algorithm: e.algorithm}
	case kms:
		e.keyID = s.keyARN(r.bucket.region, e.keyID)
		e.bucketKey = strings.EqualFold(r.header(sseBucketHeader), "true")
	default:
		return e, errInvalidArgument("x-amz-server-side-encryption", e.algorithm,
			"The encryption method specified is not supported")
	}
	return s.useKey(r, encryptAction, e, r.bucket.name, r.key)
}

// useKey asks KMS for one action with an object's key on the caller's behalf, if it has one, and completes an alias to
// the ARN of the key. With a bucket key the encryption context is the bucket, else the object.
func (s *Service) useKey(r *request, action string, e encryption, bucket, key string) (encryption, *api.Error) {
	if e.algorithm != kms {
		return e, nil
	}
	context := arn(bucket, key)
	if e.bucketKey {
		context = arn(bucket, "")
	}
	keyARN, err := s.cfg.Keys.Use(r.Call, api.KeyUse{
		Action: action, Key: e.keyID, Service: "s3", Context: map[string]string{"aws:s3:arn": context},
	})
	if err != nil && err.Code != "AccessDenied" {
		err = api.Errorf("KMS."+err.Code, http.StatusBadRequest, "%s", err.Message)
	}
	e.keyID = keyARN
	return e, err
}

// mayDecrypt asks the key of a version that is about to be read.
func (s *Service) mayDecrypt(r *request, v *version, bucket, key string) *api.Error {
	_, err := s.useKey(r, decryptAction, v.encryption, bucket, key)
	return err
}

// keyARN completes a key id to the ARN that S3 answers; without an id it is the key that AWS manages.
func (s *Service) keyARN(region, id string) string {
	switch {
	case strings.HasPrefix(id, "arn:"):
		return id
	case id == "":
		id = "alias/aws/s3"
	case !strings.HasPrefix(id, "alias/"):
		id = "key/" + id
	}
	return "arn:aws:kms:" + region + ":" + s.cfg.Account + ":" + id
}

func (e encryption) writeTo(h http.Header) {
	h.Set(sseHeader, e.algorithm)
	if e.algorithm == kms {
		h.Set(sseKeyHeader, e.keyID)
	}
	if e.bucketKey {
		h.Set(sseBucketHeader, "true")
	}
}

// etag is the MD5 of the body, except under aws:kms: there S3's ETag is opaque.
func (e encryption) etag(body []byte) string {
	if e.algorithm == kms {
		return `"` + hexMD5([]byte(rand.Text())) + `"`
	}
	return `"` + hexMD5(body) + `"`
}
