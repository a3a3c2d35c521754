package chartrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// What one answer of a foreign server may bring into memory, in bytes, and how long it may take.
const (
	maxIndex    = 256 << 20
	maxArchive  = 100 << 20 // as much as Helm unpacks
	httpTimeout = 5 * time.Minute
)

// HTTPOptions configures HTTPSource.
type HTTPOptions struct {
	// Username and Password are sent by Basic authentication, to the host and port of the repository alone: not to
	// where it redirects, nor to where its index points. An empty Username sends none.
	Username string
	Password secret.Value
	// Transport makes the connections. Nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// HTTPSource is the Helm repository at an http or https URL. Redirects and URLs of the index may lead to other hosts,
// never to another scheme. Anything but such a URL is a problem.Usage, and so are credentials over plain http to
// another machine.
func HTTPSource(ref string, opts HTTPOptions) (Source, error) {
	u, err := url.Parse(ref)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, problem.New(problem.Usage, "use https://HOST/PATH, "+strings.TrimPrefix(refHint, "use "),
			"%q is no repository to mirror from", redact(ref))
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, problem.New(problem.Usage, "give credentials by --username and --password-file",
			"repository %q has a user, a query or a fragment", redact(ref))
	}
	if opts.Username != "" && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return nil, problem.New(problem.Usage, "use the repository's https:// URL",
			"repository %s would get the password unencrypted", ref)
	}
	if opts.Transport == nil {
		opts.Transport = http.DefaultTransport
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/")+"/", ""
	client := &http.Client{
		Transport: basicAuth{opts, u}, Timeout: httpTimeout,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) >= 10 {
				return errors.New("stopped after 10 redirects")
			}
			return sameScheme(u, next.URL)
		},
	}
	return httpSource{client, u, maxIndex, maxArchive}, nil
}

type httpSource struct {
	client               *http.Client
	base                 *url.URL // ends in a slash
	maxIndex, maxArchive int64    // bytes
}

func (s httpSource) URL() string { return strings.TrimSuffix(s.base.String(), "/") }

func (s httpSource) Index(ctx context.Context) (Index, error) {
	at := s.base.JoinPath(indexKey)
	body, err := s.get(ctx, at, s.maxIndex, "gzip")
	if errors.Is(err, objstore.ErrNotFound) {
		return Index{}, problem.New(problem.Usage, "check the URL: a Helm repository has "+indexKey, "%w", err)
	}
	if err != nil {
		return Index{}, err
	}
	ix, err := parseIndex(body)
	if err != nil {
		return Index{}, problem.New(problem.Failed, "check the URL, and tell the repository's owner",
			"reading %s: %w", at, err)
	}
	return ix, nil
}

func (s httpSource) Fetch(ctx context.Context, ref string) ([]byte, error) {
	u, err := s.base.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("a URL in the index of %s cannot be read", s.URL())
	}
	if err := sameScheme(s.base, u); err != nil {
		return nil, err
	}
	return s.get(ctx, u, s.maxArchive, "identity")
}

// get reads at most limit bytes. An archive is asked for as it is: one that is decoded on the way has another digest.
func (s httpSource) get(ctx context.Context, u *url.URL, limit int64, encoding string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", withoutQuery(u), err)
	}
	if encoding != "gzip" { // which the transport asks for and decodes by itself
		req.Header.Set("Accept-Encoding", encoding)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok { // it would show the URL of a redirect, signature and all
			err = e.Err
		}
		if _, ok := errors.AsType[*problem.Error](err); ok {
			return nil, fmt.Errorf("reading %s: %w", withoutQuery(u), err)
		}
		return nil, problem.New(problem.Failed, "check the URL, the network and the proxy",
			"reading %s: %w", withoutQuery(u), err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := refusal(resp.StatusCode); err != nil {
		return nil, fmt.Errorf("reading %s: %w", withoutQuery(u), err)
	}
	var body []byte
	if resp.ContentLength <= limit {
		body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	}
	if resp.ContentLength > limit || int64(len(body)) > limit {
		err = problem.New(problem.Refused, "tell the repository's owner", "it is larger than %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", withoutQuery(u), err)
	}
	return body, nil
}

func refusal(status int) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusNotFound, http.StatusGone:
		return objstore.ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return problem.New(problem.Denied, "give --username and --password-file, or check what that user may read",
			"the server answers %d %s", status, http.StatusText(status))
	default:
		return problem.New(problem.Failed, "check the URL, or try again later",
			"the server answers %d %s", status, http.StatusText(status))
	}
}

func sameScheme(base, next *url.URL) error {
	if next.Scheme == base.Scheme {
		return nil
	}
	return problem.New(problem.Refused, "name the repository by the scheme that it serves its charts with",
		"%s leads from %s to %s", base.Host, base.Scheme, next.Scheme)
}

// basicAuth adds the credentials to requests for the repository's own host.
type basicAuth struct {
	HTTPOptions
	base *url.URL
}

func (a basicAuth) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.Username != "" && req.URL.Host == a.base.Host && req.URL.Scheme == a.base.Scheme {
		req = req.Clone(req.Context())
		req.SetBasicAuth(a.Username, string(a.Password.Reveal()))
	}
	return a.Transport.RoundTrip(req)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// withoutQuery is the URL as it may be shown: queries carry signatures.
func withoutQuery(u *url.URL) string {
	shown := *u
	shown.User, shown.RawQuery, shown.Fragment = nil, "", ""
	return shown.String()
}

// redact is what was typed, without what could be a password in it.
func redact(ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return "the given URL"
	}
	return withoutQuery(u)
}
