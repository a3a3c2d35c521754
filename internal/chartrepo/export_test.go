package chartrepo

import (
	"errors"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

// AddTo is what Publish does to the index.
func AddTo(body []byte, p Package, now time.Time) ([]byte, error) {
	ix, err := parseIndex(body)
	if err != nil {
		return nil, err
	}
	e, err := newEntry(p, now)
	if err != nil {
		return nil, err
	}
	next, verdicts, err := ix.merge([]Entry{e})
	if err != nil || verdicts[0] != nil {
		return nil, errors.Join(err, errors.Join(verdicts...))
	}
	return next.marshal(now)
}

// ParseIndex is how an index is read.
var ParseIndex = parseIndex

// Members is how an object is taken apart.
var Members = members

// StoreOf is where a repository keeps its objects.
func StoreOf(r *Repository) objstore.Store { return r.store }

// WithLimit is a source on the web that reads at most so many bytes.
func WithLimit(s Source, limit int64) Source {
	h := s.(httpSource)
	h.maxIndex, h.maxArchive = limit, limit
	return h
}

// Scan tells whether the body is JSON, and whether it has no blanks.
func Scan(body []byte) (valid, compact bool) {
	s := scanner{b: body}
	valid = s.document(func() bool { return s.value(0) })
	return valid, !s.blanks
}
