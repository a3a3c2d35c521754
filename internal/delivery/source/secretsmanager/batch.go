package secretsmanager

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
)

const (
	maxBatch  = 20        // secrets in one BatchGetSecretValue
	unbatched = time.Hour // before a call that was denied or throttled is tried again
)

// batches reads what BatchGetSecretValue can: current versions, where there are two or more. What it leaves out, for
// whatever reason, is to be read one by one, unless down says that the service is in trouble.
//
// The call needs a permission of its own, beside GetSecretValue on each secret. A role without it is not wrong: that is
// remembered, and the call spared, for an hour. So it is when the call is throttled: an account may make 100 a second
// of it, which a large fleet uses up, and 10,000 of GetSecretValue.
func (r *reader) batches(ctx context.Context, keys []read, out outcome) (down error) {
	var ids []string
	for _, key := range keys {
		if key.stage == current {
			ids = append(ids, key.id)
		}
	}
	for chunk := range slices.Chunk(ids, maxBatch) {
		if len(chunk) < 2 || r.now().Before(r.unbatch) {
			return nil
		}
		answer, err := r.client.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: chunk})
		switch {
		case err == nil:
			r.takeBatch(ctx, chunk, answer, out)
		case unheard(err), status(err) >= http.StatusInternalServerError:
			return err
		case throttled(err), strings.HasPrefix(awserr.Code(err), "AccessDenied"),
			awserr.Code(err) == "UnknownOperationException":
			r.unbatch = r.now().Add(unbatched)
		}
	}
	return nil
}

// status is that of an answer which is an error; 0 without an answer.
func status(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

// takeBatch keeps what an answer says of each id. An id of which it says nothing is left out.
func (r *reader) takeBatch(ctx context.Context, ids []string, answer *secretsmanager.BatchGetSecretValueOutput,
	out outcome,
) {
	for _, id := range ids {
		key := newRead(id, "", "")
		for _, v := range answer.SecretValues {
			if !names(id, aws.ToString(v.Name), aws.ToString(v.ARN)) {
				continue
			}
			r.keep(ctx, key, newHeld(v.SecretString, v.SecretBinary, v.VersionId, delivery.About{
				ARN: aws.ToString(v.ARN), ID: aws.ToString(v.Name), Stages: v.VersionStages, Created: aws.ToTime(v.CreatedDate),
			}), nil, out)
		}
		for _, e := range answer.Errors {
			if aws.ToString(e.SecretId) == id && !out.has(key) {
				r.keep(ctx, key, held{}, &smithy.GenericAPIError{
					Code: aws.ToString(e.ErrorCode), Message: aws.ToString(e.Message),
				}, out)
			}
		}
	}
}

// names says that id is the name or the ARN of a secret, the six characters at the end of an ARN left out or not.
func names(id, name, arn string) bool {
	const suffix = len("-AbCdEf")
	return id == name || id == arn || len(arn) > suffix && strings.HasPrefix(id, "arn:") && id == arn[:len(arn)-suffix]
}
