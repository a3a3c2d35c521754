package chartrepo

import "time"

// AddTo is what Publish does to the index.
func AddTo(body []byte, p Package, now time.Time) ([]byte, error) {
	return New(nil, Options{Now: func() time.Time { return now }}).addTo(body, p)
}

// ParseIndex is how an index is read.
var ParseIndex = parseIndex

// Members is how an object is taken apart.
var Members = members
