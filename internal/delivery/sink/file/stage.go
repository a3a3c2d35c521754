package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// staged is a file that is complete on disk and waits to be renamed.
type staged struct{ temp, path string }

// around is what stands before and after the digits in the name of a temporary file for path.
func around(path string) (prefix, suffix string) { return "." + filepath.Base(path) + ".", ".tmp" }

// sweep removes the temporary files of a process that was killed, once: they may hold whole values. A folder that is
// not there is left to stage.
func (s *Sink) sweep() error {
	if s.swept {
		return nil
	}
	for _, t := range s.targets {
		prefix, suffix := around(t.Path)
		folder := filepath.Dir(t.Path)
		entries, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return explain(t.Path, err)
		}
		for _, e := range entries {
			digits, isOurs := strings.CutPrefix(e.Name(), prefix)
			digits, isTemp := strings.CutSuffix(digits, suffix)
			if !isOurs || !isTemp || !e.Type().IsRegular() || strings.Trim(digits, "0123456789") != "" {
				continue
			}
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return explain(t.Path, err)
			}
		}
	}
	s.swept = true
	return nil
}

// stage writes data beside the target, synced, with its final mode and group.
func (s *Sink) stage(t Target, data []byte) (temp string, err error) {
	prefix, suffix := around(t.Path)
	f, err := os.CreateTemp(filepath.Dir(t.Path), prefix+"*"+suffix)
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
	if err = f.Chmod(t.Mode); err != nil {
		return "", err
	}
	if err = s.sync(f); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// commit renames every file into place and makes that durable, one sync for each folder.
func (s *Sink) commit(files []staged) error {
	folders := map[string]bool{}
	for _, f := range files {
		if err := os.Rename(f.temp, f.path); err != nil {
			return explain(f.path, err)
		}
		folders[filepath.Dir(f.path)] = true
	}
	for folder := range folders {
		if err := s.syncFolder(folder); err != nil {
			return fmt.Errorf("syncing folder %s: %w", folder, err)
		}
	}
	return nil
}

func (s *Sink) syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return s.sync(d)
}
