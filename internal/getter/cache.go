package getter

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"

	"github.com/pinnace-dev/pinnace/internal/durable"
)

// principal tells identities apart without showing them. Sessions are new in every process, so a role that was assumed
// goes by what it was assumed from; anybody else by the id of the access key.
//
// This only keeps the copies apart. Whether the caller may have the bytes is decided by S3: no copy is read unless S3
// answers that very caller that it is current.
func principal(who aws.Credentials, getenv func(string) string) string {
	switch who.Source {
	case stscreds.WebIdentityProviderName, stscreds.ProviderName, ssocreds.ProviderName:
		return strings.Join([]string{
			who.Source, who.AccountID, getenv("AWS_ROLE_ARN"), getenv("AWS_CONFIG_FILE"),
			cmp.Or(getenv("AWS_PROFILE"), getenv("AWS_DEFAULT_PROFILE")),
		}, "\n")
	}
	return who.AccessKeyID
}

// copyOf is the place where one object is kept for one identity: a file with the ETag in its first line, the body, and
// the digest of both at the end. That the cache cannot be read or written is no error: it costs a transfer.
type copyOf struct{ path string } // empty: nowhere

func newCopy(getenv func(string) string, endpoint, bucket, key, principal string) copyOf {
	folder := getenv("HELM_CACHE_HOME") // Helm always sets it
	if folder == "" {
		return copyOf{}
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{endpoint, bucket, key, principal}, "\x00")))
	return copyOf{filepath.Join(folder, "pinnace", hex.EncodeToString(sum[:]))}
}

// held is a copy that was found whole; its zero value is none.
type held struct {
	etag  string
	file  *os.File
	start int64 // of the body
	size  int64 // of the body
}

func (h held) body() io.Reader { return io.NewSectionReader(h.file, h.start, h.size) }

func (h held) close() {
	if h.file != nil {
		_ = h.file.Close()
	}
}

// open finds the copy. One that is not what was written is none.
func (c copyOf) open() held {
	file, err := os.Open(c.path)
	if err != nil {
		return held{}
	}
	if h, ok := check(file); ok {
		return h
	}
	_ = file.Close()
	return held{}
}

func check(file *os.File) (held, bool) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < sha256.Size {
		return held{}, false
	}
	end := info.Size() - sha256.Size
	digest, want := sha256.New(), make([]byte, sha256.Size)
	if _, err := io.Copy(digest, io.NewSectionReader(file, 0, end)); err != nil {
		return held{}, false
	}
	if _, err := file.ReadAt(want, end); err != nil || !bytes.Equal(digest.Sum(nil), want) {
		return held{}, false
	}
	first := make([]byte, min(end, 1024))
	if _, err := file.ReadAt(first, 0); err != nil {
		return held{}, false
	}
	etag, _, ok := bytes.Cut(first, []byte{'\n'})
	start := int64(len(etag)) + 1
	return held{etag: string(etag), file: file, start: start, size: end - start}, ok
}

// draft is a copy on its way. Writing to it never fails.
type draft struct {
	file   *os.File // nil: nothing is kept
	path   string
	digest hash.Hash
}

// begin starts a copy beside the one there is, which stays until keep.
func (c copyOf) begin(etag string) *draft {
	d := &draft{path: c.path, digest: sha256.New()}
	if c.path == "" || etag == "" || os.MkdirAll(filepath.Dir(c.path), 0o700) != nil {
		return d
	}
	file, err := os.CreateTemp(filepath.Dir(c.path), durable.TempPrefix+"*") // mode 0600
	if err != nil {
		return d
	}
	d.file = file
	_, _ = io.WriteString(d, etag+"\n")
	return d
}

func (d *draft) Write(p []byte) (int, error) {
	if d.file != nil {
		d.digest.Write(p)
		if _, err := d.file.Write(p); err != nil {
			d.discard()
		}
	}
	return len(p), nil
}

// keep puts the whole copy in place by one rename. It is not synced: what a power cut leaves of it, the digest tells.
func (d *draft) keep() {
	if _, _ = d.Write(d.digest.Sum(nil)); d.file == nil {
		return
	}
	if d.file.Close() != nil || os.Rename(d.file.Name(), d.path) != nil {
		_ = os.Remove(d.file.Name())
	}
	d.file = nil
}

func (d *draft) discard() {
	if d.file != nil {
		_ = d.file.Close()
		_ = os.Remove(d.file.Name())
		d.file = nil
	}
}
