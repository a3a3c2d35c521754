package durable

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// watch lists what is synced: for a file its bytes, for a folder the names in it at that moment.
func watch(t *testing.T) *[]string {
	t.Helper()
	var seen []string
	syncToDisk = func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		what := filepath.Base(f.Name()) + ":"
		if info.IsDir() {
			entries, err := os.ReadDir(f.Name())
			if err != nil {
				return err
			}
			for _, e := range entries {
				what += " " + e.Name()
			}
		} else {
			data, err := os.ReadFile(f.Name())
			if err != nil {
				return err
			}
			name, _, _ := strings.Cut(what, TempPrefix)
			what = name + "temp: " + string(data) + " " + info.Mode().String()
		}
		seen = append(seen, what)
		return f.Sync()
	}
	t.Cleanup(func() { syncToDisk = (*os.File).Sync })
	return &seen
}

// What a power cut must not take: the bytes before they get their name, the name afterwards, the absence of what was
// removed, and the folders on the way.
func TestEverythingIsSynced(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "a", "b", "f")
	tests := []struct {
		name string
		do   func() error
		want []string
	}{
		{"MkdirAll", func() error { return MkdirAll(filepath.Dir(path), 0o700) }, []string{"root: a", "a: b"}},
		{"Create", func() error { return Create(path, []byte("one"), 0o640) }, []string{"temp: one -rw-r-----", "b: f"}},
		{"WriteFile", func() error { return WriteFile(path, []byte("two"), 0o600) }, []string{"temp: two -rw-------", "b: f"}},
		{"Remove", func() error { return Remove(path) }, []string{"b:"}},
	}
	for _, test := range tests {
		seen := watch(t)
		if err := test.do(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, *seen); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}

// What cannot be brought to the disk is an error, and a file then gets no name.
func TestFailingSync(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	syncToDisk = func(*os.File) error { return syscall.EIO }
	t.Cleanup(func() { syncToDisk = (*os.File).Sync })
	for name, do := range map[string]func() error{
		"WriteFile": func() error { return WriteFile(path, []byte("x"), 0o600) },
		"Create":    func() error { return Create(path, []byte("x"), 0o600) },
	} {
		if err := do(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("%s: the folder has %v, %v", name, entries, err)
		}
	}
	if err := MkdirAll(filepath.Join(dir, "folder"), 0o700); err == nil {
		t.Error("MkdirAll: no error")
	}
}
