// Package place has what a test needs to run a program of its own beside others: an address and a log.
package place

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrNoAddress is that the loopback interface of this machine has no further addresses, as outside of Linux.
var ErrNoAddress = errors.New("this machine's loopback has no further addresses")

// Address is one of the 127.0.0.0/8 on which nobody listens at a port, and that others are unlikely to choose.
func Address(ctx context.Context, port string) (string, error) {
	for range 20 {
		var b [3]byte
		_, _ = rand.Read(b[:])
		ip := fmt.Sprintf("127.%d.%d.%d", b[0]%254+1, b[1], b[2]%254+1)
		if l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(ip, port)); err == nil {
			_ = l.Close()
			return ip, nil
		}
	}
	return "", ErrNoAddress
}

// Log is what several processes write, one after the other or at once. Its methods may be called concurrently.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer. It never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all that was written until now.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
