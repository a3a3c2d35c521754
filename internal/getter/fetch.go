package getter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/identity"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// maxBody bounds what Helm, which holds all of it in memory, is given.
const maxBody = 512 << 20

// indexName is the file that Helm fetches again and again. Archives never change, and Helm keeps those itself.
const indexName = "index.yaml"

const absentHint = "check the repository's URL, or publish a chart there first"

func fetchFile(at location, out io.Writer) error {
	info, err := os.Stat(at.path)
	if err == nil && !info.Mode().IsRegular() { // a pipe would never end
		err = problem.New(problem.Usage, absentHint, "%s is not a regular file", at.path)
	}
	if err != nil {
		return explain(err)
	}
	f, err := os.Open(at.path)
	if err != nil {
		return explain(err)
	}
	defer func() { _ = f.Close() }()
	return deliver(at, out, f)
}

func fetchObject(ctx context.Context, at location, getenv func(string) string, out io.Writer) error {
	cfg, err := person(ctx)
	if err != nil {
		return err
	}
	store := s3.Open(cfg, at.bucket, "")
	if path.Base(at.key) == indexName {
		return fetchIndex(ctx, cfg, store, at, getenv, out)
	}
	body, _, err := store.Stream(ctx, at.key, "")
	if err != nil {
		return explain(err)
	}
	defer func() { _ = body.Close() }()
	return deliver(at, out, body)
}

// fetchIndex asks for the index only if it is another one than the copy that this identity holds.
func fetchIndex(
	ctx context.Context, cfg aws.Config, store *s3.Store, at location, getenv func(string) string, out io.Writer,
) error {
	who, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("reading %s: %w", at.url, err)
	}
	kept := newCopy(getenv, store.Endpoint(), at.bucket, at.key, principal(who, getenv))
	held := kept.open()
	defer held.close()
	body, etag, err := store.Stream(ctx, at.key, held.etag)
	switch {
	case errors.Is(err, objstore.ErrUnchanged):
		return deliver(at, out, held.body())
	case err != nil:
		return explain(err)
	}
	defer func() { _ = body.Close() }()
	draft := kept.begin(etag)
	defer draft.discard()
	if err := deliver(at, io.MultiWriter(out, draft), body); err != nil {
		return err
	}
	draft.keep()
	return nil
}

// person is the identity of whoever runs Helm. Without a region any will do, for the bucket says where it is.
func person(ctx context.Context) (aws.Config, error) {
	cfg, err := identity.Person(ctx, identity.Options{})
	if problem.KindOf(err) == problem.Usage { // there is none
		return identity.Person(ctx, identity.Options{Region: "us-east-1"})
	}
	return cfg, err
}

// explain gives a hint to errors that have none. They name the file already.
func explain(err error) error {
	switch {
	case errors.Is(err, objstore.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return problem.New(problem.Usage, absentHint, "%w", err)
	case errors.Is(err, fs.ErrPermission):
		return problem.New(problem.Denied, "check who owns the folder and its mode", "%w", err)
	}
	return err
}

func deliver(at location, out io.Writer, body io.Reader) error {
	n, err := io.Copy(out, io.LimitReader(body, maxBody+1))
	if err == nil && n > maxBody {
		err = fmt.Errorf("larger than %d bytes", maxBody)
	}
	if err != nil {
		return problem.New(problem.Failed, "run the command again", "delivering %s: %w", at.url, err)
	}
	return nil
}
