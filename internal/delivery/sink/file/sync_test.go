package file

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
)

// A power cut after Apply must find the new files: each is on the disk, with its mode and group, before it gets its
// name, and then the name is.
func TestApplySyncs(t *testing.T) {
	root := t.TempDir()
	var targets []Target
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		targets = append(targets, Target{Item: name, Path: filepath.Join(root, name, "key")})
	}
	gid := 4321 // the superuser may give to any group
	if os.Geteuid() != 0 {
		gid = os.Getgid()
	}
	s, err := New(targets, Group(gid))
	if err != nil {
		t.Fatal(err)
	}
	var synced []string
	s.sync = func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		named, _ := filepath.Glob(filepath.Join(root, "*", "key"))
		if info.IsDir() {
			synced = append(synced, "folder "+filepath.Base(f.Name()))
			if len(named) != 2 {
				t.Errorf("a folder is synced when %d names are in place", len(named))
			}
			return f.Sync()
		}
		synced = append(synced, "file in "+filepath.Base(filepath.Dir(f.Name())))
		if len(named) != 0 || info.Size() != 8 || info.Mode() != DefaultMode {
			t.Errorf("synced with %d bytes and mode %v when %d names are in place", info.Size(), info.Mode(), len(named))
		}
		if got := int(info.Sys().(*syscall.Stat_t).Gid); got != gid {
			t.Errorf("synced with group %d, want %d", got, gid)
		}
		return f.Sync()
	}
	if err := s.Apply(t.Context(), deliverytest.Snapshot(t, "1", map[string]string{"a": "not-key1", "b": "not-key2"})); err != nil {
		t.Fatal(err)
	}
	slices.Sort(synced)
	if diff := cmp.Diff([]string{"file in a", "file in b", "folder a", "folder b"}, synced); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What cannot be brought to the disk is not given its name.
func TestApplyThatCannotSync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	s, err := New([]Target{{Item: "a", Path: path}})
	if err != nil {
		t.Fatal(err)
	}
	s.sync = func(*os.File) error { return &fs.PathError{Op: "fsync", Path: path, Err: syscall.EIO} }
	if err := s.Apply(t.Context(), deliverytest.Snapshot(t, "1", map[string]string{"a": "not-key1"})); err == nil {
		t.Error("no error")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 0 {
		t.Errorf("the folder has %v", entries)
	}
}
