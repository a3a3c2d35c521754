package dir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

// lock takes the exclusive lock of the folder, among goroutines and processes alike, and answers how to release it. The
// kernel releases it when the process dies. A caller that is no longer interested gives up by its context.
func lock(ctx context.Context, root string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(root, objstore.Reserved+".lock"), os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, err
	}
	acquired := make(chan error, 1)
	go func() { acquired <- flock(f) }()
	select {
	case err := <-acquired:
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		return func() { _ = f.Close() }, nil // closing the only descriptor releases the lock
	case <-ctx.Done():
		go func() {
			<-acquired //nolint:errcheck // the lock may come after all; closing gives it back
			_ = f.Close()
		}()
		return nil, fmt.Errorf("waiting for the lock %s: %w", f.Name(), ctx.Err())
	}
}

func flock(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}
