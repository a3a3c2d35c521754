package s3

import (
	"encoding/base64"
	"encoding/xml"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	maxPage   = 1000     // the most that one page of a listing holds
	tokenMark = "after:" // begins a continuation token, before it is encoded
)

// listing is what a listing asks for. Names are compared by their bytes.
type listing struct {
	prefix, delimiter string
	after             string // results have greater names
	max               int    // 0 to maxPage
	encode            func(string) string
	encoding          string // url, or empty
}

// entry is one result of a listing: an object, or, when object is nil, the common prefix of one or more.
type entry struct {
	name   string
	object *object
}

// entries runs through the objects that keep accepts, in order, rolled up at the delimiter. A common prefix appears
// once, where its first object is, and only if it is itself greater than after.
func (b *bucket) entries(l listing, keep func(*object) bool) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		start, _ := b.search(max(l.prefix, l.after))
		rolledUp := ""
		for _, o := range b.objects[start:] {
			if !strings.HasPrefix(o.key, l.prefix) {
				return // o.key is at least the prefix, so all that follow are beyond it
			}
			e := entry{name: o.key, object: o}
			if at := strings.Index(o.key[len(l.prefix):], l.delimiter); l.delimiter != "" && at >= 0 {
				e = entry{name: o.key[:len(l.prefix)+at+len(l.delimiter)]}
			}
			if e.name <= l.after || e.object == nil && e.name == rolledUp || !keep(o) {
				continue
			}
			if e.object == nil {
				rolledUp = e.name
			}
			if !yield(e) {
				return
			}
		}
	}
}

// page takes the first n of seq and tells whether there are more. A page of none is complete.
func page[T any](seq iter.Seq[T], n int) (items []T, more bool) {
	if n == 0 {
		return nil, false
	}
	for item := range seq {
		if len(items) == n {
			return items, true
		}
		items = append(items, item)
	}
	return items, false
}

// listing reads the parameters that all listings share; maxName is what the size of a page is called.
func (r *request) listing(maxName string) (listing, *api.Error) {
	l := listing{
		prefix: r.query.Get("prefix"), delimiter: r.query.Get("delimiter"), max: maxPage,
		encoding: r.query.Get("encoding-type"), encode: func(s string) string { return s },
	}
	switch l.encoding {
	case "":
	case "url":
		l.encode = func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/") }
	default:
		return l, errInvalidArgument("encoding-type", l.encoding, "Invalid Encoding Method specified in Request")
	}
	if sent := r.query.Get(maxName); sent != "" {
		n, err := strconv.ParseInt(sent, 10, 32)
		if err != nil || n < 0 {
			return l, errInvalidArgument(maxName, sent,
				"Argument "+maxName+" must be an integer between 0 and 2147483647")
		}
		l.max = min(int(n), maxPage)
	}
	return l, nil
}

// listBucketXML is ListBucketResult of the API reference, of both versions of ListObjects.
type listBucketXML struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix          string
	Marker                *string
	NextMarker            string `xml:",omitempty"`
	StartAfter            string `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	KeyCount              *int
	MaxKeys               int
	Delimiter             string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	Contents              []contentXML
	CommonPrefixes        []prefixXML
}

type contentXML struct {
	Key               string
	LastModified      timestamp
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	Owner             *ownerXML
	StorageClass      string
}

type prefixXML struct{ Prefix string }

// listObjects serves both versions of ListObjects.
func (s *Service) listObjects(r *request) *api.Error {
	l, err := r.listing("max-keys")
	if err != nil {
		return err
	}
	out := listBucketXML{
		Name: r.bucketName, Prefix: l.encode(l.prefix), Delimiter: l.encode(l.delimiter), MaxKeys: l.max,
		EncodingType: l.encoding,
	}
	v2 := r.query.Get("list-type") == "2"
	if err := out.start(r, &l, v2); err != nil {
		return err
	}
	owner := s.owner()
	if v2 && r.query.Get("fetch-owner") != "true" {
		owner = nil
	}
	last := s.fillListing(&out, r.bucket, l, owner)
	if v2 {
		count := len(out.Contents) + len(out.CommonPrefixes)
		out.KeyCount = &count
	}
	if out.IsTruncated && v2 {
		out.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(tokenMark + last))
	} else if out.IsTruncated && l.delimiter != "" {
		out.NextMarker = l.encode(last)
	}
	return s.writeXML(r, out)
}

// start reads where the listing begins; a continuation token is the last name of the page before.
func (out *listBucketXML) start(r *request, l *listing, v2 bool) *api.Error {
	if !v2 {
		l.after = r.query.Get("marker")
		marker := l.encode(l.after)
		out.Marker = &marker
		return nil
	}
	l.after = r.query.Get("start-after")
	out.StartAfter = l.encode(l.after)
	if !r.query.Has("continuation-token") {
		return nil
	}
	out.ContinuationToken = r.query.Get("continuation-token")
	token, err := base64.URLEncoding.DecodeString(out.ContinuationToken)
	name, ours := strings.CutPrefix(string(token), tokenMark)
	if err != nil || !ours || name == "" {
		return errInvalidArgument("continuation-token", out.ContinuationToken,
			"The continuation token provided is incorrect")
	}
	l.after = name
	return nil
}

// fillListing adds one page of current objects and answers the last name on it.
func (s *Service) fillListing(out *listBucketXML, b *bucket, l listing, owner *ownerXML) (last string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	entries, more := page(b.entries(l, func(o *object) bool { return o.current() != nil }), l.max)
	out.IsTruncated = more
	for _, e := range entries {
		last = e.name
		if e.object == nil {
			out.CommonPrefixes = append(out.CommonPrefixes, prefixXML{l.encode(e.name)})
			continue
		}
		v := e.object.current()
		out.Contents = append(out.Contents, contentXML{
			Key: l.encode(e.name), LastModified: timestamp{v.modified}, ETag: v.etag, Size: v.size,
			ChecksumAlgorithm: v.checksum.algorithm, ChecksumType: v.checksum.kind(), Owner: owner,
			StorageClass: "STANDARD",
		})
	}
	return last
}
