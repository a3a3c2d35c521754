package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

const bucket = "pinnace-test"

// front stands before an S3 in memory: it adds the conditional delete that this S3 lacks, notes what writes carry, and
// can lose replies or answer errors.
type front struct {
	url   string
	inner http.Handler
	store gofakes3.Backend

	mu     sync.Mutex
	wrote  http.Header // of the last PUT
	lose   int         // so many replies to writes are lost
	cut    int         // so many writes break off before they have an effect
	every  int         // every so-manieth reply to a write is lost
	writes int
	reply  func(w http.ResponseWriter) // answers everything, if set
}

func newFront(t *testing.T) *front {
	store := s3mem.New()
	if err := store.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	f := &front{inner: gofakes3.New(store).Server(), store: store}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *front) client(_ *testing.T, changes ...func(*awss3.Options)) *awss3.Client {
	options := awss3.Options{
		Region: "us-east-1", BaseEndpoint: &f.url, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("EXAMPLE", "not-a-secret", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	}
	return awss3.New(options, changes...)
}

func noCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("none configured")
}

// refusedCredentials is how a web identity fails: with an answer, but of another service.
func refusedCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusConflict}},
		Err:      &smithy.GenericAPIError{Code: "ExpiredTokenException", Message: "Token expired"},
	}}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reply != nil {
		f.reply(w)
		return
	}
	if match := r.Header.Get("If-Match"); r.Method == http.MethodDelete && match != "" {
		if status := f.precondition(r.URL.Path, match); status != 0 {
			writeError(w, status, map[int]string{404: "NoSuchKey", 412: "PreconditionFailed"}[status], "")
			return
		}
	}
	probes := strings.HasSuffix(r.URL.Path, objstore.Reserved+"-probe")
	if !probes && r.Method == http.MethodPut && f.cut > 0 {
		f.cut--
		panic(http.ErrAbortHandler)
	}
	recorder := httptest.NewRecorder()
	f.inner.ServeHTTP(recorder, r)
	if !probes && (r.Method == http.MethodPut || r.Method == http.MethodDelete) {
		f.wrote = r.Header.Clone()
		f.writes++
		if f.lose > 0 || f.every > 0 && f.writes%f.every == 0 {
			f.lose = max(0, f.lose-1)
			panic(http.ErrAbortHandler) // closes the connection without an answer
		}
	}
	for key, values := range recorder.Header() {
		w.Header()[key] = values
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(recorder.Body.Bytes())
}

// precondition is the status of a conditional delete that fails, or 0.
func (f *front) precondition(path, match string) int {
	key := strings.TrimPrefix(path, "/"+bucket+"/")
	object, err := f.store.HeadObject(bucket, key)
	switch {
	case err != nil:
		return http.StatusNotFound
	case gofakes3.FormatETag(object.Hash) != match:
		return http.StatusPreconditionFailed
	}
	return 0
}

func (f *front) last() http.Header {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wrote
}

func (f *front) loseReply(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose = n
}

func (f *front) cutWrites(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = n
}

func (f *front) loseEvery(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.every = n
}

func (f *front) answer(status int, code, message string, header map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply = func(w http.ResponseWriter) {
		for key, value := range header {
			w.Header().Set(key, value)
		}
		writeError(w, status, code, message)
	}
}

func (f *front) seed(t *testing.T, key string) {
	if _, err := f.store.PutObject(bucket, key, map[string]string{}, strings.NewReader(""), 0, nil); err != nil {
		t.Fatal(err)
	}
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}
