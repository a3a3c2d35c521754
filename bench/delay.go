package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// inFront answers as the server at target does, but later: Amazon's S3 is some milliseconds away, a server on loopback
// is not. It listens at the URL that it answers, until stop is called.
func inFront(ctx context.Context, target string, delay time.Duration) (at string, stop func(), err error) {
	to, err := url.Parse(target)
	if err != nil {
		return "", nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			held := time.NewTimer(delay)
			defer held.Stop()
			select {
			case <-held.C:
				proxy.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})}
	go func() { _ = server.Serve(l) }() // until it is closed
	stop = func() { _ = server.Close() }
	return "http://" + l.Addr().String(), stop, nil
}
