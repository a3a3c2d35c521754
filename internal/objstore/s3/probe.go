package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	// probeKey is written only by servers that cannot be used.
	probeKey = objstore.Reserved + "-probe"
	// noETag is the ETag of no object.
	noETag = `"00000000000000000000000000000000"`
)

// probe finds out, before a store's first write, whether the server holds to conditions: some that speak S3's protocol
// ignore them and overwrite. There is nothing to fall back to, so the store then refuses to write.
type probe struct {
	mu      sync.Mutex
	done    bool
	refusal error
}

// conditions asks the server to replace what is not there, which must fail. What it says otherwise proves nothing, and
// the write itself will tell.
func (s *Store) conditions(ctx context.Context) error {
	p := s.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || ctx.Err() != nil {
		return p.refusal
	}
	name := aws.String(s.prefix + probeKey)
	_, err := s.client.PutObject(ctx, &awss3.PutObjectInput{Bucket: &s.bucket, Key: name, IfMatch: aws.String(noETag)})
	p.done = ctx.Err() == nil
	switch {
	case err == nil:
		_, err = s.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: name})
		p.refusal = s.unconditional(fmt.Errorf("it wrote an object in spite of If-Match (removed again: %t)", err == nil))
	case notImplemented(err):
		p.refusal = s.unconditional(err)
	}
	return p.refusal
}

func (s *Store) unconditional(why error) error {
	return problem.New(problem.Usage,
		"use Amazon S3 or a server with conditional writes: without them concurrent publishers overwrite each other",
		"bucket %s does not support conditional writes: %w", s.bucket, why)
}

func notImplemented(err error) bool {
	var answer *awshttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotImplemented
}
