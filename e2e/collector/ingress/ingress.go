// Package ingress stands in for Coralogix's: OTLP over gRPC and TLS for logs, traces and metrics, with keys that can be
// issued and revoked while it runs, and a ledger that counts every record. What it knows of the real one is in the
// vendor's documentation alone: Authorization is Bearer and the key, the application and the subsystem have a header
// each, and a wrong key is Unauthenticated, which no OTLP client repeats.
package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // collectors compress by default
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/pinnace-dev/pinnace/internal/secret"
)

// Config is what an ingress is started with.
type Config struct {
	Listener    net.Listener     // plain TCP; the server closes it
	Certificate tls.Certificate  // of the name that the collector dials
	Keys        []string         // that live from the start; see SetKeys
	Now         func() time.Time // time.Now when nil
}

// Mode is how an ingress answers requests that are in order. The zero value accepts them.
type Mode struct {
	fault      string
	retryAfter time.Duration
}

// OK accepts what has a living key.
func OK() Mode { return Mode{} }

// Unavailable turns every request away with that code, and with a RetryInfo when retryAfter is positive. OTLP's clients
// try again.
func Unavailable(retryAfter time.Duration) Mode {
	return Mode{fault: "unavailable", retryAfter: retryAfter}
}

// Reset ends the connection of every request without an answer, by TCP's reset, once the request was read.
func Reset() Mode { return Mode{fault: "reset"} }

// Server is an ingress that runs. Its methods are safe for concurrent use.
type Server struct {
	ledger *Ledger
	now    func() time.Time
	grpc   *grpc.Server
	conns  *conns
	done   chan error

	mu   sync.Mutex
	keys map[string]bool
	mode Mode
}

// Start serves until Close.
func Start(cfg Config) *Server {
	s := &Server{ledger: newLedger(), now: cfg.Now, conns: &conns{Listener: cfg.Listener}, done: make(chan error, 1)}
	if s.now == nil {
		s.now = time.Now //nolint:forbidigo // the default of the injected clock
	}
	s.SetKeys(cfg.Keys...)
	s.grpc = grpc.NewServer(grpc.MaxRecvMsgSize(64<<20), grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{cfg.Certificate}, MinVersion: tls.VersionTLS12,
	})))
	plogotlp.RegisterGRPCServer(s.grpc, &logs{Server: s})
	ptraceotlp.RegisterGRPCServer(s.grpc, &traces{Server: s})
	pmetricotlp.RegisterGRPCServer(s.grpc, &metrics{Server: s})
	go func() { s.done <- s.grpc.Serve(s.conns) }()
	return s
}

// Close ends every connection and returns when none is left.
func (s *Server) Close() error {
	s.grpc.Stop()
	return <-s.done
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.conns.Addr().String() }

// Ledger is what came so far.
func (s *Server) Ledger() *Ledger { return s.ledger }

// SetKeys makes these keys, and no other, the living ones. Requests that are being read are judged by either set.
func (s *Server) SetKeys(keys ...string) {
	living := map[string]bool{}
	for _, key := range keys {
		living[key] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = living
}

// SetMode changes how requests are answered from now on.
func (s *Server) SetMode(m Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = m
}

// Fingerprint names a key in a ledger, as pinnace names it in the agent's status.
func Fingerprint(key string) string { return secret.FromString(key).Fingerprint() }

// receive judges one request as a whole: OTLP's partial success is not used.
func (s *Server) receive(ctx context.Context, b batch) error {
	key, err := keyOf(ctx)
	if err != nil {
		s.ledger.change(func(t *Totals) { t.Malformed++ })
		return err
	}
	s.mu.Lock()
	mode, lives := s.mode, s.keys[key]
	s.mu.Unlock()
	if mode.fault != "" {
		s.ledger.change(func(t *Totals) { t.Turned++ })
		return s.turnAway(mode)
	}
	if !lives {
		s.ledger.refuse(b, Fingerprint(key), s.now())
		return status.Error(codes.Unauthenticated, "the key does not live")
	}
	s.ledger.accept(b, Fingerprint(key), s.now())
	return nil
}

// keyOf reads the headers: one key, one application, one subsystem.
func keyOf(ctx context.Context) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get("authorization")
	if len(values) != 1 {
		return "", status.Errorf(codes.Unauthenticated, "%d values of Authorization where one is wanted", len(values))
	}
	key, ok := strings.CutPrefix(values[0], "Bearer ")
	if !ok || key == "" {
		return "", status.Error(codes.Unauthenticated, "Authorization is not Bearer and a key")
	}
	for _, name := range []string{"CX-Application-Name", "CX-Subsystem-Name"} {
		if v := md.Get(name); len(v) != 1 || v[0] == "" {
			return "", status.Error(codes.InvalidArgument, name+" is wanted once")
		}
	}
	return key, nil
}

func (s *Server) turnAway(m Mode) error {
	if m.fault == "reset" {
		s.conns.reset()
		return status.Error(codes.Aborted, "reset") // which nobody reads
	}
	answer := status.New(codes.Unavailable, "unavailable for now")
	if m.retryAfter > 0 {
		detailed, err := answer.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(m.retryAfter)})
		if err != nil {
			return fmt.Errorf("RetryInfo: %w", err)
		}
		answer = detailed
	}
	return answer.Err()
}

// conns is a listener that can end its connections as a broken network would.
type conns struct {
	net.Listener
	mu   sync.Mutex
	open map[*conn]bool
}

// Accept implements net.Listener.
func (l *conns) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, of: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[*conn]bool{}
	}
	l.open[c] = true
	return c, nil
}

// reset ends every connection with a reset.
func (l *conns) reset() {
	l.mu.Lock()
	var all []*conn
	for c := range l.open {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // closing then resets
		}
		_ = c.Close()
	}
}

type conn struct {
	net.Conn
	of *conns
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	err := c.Conn.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
