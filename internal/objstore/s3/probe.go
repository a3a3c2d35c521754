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
	// probeKey is an object without content that is there for creates to fail. No key of the store is it.
	probeKey = objstore.Reserved + "-probe"
	// noETag is the ETag of no object.
	noETag = `"00000000000000000000000000000000"`
)

// probe finds out, before a store's first write, whether the server holds to conditions: some that speak S3's protocol
// ignore one or both and overwrite. There is nothing to fall back to, so the store then refuses to write.
type probe struct {
	mu      sync.Mutex
	done    bool
	refusal error
}

// conditions asks the server for what must fail: to replace an object that has another ETag, and to create one that is
// there. Both are asked of the probe's object, so that a server that does it all the same changes nothing that anybody
// reads. What else the server says proves nothing, and the write itself will tell.
func (s *Store) conditions(ctx context.Context) error {
	p := s.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || ctx.Err() != nil {
		return p.refusal
	}
	ignored, err := s.ignored(ctx)
	p.done = ctx.Err() == nil
	switch {
	case notImplemented(err):
		p.refusal = s.unconditional(err)
	case ignored != "":
		name := aws.String(s.prefix + probeKey)
		_, err = s.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: name})
		p.refusal = s.unconditional(fmt.Errorf("it wrote an object in spite of %s (removed again: %t)",
			ignored, err == nil))
	}
	return p.refusal
}

// ignored is the condition that the server does not look at, or empty, with the error of the last question. A create
// that succeeds may be the first in this repository; then the object is there, and it is asked once more.
func (s *Store) ignored(ctx context.Context) (condition string, err error) {
	if err = s.ask(ctx, aws.String(noETag), nil); err == nil {
		return "If-Match", nil
	}
	if notImplemented(err) {
		return "", err
	}
	for range 2 {
		if err = s.ask(ctx, nil, aws.String("*")); err != nil {
			return "", err
		}
	}
	return "If-None-Match", nil
}

func (s *Store) ask(ctx context.Context, ifMatch, ifNoneMatch *string) error {
	in := &awss3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + probeKey), IfMatch: ifMatch, IfNoneMatch: ifNoneMatch,
	}
	s.with.set(in) // a bucket may refuse what is not encrypted or tagged
	_, err := s.client.PutObject(ctx, in)
	return err
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
