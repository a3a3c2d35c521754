package durable_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/pinnace-dev/pinnace/internal/durable"
)

func TestWriteFile(t *testing.T) {
	for _, mode := range []fs.FileMode{0o440, 0o600, 0o666} { // 0666 shows that the umask has no say
		path := filepath.Join(t.TempDir(), "f")
		for _, body := range []string{"first", "", "second"} {
			if err := durable.WriteFile(path, []byte(body), mode); err != nil {
				t.Fatal(err)
			}
			wantFile(t, path, body, mode)
		}
		wantNames(t, filepath.Dir(path), "f")
	}
}

// What breaks off while it is read leaves the old bytes, and no temporary file.
func TestWriteFromKeepsTheOldWhenReadingFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, durable.WriteFrom(path, strings.NewReader("old"), 0o600))
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := durable.WriteFrom(path, broken, 0o600); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	wantFile(t, path, "old", 0o600)
	wantNames(t, filepath.Dir(path), "f")
}

func TestWriteFileKeepsOpenReadersWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := durable.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	if err := durable.WriteFile(path, []byte("new bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	var old bytes.Buffer
	if _, err := old.ReadFrom(open); err != nil || old.String() != "old" {
		t.Errorf("a reader that had it open sees %q, %v", old.String(), err)
	}
}

// Whoever opens the file while it is rewritten sees one version or the other, whole.
func TestWriteFileIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	versions := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 50_000)}
	if err := durable.WriteFile(path, versions[0], 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, versions[0]) && !bytes.Equal(got, versions[1]) {
				t.Errorf("read %d bytes, %v", len(got), err)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := range 100 {
		if err := durable.WriteFile(path, versions[i%2], 0o600); err != nil {
			t.Error(err)
		}
	}
	close(done)
	group.Wait()
}

func TestWriteFileRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	must(t, os.WriteFile(elsewhere, []byte("theirs"), 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, "link")))
	must(t, os.Symlink(filepath.Join(dir, "nothing"), filepath.Join(dir, "dangling")))
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	for _, name := range []string{"folder", "link", "dangling", "pipe"} {
		err := durable.WriteFile(filepath.Join(dir, name), []byte("ours"), 0o600)
		if !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantNames(t, dir, "dangling", "folder", "link", "pipe")
	wantFile(t, elsewhere, "theirs", 0o600)
}

func TestWriteFileNeedsItsFolder(t *testing.T) {
	dir := t.TempDir()
	err := durable.WriteFile(filepath.Join(dir, "absent", "f"), nil, 0o600)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	wantNames(t, dir)
}

func TestGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	gid := os.Getgid()
	if os.Geteuid() == 0 {
		gid = 4321 // the superuser may give to any group
	}
	must(t, durable.WriteFile(path, []byte("x"), 0o440, durable.Group(gid)))
	info, err := os.Stat(path)
	must(t, err)
	if got := int(info.Sys().(*syscall.Stat_t).Gid); got != gid {
		t.Errorf("group %d, want %d", got, gid)
	}
	wantFile(t, path, "x", 0o440)
}

func TestGroupThatMayNotBeGiven(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("the superuser may give to any group")
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := durable.WriteFile(path, []byte("x"), 0o440, durable.Group(0)); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v", err)
	}
	wantNames(t, filepath.Dir(path))
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	must(t, durable.Create(path, []byte("mine"), 0o644))
	must(t, os.Symlink("nothing", filepath.Join(dir, "dangling")))
	for _, name := range []string{"f", "dangling"} {
		if err := durable.Create(filepath.Join(dir, name), []byte("x"), 0o644); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantFile(t, path, "mine", 0o644)
	wantNames(t, dir, "dangling", "f")
}

func TestCreateHasOneWinner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	const racers = 10
	var group sync.WaitGroup
	errs := make([]error, racers)
	for i := range racers {
		group.Go(func() { errs[i] = durable.Create(path, []byte{byte('0' + i)}, 0o600) })
	}
	group.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("both %d and %d won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, fs.ErrExist):
			t.Error(err)
		}
	}
	wantFile(t, path, string(rune('0'+winner)), 0o600)
}

func TestMkdirAllAndRemove(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b", "c")
	must(t, durable.MkdirAll(dir, 0o755))
	must(t, durable.MkdirAll(dir, 0o755))
	path := filepath.Join(dir, "f")
	must(t, durable.WriteFile(path, nil, 0o600))
	if err := durable.MkdirAll(filepath.Join(path, "below"), 0o755); err == nil {
		t.Error("a folder was made below a file")
	}
	must(t, durable.Remove(path))
	wantNames(t, dir)
	if err := durable.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("second remove: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantFile(t *testing.T, path, body string, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Lstat(path)
	must(t, err)
	if string(got) != body || info.Mode() != mode {
		t.Errorf("%s holds %q with mode %v, want %q with %v", path, got, info.Mode(), body, mode)
	}
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(want) {
		t.Fatalf("%s holds %v, want %v", dir, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s holds %v, want %v", dir, got, want)
		}
	}
}
