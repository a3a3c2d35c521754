package loopback_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestListenRefuses(t *testing.T) {
	for _, address := range []string{
		"0.0.0.0:0", ":0", "[::]:0", "10.0.0.1:2773", "example.com:2773", "localhost", "127.0.0.1", "169.254.169.254:80", "",
	} {
		if l, err := loopback.Listen(t.Context(), address); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("%q: %v, %v", address, l, err)
		}
	}
	wide, err := net.Listen("tcp", "0.0.0.0:0")
	must(t, err)
	if err := open(t, loopback.Config{}).Serve(t.Context(), wide); problem.KindOf(err) != problem.Usage {
		t.Errorf("serving on %s: %v", wide.Addr(), err)
	}
	first, err := loopback.Listen(t.Context(), "localhost:0")
	must(t, err)
	defer first.Close()
	if _, err := loopback.Listen(t.Context(), first.Addr().String()); problem.HintOf(err) == "" {
		t.Errorf("a port that is taken: %v", err)
	}
}

// serve runs a sink on a loopback port until stop is called, which says how it ended.
func serve(t testing.TB, s *loopback.Sink) (address string, stop func() error) {
	t.Helper()
	l, err := loopback.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(cancel)
	return l.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

// A request that is under way when the agent stops is answered; then nobody is.
func TestServeStopsGracefully(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := filled(t, loopback.Config{Refresh: func(context.Context, string) error {
		close(entered)
		<-leave
		return nil
	}})
	address, stop := serve(t, s)
	got := make(chan string, 1)
	go func() {
		status, body := fetch("http://"+address+key+"&refreshNow=true", "X-Aws-Parameters-Secrets-Token", token)
		got <- fmt.Sprint(status, body)
	}()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	close(leave)
	if text := <-got; !strings.HasPrefix(text, "200") || !strings.Contains(text, canary) {
		t.Errorf("%s", text)
	}
	must(t, <-ended)
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
	if n := s.Connections(); n != 0 {
		t.Errorf("%d connections are counted after the end", n)
	}
}

func fetch(url string, headers ...string) (int, string) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		return 0, err.Error()
	}
	return w.StatusCode, string(body)
}

// One connection too many is told so and closed; its place is free again when another leaves.
func TestMaxConns(t *testing.T) {
	s := filled(t, loopback.Config{MaxConns: 2})
	address, _ := serve(t, s)
	until := func(connections int) { // the server has seen who left
		for s.Connections() != connections {
			runtime.Gosched()
		}
	}
	ping := func(c net.Conn) (int, bool) {
		t.Helper()
		if _, err := io.WriteString(c, "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return 0, true
		}
		w, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return 0, true
		}
		defer w.Body.Close()
		return w.StatusCode, w.Close
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", address)
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	first, second := dial(), dial()
	for _, c := range []net.Conn{first, second} {
		if status, closed := ping(c); status != http.StatusOK || closed {
			t.Errorf("%d, closed %v", status, closed)
		}
	}
	if status, closed := ping(dial()); status != http.StatusTooManyRequests || !closed {
		t.Errorf("the third: %d, closed %v", status, closed)
	}
	until(2)
	idle := []net.Conn{dial(), dial()} // they do not ask, so nothing is said to them
	until(4)
	if status, _ := ping(dial()); status != 0 {
		t.Errorf("at twice as many: %d", status)
	}
	for _, c := range append(idle, first) {
		_ = c.Close()
	}
	until(1)
	if status, _ := ping(dial()); status != http.StatusOK {
		t.Errorf("the place of a connection that left is not free: %d", status)
	}
}

// What is larger than any request has to be is refused before it is read.
func TestBoundedHeaders(t *testing.T) {
	address, _ := serve(t, filled(t, loopback.Config{}))
	c, err := net.Dial("tcp", address)
	must(t, err)
	defer c.Close()
	go func() { // it is not read to its end
		_, _ = io.WriteString(c, "GET /ping HTTP/1.1\r\nHost: localhost\r\nX-Filler: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	}()
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	defer w.Body.Close()
	if w.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", w.StatusCode)
	}
}
