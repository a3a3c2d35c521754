package s3

import (
	"encoding/xml"
	"iter"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// listVersionsXML is ListVersionsResult of the API reference.
type listVersionsXML struct {
	XMLName             xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name, Prefix        string
	KeyMarker           string
	VersionIDMarker     string `xml:"VersionIdMarker"`
	NextKeyMarker       string `xml:",omitempty"`
	NextVersionIDMarker string `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys             int
	Delimiter           string `xml:",omitempty"`
	EncodingType        string `xml:",omitempty"`
	IsTruncated         bool
	Versions            []versionXML
	CommonPrefixes      []prefixXML
}

// versionXML is an element Version or DeleteMarker; they stand in the order of the listing.
type versionXML struct {
	XMLName      xml.Name
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified timestamp
	ETag         string `xml:",omitempty"`
	Size         *int64
	StorageClass string `xml:",omitempty"`
	Owner        *ownerXML
}

// row is one version in a listing, or a common prefix when version is nil.
type row struct {
	name    string
	version *version
	latest  bool
}

// rows runs through all versions, keys in order and the newest version first, from after the named version of the key
// l.after, or after all of that key when id is empty.
func (b *bucket) rows(l listing, id string) iter.Seq[row] {
	return func(yield func(row) bool) {
		each := func(o *object, from int) bool {
			for i, v := range o.versions[from:] {
				if !yield(row{name: o.key, version: v, latest: from+i == 0}) {
					return false
				}
			}
			return true
		}
		if o := b.find(l.after); o != nil && id != "" && strings.HasPrefix(o.key, l.prefix) {
			if at := o.index(id); at >= 0 && !each(o, at+1) {
				return
			}
		}
		for e := range b.entries(l, func(*object) bool { return true }) {
			if e.object == nil && !yield(row{name: e.name}) || e.object != nil && !each(e.object, 0) {
				return
			}
		}
	}
}

func (s *Service) listVersions(r *request) *api.Error {
	l, err := r.listing("max-keys")
	if err != nil {
		return err
	}
	l.after = r.query.Get("key-marker")
	id := r.query.Get("version-id-marker")
	if r.query.Has("version-id-marker") && (l.after == "" || id == "") {
		return errInvalidArgument("version-id-marker", id,
			"A version-id marker cannot be empty, or specified without a key marker.")
	}
	out := listVersionsXML{
		Name: r.bucketName, Prefix: l.encode(l.prefix), Delimiter: l.encode(l.delimiter), MaxKeys: l.max,
		EncodingType: l.encoding, KeyMarker: l.encode(l.after), VersionIDMarker: id,
	}
	s.mu.RLock()
	rows, more := page(r.bucket.rows(l, id), l.max)
	s.mu.RUnlock()
	out.IsTruncated = more
	for _, row := range rows {
		out.add(row, l, s.owner())
	}
	if last := len(rows) - 1; more {
		out.NextKeyMarker = l.encode(rows[last].name)
		if rows[last].version != nil {
			out.NextVersionIDMarker = rows[last].version.id
		}
	}
	return s.writeXML(r, out)
}

func (out *listVersionsXML) add(r row, l listing, owner *ownerXML) {
	if r.version == nil {
		out.CommonPrefixes = append(out.CommonPrefixes, prefixXML{l.encode(r.name)})
		return
	}
	v := versionXML{
		XMLName: xml.Name{Local: "DeleteMarker"}, Key: l.encode(r.name), VersionID: r.version.id, IsLatest: r.latest,
		LastModified: timestamp{r.version.modified}, Owner: owner,
	}
	if !r.version.marker {
		v.XMLName.Local = "Version"
		v.ETag, v.Size, v.StorageClass = r.version.etag, &r.version.size, "STANDARD"
	}
	out.Versions = append(out.Versions, v)
}
