package iam

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

func (s *Service) putRolePolicy(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	if err := checkPattern(form, "PolicyName", policyNamePattern); err != nil {
		return nil, err
	}
	document, err := identityDocument(form)
	if err != nil {
		return nil, err
	}
	total := characters(document)
	for name, other := range r.inline {
		if name != form.Get("PolicyName") {
			total += characters(other)
		}
	}
	if total > maxInlineCharacters {
		return nil, limitExceeded("Maximum policy size of %d bytes exceeded for role %s", maxInlineCharacters, r.Name)
	}
	r.inline[form.Get("PolicyName")] = document
	return nil, nil
}

func (s *Service) findInline(form url.Values) (*role, string, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, "", err
	}
	name := form.Get("PolicyName")
	if _, ok := r.inline[name]; !ok {
		return nil, "", noSuchEntity("The role policy with name %s cannot be found.", name)
	}
	return r, name, nil
}

func (s *Service) getRolePolicy(form url.Values) (any, *api.Error) {
	r, name, err := s.findInline(form)
	if err != nil {
		return nil, err
	}
	return struct{ RoleName, PolicyName, PolicyDocument string }{r.Name, name, encodeDocument(r.inline[name])}, nil
}

func (s *Service) deleteRolePolicy(form url.Values) (any, *api.Error) {
	r, name, err := s.findInline(form)
	if err != nil {
		return nil, err
	}
	delete(r.inline, name)
	return nil, nil
}

func (s *Service) listRolePolicies(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	names, more, marker := page(form, slices.Sorted(maps.Keys(r.inline)))
	return struct {
		PolicyNames []string `xml:"PolicyNames>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{names, more, marker}, nil
}

func (s *Service) attachRolePolicy(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	arn := form.Get("PolicyArn")
	if _, ok := s.policies[arn]; !ok {
		return nil, noSuchEntity("Policy %s does not exist or is not attachable.", arn)
	}
	if slices.Contains(r.attached, arn) {
		return nil, nil
	}
	if len(r.attached) == maxAttachedPolicies {
		return nil, limitExceeded("Cannot exceed quota for PoliciesPerRole: %d", maxAttachedPolicies)
	}
	r.attached = append(r.attached, arn)
	return nil, nil
}

func (s *Service) detachRolePolicy(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	arn := form.Get("PolicyArn")
	i := slices.Index(r.attached, arn)
	if i < 0 {
		return nil, noSuchEntity("Policy %s was not found.", arn)
	}
	r.attached = slices.Delete(r.attached, i, i+1)
	return nil, nil
}

func (s *Service) listAttachedRolePolicies(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	type attached struct{ PolicyName, PolicyArn string }
	var list []attached
	for _, arn := range r.attached {
		p := s.policies[arn]
		if strings.HasPrefix(p.path, form.Get("PathPrefix")) {
			list = append(list, attached{p.name, arn})
		}
	}
	list, more, marker := page(form, list)
	return struct {
		AttachedPolicies []attached `xml:"AttachedPolicies>member"`
		IsTruncated      bool
		Marker           string `xml:",omitempty"`
	}{list, more, marker}, nil
}
