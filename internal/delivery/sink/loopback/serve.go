package loopback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second // a refresh has to fit
	idleTimeout    = 2 * time.Minute
	stopTimeout    = 5 * time.Second
	maxHeaderBytes = 32 << 10 // a session's token is 8 KiB at most
)

// Listen opens a loopback address, as in 127.0.0.1:2773, [::1]:2773 or localhost:2773, which is 127.0.0.1. Any other is
// refused: values are not encrypted on their way.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, problem.New(problem.Usage, "write it as 127.0.0.1:2773", "listening on %q: %w", address, err)
	}
	if host == "localhost" {
		host = "127.0.0.1" // not by whatever a resolver says
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Unmap().IsLoopback() {
		return nil, problem.New(problem.Usage, "write it as 127.0.0.1:2773; a pod's containers share it",
			"listening on %q: it is not a loopback address", address)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, problem.New(problem.Failed, "another process, perhaps AWS's own agent, may have the port",
			"listening on %s: %w", address, err)
	}
	return l, nil
}

// Serve answers on a listener until ctx is done; then it ends the requests under way, waiting 5 s at most, and returns
// nil. It closes the listener. It may serve several at once, say on AWS's own ports 2772 and 2773.
func (s *Sink) Serve(ctx context.Context, l net.Listener) error {
	if addr, err := netip.ParseAddrPort(l.Addr().String()); err != nil || !addr.Addr().Unmap().IsLoopback() {
		_ = l.Close()
		return problem.New(problem.Usage, "use loopback.Listen", "serving on %s: it is not a loopback address", l.Addr())
	}
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, DisableGeneralOptionsHandler: true,
		ErrorLog:    slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: markOverLimit,
	}
	stopped := make(chan error, 1)
	served := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			stopped <- shutdown(ctx, server)
		case <-served:
			stopped <- nil
		}
	}()
	err := server.Serve(&bounded{Listener: l, open: &s.conns, most: int64(s.config.MaxConns)})
	close(served)
	if stop := <-stopped; stop != nil {
		return stop
	}
	if ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving on %s: %w", l.Addr(), err)
}

func shutdown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		return server.Close() // what takes longer is cut
	}
	return nil
}

// overLimit is the key of a mark in the context of a connection that is one too many.
type overLimit struct{}

func markOverLimit(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*counted); ok && c.over {
		return context.WithValue(ctx, overLimit{}, true)
	}
	return ctx
}

// bounded counts connections. One too many is marked, so that it can be told why; at twice as many they are closed.
type bounded struct {
	net.Listener

	open counter
	most int64
}

type counter interface{ Add(delta int64) int64 }

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		now := b.open.Add(1)
		if now <= 2*b.most {
			return &counted{Conn: c, open: b.open, over: now > b.most}, nil
		}
		b.open.Add(-1)
		_ = c.Close()
	}
}

// counted is a connection that says when it is closed.
type counted struct {
	net.Conn

	open counter
	over bool
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
