// Package s3 keeps objects in a bucket of Amazon S3, below a prefix, by conditional requests: If-None-Match creates,
// If-Match replaces and deletes.
package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/internal/version"
)

// maxBody bounds what one read may bring into memory.
const maxBody = 512 << 20

// writeTag is the user metadata that tells one write from all others, so that a repeated request which meets its own
// success is recognised even where the bytes alone would not prove whose they are.
const writeTag = "pinnace-write"

// Store is an objstore.Store in a bucket. The version of an object is its ETag.
type Store struct {
	client *awss3.Client
	bucket string
	prefix string // empty, or ends in a slash
	newTag func() string
	with   attributes
	probe  *probe
}

var _ objstore.Store = (*Store)(nil)

// New makes a store of the bucket's keys below prefix, which may be empty; slashes around it do not matter. The client
// brings region, credentials and the repetition of requests whose connection was lost.
func New(client *awss3.Client, bucket, prefix string) *Store {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return &Store{client: client, bucket: bucket, prefix: prefix, newTag: rand.Text, probe: &probe{}}
}

// Open makes a store with a client of its own. Behind a plain endpoint, such as a local one, the bucket stands in the
// path of the URL, since there is no host name to put it in.
func Open(cfg aws.Config, bucket, prefix string) *Store {
	client := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	return New(client, bucket, prefix)
}

// name is the object's full key: the only place that knows the prefix, besides List.
func (s *Store) name(key string) (*string, error) {
	if err := objstore.CheckKey(key); err != nil {
		return nil, err
	}
	return aws.String(s.prefix + key), nil
}

// Get implements objstore.Store. It needs s3:GetObject, and s3:ListBucket to tell a missing object from a forbidden
// one.
func (s *Store) Get(ctx context.Context, key string) (objstore.Object, error) {
	return s.GetIfChanged(ctx, key, objstore.Version{})
}

// GetIfChanged implements objstore.Store. A body that breaks off is fetched again, and Content-Encoding gzip is undone.
func (s *Store) GetIfChanged(ctx context.Context, key string, held objstore.Version) (objstore.Object, error) {
	name, err := s.name(key)
	if err != nil {
		return objstore.Object{}, err
	}
	in := &awss3.GetObjectInput{Bucket: &s.bucket, Key: name}
	if !held.IsZero() {
		in.IfNoneMatch = aws.String(version.Token(held))
	}
	for attempt := 0; ; attempt++ {
		out, err := s.client.GetObject(ctx, in)
		if err != nil {
			return objstore.Object{}, s.explain(reading, key, err)
		}
		o, err := readObject(key, out)
		if err == nil {
			return o, nil
		}
		if attempt == resumptions || ctx.Err() != nil || errors.Is(err, errTooLarge) {
			return objstore.Object{}, s.explainUnanswered(reading.gerund+" "+s.url(key), err)
		}
	}
}

var errTooLarge = fmt.Errorf("larger than %d bytes", maxBody)

func readObject(key string, out *awss3.GetObjectOutput) (objstore.Object, error) {
	defer func() { _ = out.Body.Close() }()
	if isCompressed(key, out) {
		body, err := newPlain(out.Body)
		if err != nil {
			return objstore.Object{}, err
		}
		out.Body, out.ContentLength = body, nil
	}
	body, err := readBody(out)
	if err != nil {
		return objstore.Object{}, err
	}
	delete(out.Metadata, writeTag)
	return objstore.Object{
		Content: objstore.Content{
			Body: body, Type: aws.ToString(out.ContentType), CacheControl: aws.ToString(out.CacheControl),
			Metadata: out.Metadata,
		},
		Version: version.Of(aws.ToString(out.ETag)),
	}, nil
}

// readBody takes up no more memory than the body has, if the store says how long it is.
func readBody(out *awss3.GetObjectOutput) ([]byte, error) {
	if out.ContentLength == nil {
		body, err := io.ReadAll(io.LimitReader(out.Body, maxBody+1))
		if err == nil && len(body) > maxBody {
			err = errTooLarge
		}
		return body, err
	}
	if *out.ContentLength > maxBody {
		return nil, errTooLarge
	}
	body := make([]byte, *out.ContentLength)
	_, err := io.ReadFull(out.Body, body)
	return body, err
}

// Create implements objstore.Store. It needs s3:PutObject.
func (s *Store) Create(ctx context.Context, key string, c objstore.Content) (objstore.Version, error) {
	return s.put(ctx, creating, key, c, func(in *awss3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
}

// Replace implements objstore.Store. It needs s3:PutObject and s3:GetObject.
func (s *Store) Replace(
	ctx context.Context, key string, old objstore.Version, c objstore.Content,
) (objstore.Version, error) {
	if old.IsZero() { // an empty If-Match is not sent at all: the write would be unconditional
		return objstore.Version{}, fmt.Errorf("replacing %s: %w", s.url(key), objstore.ErrChanged)
	}
	return s.put(ctx, replacing, key, c, func(in *awss3.PutObjectInput) { in.IfMatch = aws.String(version.Token(old)) })
}

func (s *Store) put(
	ctx context.Context, op operation, key string, c objstore.Content, condition func(*awss3.PutObjectInput),
) (objstore.Version, error) {
	name, err := s.name(key)
	if err != nil {
		return objstore.Version{}, err
	}
	if err := s.conditions(ctx); err != nil {
		return objstore.Version{}, fmt.Errorf("%s %s: %w", op.gerund, s.url(key), err)
	}
	sum := sha256.Sum256(c.Body)
	tag := s.newTag()
	in := &awss3.PutObjectInput{
		Bucket: &s.bucket, Key: name, Body: bytes.NewReader(c.Body),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		Metadata:       map[string]string{writeTag: tag},
	}
	maps.Copy(in.Metadata, c.Metadata)
	s.with.set(in)
	if c.Type != "" {
		in.ContentType = &c.Type
	}
	if c.CacheControl != "" {
		in.CacheControl = &c.CacheControl
	}
	condition(in)
	out, err := s.client.PutObject(ctx, in)
	if err == nil {
		return version.Of(aws.ToString(out.ETag)), nil
	}
	var unanswered *smithyhttp.RequestSendError
	if errors.As(err, &unanswered) && ctx.Err() == nil {
		return s.settleUnanswered(ctx, op, in, tag, s.explain(op, key, err))
	}
	err = s.explain(op, key, err)
	if errors.Is(err, objstore.ErrExists) || errors.Is(err, objstore.ErrChanged) {
		return s.settle(ctx, name, tag, err)
	}
	return objstore.Version{}, err
}

// settle finds out whether a write that was refused met its own earlier success: the client repeats a request whose
// answer was lost. If what is there now carries the tag of this write, it is this write. In doubt it stays refused,
// which is right for the caller: whoever writes on top makes the object changed.
func (s *Store) settle(ctx context.Context, name *string, tag string, refused error) (objstore.Version, error) {
	out, err := s.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &s.bucket, Key: name})
	if err != nil || out.Metadata[writeTag] != tag {
		return objstore.Version{}, refused
	}
	return version.Of(aws.ToString(out.ETag)), nil
}

// settleUnanswered finds out what became of a write whose connection broke: some servers refuse a large body by
// closing the connection while it is sent, so that the refusal is never read. If another write is there it was refused,
// or was overwritten, which is the same to the caller. If nothing has changed, failed says why.
func (s *Store) settleUnanswered(
	ctx context.Context, op operation, in *awss3.PutObjectInput, tag string, failed error,
) (objstore.Version, error) {
	out, err := s.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key})
	switch {
	case err != nil:
		return objstore.Version{}, failed
	case out.Metadata[writeTag] == tag:
		return version.Of(aws.ToString(out.ETag)), nil
	case aws.ToString(out.ETag) == aws.ToString(in.IfMatch):
		return objstore.Version{}, failed
	}
	return objstore.Version{}, fmt.Errorf("%s s3://%s/%s: %w", op.gerund, *in.Bucket, *in.Key, op.refused)
}

// Delete implements objstore.Store. It needs s3:DeleteObject and s3:GetObject. In a versioned bucket it leaves a delete
// marker. A repeated request that meets its own success says ErrChanged, which is as true: the object is gone.
func (s *Store) Delete(ctx context.Context, key string, old objstore.Version) error {
	name, err := s.name(key)
	if err != nil {
		return err
	}
	if old.IsZero() {
		return fmt.Errorf("deleting %s: %w", s.url(key), objstore.ErrChanged)
	}
	_, err = s.client.DeleteObject(ctx, &awss3.DeleteObjectInput{
		Bucket: &s.bucket, Key: name, IfMatch: aws.String(version.Token(old)),
	})
	if err != nil {
		return s.explain(deleting, key, err)
	}
	return nil
}

// List implements objstore.Store. It needs s3:ListBucket.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		pages := awss3.NewListObjectsV2Paginator(s.client, &awss3.ListObjectsV2Input{
			Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(objstore.Info{}, s.explain(listing, prefix, err))
				return
			}
			for _, o := range page.Contents {
				key := strings.TrimPrefix(aws.ToString(o.Key), s.prefix)
				if objstore.CheckKey(key) != nil { // a folder's placeholder, or made by other tools
					continue
				}
				info := objstore.Info{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}
				if !yield(info, nil) {
					return
				}
			}
		}
	}
}

func (s *Store) url(key string) string { return "s3://" + s.bucket + "/" + s.prefix + key }
