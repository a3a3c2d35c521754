package s3

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// overrides are the query parameters by which a signed reader replaces headers of the answer.
var overrides = map[string]string{
	"response-content-type":        "Content-Type",
	"response-content-language":    "Content-Language",
	"response-expires":             "Expires",
	"response-cache-control":       "Cache-Control",
	"response-content-disposition": "Content-Disposition",
	"response-content-encoding":    "Content-Encoding",
}

// getObject serves GetObject and HeadObject.
func (s *Service) getObject(r *request) *api.Error {
	if err := r.mayOverride(); err != nil {
		return err
	}
	span := parseRange(r.header("Range"))
	v, stored, err := s.open(r, span)
	if v == nil {
		return s.absent(r, r.bucket, r.key, err)
	}
	h := r.w.Header()
	switch failed, notModified := v.checkRead(r.Request.Header, ""); {
	case notModified:
		v.writeValidators(h)
		s.write(r, http.StatusNotModified, nil)
		return nil
	case failed != "":
		return errPreconditionFailed(failed)
	case err != nil:
		return err
	}
	withChecksum := strings.EqualFold(r.header("X-Amz-Checksum-Mode"), "ENABLED")
	if withChecksum || r.Request.Method == http.MethodGet { // a plain HEAD decrypts nothing
		if err := s.mayDecrypt(r, v, r.bucketName, r.key); err != nil {
			return err
		}
	}
	v.writeTo(h)
	s.writeTagCount(r, v)
	if withChecksum && span == nil {
		v.checksum.writeTo(h)
	}
	r.override(h)
	s.send(r, v, stored)
	return nil
}

// send finishes the answer with the bytes, or as if with them for HEAD.
func (s *Service) send(r *request, v *version, stored *gofakes3.Object) {
	h := r.w.Header()
	status, length := http.StatusOK, v.size
	if part := stored.Range; part != nil {
		status, length = http.StatusPartialContent, part.Length
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", part.Start, part.Start+part.Length-1, v.size))
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	r.w.WriteHeader(status)
	if r.Request.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(r.w, stored.Contents); err != nil {
		s.cfg.Log.DebugContext(r.Request.Context(), "answer not written", slog.Any("error", err))
	}
}

// open finds the version that r asks for, with its bytes, and puts its id into the answer's header. Without a version
// the error says why; with one, why its bytes cannot be read.
func (s *Service) open(r *request, span *gofakes3.ObjectRangeRequest) (*version, *gofakes3.Object, *api.Error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, err := r.bucket.lookup(r.key, r.versionID(), r.w.Header(), r.Request.Method)
	if err != nil {
		return nil, nil, err
	}
	if r.bucket.versioning != "" {
		r.w.Header().Set("X-Amz-Version-Id", v.id)
	}
	stored, err := r.bucket.read(v, span)
	return v, stored, err
}

// lookup answers the version that key and id mean. A delete marker is not found, and h says so.
func (b *bucket) lookup(key, id string, h http.Header, method string) (*version, *api.Error) {
	o := b.find(key)
	if o == nil {
		if id != "" {
			return nil, errNoSuchVersion(key, id)
		}
		return nil, errNoSuchKey(key)
	}
	at := 0
	if id != "" {
		at = o.index(id)
	}
	if at < 0 {
		return nil, errNoSuchVersion(key, id)
	}
	v := o.versions[at]
	if !v.marker {
		return v, nil
	}
	h.Set("X-Amz-Delete-Marker", "true")
	h.Set("X-Amz-Version-Id", v.id)
	if id == "" {
		return nil, errNoSuchKey(key)
	}
	h.Set("Allow", "DELETE")
	h.Set("Last-Modified", v.modified.Format(http.TimeFormat))
	return nil, with(api.Errorf("MethodNotAllowed", http.StatusMethodNotAllowed,
		"The specified method is not allowed against this resource."),
		map[string]any{"Method": method, "ResourceType": "DeleteMarker"})
}

func (v *version) writeValidators(h http.Header) {
	h.Set("ETag", v.etag)
	h.Set("Last-Modified", v.modified.Format(http.TimeFormat))
}

func (v *version) writeTo(h http.Header) {
	v.writeValidators(h)
	v.attributes.writeTo(h)
	v.encryption.writeTo(h)
	h.Set("Accept-Ranges", "bytes")
}

// mayOverride refuses overrides to those who did not sign them.
func (r *request) mayOverride() *api.Error {
	for parameter := range overrides {
		if r.Principal.Kind == api.Anonymous && r.query.Get(parameter) != "" {
			return errInvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
		}
	}
	return nil
}

func (r *request) override(h http.Header) {
	for parameter, name := range overrides {
		if value := r.query.Get(parameter); value != "" {
			h.Set(name, value)
		}
	}
}

// parseRange reads a Range header of one range of bytes. What it cannot read it ignores, as S3 does.
func parseRange(header string) *gofakes3.ObjectRangeRequest {
	span, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return nil
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return nil
	}
	start, startErr := strconv.ParseUint(first, 10, 62)
	end, endErr := strconv.ParseUint(last, 10, 62)
	switch {
	case first == "" && endErr == nil:
		return &gofakes3.ObjectRangeRequest{FromEnd: true, End: int64(end)}
	case startErr == nil && last == "":
		return &gofakes3.ObjectRangeRequest{Start: int64(start), End: gofakes3.RangeNoEnd}
	case startErr == nil && endErr == nil && start <= end:
		return &gofakes3.ObjectRangeRequest{Start: int64(start), End: int64(end)}
	}
	return nil
}
