// Package secretsmanager resolves references by reading AWS Secrets Manager.
package secretsmanager

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/internal/delivery/reference"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/internal/document"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

const (
	current = "AWSCURRENT"
	pending = "AWSPENDING"
)

// Resolver reads secrets. It is safe for concurrent use; calls are served one after the other.
type Resolver struct {
	client *secretsmanager.Client
	config aws.Config // region and account, for the hints

	mu     sync.Mutex
	pinned map[read]held // versions by their id, which never change: those that the last good call asked for
}

// read is one GetSecretValue. Stage and version exclude each other.
type read struct{ id, stage, version string }

// held is what one GetSecretValue gave.
type held struct {
	value   secret.Value
	version string
}

// New makes a resolver that reads with the identity, region and endpoint of cfg.
func New(cfg aws.Config) *Resolver {
	return &Resolver{
		client: secretsmanager.NewFromConfig(cfg), config: cfg,
		pinned: map[read]held{},
	}
}

// String names the service and its region, and nothing of what was read.
func (r *Resolver) String() string { return "Secrets Manager in " + r.config.Region }

// Format is String, whatever the verb: a printer must not walk through the values held and the credentials.
func (r *Resolver) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue is String.
func (r *Resolver) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Resolve gives what each of refs stands for, or an error for the first that cannot be had. References to one version
// of one secret are served by one read, so that values that belong together come from the same version. A pinned
// version is read once and then kept.
//
// A version that is staged as AWSPENDING is given only to a reference that pins it by its id: a rotation that failed
// may leave the label on a version that nobody finished.
func (r *Resolver) Resolve(ctx context.Context, refs []reference.Reference) (
	map[reference.Reference]reference.Resolved, error,
) {
	r.mu.Lock()
	defer r.mu.Unlock()
	reads := map[read]held{}
	resolved := map[reference.Reference]reference.Resolved{}
	for _, ref := range refs {
		key := read{id: ref.SecretID, stage: ref.Stage, version: ref.VersionID}
		if key.stage == "" && key.version == "" {
			key.stage = current
		}
		got, ok := reads[key]
		if !ok {
			got, ok = r.pinned[key]
		}
		if !ok {
			var err error
			if got, err = r.get(ctx, key); err != nil {
				return nil, err
			}
			if key.version != "" {
				r.pinned[key] = got
			}
		}
		reads[key] = got
		value, err := member(got.value, ref)
		if err != nil {
			return nil, err
		}
		resolved[ref] = reference.Resolved{Value: value, Version: got.version}
	}
	maps.DeleteFunc(r.pinned, func(k read, _ held) bool { return !has(reads, k) })
	return resolved, nil
}

func has(reads map[read]held, k read) bool {
	_, ok := reads[k]
	return ok
}

// get reads one secret, string or binary.
func (r *Resolver) get(ctx context.Context, key read) (held, error) {
	if key.stage == pending {
		return held{}, problem.New(problem.Refused, "pin the version by its id, or use "+current,
			"secret %s: stage %s is not delivered, its version may be unfinished", key.id, pending)
	}
	in := &secretsmanager.GetSecretValueInput{SecretId: &key.id}
	if key.version != "" {
		in.VersionId = &key.version
	} else {
		in.VersionStage = &key.stage
	}
	out, err := r.client.GetSecretValue(ctx, in)
	if err != nil {
		return held{}, r.explain(ctx, key, err)
	}
	h := held{value: secret.New(out.SecretBinary), version: aws.ToString(out.VersionId)}
	if out.SecretString != nil {
		h.value = secret.FromString(*out.SecretString)
	}
	if h.value.Len() == 0 {
		return held{}, problem.New(problem.Refused, "put a value with: aws secretsmanager put-secret-value --secret-id "+
			key.id, "secret %s (%s) is empty", key.id, key)
	}
	return h, nil
}

func (k read) String() string {
	if k.version != "" {
		return "version " + k.version
	}
	return "stage " + k.stage
}

// member picks the JSON key of ref, when it names one.
func member(value secret.Value, ref reference.Reference) (secret.Value, error) {
	if ref.JSONKey == "" {
		return value, nil
	}
	object, err := document.Parse(value.Reveal())
	if err != nil {
		return secret.Value{}, problem.New(problem.Refused,
			"leave the JSON key out of the reference, or store a JSON object",
			"secret %s has no key %s: %w", ref.SecretID, ref.JSONKey, err)
	}
	text, err := object.Member(ref.JSONKey)
	if err != nil {
		return secret.Value{}, problem.New(problem.Refused, "check the JSON key in the reference", "secret %s: %w",
			ref.SecretID, err)
	}
	return secret.FromString(text), nil
}

// explain gives a failed read its kind and the step that mends it.
func (r *Resolver) explain(ctx context.Context, key read, err error) error {
	kind, hint := problem.KindOf(err), problem.HintOf(err)
	host, unreachable := awserr.Unreachable(err)
	switch code := awserr.Code(err); {
	case unreachable && hint == "":
		hint = awserr.ReachHint("secretsmanager", r.config.Region, host)
	case code == "DecryptionFailure",
		strings.HasPrefix(code, "AccessDenied") && strings.Contains(awserr.Short(err).Error(), "KMS"):
		kind = problem.Denied
		hint = fmt.Sprintf("allow kms:Decrypt on the secret's key, in the key's policy too, with condition "+
			"kms:ViaService = secretsmanager.%s.amazonaws.com", r.config.Region)
	case strings.HasPrefix(code, "AccessDenied"):
		kind = problem.Denied
		hint = fmt.Sprintf(`the role's policy needs {"Effect":"Allow","Action":"secretsmanager:GetSecretValue",`+
			`"Resource":"%s"}`, r.arn(ctx, key.id))
	case code == "ResourceNotFoundException":
		hint = fmt.Sprintf("check the name and the %s in region %s; a secret of another account needs its full ARN",
			strings.Fields(key.String())[0], r.config.Region)
	case code == "InvalidRequestException" && strings.Contains(awserr.Short(err).Error(), "delet"):
		hint = "it is scheduled for deletion; bring it back with: aws secretsmanager restore-secret --secret-id " + key.id
	}
	return problem.New(kind, hint, "reading secret %s (%s): %w", key.id, key, awserr.Short(err))
}

// arn is what a policy calls the secret. Of a name the account comes from the credentials, where they know it, and the
// six characters that Secrets Manager appends are left open.
func (r *Resolver) arn(ctx context.Context, id string) string {
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	account := "*"
	if r.config.Credentials != nil {
		if c, err := r.config.Credentials.Retrieve(ctx); err == nil && c.AccountID != "" {
			account = c.AccountID
		}
	}
	return fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:%s-??????", partition(r.config.Region), r.config.Region,
		account, id)
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
