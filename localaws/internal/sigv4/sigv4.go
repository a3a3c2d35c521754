// Package sigv4 checks AWS Signature Version 4 as a server does: it rebuilds the canonical request from what arrived
// and compares signatures. It is written apart from any signer, so that a client's mistake does not cancel out.
//
// Source of the format: "AWS Signature Version 4 for API requests" in the IAM user guide, and for S3 "Authenticating
// Requests" (header, query and chunked uploads) in the S3 API reference.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Errors of Parse and Verify. Services word them differently on the wire; the caller translates.
var (
	ErrUnsigned  = errors.New("the request is not signed")
	ErrMalformed = errors.New("the authorization is malformed")
	ErrMismatch  = errors.New("the signature does not match")
	ErrSkew      = errors.New("the signature's time is too far from the server's")
	ErrExpired   = errors.New("the presigned request has expired")
	ErrPayload   = errors.New("the body does not match its declared hash")
	ErrTwice     = errors.New("the request is signed in its header and in its query")
	ErrMechanism = errors.New("the request is signed by another mechanism than Signature Version 4")
	ErrHash      = errors.New("the hash of the body is missing or of no known kind")
	ErrLength    = errors.New("the length of the decoded body is missing")
	ErrTrailer   = errors.New("the trailer is not what was announced")
	ErrUncovered = errors.New("there were headers present in the request which were not signed")
)

// Skew is how far a signature's time may be from the server's, either way.
const Skew = 15 * time.Minute

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
)

// Signature is what a request claims of itself: who signed it, when, for which service, over which headers.
type Signature struct {
	AccessKeyID   string
	Date          string // yyyymmdd of the credential scope
	Region        string
	Service       string
	SignedHeaders []string // lower case, sorted
	Hex           string
	Time          time.Time
	Expires       time.Duration // presigned requests alone; else 0
	SessionToken  string        // empty when none was sent
	Presigned     bool          // in the query, not in the Authorization header
}

func (s Signature) scope() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/aws4_request"
}

// Parse reads the signature of r from its Authorization header or its query. It answers ErrUnsigned when there is none,
// ErrTwice when there are both, and ErrMechanism when there is one of Signature Version 2.
func Parse(r *http.Request) (Signature, error) {
	headers, query := r.Header.Values("Authorization"), r.URL.Query()
	inQuery := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature") || query.Has("X-Amz-Credential")
	switch older := query.Has("AWSAccessKeyId"); {
	case len(headers) > 0 && (inQuery || older):
		return Signature{}, ErrTwice
	case older || len(headers) == 1 && strings.HasPrefix(headers[0], "AWS "):
		return Signature{}, ErrMechanism
	case len(headers) == 1:
		return parseHeader(headers[0], r.Header)
	case len(headers) > 1:
		return Signature{}, ErrMalformed
	case inQuery:
		return parseQuery(query)
	}
	return Signature{}, ErrUnsigned
}

func parseHeader(h string, header http.Header) (Signature, error) {
	rest, ok := strings.CutPrefix(h, algorithm+" ")
	if !ok {
		return Signature{}, ErrMalformed
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		_, twice := fields[k]
		if twice || k != "Credential" && k != "SignedHeaders" && k != "Signature" {
			return Signature{}, ErrMalformed
		}
		fields[k] = v
	}
	stamp := header.Get("X-Amz-Date")
	if stamp == "" {
		if t, err := http.ParseTime(header.Get("Date")); err == nil {
			stamp = t.UTC().Format(timeFormat)
		}
	}
	return assemble(fields["Credential"], fields["SignedHeaders"], fields["Signature"], stamp,
		header.Get("X-Amz-Security-Token"))
}

func parseQuery(q url.Values) (Signature, error) {
	for name, values := range q {
		if strings.HasPrefix(name, "X-Amz-") && len(values) > 1 {
			return Signature{}, ErrMalformed
		}
	}
	if q.Get("X-Amz-Algorithm") != algorithm {
		return Signature{}, ErrMalformed
	}
	s, err := assemble(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature"),
		q.Get("X-Amz-Date"), q.Get("X-Amz-Security-Token"))
	if err != nil {
		return s, err
	}
	seconds, err := strconv.Atoi(q.Get("X-Amz-Expires"))
	if err != nil || seconds < 0 || seconds > 7*24*60*60 {
		return s, ErrMalformed
	}
	s.Expires, s.Presigned = time.Duration(seconds)*time.Second, true
	return s, nil
}

func assemble(credential, signed, hexSignature, stamp, token string) (Signature, error) {
	parts := strings.Split(credential, "/")
	if n := len(parts); n < 5 || parts[n-1] != "aws4_request" || signed == "" || hexSignature == "" {
		return Signature{}, ErrMalformed
	}
	n := len(parts)
	at, err := time.Parse(timeFormat, stamp)
	if err != nil || at.Format("20060102") != parts[n-4] {
		return Signature{}, ErrMalformed
	}
	return Signature{
		AccessKeyID: strings.Join(parts[:n-4], "/"), Date: parts[n-4], Region: parts[n-3], Service: parts[n-2],
		SignedHeaders: strings.Split(signed, ";"), Hex: hexSignature, Time: at, SessionToken: token,
	}, nil
}

// Verify checks that secret signed r, that the time of the signature fits now, and that the body fits the hash that was
// signed. For a body in aws-chunked framing it checks the seed signature only: pass the framing to Unchunk. The body is
// that which arrived on the wire.
func (s Signature) Verify(r *http.Request, body []byte, secret string, now time.Time) error {
	if err := s.checkTime(now); err != nil {
		return err
	}
	payload, err := s.payloadHash(r, body)
	if err != nil {
		return err
	}
	canonical, err := s.canonicalRequest(r, payload)
	if err != nil {
		return err
	}
	want := s.sign(secret, algorithm, hexSHA256([]byte(canonical)))
	if !hmac.Equal([]byte(want), []byte(s.Hex)) {
		return ErrMismatch
	}
	return nil
}

func (s Signature) checkTime(now time.Time) error {
	age := now.Sub(s.Time)
	if s.Presigned {
		if age > s.Expires {
			return ErrExpired
		}
		if age < -Skew {
			return ErrSkew
		}
		return nil
	}
	if age > Skew || age < -Skew {
		return ErrSkew
	}
	return nil
}

// payloadHash is the last line of the canonical request. Only S3 lets a client leave the body unsigned.
func (s Signature) payloadHash(r *http.Request, body []byte) (string, error) {
	declared := r.Header.Get("X-Amz-Content-Sha256")
	if s.Service == "s3" {
		if s.Presigned && declared == "" {
			return "UNSIGNED-PAYLOAD", nil
		}
		if declared == "UNSIGNED-PAYLOAD" || slices.Contains(streaming, declared) {
			return declared, nil
		}
		if _, err := hex.DecodeString(declared); err != nil || len(declared) != hex.EncodedLen(sha256.Size) {
			return "", ErrHash
		}
	}
	actual := hexSHA256(body)
	if declared != "" && declared != actual {
		return "", ErrPayload
	}
	return actual, nil
}

// sign derives the scope's key and signs one string-to-sign whose last lines are given.
func (s Signature) sign(secret, kind string, lines ...string) string {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.Date, s.Region, s.Service, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	text := strings.Join(append([]string{kind, s.Time.Format(timeFormat), s.scope()}, lines...), "\n")
	return hex.EncodeToString(hmacSHA256(key, text))
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
