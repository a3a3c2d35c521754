package s3

import (
	"fmt"
	"io"
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
	span := parseRange(r.header("Range"))
	v, stored, err := s.open(r, r.bucket, r.key, r.versionID(), span)
	if v == nil {
		return s.absent(r, r.bucket, err)
	}
	h := r.w.Header()
	if failed, notModified := v.checkRead(r.Request.Header, ""); failed != "" {
		if !notModified {
			return errPreconditionFailed(failed)
		}
		v.writeValidators(h)
		s.write(r, http.StatusNotModified, nil)
		return nil
	}
	if err != nil {
		return err
	}
	defer stored.Contents.Close() //nolint:errcheck // it is memory
	v.writeTo(h)
	if strings.EqualFold(r.header("X-Amz-Checksum-Mode"), "ENABLED") && span == nil {
		v.checksum.writeTo(h)
	}
	if err := r.override(h); err != nil {
		return err
	}
	status, length := http.StatusOK, v.size
	if stored.Range != nil {
		status, length = http.StatusPartialContent, stored.Range.Length
		first := stored.Range.Start
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, first+length-1, v.size))
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	r.w.WriteHeader(status)
	if r.Request.Method == http.MethodGet {
		if _, err := io.Copy(r.w, stored.Contents); err != nil {
			s.cfg.Log.DebugContext(r.Request.Context(), "answer not written", "error", err)
		}
	}
	return nil
}

// open finds a version for reading, with its bytes, and puts its id into the answer's header. Without a version the
// error says why; with one, why its bytes are not readable.
func (s *Service) open(r *request, b *bucket, key, id string, span *gofakes3.ObjectRangeRequest) (
	*version, *gofakes3.Object, *api.Error,
) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, err := b.lookup(key, id, r.w.Header(), r.Request.Method)
	if err != nil {
		return nil, nil, err
	}
	if b.versioning != "" && r.bucket == b && r.key == key {
		r.w.Header().Set("X-Amz-Version-Id", v.id)
	}
	stored, err := b.read(v, span)
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

func (r *request) override(h http.Header) *api.Error {
	for parameter, name := range overrides {
		value := r.query.Get(parameter)
		if value == "" {
			continue
		}
		if r.Principal.Kind == api.Anonymous {
			return errInvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
		}
		h.Set(name, value)
	}
	return nil
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
		return &gofakes3.ObjectRangeRequest{FromEnd: true, End: int64(end)} //nolint:gosec // 62 bits
	case startErr == nil && last == "":
		return &gofakes3.ObjectRangeRequest{Start: int64(start), End: gofakes3.RangeNoEnd} //nolint:gosec // 62 bits
	case startErr == nil && endErr == nil && start <= end:
		return &gofakes3.ObjectRangeRequest{Start: int64(start), End: int64(end)} //nolint:gosec // 62 bits
	}
	return nil
}
