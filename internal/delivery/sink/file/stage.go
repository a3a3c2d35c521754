package file

import (
	"fmt"
	"os"
	"path/filepath"
)

// staged is a file that is complete on disk and waits to be renamed.
type staged struct{ temp, path string }

// stage writes data beside path, synced, with its final mode and group.
func (s *Sink) stage(path string, data []byte) (temp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return "", err
	}
	if s.gid >= 0 {
		if err = f.Chown(-1, s.gid); err != nil {
			return "", err
		}
	}
	if err = f.Chmod(s.mode); err != nil {
		return "", err
	}
	if err = f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// commit renames every file into place and makes that durable, one sync for each folder.
func commit(files []staged) error {
	folders := map[string]bool{}
	for _, f := range files {
		if err := os.Rename(f.temp, f.path); err != nil {
			return explain(f.path, err)
		}
		folders[filepath.Dir(f.path)] = true
	}
	for folder := range folders {
		if err := syncFolder(folder); err != nil {
			return fmt.Errorf("syncing folder %s: %w", folder, err)
		}
	}
	return nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
