package appconfig

import (
	"maps"
	"strconv"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const maxTags = 50

type tagsBody struct{ Tags map[string]string }

// setTags adds tags to a resource.
func (s *Service) setTags(arn string, tags map[string]string) *api.Error {
	merged := maps.Clone(s.tags[arn])
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, tags)
	if len(merged) > maxTags {
		return badRequest("A resource can have at most %d tags.", maxTags)
	}
	for key, value := range tags {
		if err := checkLength("A tag's key", key, 1, 128); err != nil {
			return err
		}
		if err := checkLength("A tag's value", value, 0, 256); err != nil {
			return err
		}
	}
	if len(merged) > 0 {
		s.tags[arn] = merged
	}
	return nil
}

func (s *Service) listTags(q *request) (any, *api.Error) {
	arn, err := s.taggable(q)
	if err != nil {
		return nil, err
	}
	tags := maps.Clone(s.tags[arn])
	if tags == nil {
		tags = map[string]string{}
	}
	return tagsBody{tags}, nil
}

func (s *Service) tagResource(q *request, in tagsBody) (any, *api.Error) {
	arn, err := s.taggable(q)
	if err != nil {
		return nil, err
	}
	if err := s.setTags(arn, in.Tags); err != nil {
		return nil, err
	}
	return nil, nil
}

func (s *Service) untagResource(q *request) (any, *api.Error) {
	arn, err := s.taggable(q)
	if err != nil {
		return nil, err
	}
	for _, key := range q.call.Request.URL.Query()["tagKeys"] {
		delete(s.tags[arn], key)
	}
	return nil, nil
}

// taggable checks that the path's ARN is of something that exists and takes tags.
func (s *Service) taggable(q *request) (string, *api.Error) {
	arn := q.params["arn"]
	resource, ours := strings.CutPrefix(arn, s.arn(""))
	if !ours || !s.exists(strings.Split(resource, "/")) {
		return "", notFound("Resource", arn)
	}
	return arn, nil
}

// exists looks up a resource by the parts of its name, "application", "abc1234", "environment", "xyz9876".
func (s *Service) exists(parts []string) bool {
	of := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	q := &request{params: map[string]string{
		"app": of(1), "env": of(3), "profile": of(3), "deployment": of(5), "strategy": of(1),
	}}
	var err *api.Error
	switch kinds := of(0) + "/" + of(2) + "/" + of(4) + "/" + strconv.Itoa(len(parts)); kinds {
	case "application///2":
		_, err = s.application(q)
	case "application/environment//4":
		_, err = s.environment(q)
	case "application/configurationprofile//4":
		_, err = s.profile(q)
	case "application/environment/deployment/6":
		_, _, err = s.deployment(q)
	case "deploymentstrategy///2":
		_, err = s.ownStrategy(q)
	default:
		return false
	}
	return err == nil
}
