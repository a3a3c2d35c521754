// Package dir keeps objects as plain files below a folder: a key is a path, a body is a file, and that is all, so that
// any web server or Helm itself can serve the folder.
package dir

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pinnace-dev/pinnace/internal/durable"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/internal/version"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const fileMode, folderMode = 0o644, 0o755

// Store is an objstore.Store in a folder of a local file system with hard links and flock(2). Processes that share the
// folder may use it at the same time. The version of an object is the digest of its bytes, so a state that comes back
// is the same version; Type, CacheControl and Metadata are not kept. The folder is made by the first write.
type Store struct{ root string }

var _ objstore.Store = (*Store)(nil)

// New makes a store of the folder root, which need not exist yet. Its own files there begin with objstore.Reserved.
func New(root string) *Store { return &Store{root} }

func (s *Store) path(key string) (string, error) {
	if err := objstore.CheckKey(key); err != nil {
		return "", err
	}
	return filepath.Join(s.root, filepath.FromSlash(key)), nil
}

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string) (objstore.Object, error) {
	if err := ctx.Err(); err != nil {
		return objstore.Object{}, fmt.Errorf("reading %s: %w", key, err)
	}
	path, err := s.path(key)
	if err != nil {
		return objstore.Object{}, err
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return objstore.Object{}, explain("reading", err)
	}
	return objstore.Object{Content: objstore.Content{Body: body}, Version: versionOf(body)}, nil
}

// GetIfChanged implements objstore.Store.
func (s *Store) GetIfChanged(ctx context.Context, key string, held objstore.Version) (objstore.Object, error) {
	o, err := s.Get(ctx, key)
	if err == nil && o.Version == held {
		return objstore.Object{}, fmt.Errorf("reading %s: %w", key, objstore.ErrUnchanged)
	}
	return o, err
}

// Create implements objstore.Store. It takes no lock: link(2) lets one caller win.
func (s *Store) Create(ctx context.Context, key string, c objstore.Content) (objstore.Version, error) {
	path, err := s.path(key)
	if err != nil {
		return objstore.Version{}, err
	}
	if err := ctx.Err(); err != nil {
		return objstore.Version{}, fmt.Errorf("creating %s: %w", key, err)
	}
	if err := durable.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return objstore.Version{}, explain("creating", err)
	}
	if err := durable.Create(path, c.Body, fileMode); err != nil {
		return objstore.Version{}, explain("creating", err)
	}
	return versionOf(c.Body), nil
}

// Replace implements objstore.Store.
func (s *Store) Replace(
	ctx context.Context, key string, old objstore.Version, c objstore.Content,
) (objstore.Version, error) {
	err := s.ifCurrent(ctx, key, old, func(path string) error { return durable.WriteFile(path, c.Body, fileMode) })
	if err != nil {
		return objstore.Version{}, err
	}
	return versionOf(c.Body), nil
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string, old objstore.Version) error {
	return s.ifCurrent(ctx, key, old, durable.Remove)
}

// ifCurrent runs write under the lock if old is the current version of the object, else it says ErrChanged. Create
// needs no part in the lock: it writes only where there is nothing, ifCurrent only where there is something.
func (s *Store) ifCurrent(
	ctx context.Context, key string, old objstore.Version, write func(path string) error,
) error {
	path, err := s.path(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing %s: %w", key, err)
	}
	changed := fmt.Errorf("writing %s: %w", key, objstore.ErrChanged)
	if old.IsZero() {
		return changed
	}
	unlock, err := lock(ctx, s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return changed
	}
	if err != nil {
		return explain("locking", err)
	}
	defer unlock()
	switch body, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
		return changed
	case err != nil:
		return explain("reading", err)
	case versionOf(body) != old:
		return changed
	}
	if err := write(path); err != nil {
		return explain("writing", err)
	}
	return nil
}

// List implements objstore.Store. It holds the names of all objects in memory while it runs.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		infos, err := s.walk(ctx, prefix)
		if err != nil {
			yield(objstore.Info{}, explain("listing", err))
			return
		}
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (s *Store) walk(ctx context.Context, prefix string) ([]objstore.Info, error) {
	var infos []objstore.Info
	err := filepath.WalkDir(s.root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // the folder is not made yet, or the file was removed meanwhile
			return nil
		}
		if err = cmp.Or(err, ctx.Err()); err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(s.root, path)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		if !strings.HasPrefix(key, prefix) || objstore.CheckKey(key) != nil {
			return nil //nolint:nilerr // not a key of ours, such as a temporary file
		}
		info, err := d.Info()
		if err != nil {
			return ignoreAbsent(err)
		}
		infos = append(infos, objstore.Info{Key: key, Size: info.Size(), Modified: info.ModTime()})
		return nil
	})
	slices.SortFunc(infos, func(a, b objstore.Info) int { return strings.Compare(a.Key, b.Key) })
	return infos, err
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func versionOf(body []byte) objstore.Version {
	sum := sha256.Sum256(body)
	return version.Of(hex.EncodeToString(sum[:]))
}

// explain turns an error of the file system, which names the path, into the store's own.
func explain(doing string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w: %w", doing, objstore.ErrNotFound, err)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w: %w", doing, objstore.ErrExists, err)
	case errors.Is(err, fs.ErrPermission):
		return problem.New(problem.Denied, "check who owns the folder and its mode", "%s: %w", doing, err)
	case errors.Is(err, syscall.EROFS):
		return problem.New(problem.Denied, "the folder's file system is mounted read-only", "%s: %w", doing, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return problem.New(problem.Failed, "make room on the disk, then do it again", "%s: %w", doing, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}
