package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// operation is what was being done: the gerund of the error text, the permissions it takes, and what it means when a
// condition does not hold.
type operation struct {
	gerund      string
	permissions string
	refused     error // of 412
	missing     error // of 404 NoSuchKey
}

var (
	reading   = operation{"reading", "s3:GetObject", objstore.ErrChanged, objstore.ErrNotFound}
	creating  = operation{"creating", "s3:PutObject", objstore.ErrExists, objstore.ErrConflict}
	replacing = operation{"replacing", "s3:PutObject and s3:GetObject", objstore.ErrChanged, objstore.ErrChanged}
	deleting  = operation{"deleting", "s3:DeleteObject and s3:GetObject", objstore.ErrChanged, objstore.ErrChanged}
	listing   = operation{"listing", "s3:ListBucket", objstore.ErrConflict, objstore.ErrNotFound}
)

// explain turns an error of the client into a sentinel or into a problem with a hint. Codes and their meaning: Amazon
// S3 API reference, "Error responses"; the conditional ones: S3 user guide, "Conditional requests".
func (s *Store) explain(op operation, key string, err error) error {
	what := op.gerund + " " + s.url(key)
	var answer *awshttp.ResponseError
	api, ok := errors.AsType[smithy.APIError](err)
	if !errors.As(err, &answer) || !ok || noCredentials.MatchString(err.Error()) { // that may be an answer of STS
		return s.explainUnanswered(what, err)
	}
	switch answer.HTTPStatusCode() {
	case http.StatusNotModified:
		return fmt.Errorf("%s: %w", what, objstore.ErrUnchanged)
	case http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w", what, op.refused)
	case http.StatusConflict:
		return fmt.Errorf("%s: %w: %w", what, objstore.ErrConflict, api)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return problem.New(problem.Failed, "S3 asks to slow down: run the command again in a minute",
			"%s: %w: %w", what, objstore.ErrConflict, api)
	case http.StatusNotImplemented:
		return fmt.Errorf("%s: %w", what, s.unconditional(api))
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		return s.wrongRegion(what, answer, api)
	case http.StatusNotFound:
		if api.ErrorCode() == "NoSuchBucket" {
			return problem.New(problem.Usage, "check the bucket's name and the account; pinnace does not make buckets",
				"%s: bucket %s does not exist: %w", what, s.bucket, api)
		}
		return fmt.Errorf("%s: %w", what, op.missing)
	}
	return s.explainCode(op, what, key, answer, api)
}

func (s *Store) explainCode(
	op operation, what, key string, answer *awshttp.ResponseError, api smithy.APIError,
) error {
	switch api.ErrorCode() {
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
		return s.wrongRegion(what, answer, api)
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return problem.New(problem.Denied,
			"the credentials have expired: sign in again, or let the pipeline fetch new ones", "%s: %w", what, api)
	case "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "UnrecognizedClientException":
		return problem.New(problem.Denied,
			"S3 does not know these credentials: look at AWS_PROFILE and AWS_ACCESS_KEY_ID", "%s: %w", what, api)
	case "RequestTimeTooSkewed":
		return problem.New(problem.Failed, "set this machine's clock", "%s: %w", what, api)
	case "SlowDown", "Throttling", "RequestLimitExceeded":
		return problem.New(problem.Failed, "S3 asks to slow down: run the command again in a minute",
			"%s: %w: %w", what, objstore.ErrConflict, api)
	}
	if answer.HTTPStatusCode() == http.StatusForbidden {
		return problem.New(problem.Denied, s.permissionHint(op, key), "%s: %w", what, api)
	}
	return fmt.Errorf("%s: %w", what, api)
}

// permissionHint names the permission. S3 answers 403 for a missing object to whoever may not list the bucket.
func (s *Store) permissionHint(op operation, key string) string {
	bucket := "arn:aws:s3:::" + s.bucket
	switch op {
	case listing:
		return fmt.Sprintf("allow this identity %s on %s", op.permissions, bucket)
	case reading:
		return fmt.Sprintf("allow this identity s3:GetObject on %s/%s%s, and s3:ListBucket on the bucket: "+
			"without it a missing object looks forbidden", bucket, s.prefix, key)
	}
	return fmt.Sprintf("allow this identity %s on %s/%s%s%s; a bucket policy may deny it too",
		op.permissions, bucket, s.prefix, key, s.with.permissions())
}

// expectedRegion finds the region in "the region 'us-east-1' is wrong; expecting 'eu-west-1'".
var expectedRegion = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

// bucketRegion is where the bucket is according to a refusal, or "".
func bucketRegion(answer *awshttp.ResponseError, api smithy.APIError) string {
	if region := answer.HTTPResponse().Header.Get("X-Amz-Bucket-Region"); region != "" {
		return region
	}
	if found := expectedRegion.FindStringSubmatch(api.ErrorMessage()); found != nil {
		return found[1]
	}
	return ""
}

func (s *Store) wrongRegion(what string, answer *awshttp.ResponseError, api smithy.APIError) error {
	region := bucketRegion(answer, api)
	if region == "" {
		return problem.New(problem.Usage, "find it with: aws s3api get-bucket-location --bucket "+s.bucket,
			"%s: bucket %s is in another region: %w", what, s.bucket, api)
	}
	return problem.New(problem.Usage, "set AWS_REGION="+region,
		"%s: bucket %s is in region %s: %w", what, s.bucket, region, api)
}

// explainUnanswered is for requests that never got an answer from S3 that could be read.
func (s *Store) explainUnanswered(what string, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", what, err)
	case noCredentials.MatchString(err.Error()):
		return problem.New(problem.Denied,
			"no AWS credentials were found or they could not be used: sign in, set AWS_PROFILE, or give the pod a role",
			"%s: %w", what, err)
	case noRegion.MatchString(err.Error()):
		return problem.New(problem.Usage, "set AWS_REGION to the bucket's region", "%s: %w", what, err)
	}
	return problem.New(problem.Failed, "check the network, the endpoint and the proxy", "%s: %w", what, err)
}

// The SDK has no types for these two: credentials that could not be had before a request was signed, and no region.
var (
	noCredentials = regexp.MustCompile(`get identity: |get credentials: `)
	noRegion      = regexp.MustCompile(`(?i)missing region|invalid region|not a valid region|region must be set`)
)
