package sigv4_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/pinnace-dev/pinnace/localaws/internal/sigv4"
)

// The key pair and the signatures of the worked examples in AWS's own documentation.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	emptyHash     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func exampleRequest(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://examplebucket.s3.amazonaws.com"+target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func authorization(signedHeaders, signature string) string {
	return "AWS4-HMAC-SHA256 Credential=" + exampleKey + "/20130524/us-east-1/s3/aws4_request,SignedHeaders=" +
		signedHeaders + ",Signature=" + signature
}

func TestDocumentedExamples(t *testing.T) {
	const at = "20130524T000000Z"
	presigned := "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + exampleKey +
		"%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=" + at +
		"&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
	for name, r := range map[string]*http.Request{
		"get with range": exampleRequest("GET", "/test.txt", "Range", "bytes=0-9", "X-Amz-Date", at,
			"X-Amz-Content-Sha256", emptyHash, "Authorization", authorization("host;range;x-amz-content-sha256;x-amz-date",
				"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")),
		"list": exampleRequest("GET", "/?max-keys=2&prefix=J", "X-Amz-Date", at,
			"X-Amz-Content-Sha256", emptyHash, "Authorization", authorization("host;x-amz-content-sha256;x-amz-date",
				"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")),
		"presigned": exampleRequest("GET", presigned+
			"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
	} {
		s, err := sigv4.Parse(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Verify(r, nil, exampleSecret, exampleTime); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Verify(r, nil, exampleSecret+"x", exampleTime); !errors.Is(err, sigv4.ErrMismatch) {
			t.Errorf("%s with another secret: %v", name, err)
		}
	}
}

// documentedChunks is the upload of 66,560 letters in two chunks that the S3 reference works through.
func documentedChunks() (*http.Request, []byte) {
	r := exampleRequest("PUT", "/examplebucket/chunkObject.txt", "X-Amz-Date", "20130524T000000Z",
		"X-Amz-Storage-Class", "REDUCED_REDUNDANCY", "X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
		"Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", "66560", "Authorization",
		authorization("content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"+
			"x-amz-decoded-content-length;x-amz-storage-class",
			"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"))
	r.Host, r.ContentLength = "s3.amazonaws.com", 66824
	var b bytes.Buffer
	chunk := func(size int, signature string) {
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n%s\r\n", size, signature, strings.Repeat("a", size))
	}
	chunk(65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648")
	chunk(1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497")
	chunk(0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
	return r, b.Bytes()
}

func TestDocumentedChunkedUpload(t *testing.T) {
	r, body := documentedChunks()
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, body, exampleSecret, exampleTime); err != nil {
		t.Fatalf("seed signature: %v", err)
	}
	payload, _, err := s.Unchunk(r, body, exampleSecret)
	if err != nil || string(payload) != strings.Repeat("a", 66560) {
		t.Fatalf("payload of %d bytes, %v", len(payload), err)
	}

	tampered := bytes.Replace(body, []byte("aaaa\r\n0;"), []byte("aaab\r\n0;"), 1)
	if bytes.Equal(tampered, body) {
		t.Fatal("nothing was tampered with")
	}
	if _, _, err := s.Unchunk(r, tampered, exampleSecret); !errors.Is(err, sigv4.ErrMismatch) {
		t.Errorf("a changed chunk: %v", err)
	}
	if _, _, err := s.Unchunk(r, body[:len(body)-100], exampleSecret); !errors.Is(err, sigv4.ErrMalformed) {
		t.Errorf("a cut body: %v", err)
	}
}

func TestUnsignedTrailer(t *testing.T) {
	r := exampleRequest("PUT", "/k", "X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", "x-amz-checksum-crc32")
	payload, trailer, err := sigv4.Signature{}.Unchunk(r, []byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"), "")
	if err != nil || string(payload) != "hello" || trailer.Get("X-Amz-Checksum-Crc32") != "NhCmhg==" {
		t.Errorf("%q, %v, %v", payload, trailer, err)
	}
	r.Header.Del("X-Amz-Trailer")
	r.Header.Set("X-Amz-Decoded-Content-Length", "6")
	if _, _, err := (sigv4.Signature{}).Unchunk(r, []byte("5\r\nhello\r\n0\r\n\r\n"), ""); !errors.Is(err, sigv4.ErrMalformed) {
		t.Errorf("a wrong length: %v", err)
	}
}

// What AWS's signer signs is accepted, for every service's rules; any change of what was signed is not.
func TestAgreesWithTheSigner(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i := range 300 {
		service := []string{"s3", "appconfig", "secretsmanager", "iam"}[i%4]
		body := []byte(fmt.Sprint("body ", i))
		r := signedRequest(t, random, service, body, now)
		s, err := sigv4.Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(r, body, "secret", now); err != nil {
			t.Fatalf("%s %s %s: %v", service, r.Method, r.URL, err)
		}
		for change, err := range map[string]error{
			"path":   verifyChanged(s, r, body, now, func(r *http.Request) { r.URL.Path += "x"; r.URL.RawPath = "" }),
			"query":  verifyChanged(s, r, body, now, func(r *http.Request) { r.URL.RawQuery += "&more=1" }),
			"method": verifyChanged(s, r, body, now, func(r *http.Request) { r.Method = "DELETE" }),
			"host":   verifyChanged(s, r, body, now, func(r *http.Request) { r.Host = "elsewhere" }),
			"header": verifyChanged(s, r, body, now, func(r *http.Request) { r.Header.Set("X-Amz-Meta-A", "other") }),
		} {
			if !errors.Is(err, sigv4.ErrMismatch) {
				t.Fatalf("%s: a changed %s: %v", service, change, err)
			}
		}
		if err := s.Verify(r, append(body, '!'), "secret", now); err == nil {
			t.Fatalf("%s: a changed body was accepted", service)
		}
	}
}

func signedRequest(t *testing.T, random *rand.Rand, service string, body []byte, now time.Time) *http.Request {
	t.Helper()
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	u := url.URL{Scheme: "http", Host: "127.0.0.1:4566", Path: pick("/", "/a b/c+d", "/ä/ö~x", "/tags/arn:aws:x:y/z", "/k(1)*!")}
	q := url.Values{"prefix": {pick("", "a b", "ü&=", "x+y")}, "a": {"2", "1"}}
	u.RawQuery = q.Encode()
	r := httptest.NewRequest(pick("GET", "PUT", "POST"), u.String(), bytes.NewReader(body))
	r.Header.Set("X-Amz-Meta-A", pick("plain", "  two   spaces ", "ü"))
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if service == "s3" { // its clients encode the path before they sign
		r.URL.RawPath = httpbinding.EscapePath(u.Path, false)
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret"},
		r, hash, service, "eu-west-1", now, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func verifyChanged(s sigv4.Signature, r *http.Request, body []byte, now time.Time, change func(*http.Request)) error {
	c := r.Clone(context.Background())
	change(c)
	return s.Verify(c, body, "secret", now)
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r := signedRequest(t, rand.New(rand.NewPCG(3, 4)), "s3", nil, now)
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]error{
		0: nil, 14 * time.Minute: nil, -14 * time.Minute: nil,
		16 * time.Minute: sigv4.ErrSkew, -16 * time.Minute: sigv4.ErrSkew,
	} {
		if err := s.Verify(r, nil, "secret", now.Add(at)); !errors.Is(err, want) {
			t.Errorf("%v away: %v, want %v", at, err, want)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, h := range []string{
		"Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b/c", "AWS4-HMAC-SHA256 ,,,=",
		authorization("host", ""), authorization("", "00"), authorization("host", "00") + ",Signature=01",
		strings.Replace(authorization("host", "00"), " ", " X=Credential=nobody/, ", 1),
		strings.Replace(authorization("host", "00"), "20130524", "20130525", 1),
	} {
		r := exampleRequest("GET", "/", "Authorization", h, "X-Amz-Date", "20130524T000000Z")
		if _, err := sigv4.Parse(r); !errors.Is(err, sigv4.ErrMalformed) {
			t.Errorf("%q: %v", h, err)
		}
	}
	if _, err := sigv4.Parse(exampleRequest("GET", "/")); !errors.Is(err, sigv4.ErrUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
	r := exampleRequest("GET", "/", "X-Amz-Date", "20130524T000000Z", "X-Amz-Content-Sha256", emptyHash,
		"Authorization", authorization("x-amz-date", "00"))
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, nil, exampleSecret, exampleTime); !errors.Is(err, sigv4.ErrMalformed) {
		t.Errorf("a signature without the host: %v", err)
	}
}

// What AWS acts on must be signed: an x-amz- header that somebody added on the way is refused.
func TestUncoveredHeader(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r := signedRequest(t, rand.New(rand.NewPCG(5, 6)), "s3", nil, now)
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"X-Amz-Copy-Source", "X-Amz-Acl", "X-Amz-Security-Token"} {
		err := verifyChanged(s, r, nil, now, func(r *http.Request) { r.Header.Set(name, "added") })
		if !errors.Is(err, sigv4.ErrUncovered) {
			t.Errorf("an added %s: %v", name, err)
		}
	}
}

func FuzzUnchunk(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"))
	f.Add([]byte("ffffffff\r\n"))
	f.Add([]byte("0\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := exampleRequest("PUT", "/k", "X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
			"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", "x-amz-checksum-crc32")
		payload, _, err := sigv4.Signature{}.Unchunk(r, body, "")
		if err == nil && len(payload) > len(body) {
			t.Errorf("%d bytes out of %d", len(payload), len(body))
		}
	})
}

func TestParseRefuses(t *testing.T) {
	const query = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=00&X-Amz-Credential=" + exampleKey + "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
	both := exampleRequest("GET", query, "X-Amz-Date", "20130524T000000Z", "Authorization", authorization("host", "00"))
	double := exampleRequest("GET", "/", "X-Amz-Date", "20130524T000000Z", "Authorization", authorization("host", "00"))
	double.Header.Add("Authorization", authorization("host", "00"))
	for name, test := range map[string]struct {
		r    *http.Request
		want error
	}{
		"well":                  {exampleRequest("GET", query), nil},
		"twice in the query":    {exampleRequest("GET", query+"&X-Amz-Signature=01"), sigv4.ErrMalformed},
		"another day":           {exampleRequest("GET", strings.Replace(query, "%2F20130524", "%2F20130525", 1)), sigv4.ErrMalformed},
		"header and query":      {both, sigv4.ErrTwice},
		"two headers":           {double, sigv4.ErrMalformed},
		"version 2 in a query":  {exampleRequest("GET", "/?AWSAccessKeyId=a&Signature=b&Expires=1"), sigv4.ErrMechanism},
		"version 2 in a header": {exampleRequest("GET", "/", "Authorization", "AWS a:b"), sigv4.ErrMechanism},
	} {
		if _, err := sigv4.Parse(test.r); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestPresignedTimes(t *testing.T) {
	r := exampleRequest("GET", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="+exampleKey+
		"%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"+
		"&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]error{
		0: nil, 24 * time.Hour: nil, 24*time.Hour + time.Second: sigv4.ErrExpired,
		-sigv4.Skew: nil, -sigv4.Skew - time.Second: sigv4.ErrSkew,
	} {
		if err := s.Verify(r, nil, exampleSecret, exampleTime.Add(at)); !errors.Is(err, want) {
			t.Errorf("%v after signing: %v, want %v", at, err, want)
		}
	}
}

func TestDeclaredHash(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r := signedRequest(t, rand.New(rand.NewPCG(7, 8)), "s3", nil, now)
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, declared := range []string{"", "STREAMING-NONSENSE", "unsigned-payload", emptyHash[2:]} {
		err := verifyChanged(s, r, nil, now, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", declared) })
		if !errors.Is(err, sigv4.ErrHash) {
			t.Errorf("%q: %v", declared, err)
		}
	}
}

func TestTrailerIsAsAnnounced(t *testing.T) {
	const crc = "x-amz-checksum-crc32:NhCmhg==\r\n"
	for name, test := range map[string]struct {
		announced, trailer string
		headers            []string
		want               error
	}{
		"as announced":      {"x-amz-checksum-crc32", crc, nil, nil},
		"not announced":     {"", crc, nil, sigv4.ErrTrailer},
		"another announced": {"x-amz-checksum-sha1", crc, nil, sigv4.ErrTrailer},
		"one too few":       {"x-amz-checksum-crc32", "", nil, sigv4.ErrTrailer},
		"one too many":      {"x-amz-checksum-crc32", crc + "x-amz-checksum-sha1:x\r\n", nil, sigv4.ErrTrailer},
		"sent twice":        {"x-amz-checksum-crc32", crc + crc, nil, sigv4.ErrTrailer},
		"no checksum":       {"if-none-match", "if-none-match:\r\n", nil, sigv4.ErrTrailer},
		"over a header":     {"x-amz-checksum-crc32", crc, []string{"X-Amz-Checksum-Crc32", "other"}, sigv4.ErrTrailer},
		"an unknown kind": {
			"x-amz-checksum-crc32", crc,
			[]string{"X-Amz-Content-Sha256", "STREAMING-NONSENSE-TRAILER"},
			sigv4.ErrHash,
		},
		"no length": {"x-amz-checksum-crc32", crc, []string{"X-Amz-Decoded-Content-Length", ""}, sigv4.ErrLength},
	} {
		r := exampleRequest("PUT", "/k", append([]string{
			"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
			"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", test.announced,
		}, test.headers...)...)
		_, _, err := sigv4.Signature{}.Unchunk(r, []byte("5\r\nhello\r\n0\r\n"+test.trailer+"\r\n"), "")
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// TestSignedTrailer changes the trailer's value, then its signature: both are refused.
func TestSignedTrailer(t *testing.T) {
	r, plain := documentedChunks()
	r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
	r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32c")
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	const last = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9" // of the chunks
	trailer := "x-amz-checksum-crc32c:sOO8/Q==\n"
	sum := sha256.Sum256([]byte(trailer))
	toSign := strings.Join([]string{
		"AWS4-HMAC-SHA256-TRAILER", "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", last, hex.EncodeToString(sum[:]),
	}, "\n")
	key := []byte("AWS4" + exampleSecret)
	for _, part := range []string{"20130524", "us-east-1", "s3", "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	chunks := strings.TrimSuffix(string(plain), "\r\n")
	signature := hex.EncodeToString(key)
	for body, want := range map[string]error{
		chunks + trailer + "x-amz-trailer-signature:" + signature + "\r\n\r\n":                               nil,
		chunks + strings.Replace(trailer, "s", "t", 1) + "x-amz-trailer-signature:" + signature + "\r\n\r\n": sigv4.ErrMismatch,
		chunks + trailer + "x-amz-trailer-signature:" + strings.Repeat("0", 64) + "\r\n\r\n":                 sigv4.ErrMismatch,
		chunks + trailer + "\r\n": sigv4.ErrMismatch,
	} {
		if _, _, err := s.Unchunk(r, []byte(body), exampleSecret); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", body[len(chunks):], err, want)
		}
	}
}
