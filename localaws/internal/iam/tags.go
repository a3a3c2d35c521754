package iam

import (
	"net/url"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

func (s *Service) roleTags(form url.Values) (map[string]string, *api.Error) {
	r, err := s.findRole(form)
	if err != nil {
		return nil, err
	}
	return r.Tags, nil
}

func (s *Service) policyTags(form url.Values) (map[string]string, *api.Error) {
	p, err := s.findPolicy(form)
	if err != nil {
		return nil, err
	}
	return p.tags, nil
}

func (s *Service) providerTags(form url.Values) (map[string]string, *api.Error) {
	p, err := s.findProvider(form)
	if err != nil {
		return nil, err
	}
	return p.tags, nil
}

// finder gives the live tags of what a form names.
type finder func(url.Values) (map[string]string, *api.Error)

func tag(form url.Values, find finder) (any, *api.Error) {
	tags, err := find(form)
	if err != nil {
		return nil, err
	}
	return nil, addTags(tags, form)
}

func untag(form url.Values, find finder) (any, *api.Error) {
	tags, err := find(form)
	if err != nil {
		return nil, err
	}
	for _, key := range awsquery.List(form, "TagKeys") {
		delete(tags, key)
	}
	return nil, nil
}

func listTags(form url.Values, find finder) (any, *api.Error) {
	tags, err := find(form)
	if err != nil {
		return nil, err
	}
	list, more, marker := page(form, tagList(tags))
	return struct {
		Tags        []awsquery.Tag `xml:"Tags>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{list, more, marker}, nil
}

func (s *Service) tagRole(form url.Values) (any, *api.Error)      { return tag(form, s.roleTags) }
func (s *Service) untagRole(form url.Values) (any, *api.Error)    { return untag(form, s.roleTags) }
func (s *Service) listRoleTags(form url.Values) (any, *api.Error) { return listTags(form, s.roleTags) }

func (s *Service) tagPolicy(form url.Values) (any, *api.Error)   { return tag(form, s.policyTags) }
func (s *Service) untagPolicy(form url.Values) (any, *api.Error) { return untag(form, s.policyTags) }

func (s *Service) listPolicyTags(form url.Values) (any, *api.Error) {
	return listTags(form, s.policyTags)
}

func (s *Service) tagProvider(form url.Values) (any, *api.Error) { return tag(form, s.providerTags) }

func (s *Service) untagProvider(form url.Values) (any, *api.Error) {
	return untag(form, s.providerTags)
}

func (s *Service) listProviderTags(form url.Values) (any, *api.Error) {
	return listTags(form, s.providerTags)
}
