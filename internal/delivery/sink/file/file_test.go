package file_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/file"
	"github.com/pinnace-dev/pinnace/internal/delivery/template"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const canary = "CANARY-not-a-real-key"

func open(t *testing.T, targets []file.Target, opts ...file.Option) *file.Sink {
	t.Helper()
	s, err := file.New(targets, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	deliverytest.RunSink(t, func(t *testing.T) deliverytest.SinkCase {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		return deliverytest.SinkCase{
			Sink:         open(t, []file.Target{{Item: "a", Path: a}, {Item: "b", Path: b}}),
			RefusesEmpty: true,
			Spoil:        func() { must(t, os.Remove(b)) },
			Read: func() map[string]string {
				held := map[string]string{}
				for name, path := range map[string]string{"a": a, "b": b} {
					if data, err := os.ReadFile(path); err == nil {
						held[name] = string(data)
					}
				}
				return held
			},
			Break: func() func() {
				must(t, os.Mkdir(b, 0o700))
				return func() { must(t, os.Remove(b)) }
			},
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestContent(t *testing.T) {
	tests := []struct {
		name, value, want string
		token             bool
	}{
		{name: "exactly", value: "a b\x00\xff{", want: "a b\x00\xff{"},
		{name: "one line end is trimmed", value: "key\n", want: "key"},
		{name: "so is that of another system", value: "key\r\n", want: "key"},
		{name: "but one only", value: "key\n\n", want: "key\n"},
		{name: "empty", value: ""},
		{name: "empty but for a line end", value: "\n"},
		{name: "token", value: "key_-~!1\n", want: "key_-~!1", token: true},
		{name: "token with a space", value: "Bearer " + canary, token: true},
		{name: "token of two lines", value: canary + "\n\n", token: true},
		{name: "token that is not ASCII", value: canary + "é", token: true},
		{name: "token that is JSON", value: `{"key":"` + canary + `"}`, token: true},
		{name: "token in quotes", value: `"` + canary + `"`, token: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			s := open(t, []file.Target{{Item: "key", Path: path, Token: test.token}})
			err := s.Apply(t.Context(), deliverytest.Snapshot(t, "1", map[string]string{"key": test.value}))
			got, readErr := os.ReadFile(path)
			if test.want == "" {
				if problem.KindOf(err) != problem.Refused || problem.HintOf(err) == "" {
					t.Errorf("error %v, hint %q", err, problem.HintOf(err))
				}
				if strings.Contains(err.Error(), canary) || !errors.Is(readErr, fs.ErrNotExist) {
					t.Errorf("error %q, the file has %q", err, got)
				}
				return
			}
			if err != nil || string(got) != test.want {
				t.Errorf("the file has %q, want %q (%v)", got, test.want, err)
			}
		})
	}
}

// Try finds what would keep Apply from working, and changes nothing.
func TestTry(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	s := open(t, []file.Target{{Item: "key", Path: path, Token: true}})
	try := func(value string) error {
		return s.Try(t.Context(), deliverytest.Snapshot(t, "1", map[string]string{"key": value}))
	}
	must(t, try(canary))
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it left %v (%v)", entries, err)
	}
	if err := try("two words"); problem.KindOf(err) != problem.Refused {
		t.Errorf("no token: %v", err)
	}
	must(t, os.Symlink("elsewhere", path))
	if err := try(canary); problem.KindOf(err) != problem.Refused {
		t.Errorf("a symlink: %v", err)
	}
	must(t, os.RemoveAll(dir))
	if err := try(canary); err == nil || !strings.Contains(problem.HintOf(err), "create the folder") {
		t.Errorf("no folder: %v", err)
	}
}

// A template makes a whole file of several items; a file may have a mode of its own; what is optional may be missing.
func TestTemplateOptionalAndMode(t *testing.T) {
	dir := t.TempDir()
	conf, extra := filepath.Join(dir, "app.conf"), filepath.Join(dir, "extra")
	parsed, err := template.Parse("app.conf", "key={{ .key }}\n")
	must(t, err)
	s := open(t, []file.Target{
		{Template: parsed, Path: conf, Mode: 0o400},
		{Item: "extra", Path: extra, Optional: true},
	}, file.Named("file "+dir))
	if s.Name() != "file "+dir {
		t.Errorf("the sink's name is %s", s.Name())
	}
	one := deliverytest.Snapshot(t, "1", map[string]string{"key": "one"})
	must(t, s.Apply(t.Context(), one))
	must(t, s.Check(t.Context(), one))
	if data, _ := os.ReadFile(conf); string(data) != "key=one\n" {
		t.Errorf("the template made %q", data)
	}
	if info, err := os.Stat(conf); err != nil || info.Mode() != 0o400 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if _, err := os.Stat(extra); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an optional item that is missing made a file: %v", err)
	}
	must(t, s.Apply(t.Context(), deliverytest.Snapshot(t, "2", map[string]string{"key": "two", "extra": "x"})))
	must(t, s.Apply(t.Context(), one))
	if data, _ := os.ReadFile(extra); string(data) != "x" {
		t.Errorf("the file of an optional item that went away has %q", data)
	}
	err = s.Apply(t.Context(), deliverytest.Snapshot(t, "3", map[string]string{"extra": canary}))
	if problem.KindOf(err) != problem.Refused || !strings.Contains(err.Error(), conf) || strings.Contains(err.Error(), canary) {
		t.Errorf("a template without its item: %v", err)
	}
}

func TestModeAndIdentityOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	s := open(t, []file.Target{{Item: "key", Path: path}}, file.Group(os.Getgid()))
	apply := func(s *file.Sink, value string) os.FileInfo {
		t.Helper()
		must(t, s.Apply(t.Context(), deliverytest.Snapshot(t, "1", map[string]string{"key": value})))
		info, err := os.Lstat(path)
		must(t, err)
		return info
	}
	first := apply(s, "one")
	if first.Mode() != file.DefaultMode {
		t.Errorf("mode %v", first.Mode())
	}
	if gid := first.Sys().(*syscall.Stat_t).Gid; int(gid) != os.Getgid() {
		t.Errorf("group %d", gid)
	}
	old := time.Unix(1_000_000_000, 0)
	must(t, os.Chtimes(path, old, old))
	if again := apply(s, "one\n"); !os.SameFile(first, again) || !again.ModTime().Equal(old) {
		t.Error("a file that has the bytes already was written again")
	}
	if changed := apply(s, "two"); os.SameFile(first, changed) {
		t.Error("the file was changed in place, under its reader")
	}
	private := open(t, []file.Target{{Item: "key", Path: path}}, file.Mode(0o400))
	if info := apply(private, "two"); info.Mode() != 0o400 {
		t.Errorf("mode %v after another was asked for", info.Mode())
	}
}

// Whatever becomes of a file behind the sink's back is noticed, and mended by applying again.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	s := open(t, []file.Target{{Item: "key", Path: path}})
	snapshot := deliverytest.Snapshot(t, "1", map[string]string{"key": canary + "\n"})
	for name, tamper := range map[string]func() error{
		"removed":                    func() error { return os.Remove(path) },
		"emptied":                    func() error { return os.Truncate(path, 0) },
		"other bytes, the same size": func() error { return os.WriteFile(path, []byte(strings.ToLower(canary)), 0) },
		"mode":                       func() error { return os.Chmod(path, 0o444) },
	} {
		must(t, s.Apply(t.Context(), snapshot))
		must(t, s.Check(t.Context(), snapshot))
		must(t, tamper())
		if err := s.Check(t.Context(), snapshot); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, s.Apply(t.Context(), snapshot))
	must(t, os.Rename(path, filepath.Join(dir, "moved")))
	must(t, os.Symlink(filepath.Join(dir, "moved"), path))
	if err := s.Check(t.Context(), snapshot); problem.KindOf(err) != problem.Refused {
		t.Errorf("a link to a file with the right bytes: %v", err)
	}
}

// A process that was killed between writing and renaming leaves a whole key behind; the next one takes it away, and
// nothing else.
func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	theirs := []string{".key.tmp", ".key.1.tmp.gz", ".key.x1.tmp", ".other.12.tmp", "key.12.tmp"}
	for _, name := range append(theirs, ".key.12.tmp", ".key.3456789.tmp") {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(canary), 0o400))
	}
	must(t, os.Mkdir(filepath.Join(dir, ".key.77.tmp"), 0o700))
	s := open(t, []file.Target{{Item: "key", Path: path}})
	must(t, s.Apply(t.Context(), deliverytest.Snapshot(t, "1", map[string]string{"key": canary})))
	wantFolder(t, dir, append(theirs, ".key.77.tmp", "key")...)
}

func TestSymlinkIsRefused(t *testing.T) {
	dir := t.TempDir()
	elsewhere, path := filepath.Join(dir, "elsewhere"), filepath.Join(dir, "key")
	must(t, os.WriteFile(elsewhere, []byte("untouched"), 0o600))
	must(t, os.Symlink(elsewhere, path))
	s := open(t, []file.Target{{Item: "other", Path: filepath.Join(dir, "other")}, {Item: "key", Path: path}})
	err := s.Apply(t.Context(), deliverytest.Snapshot(t, "1", map[string]string{"key": canary, "other": canary}))
	if problem.KindOf(err) != problem.Refused || !strings.Contains(err.Error(), path) {
		t.Errorf("Apply = %v", err)
	}
	if got, _ := os.ReadFile(elsewhere); string(got) != "untouched" {
		t.Errorf("the file behind the link has %q", got)
	}
	wantFolder(t, dir, "elsewhere", "key")
}

// wantFolder fails unless the folder has these names and no others: nothing half-done, no temporary file.
func wantFolder(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	got := map[string]bool{}
	for _, e := range entries {
		got[e.Name()] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("the folder has %v, want %v", got, want)
	}
}

func TestMissingFolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, []file.Target{
		{Item: "a", Path: filepath.Join(dir, "a")}, {Item: "b", Path: filepath.Join(dir, "no", "b")},
	})
	err := s.Apply(t.Context(), deliverytest.Snapshot(t, "1", map[string]string{"a": canary, "b": canary}))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(problem.HintOf(err), filepath.Join(dir, "no")) {
		t.Errorf("Apply = %v, hint %q", err, problem.HintOf(err))
	}
	wantFolder(t, dir)
}

func TestNewRefuses(t *testing.T) {
	for name, targets := range map[string][]file.Target{
		"no item":        {{Path: "/run/a"}},
		"no path":        {{Item: "a"}},
		"one path twice": {{Item: "a", Path: "/run/a"}, {Item: "b", Path: "/run/./a"}},
	} {
		if _, err := file.New(targets); problem.KindOf(err) != problem.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := []file.Target{{Item: "a", Path: "/run/a"}}
	for _, mode := range []fs.FileMode{0o444, 0o441, 0o777, 0o602, 0} {
		if _, err := file.New(good, file.Mode(mode)); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	for _, mode := range []fs.FileMode{0o400, 0o440, 0o600, 0o770} {
		open(t, good, file.Mode(mode))
	}
}
