package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strconv"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// nvme is the polynomial of CRC-64/NVME, reversed as package crc64 wants it.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// hashes are the checksums of the S3 API by their names on the wire.
var hashes = map[string]func() hash.Hash{
	"CRC32":     func() hash.Hash { return crc32.NewIEEE() },
	"CRC32C":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"CRC64NVME": func() hash.Hash { return crc64.New(nvme) },
	"SHA1":      sha1.New,
	"SHA256":    sha256.New,
}

const defaultAlgorithm = "CRC64NVME" // what S3 computes for those who send none

// checksum is that of an object: of all its bytes, or, of an object in parts, of the checksums of these.
type checksum struct {
	algorithm string // a key of hashes; empty when there is none
	value     string // base64; of a composite with "-" and the number of parts
	composite bool
}

func sum(algorithm string, body []byte) checksum {
	h := hashes[algorithm]()
	h.Write(body)
	return checksum{algorithm: algorithm, value: base64.StdEncoding.EncodeToString(h.Sum(nil))}
}

// compose sums up the checksums of parts.
func compose(algorithm string, parts []*part) checksum {
	h := hashes[algorithm]()
	for _, p := range parts {
		raw, err := base64.StdEncoding.DecodeString(p.checksum.value)
		if err != nil {
			panic("s3: a stored checksum is not base64") // sum made it
		}
		h.Write(raw)
	}
	value := base64.StdEncoding.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	return checksum{algorithm: algorithm, value: value, composite: true}
}

func (c checksum) header() string { return "X-Amz-Checksum-" + c.algorithm }

func (c checksum) kind() string {
	if c.composite {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

func (c checksum) writeTo(h http.Header) {
	if c.algorithm != "" {
		h.Set(c.header(), c.value)
		h.Set("X-Amz-Checksum-Type", c.kind())
	}
}

// MarshalXML writes the element that is named after the algorithm, and the type.
func (c checksum) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	if c.algorithm == "" {
		return nil
	}
	if err := e.EncodeElement(c.value, element("Checksum"+c.algorithm)); err != nil {
		return err
	}
	return e.EncodeElement(c.kind(), element("ChecksumType"))
}

func element(name string) xml.StartElement { return xml.StartElement{Name: xml.Name{Local: name}} }

// sentChecksum reads the checksum header, of which there may be one.
func (r *request) sentChecksum() (checksum, *api.Error) {
	var sent checksum
	for algorithm := range hashes {
		c := checksum{algorithm: algorithm}
		if c.value = r.header(c.header()); c.value == "" {
			continue
		}
		if sent.algorithm != "" {
			return sent, errInvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are " +
				"not allowed.")
		}
		sent = c
	}
	announced := strings.ToUpper(r.header("X-Amz-Sdk-Checksum-Algorithm"))
	if announced != "" && sent.algorithm == "" && len(r.Body) > 0 {
		return sent, errInvalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or " +
			"x-amz-trailer headers were found.")
	}
	return sent, nil
}

// askedAlgorithm is the header that chooses the checksum of a copy or an upload.
const askedAlgorithm = "X-Amz-Checksum-Algorithm"

// askedAlgorithm answers the algorithm that the request asks for, or else otherwise.
func (r *request) askedAlgorithm(otherwise string) (string, *api.Error) {
	asked := strings.ToUpper(r.header(askedAlgorithm))
	switch {
	case asked == "":
		return otherwise, nil
	case hashes[asked] == nil:
		return "", errInvalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid " +
			"types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	return asked, nil
}

// verifyDigests compares the body with the Content-MD5 and the checksum that it was sent with.
func (r *request) verifyDigests() *api.Error {
	if err := r.verifyMD5(); err != nil {
		return err
	}
	sent, err := r.sentChecksum()
	if err != nil || sent.algorithm == "" {
		return err
	}
	name := strings.ToLower(sent.header())
	raw, decodeErr := base64.StdEncoding.DecodeString(sent.value)
	if decodeErr != nil || len(raw) != hashes[sent.algorithm]().Size() {
		return errInvalidRequest("Value for " + name + " header is invalid.")
	}
	r.checksum = sum(sent.algorithm, r.Body)
	if r.checksum != sent {
		return errBadChecksum(sent.algorithm)
	}
	return nil
}

func errBadChecksum(algorithm string) *api.Error {
	return api.Errorf("BadDigest", http.StatusBadRequest,
		"The %s you specified did not match the calculated checksum.", algorithm)
}

func (r *request) verifyMD5() *api.Error {
	values := r.Request.Header.Values("Content-Md5")
	if len(values) == 0 {
		return nil
	}
	sent, err := base64.StdEncoding.DecodeString(values[0])
	if err != nil || len(sent) != md5.Size {
		return with(api.Errorf("InvalidDigest", http.StatusBadRequest, "The Content-MD5 you specified was invalid."),
			map[string]any{"Content-MD5": values[0]})
	}
	actual := md5.Sum(r.Body)
	if !bytes.Equal(sent, actual[:]) {
		return with(api.Errorf("BadDigest", http.StatusBadRequest,
			"The Content-MD5 you specified did not match what we received."), map[string]any{
			"ExpectedDigest": values[0], "CalculatedDigest": base64.StdEncoding.EncodeToString(actual[:]),
		})
	}
	return nil
}

func hexMD5(body []byte) string {
	digest := md5.Sum(body)
	return hex.EncodeToString(digest[:])
}
