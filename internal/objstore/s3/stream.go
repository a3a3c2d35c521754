package s3

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// resumptions is how often one body may be taken up again after its connection was cut.
const resumptions = 3

// Endpoint is the URL that the client was pointed at, or "" for Amazon's own.
func (s *Store) Endpoint() string { return aws.ToString(s.client.Options().BaseEndpoint) }

// Stream opens an object for a reader that may keep a copy: whoever gives the ETag of a copy that is still current gets
// objstore.ErrUnchanged and no bytes, anybody else the body, to be closed, with its ETag. An empty etag never matches.
//
// Unlike Get it holds no body in memory, and finds the bucket's region where the client has another. A connection that
// is cut within the body is taken up at that byte, as long as the object is the same.
func (s *Store) Stream(ctx context.Context, key, etag string) (io.ReadCloser, string, error) {
	name, err := s.name(key)
	if err != nil {
		return nil, "", err
	}
	in := awss3.GetObjectInput{Bucket: &s.bucket, Key: name}
	if etag != "" {
		in.IfNoneMatch = &etag
	}
	out, region, err := s.getAnywhere(ctx, in)
	if err != nil {
		return nil, "", s.explain(reading, key, err)
	}
	in.IfNoneMatch, in.IfMatch = nil, out.ETag
	var body io.ReadCloser = &resumed{
		body: out.Body, size: aws.ToInt64(out.ContentLength), left: resumptions,
		reopen: func(offset int64) (io.ReadCloser, error) {
			in.Range = aws.String(fmt.Sprintf("bytes=%d-", offset))
			rest, err := s.client.GetObject(ctx, &in, region)
			if err != nil {
				return nil, s.explain(reading, key, err)
			}
			return rest.Body, nil
		},
	}
	if isCompressed(key, out) {
		if body, err = newPlain(body); err != nil {
			return nil, "", fmt.Errorf("reading %s: %w", s.url(key), err)
		}
	}
	return body, aws.ToString(out.ETag), nil
}

func isCompressed(key string, out *awss3.GetObjectOutput) bool {
	return aws.ToString(out.ContentEncoding) == "gzip" && !isArchive(key)
}

// isArchive tells whether a key names something that is gzip by nature. Some tools set the header Content-Encoding from
// that ending; undoing it would leave a bare tar.
func isArchive(key string) bool {
	ending := path.Ext(key)
	return ending == ".tgz" || ending == ".gz"
}

// getAnywhere asks in the client's region, and if the bucket is in another, there; further requests belong there too.
func (s *Store) getAnywhere(
	ctx context.Context, in awss3.GetObjectInput,
) (*awss3.GetObjectOutput, func(*awss3.Options), error) {
	here := func(*awss3.Options) {}
	out, err := s.client.GetObject(ctx, &in)
	var answer *awshttp.ResponseError
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || !errors.As(err, &answer) {
		return out, here, err
	}
	region := bucketRegion(answer, api)
	if region == "" || region == s.client.Options().Region {
		return nil, here, err
	}
	there := func(o *awss3.Options) { o.Region = region }
	out, err = s.client.GetObject(ctx, &in, there)
	return out, there, err
}

// resumed is a body that survives cut connections. It is for one goroutine.
type resumed struct {
	body   io.ReadCloser
	reopen func(offset int64) (io.ReadCloser, error)
	size   int64 // bytes of the whole
	done   int64 // bytes that were read
	left   int   // how often it may be reopened
	cut    error // what the current body broke with
}

func (r *resumed) Read(p []byte) (int, error) {
	for {
		if r.cut != nil {
			if err := r.resume(); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p)
		r.done += int64(n)
		if err == nil || errors.Is(err, io.EOF) {
			return n, err
		}
		if r.cut = err; n > 0 {
			return n, nil
		}
	}
}

func (r *resumed) resume() error {
	if r.left == 0 || r.done >= r.size { // at the end it was no cut: the checksum is wrong
		return r.cut
	}
	r.left--
	rest, err := r.reopen(r.done)
	if err != nil {
		return fmt.Errorf("%w; taking it up again: %w", r.cut, err)
	}
	_ = r.body.Close()
	r.body, r.cut = rest, nil
	return nil
}

func (r *resumed) Close() error { return r.body.Close() }

// plain is a body that was stored compressed.
type plain struct {
	*gzip.Reader
	stored io.ReadCloser
}

func newPlain(stored io.ReadCloser) (io.ReadCloser, error) {
	r, err := gzip.NewReader(stored)
	if err != nil {
		return nil, errors.Join(err, stored.Close())
	}
	return plain{r, stored}, nil
}

func (p plain) Close() error { return errors.Join(p.Reader.Close(), p.stored.Close()) }
