package sigv4

import (
	"bytes"
	"crypto/hmac"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// streaming are the kinds of aws-chunked framing: chunks signed or not, with a trailer or without.
var streaming = []string{
	"STREAMING-" + algorithm + "-PAYLOAD", "STREAMING-" + algorithm + "-PAYLOAD-TRAILER",
	"STREAMING-UNSIGNED-PAYLOAD-TRAILER",
}

// Chunked says whether r's body is in aws-chunked framing.
func Chunked(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-")
}

// Unchunk removes the aws-chunked framing from body and answers the payload and the trailing headers. Where the chunks
// are signed it checks every chunk's signature and the trailer's; secret is the signer's. It errs with ErrMismatch
// when a chunk's signature is wrong, with ErrMalformed when the framing is, with ErrHash when its kind is not known,
// with ErrLength when X-Amz-Decoded-Content-Length is missing, and with ErrTrailer unless exactly those trailers came
// that X-Amz-Trailer announces: checksums alone, none of them also a header.
func (s Signature) Unchunk(r *http.Request, body []byte, secret string) ([]byte, http.Header, error) {
	declared := r.Header.Get("X-Amz-Content-Sha256")
	if !slices.Contains(streaming, declared) {
		return nil, nil, ErrHash
	}
	length := r.Header.Get("X-Amz-Decoded-Content-Length")
	if length == "" {
		return nil, nil, ErrLength
	}
	u := unchunker{
		signature: s, secret: secret, rest: body, previous: s.Hex,
		signed: strings.HasPrefix(declared, "STREAMING-"+algorithm),
	}
	payload, err := u.chunks()
	if err != nil {
		return nil, nil, err
	}
	if length != strconv.Itoa(len(payload)) {
		return nil, nil, fmt.Errorf("%w: %s bytes declared, %d sent", ErrMalformed, length, len(payload))
	}
	trailer := http.Header{}
	if strings.HasSuffix(declared, "-TRAILER") {
		if trailer, err = u.trailer(); err != nil {
			return nil, nil, err
		}
	}
	if err := checkTrailer(r.Header, trailer); err != nil {
		return nil, nil, err
	}
	return payload, trailer, nil
}

// checkTrailer holds the trailer against what the signed header announces.
func checkTrailer(header, trailer http.Header) error {
	announced := 0
	for name := range strings.SplitSeq(strings.Join(header.Values("X-Amz-Trailer"), ","), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		announced++
		checksum := strings.HasPrefix(strings.ToLower(name), "x-amz-checksum-")
		if !checksum || len(trailer.Values(name)) != 1 || len(header.Values(name)) > 0 {
			return fmt.Errorf("%w: %s", ErrTrailer, name)
		}
	}
	if announced != len(trailer) {
		return fmt.Errorf("%w: %d announced, %d sent", ErrTrailer, announced, len(trailer))
	}
	return nil
}

type unchunker struct {
	signature Signature
	secret    string
	rest      []byte
	previous  string // the signature that the next one chains on
	signed    bool
}

func (u *unchunker) chunks() ([]byte, error) {
	var payload []byte
	for {
		head, err := u.line()
		if err != nil {
			return nil, err
		}
		sizeText, extension, _ := strings.Cut(head, ";")
		size, err := strconv.ParseUint(sizeText, 16, 31)
		if err != nil || int(size) > len(u.rest) {
			return nil, ErrMalformed
		}
		data := u.rest[:size]
		u.rest = u.rest[size:]
		if err := u.checkChunk(data, extension); err != nil {
			return nil, err
		}
		if size == 0 {
			return payload, nil
		}
		payload = append(payload, data...)
		if end, err := u.line(); err != nil || end != "" {
			return nil, ErrMalformed
		}
	}
}

func (u *unchunker) checkChunk(data []byte, extension string) error {
	if !u.signed {
		return nil
	}
	sent, ok := strings.CutPrefix(extension, "chunk-signature=")
	if !ok {
		return ErrMalformed
	}
	want := u.signature.sign(u.secret, algorithm+"-PAYLOAD", u.previous, hexSHA256(nil), hexSHA256(data))
	if !hmac.Equal([]byte(want), []byte(sent)) {
		return ErrMismatch
	}
	u.previous = sent
	return nil
}

func (u *unchunker) trailer() (http.Header, error) {
	header := http.Header{}
	var canonical strings.Builder
	sent := ""
	for len(u.rest) > 0 {
		line, err := u.line()
		if err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, ErrMalformed
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if name == "x-amz-trailer-signature" {
			sent = value
			continue
		}
		canonical.WriteString(name + ":" + value + "\n")
		header.Add(name, value)
	}
	if !u.signed {
		return header, nil
	}
	want := u.signature.sign(u.secret, algorithm+"-TRAILER", u.previous, hexSHA256([]byte(canonical.String())))
	if !hmac.Equal([]byte(want), []byte(sent)) {
		return nil, ErrMismatch
	}
	return header, nil
}

// line takes one line off the rest; clients end lines with CRLF, some end trailers with LF alone.
func (u *unchunker) line() (string, error) {
	line, rest, ok := bytes.Cut(u.rest, []byte("\n"))
	if !ok {
		return "", ErrMalformed
	}
	u.rest = rest
	return strings.TrimSuffix(string(line), "\r"), nil
}
