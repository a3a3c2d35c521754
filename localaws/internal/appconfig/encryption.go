package appconfig

import (
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// The actions on a key that the service takes for its caller.
const (
	encryptAction = "kms:GenerateDataKey"
	decryptAction = "kms:Decrypt"
)

// useKey asks KMS for one action with a key on the caller's behalf and completes it to its ARN; no key is no question.
// The encryption context of AppConfig is not published: there is none here.
func (s *Service) useKey(c *api.Call, action, key string) (arn string, err *api.Error) {
	if key == "" {
		return "", nil
	}
	arn, err = s.keys.Use(c, api.KeyUse{Action: action, Key: key, Service: "appconfig"})
	if err != nil && err.Code != "AccessDenied" {
		return "", badRequest("The KMS key %s cannot be used: %s: %s", key, err.Code, err.Message)
	}
	return arn, err
}

// deploymentKey is the key under which a deployment keeps its copy of the configuration. A secret under its owner's key
// must not be copied without one.
func (s *Service) deploymentKey(c *api.Call, p *profile, key string) (arn string, err *api.Error) {
	if name, inSecrets := strings.CutPrefix(p.LocationUri, secretScheme); inSecrets && key == "" {
		if own := s.secrets.CustomerKey(name); own != "" {
			return "", badRequest("The deployment needs a KmsKeyIdentifier: secret %s is encrypted with the customer "+
				"managed key %s.", name, own)
		}
	}
	return s.useKey(c, encryptAction, key)
}
