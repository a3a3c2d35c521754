package s3

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/rand"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	minPart  = 5 << 20 // bytes of every part but the last
	maxParts = 10000
)

// upload is a multipart upload in progress. The Service's lock guards parts; the rest does not change.
type upload struct {
	id, key   string
	initiated time.Time
	algorithm string // of the checksum
	composite bool   // the object's checksum is that of the parts' checksums
	parts     map[int]*part
	attributes
	encryption
}

// part is one part of an upload. It does not change; the same number sent again replaces it.
type part struct {
	number   int
	body     []byte
	etag     string
	modified time.Time
	checksum checksum
}

// createUploadXML is InitiateMultipartUploadResult of the API reference.
type createUploadXML struct {
	XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket, Key string
	UploadID    string `xml:"UploadId"`
}

func (s *Service) createUpload(r *request) *api.Error {
	if err := r.checkKey(); err != nil {
		return err
	}
	if err := r.refuseHeaders(); err != nil {
		return err
	}
	u := &upload{id: rand.Text(), key: r.key, initiated: s.now(), parts: map[int]*part{}}
	var err *api.Error
	if u.attributes, err = readAttributes(r.Request.Header); err != nil {
		return err
	}
	if err = s.mayTag(r, u.tags); err != nil {
		return err
	}
	if u.encryption, err = s.readEncryption(r); err != nil {
		return err
	}
	if u.algorithm, err = r.askedAlgorithm(defaultAlgorithm); err != nil {
		return err
	}
	h := r.w.Header()
	if r.header(askedAlgorithm) != "" {
		u.composite = u.algorithm != defaultAlgorithm && !strings.EqualFold(r.header("X-Amz-Checksum-Type"), "FULL_OBJECT")
		h.Set(askedAlgorithm, u.algorithm)
		h.Set("X-Amz-Checksum-Type", checksum{composite: u.composite}.kind())
	}
	u.encryption.writeTo(h)
	s.mu.Lock()
	r.bucket.uploads[u.id] = u
	s.mu.Unlock()
	return s.writeXML(r, createUploadXML{Bucket: r.bucketName, Key: r.key, UploadID: u.id})
}

// upload answers the upload that r names. The caller holds the lock.
func (r *request) upload() (*upload, *api.Error) {
	id := r.query.Get("uploadId")
	u := r.bucket.uploads[id]
	if u == nil || u.key != r.key {
		return nil, errNoSuchUpload(id)
	}
	return u, nil
}

func (s *Service) uploadPart(r *request) *api.Error {
	number, err := strconv.Atoi(r.query.Get("partNumber"))
	if err != nil || number < 1 || number > maxParts {
		return errInvalidArgument("partNumber", r.query.Get("partNumber"),
			"Part number must be an integer between 1 and 10000, inclusive")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, refusal := r.upload()
	if refusal != nil {
		return refusal
	}
	if _, err := s.useKey(r, encryptAction, u.encryption, r.bucketName, r.key); err != nil {
		return err
	}
	sent := r.checksum.algorithm
	if u.composite && sent != "" && sent != u.algorithm {
		return errInvalidRequest("Checksum Type mismatch occurred, expected checksum Type: " +
			strings.ToLower(u.algorithm) + ", actual checksum Type: " + strings.ToLower(sent))
	}
	p := &part{
		number: number, body: bytes.Clone(r.Body), etag: u.etag(r.Body), modified: s.now(),
		checksum: sum(u.algorithm, r.Body),
	}
	u.parts[number] = p
	h := r.w.Header()
	h.Set("ETag", p.etag)
	r.checksum.writeTo(h)
	h.Del("X-Amz-Checksum-Type") // that is the object's
	u.encryption.writeTo(h)
	s.write(r, http.StatusOK, nil)
	return nil
}

// completeXML is CompleteMultipartUpload of the API reference.
type completeXML struct {
	Parts []completePartXML `xml:"Part"`
}

type completePartXML struct {
	PartNumber                    int
	ETag                          string
	ChecksumCRC32, ChecksumCRC32C string
	ChecksumCRC64NVME             string
	ChecksumSHA1, ChecksumSHA256  string
}

func (p completePartXML) checksum(algorithm string) string {
	return map[string]string{
		"CRC32": p.ChecksumCRC32, "CRC32C": p.ChecksumCRC32C, "CRC64NVME": p.ChecksumCRC64NVME,
		"SHA1": p.ChecksumSHA1, "SHA256": p.ChecksumSHA256,
	}[algorithm]
}

// completedXML is CompleteMultipartUploadResult of the API reference.
type completedXML struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location, Bucket, Key string
	ETag                  string
	Checksum              checksum
}

func (s *Service) completeUpload(r *request) *api.Error {
	if err := s.prepareWrite(r); err != nil {
		return err
	}
	var in completeXML
	if err := xml.Unmarshal(r.Body, &in); err != nil || len(in.Parts) == 0 {
		return errMalformedXML()
	}
	s.mu.RLock()
	u, err := r.upload()
	var parts []*part
	if err == nil {
		parts, err = u.choose(in.Parts)
	}
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	if _, err := s.useKey(r, decryptAction, u.encryption, r.bucketName, r.key); err != nil { // to read the parts
		return err
	}
	v, body := s.assemble(u, parts)
	sent, err := r.sentChecksum()
	if err != nil {
		return err
	}
	if sent.algorithm != "" && sent.value != v.checksum.value {
		return errBadChecksum(sent.algorithm)
	}
	if err := s.commit(r, v, body, u); err != nil {
		return err
	}
	s.writeWritten(r, v)
	return s.writeXML(r, completedXML{
		Location: "http://" + r.Request.Host + r.Request.URL.EscapedPath(), Bucket: r.bucketName, Key: r.key,
		ETag: v.etag, Checksum: v.checksum,
	})
}

// choose answers the parts that a completion lists, of which there is at least one. The caller holds the lock.
func (u *upload) choose(listed []completePartXML) ([]*part, *api.Error) {
	for i, l := range listed[1:] {
		if l.PartNumber <= listed[i].PartNumber {
			return nil, api.Errorf("InvalidPartOrder", http.StatusBadRequest, "The list of parts was not in ascending "+
				"order. The parts list must be specified in order by part number.")
		}
	}
	var parts []*part
	for i, l := range listed {
		p := u.parts[l.PartNumber]
		sent := l.checksum(u.algorithm)
		if p == nil || !sameETag(l.ETag, p.etag) || sent != "" && sent != p.checksum.value {
			return nil, with(api.Errorf("InvalidPart", http.StatusBadRequest, "One or more of the specified parts could not "+
				"be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity "+
				"tag."), map[string]any{"UploadId": u.id, "PartNumber": l.PartNumber, "ETag": l.ETag})
		}
		if i < len(listed)-1 && len(p.body) < minPart {
			return nil, with(api.Errorf("EntityTooSmall", http.StatusBadRequest,
				"Your proposed upload is smaller than the minimum allowed size"), map[string]any{
				"ProposedSize": len(p.body), "MinSizeAllowed": minPart, "PartNumber": l.PartNumber, "ETag": p.etag,
			})
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// assemble joins parts to a version. Its ETag is made from those of the parts, and is not the MD5 of the bytes.
func (s *Service) assemble(u *upload, parts []*part) (*version, []byte) {
	var body, digests []byte
	for _, p := range parts {
		body = append(body, p.body...)
		digest := md5.Sum(p.body)
		digests = append(digests, digest[:]...)
	}
	total := sum(u.algorithm, body)
	if u.composite {
		total = compose(u.algorithm, parts)
	}
	v := s.newVersion(body, u.attributes, u.encryption, total)
	v.etag = `"` + hexMD5(digests) + "-" + strconv.Itoa(len(parts)) + `"`
	return v, body
}

func (s *Service) abortUpload(r *request) *api.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := r.upload()
	if err != nil {
		return err
	}
	delete(r.bucket.uploads, u.id)
	s.write(r, http.StatusNoContent, nil)
	return nil
}

// listPartsXML is ListPartsResult of the API reference.
type listPartsXML struct {
	XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket, Key          string
	UploadID             string `xml:"UploadId"`
	Initiator, Owner     *ownerXML
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int `xml:",omitempty"`
	MaxParts             int
	IsTruncated          bool
	ChecksumAlgorithm    string
	ChecksumType         string
	Part                 []partXML
}

type partXML struct {
	PartNumber   int
	LastModified timestamp
	ETag         string
	Size         int
}

func (s *Service) listParts(r *request) *api.Error {
	l, err := r.listing("max-parts")
	if err != nil {
		return err
	}
	marker := 0
	if sent := r.query.Get("part-number-marker"); sent != "" {
		n, parseErr := strconv.Atoi(sent)
		if parseErr != nil || n < 0 {
			return errInvalidArgument("part-number-marker", sent, "Provided part-number-marker is not a number")
		}
		marker = n
	}
	s.mu.RLock()
	u, err := r.upload()
	var parts map[int]*part
	if err == nil {
		parts = maps.Clone(u.parts)
	}
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	numbers := slices.DeleteFunc(slices.Sorted(maps.Keys(parts)), func(n int) bool { return n <= marker })
	shown, more := page(slices.Values(numbers), l.max)
	out := listPartsXML{
		Bucket: r.bucketName, Key: r.key, UploadID: u.id, Initiator: s.owner(), Owner: s.owner(), StorageClass: "STANDARD",
		PartNumberMarker: marker, MaxParts: l.max, IsTruncated: more, ChecksumAlgorithm: u.algorithm,
		ChecksumType: checksum{composite: u.composite}.kind(),
	}
	for _, n := range shown {
		p := parts[n]
		out.Part = append(out.Part, partXML{n, timestamp{p.modified}, p.etag, len(p.body)})
		out.NextPartNumberMarker = n
	}
	return s.writeXML(r, out)
}

// listUploadsXML is ListMultipartUploadsResult of the API reference.
type listUploadsXML struct {
	XMLName        xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket, Prefix string
	MaxUploads     int
	IsTruncated    bool
	Upload         []uploadXML
}

type uploadXML struct {
	Key              string
	UploadID         string `xml:"UploadId"`
	Initiator, Owner *ownerXML
	StorageClass     string
	Initiated        timestamp
}

// listUploads answers all uploads on one page, by key and then by time. Pages and delimiters are not emulated.
func (s *Service) listUploads(r *request) *api.Error {
	for _, name := range []string{"delimiter", "key-marker", "upload-id-marker", "encoding-type"} {
		if r.query.Get(name) != "" {
			return errNotImplemented(r)
		}
	}
	out := listUploadsXML{Bucket: r.bucketName, Prefix: r.query.Get("prefix"), MaxUploads: maxPage}
	s.mu.RLock()
	uploads := slices.SortedFunc(maps.Values(r.bucket.uploads), func(a, b *upload) int {
		return cmp.Or(cmp.Compare(a.key, b.key), a.initiated.Compare(b.initiated), cmp.Compare(a.id, b.id))
	})
	s.mu.RUnlock()
	for _, u := range uploads {
		if strings.HasPrefix(u.key, out.Prefix) {
			out.Upload = append(out.Upload, uploadXML{u.key, u.id, s.owner(), s.owner(), "STANDARD", timestamp{u.initiated}})
		}
	}
	return s.writeXML(r, out)
}
