package s3_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/localaws"
)

// cutter stands before localaws and closes the connection in the middle of the next bodies.
type cutter struct {
	*localaws.Server
	url  string
	cuts atomic.Int64 // so many answers to GET are cut
	gets atomic.Int64
}

func newCutter(t *testing.T) *cutter {
	t.Helper()
	server, err := localaws.New(localaws.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Server: server}
	front := httptest.NewServer(c)
	t.Cleanup(front.Close)
	c.url = front.URL
	return c
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		c.gets.Add(1)
		if c.cuts.Add(-1) >= 0 {
			w = &short{ResponseWriter: w, left: 10_000}
		}
	}
	c.Server.ServeHTTP(w, r)
}

type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(p []byte) (int, error) {
	n, _ := s.ResponseWriter.Write(p[:min(s.left, len(p))])
	if s.left -= n; s.left == 0 {
		s.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func (c *cutter) config(region string) aws.Config {
	id, key := c.RootKeys()
	return aws.Config{
		Region: region, BaseEndpoint: &c.url, Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
}

// seed makes the bucket in a region and puts an object into it.
func (c *cutter) seed(t *testing.T, region, key, encoding string, body []byte) {
	t.Helper()
	client := awss3.NewFromConfig(c.config(region), func(o *awss3.Options) { o.UsePathStyle = true })
	_, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{
		Bucket: aws.String(bucket), CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(region),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(body)}
	if encoding != "" {
		in.ContentEncoding = &encoding
	}
	if _, err := client.PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestStreamDeliversWhatWasMeant(t *testing.T) {
	want := random(100_000)
	tests := []struct {
		name, key, encoding, region string
		stored                      []byte
		cuts, gets                  int64
	}{
		{name: "as it is stored", key: "charts/index.yaml", stored: want, gets: 1},
		{name: "plus sign in the key", key: "charts/web-1.0.0+b 1.tgz", stored: want, gets: 1},
		{name: "content encoding undone", key: "index.yaml", encoding: "gzip", stored: gzipped(t, want), gets: 1},
		{name: "an archive's encoding kept", key: "web-1.0.0.tgz", encoding: "gzip", stored: want, gets: 1},
		{name: "the region found", key: "index.yaml", region: "us-west-2", stored: want, gets: 2},
		{name: "cut connections", key: "web.tgz", stored: want, cuts: 3, gets: 4},
		{name: "cut while compressed", key: "index.yaml", encoding: "gzip", stored: gzipped(t, want), cuts: 2, gets: 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCutter(t)
			c.seed(t, cmp.Or(tt.region, c.Region()), tt.key, tt.encoding, tt.stored)
			store := s3.Open(c.config(c.Region()), bucket, "")
			c.cuts.Store(tt.cuts)
			got, etag := stream(t, store, tt.key)
			if !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want the %d that were stored", len(got), len(want))
			}
			if c.gets.Load() != tt.gets {
				t.Errorf("%d requests, want %d", c.gets.Load(), tt.gets)
			}
			if tt.region == "" {
				if o, err := store.Get(t.Context(), tt.key); err != nil || !bytes.Equal(o.Body, want) {
					t.Errorf("Get reads %d bytes, %v", len(o.Body), err)
				}
			}
			if _, _, err := store.Stream(t.Context(), tt.key, etag); !errors.Is(err, objstore.ErrUnchanged) {
				t.Errorf("asked again with its ETag: %v, want unchanged", err)
			}
		})
	}
}

func stream(t *testing.T, store *s3.Store, key string) ([]byte, string) {
	t.Helper()
	body, etag, err := store.Stream(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return got, etag
}

func TestStreamFails(t *testing.T) {
	read := func(t *testing.T, c *cutter, between func()) error {
		body, _, err := s3.Open(c.config(c.Region()), bucket, "").Stream(t.Context(), "index.yaml", "")
		if err != nil {
			return err
		}
		defer body.Close()
		first := make([]byte, 1)
		_, _ = io.ReadFull(body, first)
		between()
		_, err = io.Copy(io.Discard, body)
		return err
	}
	nothing := func() {}
	t.Run("cut too often", func(t *testing.T) {
		c := newCutter(t)
		c.seed(t, c.Region(), "index.yaml", "", random(100_000))
		c.cuts.Store(100)
		if err := read(t, c, nothing); !errors.Is(err, io.ErrUnexpectedEOF) || c.gets.Load() != 4 {
			t.Errorf("error %v after %d requests, want an unexpected end after 4", err, c.gets.Load())
		}
	})
	t.Run("changed while it was cut", func(t *testing.T) {
		c := newCutter(t)
		c.seed(t, c.Region(), "index.yaml", "", random(100_000))
		c.cuts.Store(1)
		err := read(t, c, func() {
			store := s3.Open(c.config(c.Region()), bucket, "")
			o, err := store.Get(context.Background(), "index.yaml")
			if err != nil {
				t.Fatal(err)
			}
			_, err = store.Replace(context.Background(), "index.yaml", o.Version, objstore.Content{Body: []byte("new")})
			if err != nil {
				t.Fatal(err)
			}
		})
		if !errors.Is(err, objstore.ErrChanged) {
			t.Errorf("error %v, want that the object has changed", err)
		}
	})
	t.Run("said to be compressed and is not", func(t *testing.T) {
		c := newCutter(t)
		c.seed(t, c.Region(), "index.yaml", "gzip", []byte("plain after all"))
		if err := read(t, c, nothing); !errors.Is(err, gzip.ErrHeader) {
			t.Errorf("error %v, want that of gzip", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		c := newCutter(t)
		c.seed(t, c.Region(), "other", "", nil)
		if err := read(t, c, nothing); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("error %v, want that there is none", err)
		}
	})
}
