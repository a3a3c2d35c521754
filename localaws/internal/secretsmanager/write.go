package secretsmanager

import (
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	lowercase    = "abcdefghijklmnopqrstuvwxyz"
	uppercase    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
	alphanumeric = lowercase + uppercase + digits
)

// identity is the answer of most operations that change a secret.
type identity struct {
	ARN           string
	Name          string
	VersionId     string   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
}

type createSecretInput struct {
	Name               string
	ClientRequestToken string
	Description        string
	KmsKeyId           string
	Tags               []tag
	AddReplicaRegions  []any
	value
}

func (s *Service) createSecret(c *api.Call, in createSecretInput) (any, *api.Error) {
	keys := conditions{}
	keys.set("Name", in.Name)
	keys.set("Description", in.Description)
	keys.set("KmsKeyId", in.KmsKeyId)
	keys.requestTags(in.Tags)
	if err := s.allow(c, "CreateSecret", nil, s.arnPrefix+in.Name, keys); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if sec := s.secrets[in.Name]; sec != nil {
		return recreated(sec, in)
	}
	suffix, err := randomString(s.rand, alphanumeric, suffixLength)
	if err != nil {
		return nil, internalError(err)
	}
	now := s.clock()
	sec := &secret{
		arn: s.arnPrefix + in.Name + "-" + suffix, name: in.Name, description: in.Description, kmsKeyID: in.KmsKeyId,
		tags: mergeTags(nil, in.Tags), created: now, changed: now,
	}
	if sec.kmsKeyID != "" {
		if err := s.checkKey(c, sec.kmsKeyID); err != nil {
			return nil, err
		}
	}
	out := identity{ARN: sec.arn, Name: sec.name}
	if !in.empty() {
		if err := s.store(c, sec, in.ClientRequestToken, in.value, nil); err != nil {
			return nil, err
		}
		out.VersionId = in.ClientRequestToken
	}
	s.secrets[sec.name] = sec
	return out, nil
}

func (in createSecretInput) check() *api.Error {
	switch {
	case in.Name == "" || len(in.Name) > maxName || !validName.MatchString(in.Name):
		return validation("Invalid name. Must be a valid name containing alphanumeric characters, " +
			"or any of the following: -/_+=.@!")
	case len(in.Description) > maxDescription:
		return tooLong("description", maxDescription)
	case len(in.AddReplicaRegions) > 0:
		return invalidRequest("replication to other regions is not emulated")
	}
	if err := checkTags(in.Tags); err != nil {
		return err
	}
	if in.empty() {
		return nil
	}
	return checkVersion(in.ClientRequestToken, in.value)
}

// recreated answers CreateSecret for a name that is taken: a repeated request gets the answer of the first.
func recreated(sec *secret, in createSecretInput) (any, *api.Error) {
	if sec.deleted() {
		return nil, invalidRequest("You can't create this secret because a secret with this name is already scheduled " +
			"for deletion.")
	}
	if v := sec.byID(in.ClientRequestToken); v != nil && v.value.equal(in.value) {
		return identity{ARN: sec.arn, Name: sec.name, VersionId: v.id}, nil
	}
	return nil, resourceExists("The operation failed because the secret %s already exists.", in.Name)
}

// checkVersion checks a new value and the token that becomes its version id.
func checkVersion(token string, v value) *api.Error {
	switch {
	case token == "":
		return invalidRequest("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	case len(token) < 32 || len(token) > 64:
		return invalidParameter("ClientRequestToken must be 32-64 characters long.")
	}
	return v.check()
}

func tokenInUse(token string, sec *secret) *api.Error {
	return resourceExists("You can't use ClientRequestToken %s because that value is already in use for a version of "+
		"secret %s.", token, sec.arn)
}

type putSecretValueInput struct {
	SecretId           string
	ClientRequestToken string
	VersionStages      []string
	value
}

func (s *Service) putSecretValue(c *api.Call, in putSecretValueInput) (any, *api.Error) {
	sec, err := s.openLive(c, "PutSecretValue", in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	if in.empty() {
		return nil, invalidRequest("You must provide either SecretString or SecretBinary.")
	}
	if err := checkVersion(in.ClientRequestToken, in.value); err != nil {
		return nil, err
	}
	if err := checkStages(in.VersionStages); err != nil {
		return nil, err
	}
	v := sec.byID(in.ClientRequestToken)
	if v == nil {
		stages := in.VersionStages
		if len(stages) == 0 {
			stages = []string{current}
		}
		if err := s.store(c, sec, in.ClientRequestToken, in.value, stages); err != nil {
			return nil, err
		}
		v = sec.byID(in.ClientRequestToken)
	} else {
		if err := s.decrypt(c, sec, v); err != nil { // to compare
			return nil, err
		}
		if !v.value.equal(in.value) {
			return nil, tokenInUse(v.id, sec)
		}
	}
	return identity{ARN: sec.arn, Name: sec.name, VersionId: v.id, VersionStages: slices.Clone(v.stages)}, nil
}

// store encrypts a value and adds it to a secret as a new version.
func (s *Service) store(c *api.Call, sec *secret, id string, value value, stages []string) *api.Error {
	if err := s.useKey(c, encryptAction, sec.kmsKeyID, sec.arn, id); err != nil {
		return err
	}
	now := s.clock()
	return sec.add(&version{id: id, created: now, value: value, kmsKeyID: sec.kmsKeyID}, stages, now)
}

type updateSecretInput struct {
	SecretId           string
	ClientRequestToken string
	Description        *string
	KmsKeyId           *string
	value
}

// updateSecret changes what is given. Unlike PutSecretValue it refuses a token that is already a version's id.
func (s *Service) updateSecret(c *api.Call, in updateSecretInput) (any, *api.Error) {
	sec, err := s.openLive(c, "UpdateSecret", in.SecretId, in.conditions())
	if err != nil {
		return nil, err
	}
	if in.Description != nil && len(*in.Description) > maxDescription {
		return nil, tooLong("description", maxDescription)
	}
	out := identity{ARN: sec.arn, Name: sec.name}
	if !in.empty() {
		if err := checkVersion(in.ClientRequestToken, in.value); err != nil {
			return nil, err
		}
		if sec.byID(in.ClientRequestToken) != nil {
			return nil, tokenInUse(in.ClientRequestToken, sec)
		}
		out.VersionId = in.ClientRequestToken
	}
	if in.KmsKeyId != nil && *in.KmsKeyId != sec.kmsKeyID {
		if err := s.rekey(c, sec, *in.KmsKeyId); err != nil {
			return nil, err
		}
	}
	if !in.empty() {
		if err := s.store(c, sec, in.ClientRequestToken, in.value, []string{current}); err != nil {
			return nil, err
		}
	}
	if in.Description != nil {
		sec.description = *in.Description
	}
	sec.changed = s.clock()
	return out, nil
}

func (in updateSecretInput) conditions() conditions {
	keys := conditions{}
	if in.Description != nil {
		keys.set("Description", *in.Description)
	}
	if in.KmsKeyId != nil {
		keys.set("KmsKeyId", *in.KmsKeyId)
	}
	return keys
}

// randomString draws n characters of an alphabet, each as likely as any other.
func randomString(r io.Reader, alphabet string, n int) (string, error) {
	var out strings.Builder
	for range n {
		i, err := rand.Int(r, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", fmt.Errorf("drawing random characters: %w", err)
		}
		out.WriteByte(alphabet[i.Int64()])
	}
	return out.String(), nil
}
