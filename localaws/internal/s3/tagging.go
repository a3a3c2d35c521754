package s3

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// The limits of object tags (S3 user guide, "Categorizing your objects using tags").
const (
	maxTags     = 10
	maxTagKey   = 128 // characters
	maxTagValue = 256
)

const (
	taggingHeader          = "X-Amz-Tagging"
	taggingDirectiveHeader = "X-Amz-Tagging-Directive"
	taggingCountHeader     = "X-Amz-Tagging-Count"
)

// readTags takes the tags of an object from the header of a write: KEY=VALUE pairs encoded as a query.
func readTags(h http.Header) (map[string]string, *api.Error) {
	header := h.Get(taggingHeader)
	if header == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(header)
	several := func(values []string) bool { return len(values) > 1 }
	if err != nil || slices.ContainsFunc(slices.Collect(maps.Values(query)), several) {
		return nil, errInvalidArgument("x-amz-tagging", header, "The header 'x-amz-tagging' shall be encoded as UTF-8 "+
			"then URLEncoded URL query parameters without tag name duplicates.")
	}
	if len(query) > maxTags {
		return nil, api.Errorf("BadRequest", http.StatusBadRequest, "Object tags cannot be greater than %d", maxTags)
	}
	tags := map[string]string{}
	for key, values := range query {
		switch {
		case key == "" || len([]rune(key)) > maxTagKey || strings.HasPrefix(key, "aws:"):
			return nil, errInvalidTag("The TagKey you have provided is invalid", key)
		case len([]rune(values[0])) > maxTagValue:
			return nil, errInvalidTag("The TagValue you have provided is invalid", key)
		}
		tags[key] = values[0]
	}
	return tags, nil
}

func errInvalidTag(message, key string) *api.Error {
	return with(api.Errorf("InvalidTag", http.StatusBadRequest, "%s", message), map[string]any{"TagKey": key})
}

// addTagConditions lets policies judge the tags that a write brings.
func addTagConditions(q api.Question, h http.Header) {
	tags, err := readTags(h)
	if err != nil || len(tags) == 0 {
		return
	}
	for key, value := range tags {
		q.Condition["s3:RequestObjectTag/"+key] = []string{value}
	}
	q.Condition["s3:RequestObjectTagKeys"] = slices.Sorted(maps.Keys(tags))
}

// mayTag asks for the permission to give r's object tags, if there are any.
func (s *Service) mayTag(r *request, tags map[string]string) *api.Error {
	if len(tags) == 0 {
		return nil
	}
	q := api.Question{
		Action: "s3:PutObjectTagging", Resource: arn(r.bucketName, r.key), Condition: map[string][]string{},
	}
	addTagConditions(q, r.Request.Header)
	return s.allow(r, r.bucket, q)
}

// copyTags answers the tags that a copy bears: those of its source, unless the request replaces them.
func (s *Service) copyTags(r *request, source *version) (map[string]string, *api.Error) {
	tags := source.tags
	if strings.EqualFold(r.header(taggingDirectiveHeader), "REPLACE") {
		var err *api.Error
		if tags, err = readTags(r.Request.Header); err != nil {
			return nil, err
		}
	} else if len(tags) > 0 {
		name, key, _, _ := parseCopySource(r.header("X-Amz-Copy-Source"))
		s.mu.RLock()
		b := s.buckets[name]
		s.mu.RUnlock()
		if err := s.allow(r, b, api.Question{Action: "s3:GetObjectTagging", Resource: arn(name, key)}); err != nil {
			return nil, err
		}
	}
	return tags, s.mayTag(r, tags)
}

// writeTagCount tells how many tags an object has to those who may read them.
func (s *Service) writeTagCount(r *request, v *version) {
	if len(v.tags) == 0 {
		return
	}
	q := api.Question{Action: "s3:GetObjectTagging", Resource: arn(r.bucketName, r.key)}
	if s.allow(r, r.bucket, q) == nil {
		r.w.Header().Set(taggingCountHeader, strconv.Itoa(len(v.tags)))
	}
}

// objectTaggingXML is Tagging of the API reference, whose TagSet is there without tags too.
type objectTaggingXML struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
	TagSet  struct{ Tag []tagXML }
}

func (s *Service) getObjectTagging(r *request) *api.Error {
	s.mu.RLock()
	v, err := r.bucket.lookup(r.key, r.versionID(), r.w.Header(), r.Request.Method)
	versioned := r.bucket.versioning != ""
	s.mu.RUnlock()
	if err != nil {
		return s.absent(r, r.bucket, r.key, err)
	}
	if versioned {
		r.w.Header().Set("X-Amz-Version-Id", v.id)
	}
	var out objectTaggingXML
	for _, key := range slices.Sorted(maps.Keys(v.tags)) {
		out.TagSet.Tag = append(out.TagSet.Tag, tagXML{key, v.tags[key]})
	}
	return s.writeXML(r, out)
}
