package kms

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const maxPolicy = 32768

// open authorises an action on the key that id names, then gives it. Where there is no such key, only a caller whose
// own policies allow the action learns so.
func (s *Service) open(c *api.Call, action, id string, condition map[string][]string) (*key, *api.Error) {
	if id == "" {
		return nil, validation("Value null at 'keyId' failed to satisfy constraint: Member must not be null")
	}
	k, resource, err := s.resolve(id)
	if err != nil {
		return nil, err
	}
	if k == nil {
		q := api.Question{Action: actionPrefix + action, Resource: resource, Condition: condition}
		if err := s.cfg.Access.Allow(c, q); err != nil {
			return nil, err
		}
		if strings.Contains(resource, ":"+aliasPrefix) {
			return nil, notFound("Alias %s is not found.", resource)
		}
		return nil, notFound("Key '%s' does not exist", resource)
	}
	if _, name, ok := strings.Cut(id, aliasPrefix); ok {
		condition = withKey(condition, "kms:RequestAlias", aliasPrefix+name)
	}
	return k, s.allow(c, action, k, k.policy, condition)
}

// openLive is open for operations that a key pending deletion refuses.
func (s *Service) openLive(c *api.Call, action, id string, condition map[string][]string) (*key, *api.Error) {
	k, err := s.open(c, action, id, condition)
	if err == nil && k.state == pendingDeletion {
		return nil, invalidState("%s is pending deletion.", k.arn)
	}
	return k, err
}

// openUsable is open for operations that use the key's material.
func (s *Service) openUsable(c *api.Call, action, id string, condition map[string][]string) (*key, *api.Error) {
	k, err := s.openLive(c, action, id, condition)
	if err == nil && k.state == disabled {
		return nil, api.Errorf("DisabledException", http.StatusBadRequest, "%s is disabled.", k.arn)
	}
	return k, err
}

// allow asks for one action on a key under a policy of it.
func (s *Service) allow(c *api.Call, action string, k *key, policy string, condition map[string][]string) *api.Error {
	all := map[string][]string{
		"kms:CallerAccount": {c.Principal.Account}, "kms:KeyOrigin": {"AWS_KMS"}, "kms:KeySpec": {symmetric},
		"kms:KeyUsage": {"ENCRYPT_DECRYPT"}, "kms:MultiRegion": {"false"},
	}
	for name, a := range s.aliases {
		if a.key == k.id {
			all["kms:ResourceAliases"] = append(all["kms:ResourceAliases"], name)
		}
	}
	for name, value := range k.tags {
		all["aws:ResourceTag/"+name] = []string{value}
	}
	maps.Copy(all, condition)
	return s.cfg.Access.Allow(c, api.Question{
		Action: actionPrefix + action, Resource: k.arn, Condition: all, Policy: policy, Governed: true,
	})
}

func withKey(condition map[string][]string, name, value string) map[string][]string {
	all := maps.Clone(condition)
	if all == nil {
		all = map[string][]string{}
	}
	all[name] = []string{value}
	return all
}

// Use implements api.Keys. The services call for their callers: the source address is not that of a request to KMS.
func (s *Service) Use(c *api.Call, u api.KeyUse) (string, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	condition := contextKeys(u.Context)
	condition["kms:ViaService"] = []string{s.via(u.Service)}
	condition["aws:ViaAWSService"] = []string{"true"}
	behalf := &api.Call{Principal: c.Principal, Region: s.cfg.Region, Action: u.Action}
	k, err := s.openUsable(behalf, strings.TrimPrefix(u.Action, actionPrefix), u.Key, condition)
	if err != nil {
		return "", err
	}
	return k.arn, nil
}

// via is a service as kms:ViaService spells it.
func (s *Service) via(service string) string { return service + "." + s.cfg.Region + ".amazonaws.com" }

// defaultPolicy leaves a key to the policies of the account.
func (s *Service) defaultPolicy() string {
	return `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions",` +
		`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + s.cfg.Account + `:root"},"Action":"kms:*","Resource":"*"}]}`
}

// managed are the services whose keys AWS manages here.
var managed = []string{"s3", "secretsmanager"}

// manage makes the key that AWS manages under an alias, if it is one of those and not there yet: whoever may use the
// service may have it use the key.
func (s *Service) manage(name string) *api.Error {
	service := strings.TrimPrefix(name, aliasPrefix+"aws/")
	if s.aliases[name] != nil || service == name || !slices.Contains(managed, service) {
		return nil
	}
	policy := `{"Version":"2012-10-17","Id":"auto-` + service + `","Statement":[{"Effect":"Allow",` +
		`"Principal":{"AWS":"*"},"Resource":"*",` +
		`"Action":["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*","kms:DescribeKey"],` +
		`"Condition":{"StringEquals":{"kms:CallerAccount":"` + s.cfg.Account + `","kms:ViaService":"` + s.via(service) +
		`"}}},{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + s.cfg.Account + `:root"},` +
		`"Action":["kms:Describe*","kms:Get*","kms:List*"],"Resource":"*"}]}`
	k, err := s.newKey("AWS", "Default key that protects what "+service+" stores when no other key is defined", policy)
	if err != nil {
		return err
	}
	k.rotation = rotation{enabled: true, period: defaultPeriod, since: k.created}
	s.keys[k.id] = k
	s.aliases[name] = &alias{key: k.id, created: k.created, updated: k.created}
	return nil
}

// checkPolicy refuses a policy that is none, or that would lock its author out.
func (s *Service) checkPolicy(c *api.Call, k *key, policy string, bypass bool) *api.Error {
	malformed := func(why string) *api.Error {
		return api.Errorf("MalformedPolicyDocumentException", http.StatusBadRequest, "%s", why)
	}
	var document struct{ Statement any }
	switch {
	case len(policy) > maxPolicy:
		return api.Errorf("LimitExceededException", http.StatusBadRequest, "The policy has more than %d bytes", maxPolicy)
	case json.Unmarshal([]byte(policy), &document) != nil || document.Statement == nil:
		return malformed("Policy contains invalid json or has no statement")
	case bypass:
		return nil
	}
	if s.allow(c, "PutKeyPolicy", k, policy, nil) != nil {
		return malformed("The new key policy will not allow you to update the key policy in the future.")
	}
	return nil
}

type policyInput struct {
	KeyId                          string
	PolicyName                     string
	Policy                         string
	BypassPolicyLockoutSafetyCheck bool
}

func (in policyInput) check() *api.Error {
	if in.PolicyName != "" && in.PolicyName != "default" {
		return notFound("No such policy exists")
	}
	return nil
}

func (s *Service) getKeyPolicy(c *api.Call, in policyInput) (any, *api.Error) {
	k, err := s.open(c, "GetKeyPolicy", in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	return struct{ Policy, PolicyName string }{k.policy, "default"}, nil
}

func (s *Service) putKeyPolicy(c *api.Call, in policyInput) (any, *api.Error) {
	k, err := s.openLive(c, "PutKeyPolicy", in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := s.checkPolicy(c, k, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	k.policy = in.Policy
	return struct{}{}, nil
}

func (s *Service) listKeyPolicies(c *api.Call, in policyInput) (any, *api.Error) {
	if _, err := s.open(c, "ListKeyPolicies", in.KeyId, nil); err != nil {
		return nil, err
	}
	return struct {
		PolicyNames []string
		Truncated   bool
	}{[]string{"default"}, false}, nil
}
