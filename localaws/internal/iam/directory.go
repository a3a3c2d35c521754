package iam

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

// Role is a role as it was when asked for; it does not follow later changes.
type Role struct {
	Name, Path, ARN string
	ID              string // AROA…; a role created again under the same name has another one
	Description     string
	Trust           string        // the trust policy document
	MaxSession      time.Duration // 1 h to 12 h
	Created         time.Time
	Tags            map[string]string
}

type role struct {
	Role
	inline   map[string]string // documents by policy name
	attached []string          // ARNs of managed policies
	boundary string            // ARN of a managed policy; empty is none
}

type managedPolicy struct {
	name, path, arn, id, description string
	created, updated                 time.Time
	versions                         []policyVersion // oldest first
	defaultVersion                   string
	lastVersion                      int // numbers are never used twice
	tags                             map[string]string
}

type policyVersion struct {
	id, document string
	created      time.Time
}

// Provider is an OIDC provider as it was when asked for.
type Provider struct {
	ARN       string
	Issuer    string   // as registered, with its scheme
	ClientIDs []string // the audiences that its tokens may have
}

type provider struct {
	Provider
	thumbprints []string
	created     time.Time
	tags        map[string]string
}

// url is the issuer without its scheme, as ARNs and condition keys have it.
func (p Provider) url() string {
	_, rest, _ := strings.Cut(p.Issuer, "://")
	return rest
}

// Role finds a role by its ARN.
func (s *Service) Role(arn string) (Role, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.roleByARN(arn)
	if !ok {
		return Role{}, false
	}
	found := r.Role
	found.Tags = maps.Clone(r.Tags)
	return found, true
}

// Provider finds the OIDC provider whose issuer is exactly that URL, scheme included.
func (s *Service) Provider(issuer string) (Provider, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.providers {
		if p.Issuer == issuer {
			found := p.Provider
			found.ClientIDs = slices.Clone(p.ClientIDs)
			return found, true
		}
	}
	return Provider{}, false
}

func (s *Service) roleByARN(arn string) (*role, bool) {
	r, ok := s.roles[arn[strings.LastIndexByte(arn, '/')+1:]]
	if !ok || r.ARN != arn {
		return nil, false
	}
	return r, true
}

func (s *Service) findRole(form url.Values) (*role, *api.Error) {
	name := form.Get("RoleName")
	r, ok := s.roles[name]
	if !ok {
		return nil, noSuchEntity("The role with name %s cannot be found.", name)
	}
	return r, nil
}

func (s *Service) findPolicy(form url.Values) (*managedPolicy, *api.Error) {
	arn := form.Get("PolicyArn")
	p, ok := s.policies[arn]
	if !ok {
		return nil, noSuchEntity("Policy %s was not found.", arn)
	}
	return p, nil
}

func (s *Service) findProvider(form url.Values) (*provider, *api.Error) {
	arn := form.Get("OpenIDConnectProviderArn")
	p, ok := s.providers[arn]
	if !ok {
		return nil, noSuchEntity("OpenIDConnect Provider not found for arn %s", arn)
	}
	return p, nil
}

func (p *managedPolicy) version(id string) (policyVersion, bool) {
	i := slices.IndexFunc(p.versions, func(v policyVersion) bool { return v.id == id })
	if i < 0 {
		return policyVersion{}, false
	}
	return p.versions[i], true
}

func (s *Service) attachments(arn string) int {
	n := 0
	for _, r := range s.roles {
		if slices.Contains(r.attached, arn) {
			n++
		}
	}
	return n
}

func onAny(*Service, url.Values) string { return "*" }

func onRole(s *Service, form url.Values) string {
	if r, ok := s.roles[form.Get("RoleName")]; ok {
		return r.ARN
	}
	return s.arn("role", pathOf(form), form.Get("RoleName"))
}

func onPolicy(s *Service, form url.Values) string {
	if arn := form.Get("PolicyArn"); arn != "" {
		return arn
	}
	return s.arn("policy", pathOf(form), form.Get("PolicyName"))
}

func onProvider(s *Service, form url.Values) string {
	if arn := form.Get("OpenIDConnectProviderArn"); arn != "" {
		return arn
	}
	return s.arn("oidc-provider", "/", Provider{Issuer: form.Get("Url")}.url())
}

func pathOf(form url.Values) string {
	if path := form.Get("Path"); path != "" {
		return path
	}
	return "/"
}

// tagList gives tags in the order of their keys, so that answers do not flicker.
func tagList(tags map[string]string) []awsquery.Tag {
	list := make([]awsquery.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, awsquery.Tag{Key: key, Value: tags[key]})
	}
	return list
}

func noSuchEntity(format string, args ...any) *api.Error {
	return api.Errorf("NoSuchEntity", http.StatusNotFound, format, args...)
}

func deleteConflict(format string, args ...any) *api.Error {
	return api.Errorf("DeleteConflict", http.StatusConflict, format, args...)
}

func alreadyExists(format string, args ...any) *api.Error {
	return api.Errorf("EntityAlreadyExists", http.StatusConflict, format, args...)
}

func limitExceeded(format string, args ...any) *api.Error {
	return api.Errorf("LimitExceeded", http.StatusConflict, format, args...)
}
