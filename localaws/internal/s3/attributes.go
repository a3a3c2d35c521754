package s3

import (
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// systemHeaders are the request headers that an object keeps and gives back.
var systemHeaders = []string{
	"Content-Type", "Cache-Control", "Content-Encoding", "Content-Disposition", "Content-Language", "Expires",
}

const (
	userPrefix       = "X-Amz-Meta-"
	maxUserMetadata  = 2048 // bytes of names and values
	sseHeader        = "X-Amz-Server-Side-Encryption"
	sseKeyHeader     = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	sseBucketHeader  = "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
	kms              = "aws:kms"
	defaultMediaType = "binary/octet-stream"
)

// attributes are what a writer says about an object; a later write replaces all of them. Once made they do not change.
type attributes struct {
	system map[string]string // systemHeaders that were sent; always a Content-Type
	user   map[string]string // user metadata by lower-case name, without prefix
	tags   map[string]string
}

// readAttributes takes the attributes from the header of a write, and nothing else of it.
func readAttributes(h http.Header) (attributes, *api.Error) {
	a := attributes{system: map[string]string{"Content-Type": defaultMediaType}, user: map[string]string{}}
	for _, name := range systemHeaders {
		if value := h.Get(name); value != "" {
			a.system[name] = value
		}
	}
	size := 0
	for name, values := range h {
		if rest, ok := strings.CutPrefix(name, userPrefix); ok {
			value := strings.Join(values, ",")
			a.user[strings.ToLower(rest)] = value
			size += len(rest) + len(value)
		}
	}
	if size > maxUserMetadata {
		return a, with(api.Errorf("MetadataTooLarge", http.StatusBadRequest,
			"Your metadata headers exceed the maximum allowed metadata size"),
			map[string]any{"Size": size, "MaxSizeAllowed": maxUserMetadata})
	}
	var err *api.Error
	a.tags, err = readTags(h)
	return a, err
}

func (a attributes) writeTo(h http.Header) {
	for name, value := range a.system {
		h.Set(name, value)
	}
	for name, value := range a.user {
		h[strings.ToLower(userPrefix)+name] = []string{value} // in lower case on the wire too, as S3 answers them
	}
}

// encryption is how an object is said to be encrypted at rest; nothing is encrypted.
type encryption struct {
	algorithm string // AES256 or aws:kms
	keyID     string // ARN of the key, with aws:kms
	bucketKey bool
}

// readEncryption takes the encryption from the header of a write, or else the bucket's.
func (s *Service) readEncryption(r *request) (encryption, *api.Error) {
	e := encryption{algorithm: r.header(sseHeader), keyID: r.header(sseKeyHeader)}
	switch e.algorithm {
	case "":
		if e.keyID != "" {
			return e, errInvalidArgument("x-amz-server-side-encryption", "", "Server Side Encryption with AWS KMS managed "+
				"key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		s.mu.RLock()
		defer s.mu.RUnlock()
		return r.bucket.encryption, nil
	case "AES256":
		return encryption{algorithm: e.algorithm}, nil
	case kms:
		e.keyID = s.keyARN(r.bucket.region, e.keyID)
		e.bucketKey = strings.EqualFold(r.header(sseBucketHeader), "true")
		return e, nil
	}
	return e, errInvalidArgument("x-amz-server-side-encryption", e.algorithm,
		"The encryption method specified is not supported")
}

// keyARN completes a key id to the ARN that S3 answers; without an id it is the key that AWS manages.
func (s *Service) keyARN(region, id string) string {
	switch {
	case strings.HasPrefix(id, "arn:"):
		return id
	case id == "":
		id = "alias/aws/s3"
	case !strings.HasPrefix(id, "alias/"):
		id = "key/" + id
	}
	return "arn:aws:kms:" + region + ":" + s.cfg.Account + ":" + id
}

func (e encryption) writeTo(h http.Header) {
	h.Set(sseHeader, e.algorithm)
	if e.algorithm == kms {
		h.Set(sseKeyHeader, e.keyID)
	}
	if e.bucketKey {
		h.Set(sseBucketHeader, "true")
	}
}

// etag is the MD5 of the body, except under aws:kms: there S3's ETag is opaque.
func (e encryption) etag(body []byte) string {
	if e.algorithm == kms {
		return `"` + hexMD5([]byte(rand.Text())) + `"`
	}
	return `"` + hexMD5(body) + `"`
}

// refusedHeaders ask for what is not emulated, unless they have the harmless value given here.
var refusedHeaders = map[string]string{
	"X-Amz-Storage-Class":                             "STANDARD",
	"X-Amz-Website-Redirect-Location":                 "",
	"X-Amz-Object-Lock-Mode":                          "",
	"X-Amz-Object-Lock-Retain-Until-Date":             "",
	"X-Amz-Object-Lock-Legal-Hold":                    "OFF",
	"X-Amz-Server-Side-Encryption-Context":            "",
	"X-Amz-Server-Side-Encryption-Customer-Algorithm": "",
	"X-Amz-Write-Offset-Bytes":                        "",
}

// refuseHeaders refuses a write that asks for what is not emulated, and ACLs, which a bucket that enforces its owner's
// ownership does not take.
func (r *request) refuseHeaders() *api.Error {
	for name, harmless := range refusedHeaders {
		if value := r.header(name); value != "" && value != harmless {
			return errHeaderNotImplemented(name)
		}
	}
	acl := r.header("X-Amz-Acl")
	for name := range r.Request.Header {
		if strings.HasPrefix(name, "X-Amz-Grant-") {
			acl = "grant"
		}
	}
	if acl != "" && acl != "bucket-owner-full-control" {
		return api.Errorf("AccessControlListNotSupported", http.StatusBadRequest, "The bucket does not allow ACLs")
	}
	return nil
}
