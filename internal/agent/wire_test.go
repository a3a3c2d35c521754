package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/localaws"
)

// outage is how a wire fails.
type outage int32

const (
	none        outage = iota
	unreachable        // nobody answers at all
	broken             // the services answer 5xx
)

// wire hands requests to a server as bytes, without a network, so that a bubble's clock can pass meanwhile.
type wire struct {
	server *localaws.Server
	state  atomic.Int32 // outage

	mu      sync.Mutex
	seconds map[int64]int // requests in each second
}

// count notes a request.
func (w *wire) count() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seconds == nil {
		w.seconds = map[int64]int{}
	}
	w.seconds[time.Now().Unix()]++
}

// take gives the requests since it was last asked: all, and the most that came in a second.
func (w *wire) take() (all, peak int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.seconds {
		all, peak = all+n, max(peak, n)
	}
	w.seconds = nil
	return all, peak
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w.count()
	switch outage(w.state.Load()) {
	case unreachable:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case broken:
		return &http.Response{
			StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r,
		}, nil
	}
	var sent bytes.Buffer
	if err := r.Write(&sent); err != nil {
		return nil, err
	}
	received, err := http.ReadRequest(bufio.NewReader(&sent))
	if err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, received.WithContext(r.Context()))
	return recorder.Result(), nil
}

// replay answers with what an issuer has served before.
type replay map[string][]byte

func record(t *testing.T, issuer *localaws.Issuer) replay {
	t.Helper()
	r := replay{}
	for _, url := range []string{issuer.URL() + "/.well-known/openid-configuration", issuer.URL() + "/keys"} {
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if r[url], err = io.ReadAll(answer.Body); err != nil {
			t.Fatal(err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	return r
}

func (r replay) RoundTrip(req *http.Request) (*http.Response, error) {
	body, ok := r[req.URL.String()]
	if !ok {
		return nil, errors.New("nobody has asked for " + req.URL.String())
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// pipes is a network of one address, without a kernel.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) listen(context.Context, string) (net.Listener, error) { return p, nil }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

func (p *pipes) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:2773"))
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// get asks for a path with a token and gives the status and the body.
func (p *pipes) get(t *testing.T, path, token string) (int, string) {
	t.Helper()
	transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:2773"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Aws-Parameters-Secrets-Token", token)
	answer, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}
