package loopback

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// guard lets a request in, or says why not. Everything but the token is asked of /ping too.
func (s *Sink) guard(r *http.Request, asked service) *refusal {
	switch {
	case !loopbackHost(r.Host):
		return errHost
	case forwarded(r.Header):
		return errForwarded
	case len(r.Header["Origin"]) > 0 || len(r.Header["Sec-Fetch-Site"]) > 0:
		return errBrowser
	case r.Method != method(r, asked):
		return errMethod
	case asked == health || s.config.AllowAnyone:
		return nil
	}
	return s.authenticate(r.Context(), r.Header)
}

// method is the one that a path takes.
func method(r *http.Request, asked service) string {
	switch {
	case asked == secretsManager, asked == appConfigData && r.URL.Path == "/configurationsessions":
		return http.MethodPost
	case asked == nobody && r.Method == http.MethodPost:
		return http.MethodPost // the path is what is wrong
	}
	return http.MethodGet
}

// loopbackHost holds off DNS rebinding: a page whose name was made to resolve to 127.0.0.1 still sends its name.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// forwarded says that a proxy passes on what somebody else asked.
func forwarded(h http.Header) bool {
	return len(h["X-Forwarded-For"]) > 0 || len(h["Forwarded"]) > 0 || len(h["X-Forwarded-Host"]) > 0
}

// tokenHeaders carry the token: AWS's Secrets Manager Agent takes the first two; an AWS SDK sends its session token in
// the third.
var tokenHeaders = []string{"X-Aws-Parameters-Secrets-Token", "X-Vault-Token", "X-Amz-Security-Token"}

func (s *Sink) authenticate(ctx context.Context, h http.Header) *refusal {
	now := s.config.Now()
	known := s.token.state(ctx, now, s.config.Log)
	if known.err == nil && known.among(h) {
		return nil
	}
	// The file may have been changed a moment ago.
	if known = s.token.read(ctx, now, s.config.Log); known.err != nil {
		return errNoToken
	}
	if !known.among(h) {
		return errToken
	}
	return nil
}

const (
	tokenEvery   = time.Second // between two looks at the file
	maxTokenFile = 8 << 10
)

// tokenFile is where the token is. The token itself is not kept.
type tokenFile struct {
	path string
	last atomic.Pointer[tokenState]
}

// tokenState is what the file had when it was last read.
type tokenState struct {
	at  time.Time
	sum [sha256.Size]byte
	err error
}

func (t *tokenFile) state(ctx context.Context, now time.Time, log *slog.Logger) *tokenState {
	if s := t.last.Load(); s != nil && now.Sub(s.at) < tokenEvery && !now.Before(s.at) {
		return s
	}
	return t.read(ctx, now, log)
}

func (t *tokenFile) read(ctx context.Context, now time.Time, log *slog.Logger) *tokenState {
	s := &tokenState{at: now}
	s.sum, s.err = readToken(t.path)
	if before := t.last.Swap(s); s.err != nil && (before == nil || before.err == nil) {
		log.ErrorContext(ctx, "the loopback sink refuses everybody: no token", slog.String("file", t.path),
			slog.Any("error", s.err))
	}
	return s
}

// readToken is the digest of the word in a file. No error quotes what was read.
func readToken(path string) (sum [sha256.Size]byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return sum, err
	}
	if !info.Mode().IsRegular() {
		return sum, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return sum, err
	}
	word := strings.TrimSpace(string(data))
	odd := func(c rune) bool { return c <= ' ' || c > '~' }
	if word == "" || len(data) > maxTokenFile || strings.ContainsFunc(word, odd) {
		return sum, errors.New("a token is one word of printable ASCII, 8 KiB at most")
	}
	return sha256.Sum256([]byte(word)), nil
}

// among says whether a header carries the token, in a time that does not depend on how much of it is right.
func (s *tokenState) among(h http.Header) bool {
	for _, name := range tokenHeaders {
		for _, value := range h[name] {
			if s.is(value) {
				return true
			}
		}
	}
	const scheme = "Bearer "
	for _, value := range h["Authorization"] {
		if len(value) > len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) && s.is(value[len(scheme):]) {
			return true
		}
	}
	return false
}

func (s *tokenState) is(given string) bool {
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(sum[:], s.sum[:]) == 1
}
