// Package objstore is the vocabulary of objects under keys: read with a version, write only with the version that was
// read. S3, a folder and memory implement it, and storetest holds them to it.
package objstore

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore/internal/version"
)

// The errors that callers branch on with errors.Is. Anything else is a failure: a problem.Error where a person can do
// something about it.
var (
	// ErrNotFound says that there is no object under the key.
	ErrNotFound = errors.New("no such object")
	// ErrExists says that Create found an object that somebody else made.
	ErrExists = errors.New("the object exists")
	// ErrChanged says that the version given to Replace or Delete is no longer the current one; the object may be gone.
	ErrChanged = errors.New("the object has changed")
	// ErrConflict says that nothing was done and that the same call may succeed later: another write was in flight, or
	// the store asked to slow down. It never means that the object exists.
	ErrConflict = errors.New("conflicting operation in progress")
	// ErrUnchanged says that the version held is still the current one.
	ErrUnchanged = errors.New("the object has not changed")
)

// Version names one state of one object. Only a store can make one; they are compared with == and make sense only to
// the store and the key that they came from. A state whose bytes come back may be the same Version again. The zero
// Version means "no object".
type Version = version.Version

// Content is what is written: the bytes and how to serve them.
type Content struct {
	Body         []byte
	Type         string            // media type; empty: left to the store
	CacheControl string            // HTTP Cache-Control; empty: none
	Metadata     map[string]string // lower-case keys, at most 2 KB in all
}

// Object is what is read. A store that does not keep Type, CacheControl or Metadata (a folder) leaves them empty.
type Object struct {
	Content
	Version Version
}

// Info is one line of a listing.
type Info struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
}

// Store keeps objects under keys. There is no unconditional write: whoever writes says what they believe is there.
//
// Each call is atomic and, once it has returned without an error, durable and seen by every later call of anybody.
// Readers see whole objects only. A call that fails with anything but a sentinel above may or may not have taken
// effect ("it landed, the reply was lost"): read before trying again, which is what Update does.
//
// Implementations repeat what is safe to repeat at their own level (a lost connection) and recognise their own write
// when they meet it again, so that ErrExists and ErrChanged always speak of somebody else. They never wait for a
// conflict to pass: that is the caller's part, and Update's. Keys obey CheckKey. All methods are safe for concurrent
// use; bodies passed and returned belong to the caller.
type Store interface {
	// Get reads the object, or says ErrNotFound.
	Get(ctx context.Context, key string) (Object, error)
	// GetIfChanged is Get, but says ErrUnchanged when held is still the current version. A zero held never is.
	GetIfChanged(ctx context.Context, key string, held Version) (Object, error)
	// Create writes the object if there is none, or says ErrExists. Of any number of callers one succeeds.
	Create(ctx context.Context, key string, c Content) (Version, error)
	// Replace writes the object if old is its current version, or says ErrChanged. Of any number of callers that hold
	// the same version one succeeds. A zero old is always ErrChanged: use Create.
	Replace(ctx context.Context, key string, old Version, c Content) (Version, error)
	// Delete removes the object if old is its current version, or says ErrChanged, also when the object is gone.
	Delete(ctx context.Context, key string, old Version) error
	// List yields the objects whose keys begin with prefix (any string, "" for all) in ascending order of the key's
	// bytes. It is not a snapshot: writes made meanwhile may or may not be seen. It stops at the first error.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
}
