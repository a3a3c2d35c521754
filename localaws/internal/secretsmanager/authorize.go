package secretsmanager

import (
	"net/http"
	"net/url"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// conditions are the keys that an operation adds to a question.
type conditions map[string][]string

func (k conditions) set(key, value string) {
	if value != "" {
		k[actionPrefix+key] = []string{value}
	}
}

// allow asks for one action on one secret; sec is nil when the resource names none.
func (s *Service) allow(c *api.Call, action string, sec *secret, resource string, keys conditions) *api.Error {
	q := api.Question{Action: actionPrefix + action, Resource: resource, Condition: conditions{}}
	for k, v := range keys {
		q.Condition[k] = v
	}
	if resource != "*" {
		q.Condition[actionPrefix+"SecretId"] = []string{resource}
	}
	if sec != nil {
		q.Policy = sec.policy
		for _, t := range sec.tags {
			q.Condition["aws:ResourceTag/"+t.Key] = []string{t.Value}
			q.Condition[actionPrefix+"ResourceTag/"+t.Key] = []string{t.Value}
		}
	}
	return s.access.Allow(c, q)
}

// open authorises an action on the secret that id names, then gives it. Permission comes before existence, so that a
// stranger cannot learn which secrets there are.
func (s *Service) open(c *api.Call, action, id string, keys conditions) (*secret, *api.Error) {
	if id == "" {
		return nil, validation("1 validation error detected: Value at 'secretId' failed to satisfy constraint: " +
			"Member must not be null")
	}
	if len(id) > maxSecretID {
		return nil, tooLong("secretId", maxSecretID)
	}
	sec, resource := s.lookup(id)
	if err := s.allow(c, action, sec, resource, keys); err != nil {
		return nil, err
	}
	if sec == nil {
		return nil, noSuchSecret()
	}
	return sec, nil
}

// openLive is open for operations that a secret marked for deletion refuses.
func (s *Service) openLive(c *api.Call, action, id string, keys conditions) (*secret, *api.Error) {
	sec, err := s.open(c, action, id, keys)
	if err != nil {
		return nil, err
	}
	if sec.deleted() {
		return nil, markedForDeletion()
	}
	return sec, nil
}

func markedForDeletion() *api.Error {
	return invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
}

// requestTags adds the keys by which policies rule which tags a call may set.
func (k conditions) requestTags(tags []tag) {
	for _, t := range tags {
		k["aws:RequestTag/"+t.Key] = []string{t.Value}
		k["aws:TagKeys"] = append(k["aws:TagKeys"], t.Key)
	}
}

// ReadAs reads one version of a secret on behalf of p, who needs secretsmanager:GetSecretValue on it: this is how
// another service of the emulator (AppConfig) uses a role that it assumed. secretID is a name or an ARN; an empty
// versionID reads AWSCURRENT. It gives a copy of the bytes and the id of the version that they are of.
func (s *Service) ReadAs(p api.Principal, secretID, versionID string) (value []byte, version string, err *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	c := &api.Call{
		Request:   &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: http.Header{}},
		Principal: p,
		Action:    actionPrefix + "GetSecretValue",
	}
	_, v, err := s.read(c, getSecretValueInput{SecretId: secretID, VersionId: versionID})
	if err != nil {
		return nil, "", err
	}
	return v.value.bytes(), v.id, nil
}
