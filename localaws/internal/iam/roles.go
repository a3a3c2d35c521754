package iam

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

type roleXML struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               time.Time
	AssumeRolePolicyDocument string
	Description              string `xml:",omitempty"`
	MaxSessionDuration       int
	PermissionsBoundary      *boundaryXML
	Tags                     []awsquery.Tag `xml:"Tags>member"`
}

type roleResult struct{ Role roleXML }

func (r *role) xml() roleXML {
	return roleXML{
		Path: r.Path, RoleName: r.Name, RoleID: r.ID, Arn: r.ARN, CreateDate: r.Created,
		AssumeRolePolicyDocument: encodeDocument(r.Trust),
		Description:              r.Description,
		MaxSessionDuration:       int(r.MaxSession / time.Second),
		PermissionsBoundary:      r.boundaryXML(),
		Tags:                     tagList(r.Tags),
	}
}

// encodeDocument percent-encodes a policy document as RFC 3986 has it, which is how IAM returns documents.
func encodeDocument(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

func (s *Service) createRole(form url.Values) (any, *api.Error) {
	if err := checkName(form, "RoleName", roleNamePattern); err != nil {
		return nil, err
	}
	name := form.Get("RoleName")
	limit, err := sessionLimit(form, time.Hour)
	if err != nil {
		return nil, err
	}
	trust, err := trustDocument(form, "AssumeRolePolicyDocument")
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	if err := addTags(tags, form); err != nil {
		return nil, err
	}
	if _, ok := s.roles[name]; ok {
		return nil, alreadyExists("Role with name %s already exists.", name)
	}
	boundary := ""
	if form.Has("PermissionsBoundary") {
		if boundary, err = s.findBoundary(form); err != nil {
			return nil, err
		}
	}
	r := &role{inline: map[string]string{}, boundary: boundary, Role: Role{
		Name: name, Path: pathOf(form), ARN: s.arn("role", pathOf(form), name), ID: s.id("AROA", 17),
		Description: form.Get("Description"), Trust: trust, MaxSession: limit, Created: s.now(), Tags: tags,
	}}
	s.roles[name] = r
	return roleResult{r.xml()}, nil
}

func (s *Service) getRole(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	return roleResult{r.xml()}, nil
}

func (s *Service) updateRole(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	if err := checkDescription(form); err != nil {
		return nil, err
	}
	limit, err := sessionLimit(form, r.MaxSession)
	if err != nil {
		return nil, err
	}
	if form.Has("Description") {
		r.Description = form.Get("Description")
	}
	r.MaxSession = limit
	return struct{}{}, nil
}

func (s *Service) deleteRole(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	if len(r.attached) > 0 {
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	}
	if len(r.inline) > 0 {
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	delete(s.roles, r.Name)
	return nil, nil
}

func (s *Service) listRoles(form url.Values) (any, *api.Error) {
	var list []roleXML
	for _, name := range slices.Sorted(maps.Keys(s.roles)) {
		r := s.roles[name]
		if !strings.HasPrefix(r.Path, form.Get("PathPrefix")) {
			continue
		}
		item := r.xml()
		item.Tags, item.PermissionsBoundary = nil, nil // the list does not carry them
		list = append(list, item)
	}
	list, more, marker := page(form, list)
	return struct {
		Roles       []roleXML `xml:"Roles>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{list, more, marker}, nil
}

func (s *Service) updateAssumeRolePolicy(form url.Values) (any, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	trust, err := trustDocument(form, "PolicyDocument")
	if err != nil {
		return nil, err
	}
	r.Trust = trust
	return nil, nil
}

// listInstanceProfilesForRole answers an empty list, for there are no instance profiles; Terraform asks before it
// deletes a role.
func (s *Service) listInstanceProfilesForRole(form url.Values) (any, *api.Error) {
	if _, err := s.findRole(form); err != nil {
		return nil, err
	}
	return struct {
		InstanceProfiles []struct{} `xml:"InstanceProfiles>member"`
		IsTruncated      bool
	}{}, nil
}
