package kms

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/awsjson"
)

const (
	leastPeriod   = 90 // days between rotations
	defaultPeriod = 365
	mostPeriod    = 2560
	maxTags       = 50
)

// rotation is what was asked for; the material is never changed.
type rotation struct {
	enabled bool
	period  int // days
	since   time.Time
}

type rotationStatus struct {
	KeyId                string
	KeyRotationEnabled   bool
	RotationPeriodInDays int           `json:",omitempty"`
	NextRotationDate     awsjson.Epoch `json:",omitzero"`
}

func (s *Service) getKeyRotationStatus(c *api.Call, in keyInput) (any, *api.Error) {
	k, err := s.open(c, "GetKeyRotationStatus", in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	out := rotationStatus{KeyId: k.arn, KeyRotationEnabled: k.rotation.enabled && k.state != pendingDeletion}
	if out.KeyRotationEnabled {
		period := time.Duration(k.rotation.period) * day
		out.RotationPeriodInDays = k.rotation.period
		past := s.cfg.Clock().Sub(k.rotation.since) / period
		out.NextRotationDate = awsjson.Epoch(k.rotation.since.Add(period * (past + 1)))
	}
	return out, nil
}

type rotationInput struct {
	KeyId                string
	RotationPeriodInDays *int
}

func (s *Service) enableKeyRotation(c *api.Call, in rotationInput) (any, *api.Error) {
	k, err := s.openUsable(c, "EnableKeyRotation", in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	period := defaultPeriod
	if in.RotationPeriodInDays != nil {
		period = *in.RotationPeriodInDays
	}
	if period < leastPeriod || period > mostPeriod {
		return nil, validation("RotationPeriodInDays must be between %d and %d", leastPeriod, mostPeriod)
	}
	k.rotation = rotation{enabled: true, period: period, since: s.cfg.Clock()}
	return struct{}{}, nil
}

func (s *Service) disableKeyRotation(c *api.Call, in keyInput) (any, *api.Error) {
	k, err := s.openUsable(c, "DisableKeyRotation", in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	k.rotation = rotation{}
	return struct{}{}, nil
}

type tag struct{ TagKey, TagValue string }

type tagsInput struct {
	KeyId   string
	Tags    []tag
	TagKeys []string
}

// addRequestTags adds the keys by which policies rule which tags a call may set.
func addRequestTags(condition map[string][]string, tags []tag) {
	for _, t := range tags {
		condition["aws:RequestTag/"+t.TagKey] = []string{t.TagValue}
		condition["aws:TagKeys"] = append(condition["aws:TagKeys"], t.TagKey)
	}
}

func (k *key) addTags(tags []tag) *api.Error {
	merged := maps.Clone(k.tags)
	for _, t := range tags {
		if t.TagKey == "" || len(t.TagKey) > 128 || len(t.TagValue) > 256 {
			return api.Errorf("TagException", http.StatusBadRequest,
				"A tag's key has 1 to 128 characters and its value at most 256.")
		}
		merged[t.TagKey] = t.TagValue
	}
	if len(merged) > maxTags {
		return api.Errorf("LimitExceededException", http.StatusBadRequest, "A key can have at most %d tags.", maxTags)
	}
	k.tags = merged
	return nil
}

func (s *Service) listResourceTags(c *api.Call, in keyInput) (any, *api.Error) {
	k, err := s.open(c, "ListResourceTags", in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	list := []tag{}
	for _, name := range slices.Sorted(maps.Keys(k.tags)) {
		list = append(list, tag{name, k.tags[name]})
	}
	return struct {
		Tags      []tag
		Truncated bool
	}{list, false}, nil
}

func (s *Service) tagResource(c *api.Call, in tagsInput) (any, *api.Error) {
	condition := map[string][]string{}
	addRequestTags(condition, in.Tags)
	k, err := s.openLive(c, "TagResource", in.KeyId, condition)
	if err != nil {
		return nil, err
	}
	if err := k.addTags(in.Tags); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

func (s *Service) untagResource(c *api.Call, in tagsInput) (any, *api.Error) {
	k, err := s.openLive(c, "UntagResource", in.KeyId, map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	for _, name := range in.TagKeys {
		delete(k.tags, name)
	}
	return struct{}{}, nil
}
