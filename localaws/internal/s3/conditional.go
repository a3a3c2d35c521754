package s3

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const maxKey = 1024 // bytes

// conditionalHeaders are those of RFC 9110 that S3 knows.
var conditionalHeaders = []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}

// checkConditions refuses the conditions that a write does not take, so that none is ever taken for an unconditional
// write: a header that S3 does not implement there, one without a value, and one that stands twice.
func (r *request) checkConditions() *api.Error {
	if r.op.conditions == nil {
		return nil
	}
	for _, name := range conditionalHeaders {
		values := r.Request.Header.Values(name)
		switch {
		case len(values) == 0:
		case !slices.Contains(r.op.conditions, name):
			return errHeaderNotImplemented(name)
		case len(values) > 1 || strings.TrimSpace(values[0]) == "":
			return errInvalidArgument(name, strings.Join(values, ","), "The "+name+" header must have one value")
		}
	}
	return nil
}

// prepareWrite refuses conditions on a write that S3 does not take, and asks for the permission that If-Match needs.
func (s *Service) prepareWrite(r *request) *api.Error {
	if err := r.checkKey(); err != nil {
		return err
	}
	if v := r.header("If-None-Match"); v != "" && v != "*" {
		return errHeaderNotImplemented("If-None-Match")
	}
	switch r.header("If-Match") {
	case "":
		return nil
	case "*":
		return errHeaderNotImplemented("If-Match")
	}
	return s.mayReadObject(r)
}

func (r *request) checkKey() *api.Error {
	if len(r.key) <= maxKey {
		return nil
	}
	return with(api.Errorf("KeyTooLongError", http.StatusBadRequest, "Your key is too long"),
		map[string]any{"MaxSizeAllowed": maxKey, "Size": len(r.key)})
}

// commit makes v the current version if r's conditions still hold, in one step as seen by every other call. A finished
// upload is gone afterwards; so is one that met a conflict, because S3 then wants a new one.
func (s *Service) commit(r *request, v *version, body []byte, from *upload) *api.Error {
	if s.committing != nil {
		s.committing(r.bucketName, r.key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := r.bucket
	if s.buckets[b.name] != b {
		return errNoSuchBucket(b.name)
	}
	if from != nil && b.uploads[from.id] != from {
		return errNoSuchUpload(from.id)
	}
	err := b.checkWrite(r)
	if from != nil && (err == nil || err.Status == http.StatusConflict) {
		delete(b.uploads, from.id)
	}
	if err != nil {
		return err
	}
	if err := b.put(r.key, v, body); err != nil {
		return errInternal(err)
	}
	return nil
}

// checkWrite decides a conditional write at its commit. Only the current version counts, and a delete marker is none.
// A deletion of the object since the request arrived is a conflict; with If-Match the key is then simply not there.
func (b *bucket) checkWrite(r *request) *api.Error {
	current := b.find(r.key).current()
	conflict := b.deletions[r.key] != r.deletions
	if etag := r.header("If-Match"); etag != "" {
		switch {
		case current == nil:
			return errNoSuchKey(r.key)
		case conflict:
			return errConflict("If-Match", r.key)
		case !sameETag(etag, current.etag):
			return errPreconditionFailed("If-Match")
		}
	}
	if r.header("If-None-Match") != "" {
		switch {
		case conflict:
			return errConflict("If-None-Match", r.key)
		case current != nil:
			return errPreconditionFailed("If-None-Match")
		}
	}
	return nil
}

// checkDelete decides a conditional deletion of key, whose current version must have the ETag, or exist when it is "*".
func (b *bucket) checkDelete(key, etag string) *api.Error {
	current := b.find(key).current()
	switch {
	case etag == "":
		return nil
	case current == nil && etag != "*":
		return errNoSuchKey(key)
	case current == nil || etag != "*" && !sameETag(etag, current.etag):
		return errPreconditionFailed("If-Match")
	}
	return nil
}

// checkRead decides the conditions of a read. It names the one that does not hold, if any; notModified tells that it
// asks for the object only if it changed. Conditions on ETags go before those on times. prefix is that of the headers
// of a copy's source.
func (v *version) checkRead(h http.Header, prefix string) (failed string, notModified bool) {
	since := func(name string) (t time.Time, ok bool) {
		t, err := http.ParseTime(h.Get(prefix + name))
		return t, err == nil
	}
	if etags := h.Get(prefix + "If-Match"); etags != "" {
		if !anyETag(etags, v.etag) {
			return "If-Match", false
		}
	} else if t, ok := since("If-Unmodified-Since"); ok && v.modified.After(t) {
		return "If-Unmodified-Since", false
	}
	if etags := h.Get(prefix + "If-None-Match"); etags != "" {
		if anyETag(etags, v.etag) {
			return "If-None-Match", true
		}
	} else if t, ok := since("If-Modified-Since"); ok && !v.modified.After(t) {
		return "If-Modified-Since", true
	}
	return "", false
}

func anyETag(list, etag string) bool {
	for candidate := range strings.SplitSeq(list, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == "*" || sameETag(candidate, etag) {
			return true
		}
	}
	return false
}

// sameETag compares ETags with or without their quotes, as clients send both.
func sameETag(a, b string) bool { return strings.Trim(a, `"`) == strings.Trim(b, `"`) }
