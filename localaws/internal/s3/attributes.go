package s3

import (
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
