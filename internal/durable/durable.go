// Package durable writes files that are either whole or not there, and that are still there after a power cut. It
// imports the standard library alone: the agent links it.
package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// TempPrefix begins the names of files that are being written. A crash may leave one behind; it may be removed.
const TempPrefix = ".pinnace-tmp-"

// ErrNotRegular says that the target exists and is not a regular file: a symbolic link, a folder, a device.
var ErrNotRegular = errors.New("not a regular file")

// syncToDisk is fsync(2) of a file or a folder; a test watches it.
var syncToDisk = (*os.File).Sync

// Option changes how a file is written.
type Option func(*options)

type options struct{ group int }

// Group gives the file to the group with this id.
func Group(gid int) Option { return func(o *options) { o.group = gid } }

// WriteFile puts data at path with exactly this mode, whatever the umask, by one rename(2) within the folder of path.
// Whoever has path open keeps the old bytes; whoever opens it sees the old bytes or the new ones, never a part, and
// never an absent file that was there. When it returns nil the bytes and the name are on the disk.
//
// The target may be absent or a regular file, else the error wraps ErrNotRegular. On an error the target is as it was
// and no temporary file is left, unless only the last step failed, syncing the folder: then the new bytes are in place.
func WriteFile(path string, data []byte, mode fs.FileMode, opts ...Option) error {
	return WriteFrom(path, bytes.NewReader(data), mode, opts...)
}

// WriteFrom is WriteFile for bytes that are read to their end, for what is too large to hold in memory.
func WriteFrom(path string, data io.Reader, mode fs.FileMode, opts ...Option) error {
	return put(path, data, mode, opts, func(temp string) error {
		info, err := os.Lstat(path)
		switch {
		case err == nil && !info.Mode().IsRegular():
			return ErrNotRegular
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
		return os.Rename(temp, path)
	})
}

// Create is WriteFile for a path that must not exist, not even as a dangling symbolic link: the error then wraps
// fs.ErrExist. Of any number of callers, in any number of processes, one succeeds. The file system must have hard
// links.
func Create(path string, data []byte, mode fs.FileMode, opts ...Option) error {
	return put(path, bytes.NewReader(data), mode, opts, func(temp string) error {
		if err := os.Link(temp, path); err != nil {
			return err
		}
		return os.Remove(temp)
	})
}

// Remove deletes the file at path and returns when its absence is on the disk.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// MkdirAll makes the folder at path and those above it that are missing, and returns when their names are on the disk.
// The umask applies to mode.
func MkdirAll(path string, mode fs.FileMode) error {
	if isDir(path) {
		return nil
	}
	parent := filepath.Dir(path)
	if err := MkdirAll(parent, mode); err != nil { // ends at "/" or ".", which are folders
		return err
	}
	if err := os.Mkdir(path, mode); err != nil && !isDir(path) { // not if somebody else made it just now
		return err
	}
	return syncDir(parent)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func put(path string, data io.Reader, mode fs.FileMode, opts []Option, name func(temp string) error) error {
	o := options{group: -1}
	for _, opt := range opts {
		opt(&o)
	}
	dir := filepath.Dir(path)
	temp, err := writeTemp(dir, data, mode, o)
	if err == nil {
		err = name(temp)
	}
	if err != nil {
		if temp != "" {
			_ = os.Remove(temp)
		}
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return syncDir(dir)
}

// writeTemp leaves data in a new file of dir, synced. The name is returned with an error too when the file exists.
func writeTemp(dir string, data io.Reader, mode fs.FileMode, o options) (string, error) {
	f, err := os.CreateTemp(dir, TempPrefix+"*") // O_EXCL, mode 0600: nobody else reads it before its mode is set
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, data)
	if err == nil && o.group >= 0 {
		err = f.Chown(-1, o.group)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = syncToDisk(f)
	}
	return f.Name(), errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing folder %s: %w", dir, err)
	}
	if err := errors.Join(syncToDisk(d), d.Close()); err != nil {
		return fmt.Errorf("syncing folder %s: %w", dir, err)
	}
	return nil
}
