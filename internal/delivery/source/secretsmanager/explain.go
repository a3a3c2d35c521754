package secretsmanager

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const notFound = "ResourceNotFoundException"

// explain gives a failed read its kind, the step that mends it, and what is at fault. What failed before it, with the
// credentials, is explained already and only gets its place.
func (r *reader) explain(ctx context.Context, key read, err error) error {
	kind, hint := problem.KindOf(err), problem.HintOf(err)
	var fixes []blame.Fix
	var causes []blame.Cause
	if hint == "" {
		if _, denied := awserr.DenialOf(err); denied || awserr.Code(err) == "DecryptionFailure" {
			kind = problem.Denied
			hint, fixes, causes = r.denied(ctx, key, err)
		} else {
			hint, causes = r.failed(key, err)
		}
	}
	err = problem.New(kind, hint, "reading secret %s (%s): %w", key.id, key, awserr.Short(err))
	return blame.With(err, fixes, causes...)
}

// failed is about what is no denial.
func (r *reader) failed(key read, err error) (hint string, causes []blame.Cause) {
	host, unreachable := awserr.Unreachable(err)
	switch code := awserr.Code(err); {
	case unreachable:
		return awserr.ReachHint("secretsmanager", r.config.Region, host), []blame.Cause{blame.Network}
	case code == notFound:
		return fmt.Sprintf("check the name and the %s in region %s; a secret of another account needs its full ARN",
			strings.Fields(key.String())[0], r.config.Region), []blame.Cause{blame.Name, blame.Region}
	case code == "InvalidRequestException" && strings.Contains(awserr.Short(err).Error(), "delet"):
		return "it is scheduled for deletion; bring it back with: aws secretsmanager restore-secret --secret-id " + key.id,
			[]blame.Cause{blame.Name}
	}
	return "", nil
}

// secretPattern is the whole ARN of a secret.
var secretPattern = regexp.MustCompile(`^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:.+-\w{6}$`)

func (r *reader) denied(ctx context.Context, key read, err error) (string, []blame.Fix, []blame.Cause) {
	if awserr.Code(err) == "DecryptionFailure" {
		return "enable the secret's key, or cancel its deletion; it must allow kms:Decrypt", nil, []blame.Cause{blame.Key}
	}
	denial, _ := awserr.DenialOf(err)
	if denial.Action == "" && strings.Contains(err.Error(), "KMS") {
		return fmt.Sprintf("allow kms:Decrypt on the secret's key, in the key's policy too, with condition "+
			"kms:ViaService = %s", r.via()), []blame.Fix{r.decryption(ctx, key.id)}, []blame.Cause{blame.Key}
	}
	resource := denial.Resource
	causes := []blame.Cause{blame.Permission}
	if !secretPattern.MatchString(resource) || strings.HasSuffix(resource, ":secret:"+key.id) {
		resource = r.arn(ctx, key.id)
		if resource != key.id { // whether there is such a secret AWS tells only those who may read it
			causes = append(causes, blame.Name)
		}
	}
	s := blame.Allow(resource, "secretsmanager:GetSecretValue")
	return denial.Hint(s), denial.Fixes(s), causes
}

func (r *reader) via() string { return "secretsmanager." + r.config.Region + ".amazonaws.com" }

// decryption allows the secret's key for the secret, whichever key that is: it shows only to who may describe the
// secret.
func (r *reader) decryption(ctx context.Context, id string) blame.Fix {
	arn := r.arn(ctx, id)
	account := strings.Split(arn+":::::", ":")[4]
	s := blame.Allow(fmt.Sprintf("arn:%s:kms:%s:%s:key/*", awserr.Partition(r.config.Region), r.config.Region, account),
		"kms:Decrypt")
	s.Condition = map[string]map[string]string{
		"StringEquals": {"kms:ViaService": r.via()}, "StringLike": {"kms:EncryptionContext:SecretARN": arn},
	}
	return blame.Fix{
		In: "the policy of the role that reads the secret", Statement: s,
		LookUp: "the key, to narrow key/*: aws secretsmanager describe-secret --secret-id " + id +
			" --query KmsKeyId; the key's own policy must leave it to IAM, or allow it too",
	}
}

// arn is what a policy calls the secret. Of a name the account comes from the credentials, where they know it, and the
// six characters that Secrets Manager appends are left open.
func (r *reader) arn(ctx context.Context, id string) string {
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	account := "*"
	if r.config.Credentials != nil {
		if c, err := r.config.Credentials.Retrieve(ctx); err == nil && c.AccountID != "" {
			account = c.AccountID
		}
	}
	return fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:%s-??????", awserr.Partition(r.config.Region), r.config.Region,
		account, id)
}
