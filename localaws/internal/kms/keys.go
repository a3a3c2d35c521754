package kms

import (
	"crypto/cipher"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/awsjson"
)

// The states that a key can be in.
const (
	enabled         = "Enabled"
	disabled        = "Disabled"
	pendingDeletion = "PendingDeletion"
)

const (
	symmetric      = "SYMMETRIC_DEFAULT"
	maxDescription = 8192
	day            = 24 * time.Hour
	leastWindow    = 7  // days
	defaultWindow  = 30 // days, and the most
)

// key is one symmetric key.
type key struct {
	id, arn     string
	description string
	state       string
	policy      string
	manager     string // CUSTOMER, or AWS for the keys of its services
	created     time.Time
	deleteAt    time.Time // end of the waiting period; zero unless pendingDeletion
	rotation    rotation
	tags        map[string]string
	seal        cipher.AEAD // of the key's material
}

// metadata is KeyMetadata of the API reference.
type metadata struct {
	AWSAccountId          string
	KeyId                 string
	Arn                   string
	CreationDate          awsjson.Epoch
	Enabled               bool
	Description           string
	KeyUsage              string
	KeyState              string
	DeletionDate          awsjson.Epoch `json:",omitzero"`
	Origin                string
	KeyManager            string
	CustomerMasterKeySpec string
	KeySpec               string
	EncryptionAlgorithms  []string
	MultiRegion           bool
}

type keyMetadata struct{ KeyMetadata metadata }

func (s *Service) metadata(k *key) keyMetadata {
	return keyMetadata{metadata{
		AWSAccountId: s.cfg.Account, KeyId: k.id, Arn: k.arn, CreationDate: awsjson.Epoch(k.created),
		Enabled: k.state == enabled, Description: k.description, KeyUsage: "ENCRYPT_DECRYPT", KeyState: k.state,
		DeletionDate: awsjson.Epoch(k.deleteAt), Origin: "AWS_KMS", KeyManager: k.manager,
		CustomerMasterKeySpec: symmetric, KeySpec: symmetric, EncryptionAlgorithms: []string{symmetric},
	}}
}

// purge forgets the keys whose waiting period is over, with their aliases.
func (s *Service) purge() {
	now := s.cfg.Clock()
	for id, k := range s.keys {
		if k.state == pendingDeletion && !now.Before(k.deleteAt) {
			delete(s.keys, id)
			maps.DeleteFunc(s.aliases, func(_ string, a *alias) bool { return a.key == id })
		}
	}
}

// newKey makes a key under a policy, which is not checked here.
func (s *Service) newKey(manager, description, policy string) (*key, *api.Error) {
	random := make([]byte, 16+materialLength)
	if _, err := io.ReadFull(s.cfg.Rand, random); err != nil {
		return nil, internalError(err)
	}
	seal, err := newSeal(random[16:])
	if err != nil {
		return nil, internalError(err)
	}
	id := random[:16]
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // a UUID of version 4
	text := fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	return &key{
		id: text, arn: s.arn("key/" + text), description: description, state: enabled, policy: policy, manager: manager,
		created: s.cfg.Clock(), tags: map[string]string{}, seal: seal,
	}, nil
}

type createKeyInput struct {
	Policy                         string
	Description                    string
	KeyUsage                       string
	KeySpec                        string
	CustomerMasterKeySpec          string
	Origin                         string
	CustomKeyStoreId               string
	MultiRegion                    bool
	BypassPolicyLockoutSafetyCheck bool
	Tags                           []tag
}

func (s *Service) createKey(c *api.Call, in createKeyInput) (any, *api.Error) {
	condition := map[string][]string{"kms:KeySpec": {symmetric}, "kms:KeyUsage": {"ENCRYPT_DECRYPT"}}
	addRequestTags(condition, in.Tags)
	err := s.cfg.Access.Allow(c, api.Question{Action: "kms:CreateKey", Resource: "*", Condition: condition})
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	policy := in.Policy
	if policy == "" {
		policy = s.defaultPolicy()
	}
	k, err := s.newKey("CUSTOMER", in.Description, policy)
	if err != nil {
		return nil, err
	}
	if err := s.checkPolicy(c, k, policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	if err := k.addTags(in.Tags); err != nil {
		return nil, err
	}
	s.keys[k.id] = k
	return s.metadata(k), nil
}

// check refuses what is not emulated.
func (in createKeyInput) check() *api.Error {
	only := func(member, value string, known ...string) *api.Error {
		if value == "" || slices.Contains(known, value) {
			return nil
		}
		return unsupported("localaws does not emulate keys with %s %s", member, value)
	}
	for _, err := range []*api.Error{
		only("KeyUsage", in.KeyUsage, "ENCRYPT_DECRYPT"),
		only("KeySpec", in.KeySpec, symmetric),
		only("CustomerMasterKeySpec", in.CustomerMasterKeySpec, symmetric),
		only("Origin", in.Origin, "AWS_KMS"),
		only("CustomKeyStoreId", in.CustomKeyStoreId),
	} {
		if err != nil {
			return err
		}
	}
	if in.MultiRegion {
		return unsupported("localaws does not emulate keys of many regions")
	}
	return checkDescription(in.Description)
}

func checkDescription(text string) *api.Error {
	if len(text) > maxDescription {
		return validation("Value at 'description' failed to satisfy constraint: Member must have length less than or "+
			"equal to %d", maxDescription)
	}
	return nil
}

type keyInput struct{ KeyId string }

func (s *Service) describeKey(c *api.Call, in keyInput) (any, *api.Error) {
	k, err := s.open(c, "DescribeKey", in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	return s.metadata(k), nil
}

type keyEntry struct{ KeyId, KeyArn string }

func (s *Service) listKeys(c *api.Call, _ struct{}) (any, *api.Error) {
	if err := s.cfg.Access.Allow(c, api.Question{Action: "kms:ListKeys", Resource: "*"}); err != nil {
		return nil, err
	}
	list := []keyEntry{}
	for _, id := range slices.Sorted(maps.Keys(s.keys)) {
		list = append(list, keyEntry{KeyId: id, KeyArn: s.keys[id].arn})
	}
	return struct {
		Keys      []keyEntry
		Truncated bool
	}{list, false}, nil
}

// setState moves a key between Enabled and Disabled.
func (s *Service) setState(c *api.Call, action, id, state string) (any, *api.Error) {
	k, err := s.openLive(c, action, id, nil)
	if err != nil {
		return nil, err
	}
	k.state = state
	return struct{}{}, nil
}

func (s *Service) enableKey(c *api.Call, in keyInput) (any, *api.Error) {
	return s.setState(c, "EnableKey", in.KeyId, enabled)
}

func (s *Service) disableKey(c *api.Call, in keyInput) (any, *api.Error) {
	return s.setState(c, "DisableKey", in.KeyId, disabled)
}

type descriptionInput struct{ KeyId, Description string }

func (s *Service) updateKeyDescription(c *api.Call, in descriptionInput) (any, *api.Error) {
	k, err := s.openLive(c, "UpdateKeyDescription", in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	if err := checkDescription(in.Description); err != nil {
		return nil, err
	}
	k.description = in.Description
	return struct{}{}, nil
}

type deletionInput struct {
	KeyId               string
	PendingWindowInDays *int
}

type deletionOutput struct {
	KeyId               string
	DeletionDate        awsjson.Epoch `json:",omitzero"`
	KeyState            string        `json:",omitempty"`
	PendingWindowInDays int           `json:",omitempty"`
}

func (s *Service) scheduleKeyDeletion(c *api.Call, in deletionInput) (any, *api.Error) {
	window := defaultWindow
	if in.PendingWindowInDays != nil {
		window = *in.PendingWindowInDays
	}
	condition := map[string][]string{"kms:ScheduleKeyDeletionPendingWindowInDays": {fmt.Sprint(window)}}
	k, err := s.openLive(c, "ScheduleKeyDeletion", in.KeyId, condition)
	if err != nil {
		return nil, err
	}
	if window < leastWindow || window > defaultWindow {
		return nil, validation("PendingWindowInDays must be between %d and %d", leastWindow, defaultWindow)
	}
	k.state, k.deleteAt = pendingDeletion, s.cfg.Clock().Add(time.Duration(window)*day)
	return deletionOutput{
		KeyId: k.arn, DeletionDate: awsjson.Epoch(k.deleteAt), KeyState: k.state, PendingWindowInDays: window,
	}, nil
}

// cancelKeyDeletion leaves the key disabled, as KMS does.
func (s *Service) cancelKeyDeletion(c *api.Call, in keyInput) (any, *api.Error) {
	k, err := s.open(c, "CancelKeyDeletion", in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	if k.state != pendingDeletion {
		return nil, invalidState("%s is not pending deletion.", k.arn)
	}
	k.state, k.deleteAt = disabled, time.Time{}
	return deletionOutput{KeyId: k.arn}, nil
}

func invalidState(format string, args ...any) *api.Error {
	return api.Errorf("KMSInvalidStateException", http.StatusBadRequest, format, args...)
}

func unsupported(format string, args ...any) *api.Error {
	return api.Errorf("UnsupportedOperationException", http.StatusBadRequest, format, args...)
}

func validation(format string, args ...any) *api.Error {
	return api.Errorf("ValidationException", http.StatusBadRequest, "1 validation error detected: "+format, args...)
}

func notFound(format string, args ...any) *api.Error {
	return api.Errorf("NotFoundException", http.StatusBadRequest, format, args...)
}

func internalError(err error) *api.Error {
	return api.Errorf("KMSInternalException", http.StatusInternalServerError, "%v", err)
}

// resolve finds a key by id, ARN, alias or ARN of an alias; nil when there is none. resource is the ARN to ask about.
func (s *Service) resolve(id string) (k *key, resource string, err *api.Error) {
	name, ours := strings.CutPrefix(id, s.arn(""))
	switch {
	case !ours && strings.HasPrefix(id, "arn:"):
		return nil, id, nil // of another account or region, where localaws has none
	case ours:
		name = strings.TrimPrefix(name, "key/")
	}
	if !strings.HasPrefix(name, aliasPrefix) {
		return s.keys[name], s.arn("key/" + name), nil
	}
	if err := s.manage(name); err != nil {
		return nil, "", err
	}
	if a := s.aliases[name]; a != nil {
		return s.keys[a.key], s.keys[a.key].arn, nil
	}
	return nil, s.arn(name), nil
}
