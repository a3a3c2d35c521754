package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// output is where an index goes; what is empty is left out.
type output struct {
	layout, archive string // paths
	ref             string // what the image is called there
	push            string // a reference
}

func (o output) write(ctx context.Context, index v1.ImageIndex) error {
	if o.layout != "" {
		if entries, err := os.ReadDir(o.layout); len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return problem.New(problem.Usage, "name a folder that is absent or empty", "%s is no empty folder", o.layout)
		}
		if err := o.writeLayout(o.layout, index); err != nil {
			return fmt.Errorf("writing the layout %s: %w", o.layout, err)
		}
	}
	if o.archive != "" {
		if err := o.writeArchive(index); err != nil {
			return fmt.Errorf("writing %s: %w", o.archive, err)
		}
	}
	if o.push != "" {
		return pushTo(ctx, o.push, index)
	}
	return nil
}

func (o output) writeLayout(dir string, index v1.ImageIndex) error {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	names, err := o.names()
	if err != nil {
		return err
	}
	return path.AppendIndex(index, layout.WithAnnotations(names))
}

// names are the annotations by which containerd, and everybody else, call an image that they import.
func (o output) names() (map[string]string, error) {
	if o.ref == "" {
		return nil, nil
	}
	ref, err := name.ParseReference(o.ref)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"io.containerd.image.name": ref.Name(), "org.opencontainers.image.ref.name": ref.Identifier(),
	}, nil
}

// writeArchive makes a tar of a layout, in the order of names and without times, so that it is reproducible too.
func (o output) writeArchive(index v1.ImageIndex) (err error) {
	scratch, err := os.MkdirTemp(filepath.Dir(o.archive), ".image-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	dir := filepath.Join(scratch, "layout")
	if err := o.writeLayout(dir, index); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(scratch, "tar"))
	if err != nil {
		return err
	}
	if err := errors.Join(tarFolder(file, dir), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), o.archive)
}

func tarFolder(w io.Writer, dir string) error {
	writer := tar.NewWriter(w)
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		if d.IsDir() {
			return writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path + "/", Mode: 0o755})
		}
		body, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		header := tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o644, Size: int64(len(body))}
		if err := writer.WriteHeader(&header); err != nil {
			return err
		}
		_, err = writer.Write(body)
		return err
	})
	return errors.Join(err, writer.Close())
}

func pushTo(ctx context.Context, to string, index v1.ImageIndex) error {
	ref, err := name.ParseReference(to)
	if err != nil {
		return err
	}
	err = remote.WriteIndex(ref, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return problem.New(problem.Failed, "log in to the registry, and see that the repository exists",
			"pushing %s: %w", ref, err)
	}
	return nil
}
