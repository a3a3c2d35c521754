package iam

import (
	"net/url"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// boundaryXML is AttachedPermissionsBoundary of the API reference.
type boundaryXML struct {
	Type string `xml:"PermissionsBoundaryType"`
	ARN  string `xml:"PermissionsBoundaryArn"`
}

func (r *role) boundaryXML() *boundaryXML {
	if r.boundary == "" {
		return nil
	}
	return &boundaryXML{Type: "Policy", ARN: r.boundary}
}

// findBoundary gives the ARN of the policy that a form names as the boundary of a role.
func (s *Service) findBoundary(form url.Values) (string, *api.Error) {
	arn := form.Get("PermissionsBoundary")
	if _, ok := s.policies[arn]; !ok {
		return "", noSuchEntity("Scope ARN: %s does not exist or is not attachable.", arn)
	}
	return arn, nil
}

// putRolePermissionsBoundary narrows a role to what a managed policy allows; the sessions that it has, too.
func (s *Service) putRolePermissionsBoundary(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	arn, err := s.findBoundary(form)
	if err != nil {
		return nil, err
	}
	r.boundary = arn
	return nil, nil
}

func (s *Service) deleteRolePermissionsBoundary(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	r.boundary = ""
	return nil, nil
}

// boundaries counts the roles that a policy narrows.
func (s *Service) boundaries(arn string) int {
	n := 0
	for _, r := range s.roles {
		if r.boundary == arn {
			n++
		}
	}
	return n
}

// boundaryOf is the boundary that a call is about, for iam:PermissionsBoundary: the one that it sets, or else the
// role's. Empty is none.
func (s *Service) boundaryOf(form url.Values) string {
	if form.Has("PermissionsBoundary") {
		return form.Get("PermissionsBoundary")
	}
	if r, ok := s.roles[form.Get("RoleName")]; ok {
		return r.boundary
	}
	return ""
}
