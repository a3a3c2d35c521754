package secretsmanager

import (
	"net/http"
	"slices"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// managedKey is the key of secrets that name none.
const managedKey = "alias/aws/secretsmanager"

// The actions on a key that the service takes for its caller.
const (
	encryptAction = "kms:GenerateDataKey"
	decryptAction = "kms:Decrypt"
)

// useKey asks KMS for one action with a key on the caller's behalf, in the words of Secrets Manager. Values are not
// really encrypted: they are in memory alone.
func (s *Service) useKey(c *api.Call, action, keyID, arn, version string) *api.Error {
	if keyID == "" {
		keyID = managedKey
	}
	_, err := s.keys.Use(c, api.KeyUse{
		Action: action, Key: keyID, Service: "secretsmanager",
		Context: map[string]string{"SecretARN": arn, "SecretVersionId": version},
	})
	switch {
	case err == nil:
		return nil
	case err.Code == "AccessDenied":
		return api.Errorf("AccessDenied", http.StatusBadRequest, "Access to KMS is not allowed")
	case action == decryptAction:
		return api.Errorf("DecryptionFailure", http.StatusBadRequest,
			"Secrets Manager can't decrypt the protected secret text using the provided KMS key. (%s)", err.Message)
	}
	return api.Errorf("EncryptionFailure", http.StatusBadRequest,
		"Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is "+
			"available, enabled, and not in an invalid state. (%s)", err.Message)
}

// checkKey tries a key that a secret is to have, as the service does before it takes it.
func (s *Service) checkKey(c *api.Call, keyID string) *api.Error {
	const probe = "RequestToValidateKeyAccess" // instead of the ARN and the version
	for _, action := range []string{encryptAction, decryptAction} {
		if err := s.useKey(c, action, keyID, probe, probe); err != nil {
			return err
		}
	}
	return nil
}

// decrypt asks whether the caller may have v decrypted.
func (s *Service) decrypt(c *api.Call, sec *secret, v *version) *api.Error {
	return s.useKey(c, decryptAction, v.kmsKeyID, sec.arn, v.id)
}

// rekey gives a secret another key: the versions with a label are decrypted and encrypted anew. Nothing changes unless
// the caller may do all of it.
func (s *Service) rekey(c *api.Call, sec *secret, keyID string) *api.Error {
	if err := s.checkKey(c, keyID); err != nil {
		return err
	}
	labelled := slices.DeleteFunc(slices.Clone(sec.versions), func(v *version) bool { return len(v.stages) == 0 })
	for _, v := range labelled {
		if err := s.decrypt(c, sec, v); err != nil {
			return err
		}
		if err := s.useKey(c, encryptAction, keyID, sec.arn, v.id); err != nil {
			return err
		}
	}
	for _, v := range labelled {
		v.kmsKeyID = keyID
	}
	sec.kmsKeyID = keyID
	return nil
}

// CustomerKey is the key that the owner of a secret gave it, by name or ARN; empty when AWS manages its key, or when
// there is no such secret.
func (s *Service) CustomerKey(secretID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, _ := s.lookup(secretID)
	if sec == nil || sec.kmsKeyID == managedKey {
		return ""
	}
	return sec.kmsKeyID
}
