// Package reference reads the dynamic references of AWS CloudFormation that name a secret:
//
//	{{resolve:secretsmanager:SECRET-ID:SecretString:JSON-KEY:VERSION-STAGE:VERSION-ID}}
//
// SECRET-ID is a name or a full ARN. What follows it may be left out from the right, or be empty; SecretString is the
// only field there is. VERSION-STAGE and VERSION-ID exclude each other. A text may hold any number of references; what
// is not between "{{resolve:" and "}}" is left as it is.
//
// Errors give the position of a reference and say which part of it is wrong. They never quote the text: it may hold
// secrets.
package reference

import (
	"context"
	"fmt"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/secret"
)

// Opening is how every reference starts.
const Opening = "{{resolve:"

const (
	closing = "}}"
	service = "secretsmanager"
	field   = "SecretString"

	maxSecretID  = 2048 // characters, as GetSecretValue has it
	minVersionID = 32
	maxVersionID = 64
)

// Reference names one value in Secrets Manager. Two references that are equal name the same value.
type Reference struct {
	SecretID  string // name or full ARN
	JSONKey   string // member of the JSON object that the secret is; empty for the whole secret
	Stage     string // staging label; empty for AWSCURRENT, unless VersionID is set
	VersionID string // one version, which never changes; 32..64 characters
}

// String writes the reference as it stands in a text.
func (r Reference) String() string {
	parts := []string{service, r.SecretID, field, r.JSONKey, r.Stage, r.VersionID}
	return Opening + strings.Join(parts, ":") + closing
}

// Find lists the references of text in their order, repetitions included.
func Find(text string) ([]Reference, error) {
	var refs []Reference
	err := split(text, nil, func(r Reference) error {
		refs = append(refs, r)
		return nil
	})
	return refs, err
}

// Expand replaces every reference of text by what resolve gives for it. A value is inserted as it is: references inside
// it are not looked for, so that a secret cannot reach for another. An error of resolve is returned as it is.
func Expand(ctx context.Context, text string,
	resolve func(ctx context.Context, r Reference) (secret.Value, error),
) (secret.Value, error) {
	var out []byte
	err := split(text, func(literal string) { out = append(out, literal...) }, func(r Reference) error {
		value, err := resolve(ctx, r)
		out = append(out, value.Reveal()...)
		return err
	})
	if err != nil {
		return secret.Value{}, err
	}
	return secret.New(out), nil
}

// split walks over text and hands out its literals and its references in order. A nil literal is not called.
func split(text string, literal func(string), ref func(Reference) error) error {
	for position := 0; ; {
		before, rest, found := strings.Cut(text[position:], Opening)
		if literal != nil && before != "" {
			literal(before)
		}
		if !found {
			return nil
		}
		position += len(before)
		inner, _, found := strings.Cut(rest, closing)
		if !found {
			return fmt.Errorf("reference at byte %d: the closing braces are missing", position)
		}
		r, err := parse(inner)
		if err != nil {
			return fmt.Errorf("reference at byte %d: %w", position, err)
		}
		if err := ref(r); err != nil {
			return err
		}
		position += len(Opening) + len(inner) + len(closing)
	}
}

// parse reads what stands between the opening and the closing.
func parse(inner string) (Reference, error) {
	name, rest, found := strings.Cut(inner, ":")
	if name != service {
		return Reference{}, fmt.Errorf("the service is not %s", service)
	}
	if !found {
		return Reference{}, fmt.Errorf("the secret id is missing")
	}
	id, parts, err := cutSecretID(strings.Split(rest, ":"))
	if err != nil {
		return Reference{}, err
	}
	if len(parts) > 4 {
		return Reference{}, fmt.Errorf("there are too many parts")
	}
	parts = append(parts, make([]string, 4-len(parts))...)
	if parts[0] != "" && parts[0] != field {
		return Reference{}, fmt.Errorf("the part after the secret id is not %s", field)
	}
	r := Reference{SecretID: id, JSONKey: parts[1], Stage: parts[2], VersionID: parts[3]}
	return r, r.check()
}

// cutSecretID takes the secret id off parts: seven of them when it is an ARN, else one.
func cutSecretID(parts []string) (id string, rest []string, err error) {
	const inARN = 7 // arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME
	if parts[0] != "arn" {
		return parts[0], parts[1:], nil
	}
	if len(parts) < inARN || parts[2] != service || parts[5] != "secret" || parts[6] == "" {
		return "", nil, fmt.Errorf("the secret id is not the ARN of a secret")
	}
	return strings.Join(parts[:inARN], ":"), parts[inARN:], nil
}

func (r Reference) check() error {
	switch {
	case r.SecretID == "":
		return fmt.Errorf("the secret id is empty")
	case len(r.SecretID) > maxSecretID || strings.IndexFunc(r.SecretID, notInID) >= 0:
		return fmt.Errorf("the secret id is too long or has characters that no secret id has")
	case strings.Contains(r.JSONKey, "{{"):
		return fmt.Errorf("another reference starts inside it")
	case strings.IndexFunc(r.Stage, notInID) >= 0:
		return fmt.Errorf("the version stage has characters that no stage has")
	case r.Stage != "" && r.VersionID != "":
		return fmt.Errorf("it names a version stage and a version id; name one of them")
	case r.VersionID != "" && (len(r.VersionID) < minVersionID || len(r.VersionID) > maxVersionID ||
		strings.IndexFunc(r.VersionID, notInID) >= 0):
		return fmt.Errorf("the version id does not have %d to %d letters, digits and hyphens", minVersionID, maxVersionID)
	}
	return nil
}

// notInID is true of what neither a secret id, a stage nor a version id can have. The colons of an ARN are allowed;
// those of a name were taken as separators.
func notInID(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("/_+=.@-:!", r)
}

// Resolved is what a reference stands for.
type Resolved struct {
	Value   secret.Value
	Version string // version id of the secret that was read
}
