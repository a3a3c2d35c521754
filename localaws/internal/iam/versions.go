package iam

import (
	"net/url"
	"slices"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

type versionXML struct {
	Document         string `xml:",omitempty"`
	VersionID        string `xml:"VersionId"`
	IsDefaultVersion bool
	CreateDate       time.Time
}

type versionResult struct{ PolicyVersion versionXML }

func (p *managedPolicy) xml(v policyVersion) versionXML {
	return versionXML{VersionID: v.id, IsDefaultVersion: v.id == p.defaultVersion, CreateDate: v.created}
}

func (s *Service) findVersion(form url.Values) (*managedPolicy, policyVersion, *api.Error) {
	p, err := s.findPolicy(form)
	if err != nil {
		return nil, policyVersion{}, err
	}
	v, ok := p.version(form.Get("VersionId"))
	if !ok {
		return nil, policyVersion{}, noSuchEntity("Policy %s version %s does not exist or is not attachable.",
			p.arn, form.Get("VersionId"))
	}
	return p, v, nil
}

func (s *Service) createPolicyVersion(form url.Values) (any, *api.Error) {
	p, err := s.findPolicy(form)
	if err != nil {
		return nil, err
	}
	document, err := managedDocument(form)
	if err != nil {
		return nil, err
	}
	if len(p.versions) == maxPolicyVersions {
		return nil, limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you "+
			"must delete an existing version.", maxPolicyVersions)
	}
	return versionResult{p.xml(p.add(document, s.now(), form.Get("SetAsDefault") == "true"))}, nil
}

func (s *Service) getPolicyVersion(form url.Values) (any, *api.Error) {
	p, v, err := s.findVersion(form)
	if err != nil {
		return nil, err
	}
	found := p.xml(v)
	found.Document = encodeDocument(v.document)
	return versionResult{found}, nil
}

func (s *Service) listPolicyVersions(form url.Values) (any, *api.Error) {
	p, err := s.findPolicy(form)
	if err != nil {
		return nil, err
	}
	var list []versionXML
	for _, v := range slices.Backward(p.versions) {
		list = append(list, p.xml(v))
	}
	list, more, marker := page(form, list)
	return struct {
		Versions    []versionXML `xml:"Versions>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{list, more, marker}, nil
}

func (s *Service) deletePolicyVersion(form url.Values) (any, *api.Error) {
	p, v, err := s.findVersion(form)
	if err != nil {
		return nil, err
	}
	if v.id == p.defaultVersion {
		return nil, deleteConflict("Cannot delete the default version of a policy.")
	}
	p.versions = slices.DeleteFunc(p.versions, func(other policyVersion) bool { return other.id == v.id })
	return nil, nil
}

func (s *Service) setDefaultPolicyVersion(form url.Values) (any, *api.Error) {
	p, v, err := s.findVersion(form)
	if err != nil {
		return nil, err
	}
	p.defaultVersion, p.updated = v.id, s.now()
	return nil, nil
}
