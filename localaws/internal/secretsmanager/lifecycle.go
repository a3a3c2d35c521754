package secretsmanager

import (
	"strconv"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/awsjson"
)

const (
	day           = 24 * time.Hour
	leastWindow   = 7  // days
	defaultWindow = 30 // days, and the most
)

// purge forgets the secrets whose recovery window is over.
func (s *Service) purge() {
	now := s.clock()
	for name, sec := range s.secrets {
		if sec.deleted() && !now.Before(sec.deleteAt) {
			delete(s.secrets, name)
		}
	}
}

type deleteSecretInput struct {
	SecretId                   string
	ForceDeleteWithoutRecovery *bool
	RecoveryWindowInDays       *int64
}

type deleteSecretOutput struct {
	ARN          string
	Name         string
	DeletionDate awsjson.Epoch
}

// deleteSecret starts the recovery window, or forgets the secret at once when forced. Forcing the deletion of what is
// not there succeeds, so that a retry does.
func (s *Service) deleteSecret(c *api.Call, in deleteSecretInput) (any, *api.Error) {
	force := in.ForceDeleteWithoutRecovery != nil && *in.ForceDeleteWithoutRecovery
	sec, err := s.open(c, "DeleteSecret", in.SecretId, in.conditions())
	if err != nil && err.Code == "ResourceNotFoundException" && force {
		_, arn := s.lookup(in.SecretId)
		return deleteSecretOutput{ARN: arn, Name: in.SecretId, DeletionDate: awsjson.Epoch(s.clock())}, nil
	}
	if err != nil {
		return nil, err
	}
	window := int64(defaultWindow)
	if in.RecoveryWindowInDays != nil {
		window = *in.RecoveryWindowInDays
	}
	switch {
	case force && in.RecoveryWindowInDays != nil:
		return nil, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with " +
			"RecoveryWindowInDays.")
	case window < leastWindow || window > defaultWindow:
		return nil, invalidParameter("The RecoveryWindowInDays value must be between %d and %d days (inclusive).",
			leastWindow, defaultWindow)
	case force:
		delete(s.secrets, sec.name)
		return deleteSecretOutput{ARN: sec.arn, Name: sec.name, DeletionDate: awsjson.Epoch(s.clock())}, nil
	case sec.deleted():
		return nil, markedForDeletion()
	}
	sec.deleteAt = s.clock().Add(time.Duration(window) * day)
	return deleteSecretOutput{ARN: sec.arn, Name: sec.name, DeletionDate: awsjson.Epoch(sec.deleteAt)}, nil
}

func (in deleteSecretInput) conditions() conditions {
	keys := conditions{}
	if in.ForceDeleteWithoutRecovery != nil {
		keys.set("ForceDeleteWithoutRecovery", strconv.FormatBool(*in.ForceDeleteWithoutRecovery))
	}
	if in.RecoveryWindowInDays != nil {
		keys.set("RecoveryWindowInDays", strconv.FormatInt(*in.RecoveryWindowInDays, 10))
	}
	return keys
}

type restoreSecretInput struct{ SecretId string }

func (s *Service) restoreSecret(c *api.Call, in restoreSecretInput) (any, *api.Error) {
	sec, err := s.open(c, "RestoreSecret", in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	sec.deleteAt = time.Time{}
	return identity{ARN: sec.arn, Name: sec.name}, nil
}
