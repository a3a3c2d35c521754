// Package s3 emulates Amazon S3: buckets, objects, versions, multipart uploads, conditional writes, bucket policies and
// the public access block, with AWS's own codes and every call authorised. Sources: the S3 API reference and the user
// guide's pages on conditional requests, versioning and blocking public access.
//
// The bytes of objects, and the ranges of them, are kept by gofakes3's s3mem. What S3 says about those bytes (which
// version is current, metadata, conditions, listings) is decided here: s3mem merges the metadata of an overwritten
// object into the new one, repeats a common prefix on two pages, and panics on a key whose newest version was deleted.
//
// What is not emulated is refused with 501 NotImplemented, so that nobody relies on a setting without effect.
package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// Config is what the service needs. Log may be nil; all else must be set.
type Config struct {
	Clock   api.Clock
	Access  api.Access
	Keys    api.Keys
	Account string // owns every bucket; twelve digits
	Region  string // where calls without a signature arrive
	Log     *slog.Logger

	InsecureTransport bool // s3:TlsVersion is absent; else it is 1.3
}

// Service is S3 of one account, all regions. It implements api.Handler.
type Service struct {
	cfg   Config
	bytes gofakes3.Backend

	mu      sync.RWMutex // guards buckets and everything reached from them
	buckets map[string]*bucket

	// committing, when set, is called without locks between the arrival of a write and its commit: where tests put what
	// happens at the same time.
	committing func(bucket, key string)
}

// New makes an empty S3.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, bytes: s3mem.New(), buckets: map[string]*bucket{}}
}

// Action implements api.Handler.
func (s *Service) Action(c *api.Call) string {
	r := newRequest(nil, c)
	if r.op == nil {
		return ""
	}
	return r.action()
}

// Serve implements api.Handler.
func (s *Service) Serve(w http.ResponseWriter, c *api.Call) {
	writeStandardHeader(w, c)
	if err := s.serve(newRequest(w, c)); err != nil {
		s.Refuse(w, c, err)
	}
}

// serve goes through the stages of a call in S3's order: the operation, the bucket, the permission, the integrity of
// the body, the work.
func (s *Service) serve(r *request) *api.Error {
	if r.op == nil {
		return errNotImplemented(r)
	}
	if (r.bucketName != "" || r.key != "") && !r.op.creates {
		if err := s.arrive(r); err != nil {
			return err
		}
	}
	if !r.op.asksItself {
		if err := s.allow(r, r.bucket, r.question()); err != nil {
			return err
		}
	}
	if err := r.checkConditions(); err != nil {
		return err
	}
	if !r.op.digestsItself {
		if err := r.verifyDigests(); err != nil {
			return err
		}
	}
	return r.op.serve(s, r)
}

// arrive finds the bucket that r names and remembers how often its key was deleted before.
func (s *Service) arrive(r *request) *api.Error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketFor(r, r.bucketName)
	if err != nil {
		return err
	}
	r.bucket, r.deletions = b, b.deletions[r.key]
	return nil
}

// bucketFor answers the named bucket when it exists where r is signed for. The caller holds the lock.
func (s *Service) bucketFor(r *request, name string) (*bucket, *api.Error) {
	b := s.buckets[name]
	if b == nil {
		return nil, errNoSuchBucket(name)
	}
	if r.Principal.Kind != api.Anonymous && r.Region != b.region {
		return nil, errWrongRegion(r.Region, b.region)
	}
	if owner := r.header("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != s.cfg.Account {
		return nil, errAccessDenied()
	}
	return b, nil
}

// now is the time in the granularity of S3's timestamps.
func (s *Service) now() time.Time { return s.cfg.Clock().UTC().Truncate(time.Second) }

// ownerID is the account's canonical user id: 64 hexadecimal digits.
func (s *Service) ownerID() string {
	sum := sha256.Sum256([]byte(s.cfg.Account))
	return hex.EncodeToString(sum[:])
}

func (s *Service) owner() *ownerXML { return &ownerXML{ID: s.ownerID()} }
