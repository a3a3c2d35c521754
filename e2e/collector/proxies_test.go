package collector_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// ingressName is what the chart's configuration dials.
const ingressName = "ingress.eu2.coralogix.com"

// certificate is one of the ingress's name, and the authority that a collector must trust for it, as PEM.
func certificate(t *testing.T) (server tls.Certificate, authority string) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: ingressName}, DNSNames: []string{ingressName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// egress is a company's proxy to the internet, in which the ingress's name is at addr and nothing else exists. By it
// the collector dials what the chart says, under its own name and on its own port.
func egress(t *testing.T, addr string) (url string) {
	t.Helper()
	var tunnels sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != ingressName+":443" {
			http.Error(w, "no way to "+r.Host, http.StatusForbidden)
			return
		}
		behind, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", addr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = behind.Close()
			return
		}
		_, _ = buffered.WriteString("HTTP/1.1 200 Connection established\r\n\r\n")
		_ = buffered.Flush()
		tunnels.Go(func() { pipe(client, behind, func() bool { return true }) })
	}))
	t.Cleanup(func() {
		server.Close()
		tunnels.Wait()
	})
	return server.URL
}

// pipe copies both ways until either side ends; what comes while open says no is swallowed.
func pipe(a, b net.Conn, open func() bool) {
	var both sync.WaitGroup
	one := func(to, from net.Conn) {
		_, _ = io.Copy(valve{to, open}, from)
		_ = to.Close()
		_ = from.Close()
	}
	both.Go(func() { one(a, b) })
	both.Go(func() { one(b, a) })
	both.Wait()
}

// valve is a connection that swallows what is written while it is not open.
type valve struct {
	net.Conn
	open func() bool
}

// Write implements io.Writer.
func (v valve) Write(p []byte) (int, error) {
	if !v.open() {
		return len(p), nil
	}
	return v.Conn.Write(p)
}

// way is the network between a pod and AWS. Cut, it swallows every packet, as a broken route does: nobody is told.
type way struct {
	addr string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// newWay leads to addr.
func newWay(t *testing.T, addr string) *way {
	t.Helper()
	listener := must((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	w := &way{addr: listener.Addr().String(), conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			all.Go(func() { w.carry(t, client, addr) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		w.closeAll()
		all.Wait()
	})
	return w
}

func (w *way) carry(t *testing.T, client net.Conn, addr string) {
	behind, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		_ = client.Close()
		return
	}
	w.mu.Lock()
	w.conns[client] = true
	w.mu.Unlock()
	pipe(client, behind, w.open)
	w.mu.Lock()
	delete(w.conns, client)
	w.mu.Unlock()
}

func (w *way) open() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.cut
}

// setCut cuts the way, or mends it; what was begun while it was cut ends with it.
func (w *way) setCut(cut bool) {
	w.mu.Lock()
	w.cut = cut
	w.mu.Unlock()
	if !cut {
		w.closeAll()
	}
}

func (w *way) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
}
