package s3

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/johannesboyne/gofakes3"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// The states of a bucket's versioning, as on the wire; empty while it was never configured.
const (
	versioningEnabled   = "Enabled"
	versioningSuspended = "Suspended"
)

// nullVersion is the id of the one version that an object has without versioning.
const nullVersion = "null"

// bucket is a bucket and all that is in it. The Service's lock guards it.
type bucket struct {
	name, region string
	created      time.Time
	versioning   string
	policy       *bucketPolicy
	publicBlock  *publicAccessBlock
	encryption   encryption        // of objects that do not say
	settings     map[string][]byte // XML documents by sub-resource, as they were put
	uploads      map[string]*upload

	transitionSize string // that the lifecycle configuration was put with

	bytes     gofakes3.Backend
	objects   []*object      // sorted by key
	deletions map[string]int // how often a current object was deleted, by key
}

// object is a key with its versions, newest first; never without any.
type object struct {
	key      string
	versions []*version
}

// version is one version of an object, or a delete marker. Once in a bucket it does not change.
type version struct {
	id       string
	marker   bool
	modified time.Time // whole seconds
	blob     string    // the name of the bytes in the byte store
	size     int64
	etag     string // in quotes
	checksum checksum
	attributes
	encryption
}

// current answers the version that a request without a version id means; nil when there is none or it is a delete
// marker.
func (o *object) current() *version {
	if o == nil || o.versions[0].marker {
		return nil
	}
	return o.versions[0]
}

func (o *object) index(id string) int {
	return slices.IndexFunc(o.versions, func(v *version) bool { return v.id == id })
}

func newBucket(name, region string, created time.Time, store gofakes3.Backend) (*bucket, error) {
	if err := store.CreateBucket(name); err != nil {
		return nil, fmt.Errorf("creating bucket %s: %w", name, err)
	}
	return &bucket{
		name: name, region: region, created: created, bytes: store,
		publicBlock: &publicAccessBlock{
			BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true,
		},
		encryption: encryption{algorithm: "AES256"},
		settings:   map[string][]byte{"ownershipControls": []byte(bucketOwnerEnforced)},
		uploads:    map[string]*upload{},
		deletions:  map[string]int{},
	}, nil
}

func (b *bucket) search(key string) (int, bool) {
	return slices.BinarySearchFunc(b.objects, key, func(o *object, key string) int { return cmp.Compare(o.key, key) })
}

// find answers the object of a key; nil when it has no version at all.
func (b *bucket) find(key string) *object {
	if i, ok := b.search(key); ok {
		return b.objects[i]
	}
	return nil
}

// put makes v, with body, the current version of key and gives it its id.
func (b *bucket) put(key string, v *version, body []byte) error {
	v.blob, v.size = rand.Text(), int64(len(body))
	_, err := b.bytes.PutObject(b.name, v.blob, map[string]string{}, bytes.NewReader(body), v.size, nil)
	if err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	return b.push(key, v)
}

// push makes v the current version of key. Unless versioning is enabled it takes the place of the null version.
func (b *bucket) push(key string, v *version) error {
	v.id = nullVersion
	if b.versioning == versioningEnabled {
		v.id = rand.Text()
	} else if err := b.drop(key, nullVersion); err != nil {
		return err
	}
	i, ok := b.search(key)
	if !ok {
		b.objects = slices.Insert(b.objects, i, &object{key: key})
	}
	o := b.objects[i]
	o.versions = slices.Insert(o.versions, 0, v)
	return nil
}

// drop forgets one version for good, if it is there.
func (b *bucket) drop(key, id string) error {
	i, ok := b.search(key)
	if !ok {
		return nil
	}
	o := b.objects[i]
	at := o.index(id)
	if at < 0 {
		return nil
	}
	if v := o.versions[at]; !v.marker {
		if _, err := b.bytes.DeleteObject(b.name, v.blob); err != nil {
			return fmt.Errorf("deleting %s: %w", key, err)
		}
	}
	o.versions = slices.Delete(o.versions, at, at+1)
	if len(o.versions) == 0 {
		b.objects = slices.Delete(b.objects, i, i+1)
	}
	return nil
}

// removal is what a deletion did.
type removal struct {
	marker    bool   // a delete marker was made, or removed
	versionID string // of the marker, or the version removed; empty without versioning
}

// remove deletes key as DeleteObject does: the named version for good, or else the current one, which a versioned
// bucket hides under a delete marker. To delete what is not there is no error.
func (b *bucket) remove(key, id string, now time.Time) (removal, error) {
	before := b.find(key).current()
	done := removal{versionID: id}
	var err error
	switch {
	case id != "":
		if o := b.find(key); o != nil && o.index(id) >= 0 {
			done.marker = o.versions[o.index(id)].marker
		}
		err = b.drop(key, id)
	case b.versioning == "":
		err = b.drop(key, nullVersion)
	default:
		marker := &version{marker: true, modified: now}
		err = b.push(key, marker)
		done = removal{marker: true, versionID: marker.id}
	}
	if before != nil && b.find(key).current() != before {
		b.deletions[key]++
	}
	return done, err
}

// read answers the bytes of v: all, or those of a range. They stay readable when v is deleted.
func (b *bucket) read(v *version, span *gofakes3.ObjectRangeRequest) (*gofakes3.Object, *api.Error) {
	if span != nil && span.FromEnd && span.End > v.size {
		span = &gofakes3.ObjectRangeRequest{FromEnd: true, End: v.size} // s3mem would refuse it
	}
	stored, err := b.bytes.GetObject(b.name, v.blob, span)
	if gofakes3.HasErrorCode(err, gofakes3.ErrInvalidRange) {
		return nil, with(api.Errorf("InvalidRange", http.StatusRequestedRangeNotSatisfiable,
			"The requested range is not satisfiable"), map[string]any{"ActualObjectSize": v.size})
	}
	if err != nil {
		return nil, errInternal(err)
	}
	return stored, nil
}
