package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest rebuilds the text that the client hashed. A signature that leaves out the host is refused: it
// could be replayed elsewhere.
func (s Signature) canonicalRequest(r *http.Request, payloadHash string) (string, error) {
	if !slices.Contains(s.SignedHeaders, "host") {
		return "", ErrMalformed
	}
	for name := range r.Header { // what AWS acts on must be what the caller signed
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.SignedHeaders, lower) {
			return "", ErrUncovered
		}
	}
	var headers strings.Builder
	for _, name := range s.SignedHeaders {
		headers.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	return strings.Join([]string{
		r.Method,
		s.canonicalPath(r.URL),
		canonicalQuery(r.URL.RawQuery),
		headers.String(),
		strings.Join(s.SignedHeaders, ";"),
		payloadHash,
	}, "\n"), nil
}

// canonicalPath encodes the path once for S3, twice for every other service.
func (s Signature) canonicalPath(u *url.URL) string {
	once := encode(u.Path, true)
	if once == "" {
		once = "/"
	}
	if s.Service == "s3" {
		return once
	}
	raw := u.EscapedPath()
	if raw == "" {
		raw = "/"
	}
	return encode(raw, true)
}

func canonicalQuery(raw string) string {
	var pairs []string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			key = k
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			value = v
		}
		if key == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, encode(key, false)+"="+encode(value, false))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// headerValue joins repeated headers by commas and folds inner white space. The server's parser keeps Host and the
// content length apart from the other headers.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := r.Header.Values(name)
	folded := make([]string, len(values))
	for i, v := range values {
		folded[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(folded, ",")
}

// encode is AWS's URI encoding: all but the unreserved characters become %XX in upper case; slashes stay in paths.
func encode(s string, slash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9',
			c == '-', c == '_', c == '.', c == '~', slash && c == '/':
			b.WriteByte(c)
		default:
			b.WriteString("%" + string(digits[c>>4]) + string(digits[c&15]))
		}
	}
	return b.String()
}
