package iam

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

type policyXML struct {
	PolicyName                    string
	PolicyID                      string `xml:"PolicyId"`
	Arn                           string
	Path                          string
	DefaultVersionID              string `xml:"DefaultVersionId"`
	AttachmentCount               int
	PermissionsBoundaryUsageCount int
	IsAttachable                  bool
	Description                   string `xml:",omitempty"`
	CreateDate, UpdateDate        time.Time
	Tags                          []awsquery.Tag `xml:"Tags>member"`
}

type policyResult struct{ Policy policyXML }

func (s *Service) policyXML(p *managedPolicy) policyXML {
	return policyXML{
		PolicyName: p.name, PolicyID: p.id, Arn: p.arn, Path: p.path, DefaultVersionID: p.defaultVersion,
		AttachmentCount: s.attachments(p.arn), PermissionsBoundaryUsageCount: s.boundaries(p.arn), IsAttachable: true,
		Description: p.description,
		CreateDate:  p.created, UpdateDate: p.updated, Tags: tagList(p.tags),
	}
}

// managedDocument is identityDocument within the quota of a managed policy.
func managedDocument(form url.Values) (string, *api.Error) {
	document, err := identityDocument(form)
	if err != nil {
		return "", err
	}
	if characters(document) > maxManagedCharacters {
		return "", limitExceeded("Cannot exceed quota for PolicySize: %d", maxManagedCharacters)
	}
	return document, nil
}

func (s *Service) createPolicy(form url.Values) (any, *api.Error) {
	if err := checkName(form, "PolicyName", policyNamePattern); err != nil {
		return nil, err
	}
	name := form.Get("PolicyName")
	document, err := managedDocument(form)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	if err := addTags(tags, form); err != nil {
		return nil, err
	}
	for _, other := range s.policies {
		if other.name == name {
			return nil, alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", name)
		}
	}
	p := &managedPolicy{
		name: name, path: pathOf(form), arn: s.arn("policy", pathOf(form), name), id: s.id("ANPA", 17),
		description: form.Get("Description"), created: s.now(), tags: tags,
	}
	p.add(document, s.now(), true)
	s.policies[p.arn] = p
	return policyResult{s.policyXML(p)}, nil
}

// add appends a version, as the default one when asked.
func (p *managedPolicy) add(document string, at time.Time, asDefault bool) policyVersion {
	p.lastVersion++
	v := policyVersion{id: "v" + strconv.Itoa(p.lastVersion), document: document, created: at}
	p.versions = append(p.versions, v)
	p.updated = at
	if asDefault {
		p.defaultVersion = v.id
	}
	return v
}

func (s *Service) getPolicy(form url.Values) (any, *api.Error) {
	p, err := s.findPolicy(form)
	if err != nil {
		return nil, err
	}
	return policyResult{s.policyXML(p)}, nil
}

func (s *Service) deletePolicy(form url.Values) (any, *api.Error) {
	p, err := s.findPolicy(form)
	if err != nil {
		return nil, err
	}
	if s.attachments(p.arn)+s.boundaries(p.arn) > 0 {
		return nil, deleteConflict("Cannot delete a policy attached to entities.")
	}
	if len(p.versions) > 1 {
		return nil, deleteConflict("This policy has more than one version. Before you delete a policy, you must " +
			"delete the policy's versions. The default version is deleted with the policy.")
	}
	delete(s.policies, p.arn)
	return nil, nil
}

func (s *Service) listPolicies(form url.Values) (any, *api.Error) {
	var list []policyXML
	for _, arn := range slices.Sorted(maps.Keys(s.policies)) {
		item := s.policyXML(s.policies[arn])
		item.Tags, item.Description = nil, "" // the list does not carry them
		unattached := form.Get("OnlyAttached") == "true" && item.AttachmentCount == 0
		if form.Get("Scope") == "AWS" || unattached || !strings.HasPrefix(item.Path, form.Get("PathPrefix")) {
			continue
		}
		list = append(list, item)
	}
	list, more, marker := page(form, list)
	return struct {
		Policies    []policyXML `xml:"Policies>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{list, more, marker}, nil
}

func (s *Service) listEntitiesForPolicy(form url.Values) (any, *api.Error) {
	p, err := s.findPolicy(form)
	if err != nil {
		return nil, err
	}
	type entity struct {
		RoleName string
		RoleID   string `xml:"RoleId"`
	}
	var list []entity
	for _, name := range slices.Sorted(maps.Keys(s.roles)) {
		if r := s.roles[name]; slices.Contains(r.attached, p.arn) {
			list = append(list, entity{r.Name, r.ID})
		}
	}
	list, more, marker := page(form, list)
	return struct {
		PolicyRoles []entity `xml:"PolicyRoles>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{list, more, marker}, nil
}
