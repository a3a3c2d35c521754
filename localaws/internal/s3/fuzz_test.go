package s3

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// FuzzServe sends any request to a bucket with an object: whatever comes, S3 answers with a status of its own.
func FuzzServe(f *testing.F) {
	for _, seed := range [][]string{
		{"GET", "/charts?list-type=2&prefix=k&delimiter=/&max-keys=1&start-after=a", "", "", ""},
		{"GET", "/charts?versions&key-marker=key&version-id-marker=null", "", "", ""},
		{"GET", "//key", "", "", ""},
		{"GET", "/charts/key", "Range", "bytes=-5", ""},
		{"HEAD", "/charts/key?versionId=null", "If-None-Match", `W/"x", *`, ""},
		{"PUT", "/charts/new", "X-Amz-Copy-Source", "/charts/key%3f?versionId=null", ""},
		{"PUT", "/charts/new", "X-Amz-Checksum-Crc32", "AAAAAA==", "body"},
		{"PUT", "/charts?policy", "", "", openPolicy},
		{"PUT", "/charts?encryption", "", "", "<a><Rule/></a>"},
		{"POST", "/charts?delete", "Content-Md5", "", "<Delete><Object><Key>key</Key></Object></Delete>"},
		{"PUT", "/charts/key?uploadId=u&partNumber=1", "", "", ""},
		{"POST", "/charts/key?uploadId=u", "", "", "<a><Part><PartNumber>1</PartNumber></Part></a>"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	f.Fuzz(func(t *testing.T, method, target, name, value, body string) {
		r, err := http.NewRequest(method, "http://s3.localhost"+target, http.NoBody)
		if err != nil {
			t.Skip("not a request")
		}
		if name != "" {
			r.Header.Set(name, value)
		}
		h := &harness{T: t, now: time.Unix(0, 0)}
		s := New(Config{Clock: h.clock, Access: h, Keys: h, Account: testAccount, Region: testRegion})
		h.service = s
		b, err := newBucket(testBucket, testRegion, h.now, s.bytes)
		if err != nil {
			t.Fatal(err)
		}
		s.buckets[testBucket] = b
		b.uploads["u"] = &upload{id: "u", key: "key", algorithm: "CRC32", composite: true, parts: map[int]*part{
			1: {number: 1, etag: `""`, checksum: sum("CRC32", nil)},
		}}
		v := s.newVersion(nil, attributes{}, encryption{algorithm: "AES256"}, checksum{})
		if err := b.put("key", v, nil); err != nil {
			t.Fatal(err)
		}
		call := &api.Call{
			Request: r, Body: []byte(body), Region: testRegion,
			Principal: api.Principal{Kind: api.Root, Account: testAccount},
		}
		answer := httptest.NewRecorder()
		s.Serve(answer, call)
		if answer.Code < 200 || answer.Code == 500 || answer.Code > 501 ||
			answer.Code >= 400 && method != "HEAD" && !strings.HasSuffix(answer.Body.String(), "</Error>") {
			t.Errorf("%s %s: %d %s", method, target, answer.Code, answer.Body)
		}
	})
}
