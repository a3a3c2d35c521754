package s3_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// A server without conditional writes is refused at the first write, and keeps what it has.
func TestConditionsAreNeeded(t *testing.T) {
	for name, change := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"ignores If-Match": func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("If-Match")
			return true
		},
		"ignores If-None-Match": func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("If-None-Match")
			return true
		},
		"ignores both": func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("If-Match")
			r.Header.Del("If-None-Match")
			return true
		},
		"refuses If-Match":      refuse("If-Match"),
		"refuses If-None-Match": refuse("If-None-Match"),
	} {
		t.Run(name, func(t *testing.T) {
			backend := s3mem.New()
			if err := backend.CreateBucket(bucket); err != nil {
				t.Fatal(err)
			}
			if _, err := backend.PutObject(bucket, "p/k", map[string]string{}, strings.NewReader("kept"), 4, nil); err != nil {
				t.Fatal(err)
			}
			inner := gofakes3.New(backend).Server()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if change(w, r) {
					inner.ServeHTTP(w, r)
				}
			}))
			defer server.Close()
			s := s3.New((&front{url: server.URL}).client(t), bucket, "p")
			for range 2 {
				_, err := s.Create(t.Context(), "k", objstore.Content{Body: []byte("other")})
				if problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error(), "conditional writes") {
					t.Errorf("create: %v", err)
				}
			}
			o, err := s.Get(t.Context(), "k")
			if err != nil || string(o.Body) != "kept" {
				t.Errorf("the object is %q, %v", o.Body, err)
			}
			list, err := backend.ListBucket(bucket, nil, gofakes3.ListBucketPage{})
			if err != nil || len(list.Contents) != 1 {
				t.Errorf("%d objects are there, %v; want the one that was", len(list.Contents), err)
			}
		})
	}
}

func refuse(header string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get(header) == "" {
			return true
		}
		writeError(w, http.StatusNotImplemented, "NotImplemented", "A header implies functionality that is not implemented")
		return false
	}
}

// The questions are asked once by each store, before its first write. They leave one object without content in each
// repository, which no reader sees and no later question changes.
func TestProbeIsAskedOnce(t *testing.T) {
	f := newFront(t)
	var mu sync.Mutex
	var asked []string
	inner := f.inner
	f.inner = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		inner.ServeHTTP(recorder, r)
		if strings.HasSuffix(r.URL.Path, "-probe") {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, fmt.Sprint(r.Method, " ", recorder.Code))
		}
		maps.Copy(w.Header(), recorder.Header())
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	})
	for _, want := range [][]string{{"PUT 412", "PUT 200", "PUT 412"}, {"PUT 412", "PUT 412"}} {
		asked = nil
		s := s3.New(f.client(t), bucket, "p")
		if _, err := s.Get(t.Context(), "none"); !errors.Is(err, objstore.ErrNotFound) || len(asked) != 0 {
			t.Errorf("a reader asked %v: %v", asked, err)
		}
		for range 2 {
			if _, err := s.With(s3.Attributes{}).Create(t.Context(), "k"+rand.Text(), objstore.Content{}); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		o, err := f.store.HeadObject(bucket, "p/.pinnace-probe")
		if err != nil || o.Size != 0 {
			t.Fatalf("%+v, %v", o, err)
		}
		for info := range s.List(t.Context(), "") {
			if !strings.HasPrefix(info.Key, "k") {
				t.Errorf("a reader sees %s", info.Key)
			}
		}
	}
}

// A body that breaks off is fetched again, and not for ever.
func TestBodyThatBreaksOff(t *testing.T) {
	for breaks, want := range map[int]bool{0: true, 3: true, 4: false} {
		f := newFront(t)
		s := s3.New(f.client(t), bucket, "p")
		large := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
		if _, err := s.Create(t.Context(), "k", objstore.Content{Body: large}); err != nil {
			t.Fatal(err)
		}
		inner, left := f.inner, breaks
		f.inner = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner.ServeHTTP(w, r)
			if recorder, ok := w.(*httptest.ResponseRecorder); ok && left > 0 {
				left--
				recorder.Header().Set("Content-Length", "262144")
				recorder.Body.Truncate(100_000)
			}
		})
		o, err := s.Get(t.Context(), "k")
		switch {
		case want && (err != nil || !bytes.Equal(o.Body, large)):
			t.Errorf("after %d breaks: %d bytes, %v", breaks, len(o.Body), err)
		case !want && (!errors.Is(err, io.ErrUnexpectedEOF) || problem.HintOf(err) == ""):
			t.Errorf("after %d breaks: %v", breaks, err)
		}
	}
}
