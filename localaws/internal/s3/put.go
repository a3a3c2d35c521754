package s3

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

func (s *Service) putObject(r *request) *api.Error {
	if err := s.prepareWrite(r); err != nil {
		return err
	}
	if err := r.refuseHeaders(); err != nil {
		return err
	}
	attributes, err := readAttributes(r.Request.Header)
	if err != nil {
		return err
	}
	if err := s.mayTag(r, attributes.tags); err != nil {
		return err
	}
	encryption, err := s.readEncryption(r)
	if err != nil {
		return err
	}
	v := s.newVersion(r.Body, attributes, encryption, r.checksum)
	if err := s.commit(r, v, r.Body, nil); err != nil {
		return err
	}
	s.writeWritten(r, v)
	r.w.Header().Set("ETag", v.etag)
	v.checksum.writeTo(r.w.Header())
	s.write(r, http.StatusOK, nil)
	return nil
}

func (s *Service) newVersion(body []byte, a attributes, e encryption, c checksum) *version {
	if c.algorithm == "" {
		c = sum(defaultAlgorithm, body)
	}
	return &version{modified: s.now(), etag: e.etag(body), checksum: c, attributes: a, encryption: e}
}

// writeWritten tells what every write answers about the new version.
func (s *Service) writeWritten(r *request, v *version) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r.bucket.versioning != "" {
		r.w.Header().Set("X-Amz-Version-Id", v.id)
	}
	v.encryption.writeTo(r.w.Header())
}

// copyObjectXML is CopyObjectResult of the API reference.
type copyObjectXML struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyObjectResult"`
	ETag         string
	LastModified timestamp
	Checksum     checksum
}

func (s *Service) copyObject(r *request) *api.Error {
	if err := s.prepareWrite(r); err != nil {
		return err
	}
	if err := r.refuseHeaders(); err != nil {
		return err
	}
	source, body, err := s.openSource(r)
	if err != nil {
		return err
	}
	attributes := source.attributes
	if strings.EqualFold(r.header("X-Amz-Metadata-Directive"), "REPLACE") {
		if attributes, err = readAttributes(r.Request.Header); err != nil {
			return err
		}
	}
	if attributes.tags, err = s.copyTags(r, source); err != nil {
		return err
	}
	encryption, err := s.readEncryption(r)
	if err != nil {
		return err
	}
	algorithm, err := r.askedAlgorithm(source.checksum.algorithm)
	if err != nil {
		return err
	}
	v := s.newVersion(body, attributes, encryption, sum(algorithm, body))
	if err := s.commit(r, v, body, nil); err != nil {
		return err
	}
	s.writeWritten(r, v)
	return s.writeXML(r, copyObjectXML{ETag: v.etag, LastModified: timestamp{v.modified}, Checksum: v.checksum})
}

// openSource finds and reads what a copy copies, if the caller may and its conditions hold.
func (s *Service) openSource(r *request) (*version, []byte, *api.Error) {
	name, key, id, err := parseCopySource(r.header("X-Amz-Copy-Source"))
	if err != nil {
		return nil, nil, err
	}
	replaces := strings.EqualFold(r.header("X-Amz-Metadata-Directive"), "REPLACE") || r.header(sseHeader) != ""
	if name == r.bucketName && key == r.key && id == "" && !replaces {
		return nil, nil, errInvalidRequest("This copy request is illegal because it is trying to copy an object to " +
			"itself without changing the object's metadata, storage class, website redirect location or encryption " +
			"attributes.")
	}
	s.mu.RLock()
	b := s.buckets[name]
	s.mu.RUnlock()
	if b == nil {
		return nil, nil, errNoSuchBucket(name)
	}
	question := api.Question{Action: "s3:GetObject", Resource: arn(name, key)}
	if id != "" {
		question.Action = "s3:GetObjectVersion"
		question.Condition = map[string][]string{"s3:VersionId": {id}}
	}
	if err := s.allow(r, b, question); err != nil {
		return nil, nil, err
	}
	return s.readSource(r, b, key, id)
}

func (s *Service) readSource(r *request, b *bucket, key, id string) (*version, []byte, *api.Error) {
	s.mu.RLock()
	v, err := b.lookup(key, id, http.Header{}, http.MethodGet)
	if err != nil {
		s.mu.RUnlock()
		return nil, nil, s.absent(r, b, key, err)
	}
	if b.versioning != "" {
		r.w.Header().Set("X-Amz-Copy-Source-Version-Id", v.id)
	}
	stored, err := b.read(v, nil)
	s.mu.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	if failed, _ := v.checkRead(r.Request.Header, "X-Amz-Copy-Source-"); failed != "" {
		return nil, nil, errPreconditionFailed("x-amz-copy-source-" + failed)
	}
	if err := s.mayDecrypt(r, v, b.name, key); err != nil {
		return nil, nil, err
	}
	body, readErr := io.ReadAll(stored.Contents)
	if readErr != nil {
		return nil, nil, errInternal(readErr)
	}
	return v, body, nil
}

// parseCopySource reads BUCKET/KEY?versionId=ID, with or without a leading slash. It is decoded as a query is: a plus
// sign that means itself must have been sent as %2B.
func parseCopySource(header string) (bucket, key, id string, err *api.Error) {
	path, query, _ := strings.Cut(header, "?")
	path, decodeErr := url.QueryUnescape(path)
	values, queryErr := url.ParseQuery(query)
	bucket, key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if decodeErr != nil || queryErr != nil || bucket == "" || key == "" {
		return "", "", "", errInvalidArgument("x-amz-copy-source", header,
			"Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	return bucket, key, values.Get("versionId"), nil
}
