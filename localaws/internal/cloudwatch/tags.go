package cloudwatch

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

const maxTags = 50

// requestTags are the keys by which policies rule which tags a call may set.
func requestTags(tags []awsquery.Tag) map[string][]string {
	condition := map[string][]string{}
	for _, t := range tags {
		condition["aws:RequestTag/"+t.Key] = []string{t.Value}
		condition["aws:TagKeys"] = append(condition["aws:TagKeys"], t.Key)
	}
	return condition
}

func (a *alarm) addTags(tags []awsquery.Tag) *api.Error {
	merged := slices.Clone(a.tags)
	for _, t := range tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 {
			return invalid("A tag's key has 1 to 128 characters and its value at most 256")
		}
		merged = slices.DeleteFunc(merged, func(o awsquery.Tag) bool { return o.Key == t.Key })
		merged = append(merged, t)
	}
	if len(merged) > maxTags {
		return invalid("An alarm can have at most %d tags", maxTags)
	}
	a.tags = merged
	return nil
}

// tagged authorises an action on the tags of the alarm that a request names by its ARN.
func (s *Service) tagged(
	c *api.Call, action string, form url.Values, condition map[string][]string,
) (*alarm, *api.Error) {
	arn := form.Get("ResourceARN")
	name, ours := strings.CutPrefix(arn, s.arn(""))
	if !ours {
		return nil, invalid("%s is not the ARN of an alarm here; localaws has tags on alarms alone", arn)
	}
	if err := s.allow(c, action, name, condition); err != nil {
		return nil, err
	}
	a := s.alarms[name]
	if a == nil {
		return nil, api.Errorf("ResourceNotFoundException", http.StatusNotFound, "%s does not exist", arn)
	}
	return a, nil
}

func (s *Service) listTags(c *api.Call, form url.Values) (any, *api.Error) {
	a, err := s.tagged(c, "ListTagsForResource", form, nil)
	if err != nil {
		return nil, err
	}
	return struct {
		Tags []awsquery.Tag `xml:"Tags>member"`
	}{a.tags}, nil
}

func (s *Service) tagResource(c *api.Call, form url.Values) (any, *api.Error) {
	tags := awsquery.Tags(form)
	a, err := s.tagged(c, "TagResource", form, requestTags(tags))
	if err != nil {
		return nil, err
	}
	if err := a.addTags(tags); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

func (s *Service) untagResource(c *api.Call, form url.Values) (any, *api.Error) {
	keys := awsquery.List(form, "TagKeys")
	a, err := s.tagged(c, "UntagResource", form, map[string][]string{"aws:TagKeys": keys})
	if err != nil {
		return nil, err
	}
	a.tags = slices.DeleteFunc(a.tags, func(t awsquery.Tag) bool { return slices.Contains(keys, t.Key) })
	return struct{}{}, nil
}
