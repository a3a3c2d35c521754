package dir_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/dir"
	"github.com/pinnace-dev/pinnace/internal/objstore/storetest"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) objstore.Store {
		root := filepath.Join(t.TempDir(), "not", "yet", "made")
		t.Cleanup(func() { wantNoTemporaryFiles(t, root) })
		return dir.New(root)
	})
}

func TestFilesArePlain(t *testing.T) {
	root := t.TempDir()
	if _, err := dir.New(root).Create(t.Context(), "charts/a", objstore.Content{Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(root, "charts", "a"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// While another process holds the lock, a writer waits, and may give up.
func TestLockIsSharedWithOtherProcesses(t *testing.T) {
	root := t.TempDir()
	s := dir.New(root)
	v, err := s.Create(t.Context(), "a", objstore.Content{Body: []byte("one")})
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Create(filepath.Join(root, objstore.Reserved+".lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- s.Delete(ctx, "a", v) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a writer that gave up: %v", err)
	}
	go func() {
		_, err := s.Replace(t.Context(), "a", v, objstore.Content{Body: []byte("two")})
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("a writer did not wait for the lock: %v", err)
	default:
	}
	_ = other.Close()
	if err := <-done; err != nil {
		t.Errorf("a writer after the lock was free: %v", err)
	}
}

func TestDenied(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("the superuser is never denied")
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := dir.New(root).Create(t.Context(), "a", objstore.Content{})
	if problem.KindOf(err) != problem.Denied {
		t.Errorf("error %v", err)
	}
}

func wantNoTemporaryFiles(t *testing.T, root string) {
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "-tmp-") {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestHints(t *testing.T) {
	for _, test := range []struct {
		err  error
		kind problem.Kind
		hint string
	}{
		{syscall.ENOSPC, problem.Failed, "make room"},
		{syscall.EDQUOT, problem.Failed, "make room"},
		{syscall.EROFS, problem.Denied, "read-only"},
		{syscall.EACCES, problem.Denied, "mode"},
	} {
		err := dir.Explain("writing", &fs.PathError{Op: "write", Path: "/charts/index.yaml", Err: test.err})
		if problem.KindOf(err) != test.kind || !strings.Contains(problem.HintOf(err), test.hint) {
			t.Errorf("%v: kind %d, hint %q", err, problem.KindOf(err), problem.HintOf(err))
		}
	}
}
