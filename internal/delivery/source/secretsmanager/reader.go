package secretsmanager

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/internal/document"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

const (
	current = "AWSCURRENT"
	pending = "AWSPENDING"
)

// read is one version of one secret, as it is asked for. Stage and version exclude each other.
type read struct{ id, stage, version string }

func newRead(id, stage, version string) read {
	if stage == "" && version == "" {
		stage = current
	}
	return read{id: id, stage: stage, version: version}
}

func (k read) String() string {
	if k.version != "" {
		return "version " + k.version
	}
	return "stage " + k.stage
}

// held is what a read gave.
type held struct {
	value   secret.Value
	version string
	about   delivery.About
}

// reader reads versions of secrets in as few calls as the role may make. It is used by one goroutine at a time.
type reader struct {
	client *secretsmanager.Client
	config aws.Config // region and account, for the hints
	now    func() time.Time

	pinned  map[read]held // versions by their id, which never change
	unbatch time.Time     // until then the role may not call BatchGetSecretValue
}

func newReader(cfg aws.Config, now func() time.Time) *reader {
	if now == nil {
		now = time.Now //nolint:forbidigo // the default of the injected clock
	}
	return &reader{client: secretsmanager.NewFromConfig(cfg), config: cfg, now: now, pinned: map[read]held{}}
}

// outcome is what came of each read: it is in one of the two.
type outcome struct {
	had    map[read]held
	failed map[read]error
}

// read reads each of keys once. A pinned version that was read before is not read again. After a failure that is not of
// one secret (systemic) the rest is not asked for and fails with it: a service in trouble is left alone.
func (r *reader) read(ctx context.Context, keys []read) outcome {
	out := outcome{had: map[read]held{}, failed: map[read]error{}}
	var due []read
	for _, key := range keys {
		if got, ok := r.pinned[key]; ok {
			out.had[key] = got
		} else if !slices.Contains(due, key) {
			due = append(due, key)
		}
	}
	down := r.batches(ctx, due, out)
	for _, key := range due {
		if out.has(key) {
			continue
		}
		var got held
		err := down
		if err == nil {
			got, err = r.get(ctx, key)
		}
		if err != nil && systemic(err) {
			down = err
		}
		r.keep(ctx, key, got, err, out)
	}
	return out
}

func (o outcome) has(key read) bool {
	_, had := o.had[key]
	_, failed := o.failed[key]
	return had || failed
}

// keep notes what came of one read.
func (r *reader) keep(ctx context.Context, key read, got held, err error, out outcome) {
	switch {
	case err != nil:
		out.failed[key] = r.explain(ctx, key, err)
	case got.value.Len() == 0:
		out.failed[key] = blame.On(problem.New(problem.Refused,
			"put a value with: aws secretsmanager put-secret-value --secret-id "+key.id, "secret %s (%s) is empty",
			key.id, key), blame.Document)
	default:
		out.had[key] = got
		if key.version != "" {
			r.pinned[key] = got
		}
	}
}

// forget drops the pinned versions that are not among keys.
func (r *reader) forget(keys []read) {
	maps.DeleteFunc(r.pinned, func(k read, _ held) bool { return !slices.Contains(keys, k) })
}

// get reads one version, string or binary.
func (r *reader) get(ctx context.Context, key read) (held, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &key.id}
	if key.version != "" {
		in.VersionId = &key.version
	} else {
		in.VersionStage = &key.stage
	}
	out, err := r.client.GetSecretValue(ctx, in)
	if err != nil {
		return held{}, err
	}
	return newHeld(out.SecretString, out.SecretBinary, out.VersionId, delivery.About{
		ARN: aws.ToString(out.ARN), ID: aws.ToString(out.Name), Stages: out.VersionStages,
		Created: aws.ToTime(out.CreatedDate),
	}), nil
}

func newHeld(text *string, binary []byte, version *string, about delivery.About) held {
	h := held{value: secret.New(binary), version: aws.ToString(version), about: about}
	h.about.Binary = text == nil
	if text != nil {
		h.value = secret.FromString(*text)
	}
	return h
}

// systemic says that a failure is not about one secret. The next secret would fare the same.
func systemic(err error) bool { return unheard(err) || throttled(err) }

func throttled(err error) bool {
	_, is := retry.DefaultThrottleErrorCodes[awserr.Code(err)]
	return is
}

// unheard says that the service did not answer: nobody did, or there are no credentials to ask with.
func unheard(err error) bool {
	if awserr.Code(err) == "" {
		return true
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		if _, inner := errors.AsType[*smithy.OperationError](op.Err); inner {
			return true // the call that failed was one for credentials
		}
	}
	_, classified := errors.AsType[*problem.Error](err) // by what provides the credentials
	return classified
}

// member picks a member of the JSON object that a secret is; the whole secret when name is empty.
func member(value secret.Value, id, name string) (secret.Value, error) {
	if name == "" {
		return value, nil
	}
	object, err := document.Parse(value.Reveal())
	if err != nil {
		return secret.Value{}, blame.On(problem.New(problem.Refused, "leave the JSON key out, or store a JSON object",
			"secret %s has no key %s: %w", id, name, err), blame.Document)
	}
	text, err := object.Member(name)
	if err != nil {
		return secret.Value{}, blame.On(problem.New(problem.Refused, "check the JSON key", "secret %s: %w", id, err),
			blame.Document)
	}
	return secret.FromString(text), nil
}

// refusePending keeps a stage from being read whose version may be unfinished: a rotation that failed leaves it there.
func refusePending(id, stage string) error {
	if stage != pending {
		return nil
	}
	return blame.On(problem.New(problem.Refused, "pin the version by its id, or use "+current,
		"secret %s: stage %s is not delivered, its version may be unfinished", id, pending), blame.Document)
}
