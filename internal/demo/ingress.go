package demo

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/pinnace-dev/pinnace/internal/secret"
)

// ingress stands in for the Coralogix ingress: it takes OTLP log records over HTTP (POST /v1/logs, protobuf) from
// whoever shows a key that lives, as `Authorization: Bearer KEY`. It counts every record by its body, so that a lost or
// doubled one is seen. It is safe for concurrent use.
//
// Source of the wire format: the OTLP specification 1.x, "OTLP/HTTP". The body is an ExportLogsServiceRequest, whose
// encoding is that of LogsData.
type ingress struct {
	listener net.Listener
	server   *http.Server

	mu       sync.Mutex
	keys     []secret.Value // those that live
	received map[string]int // records by body
	byKey    map[string]int // accepted requests by the key's fingerprint
	refused  int
}

// startIngress starts one that accepts key alone.
func startIngress(key secret.Value) (*ingress, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the ingress: %w", err)
	}
	in := &ingress{listener: listener, keys: []secret.Value{key}, received: map[string]int{}, byKey: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/logs", in.serveLogs)
	in.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := in.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			in.count(func() { in.refused++ }) // records that follow are lost, and the demo says so
		}
	}()
	return in, nil
}

func (in *ingress) URL() string  { return "http://" + in.listener.Addr().String() + "/v1/logs" }
func (in *ingress) Close() error { return in.server.Close() }

// Accept lets one more key in, beside those that live.
func (in *ingress) Accept(key secret.Value) {
	in.count(func() { in.keys = append(in.keys, key) })
}

// Revoke ends a key.
func (in *ingress) Revoke(key secret.Value) {
	in.count(func() {
		var rest []secret.Value
		for _, k := range in.keys {
			if !k.Equal(key) {
				rest = append(rest, k)
			}
		}
		in.keys = rest
	})
}

func (in *ingress) serveLogs(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "unreadable body", http.StatusBadRequest)
		return
	}
	key, ok := in.authorise(r.Header.Get("Authorization"))
	if !ok {
		http.Error(w, "unauthenticated", http.StatusUnauthorized)
		return
	}
	var data logspb.LogsData
	if err := proto.Unmarshal(body, &data); err != nil {
		http.Error(w, "not an OTLP request", http.StatusBadRequest)
		return
	}
	in.count(func() {
		in.byKey[key.Fingerprint()]++
		for _, resource := range data.GetResourceLogs() {
			for _, scope := range resource.GetScopeLogs() {
				for _, record := range scope.GetLogRecords() {
					in.received[record.GetBody().GetStringValue()]++
				}
			}
		}
	})
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (in *ingress) authorise(header string) (secret.Value, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	token, _ := strings.CutPrefix(header, "Bearer ")
	for _, key := range in.keys {
		if subtle.ConstantTimeCompare([]byte(token), key.Reveal()) == 1 {
			return key, true
		}
	}
	in.refused++
	return secret.Value{}, false
}

func (in *ingress) count(f func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f()
}

// tally is what arrived.
type tally struct{ Distinct, Doubled, Refused, OldKey, NewKey int }

func (in *ingress) tally(oldKey, newKey secret.Value) tally {
	in.mu.Lock()
	defer in.mu.Unlock()
	t := tally{
		Distinct: len(in.received), Refused: in.refused,
		OldKey: in.byKey[oldKey.Fingerprint()], NewKey: in.byKey[newKey.Fingerprint()],
	}
	for _, n := range in.received {
		t.Doubled += n - 1
	}
	return t
}
