package s3

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// timestamp is a time in S3's XML.
type timestamp struct{ time.Time }

// MarshalText writes the time with milliseconds, which S3 always answers as zero.
func (t timestamp) MarshalText() ([]byte, error) {
	return t.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z"), nil
}

type ownerXML struct{ ID string }

// listBucketsXML is ListAllMyBucketsResult of the API reference.
type listBucketsXML struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   *ownerXML
	Buckets []bucketXML `xml:"Buckets>Bucket"`
	Prefix  string      `xml:",omitempty"`
}

type bucketXML struct {
	Name         string
	CreationDate timestamp
	BucketRegion string
}

func (s *Service) listBuckets(r *request) *api.Error {
	if r.query.Has("max-buckets") {
		return api.Errorf("NotImplemented", http.StatusNotImplemented, "localaws lists all buckets on one page.")
	}
	prefix, region := r.query.Get("prefix"), r.query.Get("bucket-region")
	out := listBucketsXML{Owner: s.owner(), Prefix: prefix}
	s.mu.RLock()
	buckets := maps.Clone(s.buckets)
	s.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(buckets)) {
		b := buckets[name]
		if strings.HasPrefix(name, prefix) && (region == "" || region == b.region) {
			out.Buckets = append(out.Buckets, bucketXML{name, timestamp{b.created}, b.region})
		}
	}
	return s.writeXML(r, out)
}

// createBucketXML is CreateBucketConfiguration of the API reference.
type createBucketXML struct {
	LocationConstraint string
	Location, Bucket   *struct{} // of directory buckets
	Tags               struct {
		Tag []tagXML
	}
}

type tagXML struct{ Key, Value string }

// taggingXML is Tagging of the API reference.
type taggingXML struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
	Tags    []tagXML `xml:"TagSet>Tag"`
}

func (s *Service) createBucket(r *request) *api.Error {
	if err := gofakes3.ValidateBucketName(r.bucketName); err != nil {
		return with(api.Errorf("InvalidBucketName", http.StatusBadRequest, "The specified bucket is not valid."),
			map[string]any{"BucketName": r.bucketName})
	}
	var in createBucketXML
	if len(r.Body) > 0 && xml.Unmarshal(r.Body, &in) != nil {
		return errMalformedXML()
	}
	if err := s.checkNewBucket(r, in); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[r.bucketName] != nil {
		return with(api.Errorf("BucketAlreadyOwnedByYou", http.StatusConflict,
			"Your previous request to create the named bucket succeeded and you already own it."),
			map[string]any{"BucketName": r.bucketName})
	}
	b, err := newBucket(r.bucketName, r.Region, s.now(), s.bytes)
	if err != nil {
		return errInternal(err)
	}
	if len(in.Tags.Tag) > 0 {
		b.settings["tagging"], err = xml.Marshal(taggingXML{Tags: in.Tags.Tag})
		if err != nil {
			return errInternal(err)
		}
	}
	s.buckets[b.name] = b
	r.w.Header().Set("Location", "/"+b.name)
	s.write(r, http.StatusOK, nil)
	return nil
}

// checkNewBucket holds the location constraint against the region that the request is signed for, and refuses what is
// not emulated.
func (s *Service) checkNewBucket(r *request, in createBucketXML) *api.Error {
	if in.Location != nil || in.Bucket != nil || strings.EqualFold(r.header("X-Amz-Bucket-Object-Lock-Enabled"), "true") {
		return errNotImplemented(r)
	}
	if o := r.header("X-Amz-Object-Ownership"); o != "" && o != "BucketOwnerEnforced" {
		return errHeaderNotImplemented("x-amz-object-ownership")
	}
	if acl := r.header("X-Amz-Acl"); acl != "" && acl != "private" {
		return api.Errorf("InvalidBucketAclWithObjectOwnership", http.StatusBadRequest,
			"Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	}
	constraint := in.LocationConstraint
	switch {
	case constraint == "us-east-1":
		return with(api.Errorf("InvalidLocationConstraint", http.StatusBadRequest,
			"The specified location-constraint is not valid"), map[string]any{"LocationConstraint": constraint})
	case constraint == "" && r.Region != "us-east-1":
		constraint = "unspecified"
	case constraint == "" || constraint == r.Region:
		return nil
	}
	return api.Errorf("IllegalLocationConstraintException", http.StatusBadRequest, "The %s location constraint is "+
		"incompatible for the region specific endpoint this request was sent to.", constraint)
}

func (s *Service) headBucket(r *request) *api.Error {
	r.w.Header().Set("X-Amz-Bucket-Region", r.bucket.region)
	s.write(r, http.StatusOK, nil)
	return nil
}

func (s *Service) deleteBucket(r *request) *api.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.buckets[r.bucketName] != r.bucket:
		return errNoSuchBucket(r.bucketName)
	case len(r.bucket.objects) > 0:
		message := "The bucket you tried to delete is not empty"
		if r.bucket.versioning != "" {
			message += ". You must delete all versions in the bucket."
		}
		return with(api.Errorf("BucketNotEmpty", http.StatusConflict, "%s", message),
			map[string]any{"BucketName": r.bucketName})
	}
	if err := s.bytes.DeleteBucket(r.bucketName); err != nil {
		return errInternal(err)
	}
	delete(s.buckets, r.bucketName)
	s.write(r, http.StatusNoContent, nil)
	return nil
}

// locationXML is LocationConstraint of the API reference; empty for us-east-1.
type locationXML struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	Region  string   `xml:",chardata"`
}

func (s *Service) getLocation(r *request) *api.Error {
	if r.bucket.region == "us-east-1" {
		return s.writeXML(r, locationXML{})
	}
	return s.writeXML(r, locationXML{Region: r.bucket.region})
}

// versioningXML is VersioningConfiguration of the API reference.
type versioningXML struct {
	XMLName   xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ VersioningConfiguration"`
	Status    string   `xml:",omitempty"`
	MfaDelete string   `xml:",omitempty"`
}

func (s *Service) getVersioning(r *request) *api.Error {
	s.mu.RLock()
	status := r.bucket.versioning
	s.mu.RUnlock()
	return s.writeXML(r, versioningXML{Status: status})
}

func (s *Service) putVersioning(r *request) *api.Error {
	var in struct{ Status, MfaDelete string }
	if err := xml.Unmarshal(r.Body, &in); err != nil {
		return errMalformedXML()
	}
	if in.MfaDelete == versioningEnabled {
		return api.Errorf("NotImplemented", http.StatusNotImplemented, "localaws does not emulate MFA delete.")
	}
	if in.Status != versioningEnabled && in.Status != versioningSuspended {
		return api.Errorf("IllegalVersioningConfigurationException", http.StatusBadRequest,
			"The Versioning element must be specified")
	}
	s.mu.Lock()
	r.bucket.versioning = in.Status
	s.mu.Unlock()
	s.write(r, http.StatusOK, nil)
	return nil
}
