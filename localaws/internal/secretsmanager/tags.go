package secretsmanager

import (
	"slices"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

type tagResourceInput struct {
	SecretId string
	Tags     []tag
}

func (s *Service) tagResource(c *api.Call, in tagResourceInput) (any, *api.Error) {
	keys := conditions{}
	keys.requestTags(in.Tags)
	sec, err := s.openLive(c, "TagResource", in.SecretId, keys)
	if err != nil {
		return nil, err
	}
	merged := mergeTags(sec.tags, in.Tags)
	if err := checkTags(merged); err != nil {
		return nil, err
	}
	sec.tags, sec.changed = merged, s.clock()
	return struct{}{}, nil
}

type untagResourceInput struct {
	SecretId string
	TagKeys  []string
}

func (s *Service) untagResource(c *api.Call, in untagResourceInput) (any, *api.Error) {
	keys := conditions{"aws:TagKeys": in.TagKeys}
	sec, err := s.openLive(c, "UntagResource", in.SecretId, keys)
	if err != nil {
		return nil, err
	}
	sec.tags = slices.DeleteFunc(sec.tags, func(t tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	sec.changed = s.clock()
	return struct{}{}, nil
}

// mergeTags gives a new list in which later tags replace earlier ones of the same key.
func mergeTags(have, more []tag) []tag {
	out := slices.Clone(have)
	for _, t := range more {
		if i := slices.IndexFunc(out, func(o tag) bool { return o.Key == t.Key }); i >= 0 {
			out[i] = t
			continue
		}
		out = append(out, t)
	}
	return out
}

func checkTags(tags []tag) *api.Error {
	if len(tags) > maxTags {
		return limitExceeded("A secret can have at most %d tags.", maxTags)
	}
	for _, t := range tags {
		if t.Key == "" || len(t.Key) > maxTagKey || len(t.Value) > maxTagValue {
			return invalidParameter("A tag's key has 1 to %d characters and its value at most %d.",
				maxTagKey, maxTagValue)
		}
	}
	return nil
}
