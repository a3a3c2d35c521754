package servers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Request is one signed request, without the SDK: what moving bytes costs, and nothing else.
type Request struct {
	Method string
	Path   string // begins with a slash, escaped
	Body   []byte
}

// Send sends the request as the root user and answers the body. Any status but 200 is an error. The time is that from
// the first byte of the request to the last one of the answer; hashing and signing the body come before it.
func (s *Server) Send(
	ctx context.Context, r Request, now func() time.Time,
) (body []byte, took time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, s.URL+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, 0, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	root, err := keys().Retrieve(ctx)
	if err != nil {
		return nil, 0, err
	}
	sum := sha256.Sum256(r.Body)
	hash := hex.EncodeToString(sum[:])
	request.Header.Set("X-Amz-Content-Sha256", hash)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(ctx, root, request, hash, "s3", s.Region, now()); err != nil {
		return nil, 0, fmt.Errorf("signing %s %s: %w", r.Method, r.Path, err)
	}
	start := now()
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(answer.Body)
	took = now().Sub(start)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", r.Method, r.Path, answer.Status, bytes.TrimSpace(body))
	}
	return body, took, err
}

// CreateBucket makes a bucket.
func (s *Server) CreateBucket(ctx context.Context, name string, now func() time.Time) error {
	_, _, err := s.Send(ctx, Request{Method: http.MethodPut, Path: "/" + name}, now)
	return err
}
