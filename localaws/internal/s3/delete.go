package s3

import (
	"encoding/xml"
	"net/http"
	"strconv"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

func (s *Service) deleteObject(r *request) *api.Error {
	etag := r.header("If-Match")
	if etag != "" && etag != "*" {
		if err := s.mayReadObject(r); err != nil {
			return err
		}
	}
	done, err := s.remove(r, r.key, r.versionID(), etag)
	if err != nil {
		return err
	}
	h := r.w.Header()
	if done.marker {
		h.Set("X-Amz-Delete-Marker", strconv.FormatBool(true))
	}
	if done.versionID != "" {
		h.Set("X-Amz-Version-Id", done.versionID)
	}
	s.write(r, http.StatusNoContent, nil)
	return nil
}

// remove checks and deletes in one step.
func (s *Service) remove(r *request, key, id, etag string) (removal, *api.Error) {
	if s.committing != nil {
		s.committing(r.bucketName, key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[r.bucketName] != r.bucket {
		return removal{}, errNoSuchBucket(r.bucketName)
	}
	if err := r.bucket.checkDelete(key, etag); err != nil {
		return removal{}, err
	}
	done, err := r.bucket.remove(key, id, s.now())
	if err != nil {
		return removal{}, errInternal(err)
	}
	return done, nil
}

// deleteXML is Delete of the API reference.
type deleteXML struct {
	Quiet   bool
	Objects []struct {
		Key       string
		VersionID string `xml:"VersionId"`
		ETag      string
	} `xml:"Object"`
}

// deleteResultXML is DeleteResult of the API reference.
type deleteResultXML struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deletedXML
	Error   []deleteErrorXML
}

type deletedXML struct {
	Key                   string
	VersionID             string `xml:"VersionId,omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteErrorXML struct {
	Key           string
	VersionID     string `xml:"VersionId,omitempty"`
	Code, Message string
}

// deleteObjects deletes up to 1,000 keys, each by its own permission and with its own outcome.
func (s *Service) deleteObjects(r *request) *api.Error {
	var in deleteXML
	if err := xml.Unmarshal(r.Body, &in); err != nil || len(in.Objects) == 0 || len(in.Objects) > 1000 {
		return errMalformedXML()
	}
	if r.checksum.algorithm == "" && r.header("Content-Md5") == "" {
		return errInvalidRequest("Missing required header for this request: Content-MD5")
	}
	var out deleteResultXML
	for _, o := range in.Objects {
		done, err := s.deleteOne(r, o.Key, o.VersionID, o.ETag)
		if err != nil {
			out.Error = append(out.Error, deleteErrorXML{o.Key, o.VersionID, err.Code, err.Message})
			continue
		}
		if in.Quiet {
			continue
		}
		deleted := deletedXML{Key: o.Key, VersionID: o.VersionID, DeleteMarker: done.marker}
		if done.marker {
			deleted.DeleteMarkerVersionID = done.versionID
		}
		out.Deleted = append(out.Deleted, deleted)
	}
	return s.writeXML(r, out)
}

func (s *Service) deleteOne(r *request, key, id, etag string) (removal, *api.Error) {
	q := api.Question{Action: "s3:DeleteObject", Resource: arn(r.bucketName, key), Condition: map[string][]string{}}
	if id != "" {
		q.Action = "s3:DeleteObjectVersion"
		q.Condition["s3:VersionId"] = []string{id}
	}
	if etag != "" {
		q.Condition["s3:if-match"] = []string{etag}
	}
	if err := s.allow(r, r.bucket, q); err != nil {
		return removal{}, err
	}
	if etag != "" && etag != "*" {
		read := api.Question{Action: "s3:GetObject", Resource: arn(r.bucketName, key)}
		if err := s.allow(r, r.bucket, read); err != nil {
			return removal{}, err
		}
	}
	return s.remove(r, key, id, etag)
}
