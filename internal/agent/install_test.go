package agent_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A copy of the program that runs, here the test itself, is put in place once, and mended whatever has become of it.
func TestInstall(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	body := read(t, self)
	dir := t.TempDir()
	target := filepath.Join(dir, "pinnace-agent")
	want := fmt.Sprintf("%s sha256:%x\n", target, sha256.Sum256([]byte(body)))
	install := func() os.FileInfo {
		t.Helper()
		if code, stdout, stderr := run(t.Context(), environment(nil), "install", dir); code != 0 || stdout != want {
			t.Fatalf("exit %d, %q, %q; want %q", code, stdout, stderr, want)
		}
		info, err := os.Lstat(target)
		if err != nil || info.Mode() != 0o555 || read(t, target) != body {
			t.Fatalf("%v, %v: not this program with mode 0555", info, err)
		}
		return info
	}

	first := install()
	if !os.SameFile(first, install()) {
		t.Error("what was in place is written again")
	}
	for name, spoil := range map[string]func() error{
		"mode":    func() error { return os.Chmod(target, 0o755) },
		"version": func() error { return os.Remove(target) },
		"part": func() error {
			if err := os.Chmod(target, 0o755); err != nil {
				return err
			}
			return os.Truncate(target, 100)
		},
	} {
		if err := spoil(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		install()
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	if out, err := exec.CommandContext(t.Context(), target, "-test.run=^$").CombinedOutput(); err != nil {
		t.Errorf("the copy does not run: %v: %s", err, out)
	}
}

func TestInstallRefuses(t *testing.T) {
	dir := t.TempDir()
	linked := filepath.Join(dir, "linked")
	if err := os.Mkdir(linked, 0o700); err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(linked, "pinnace-agent")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "install takes one folder"},
		{[]string{"a", "b"}, 2, "install takes one folder"},
		{[]string{"--force"}, 2, "install takes one folder"},
		{[]string{filepath.Join(dir, "absent")}, 1, "no such file or directory\nhint: mount a volume there"},
		{[]string{linked}, 1, "not a regular file\nhint: mount a volume there"},
	} {
		code, stdout, stderr := run(t.Context(), environment(nil), append([]string{"install"}, test.args...)...)
		if code != test.code || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%q: exit %d, %q, %q; want %d, %q", test.args, code, stdout, stderr, test.code, test.want)
		}
	}
	if diff := cmp.Diff("theirs", read(t, victim)); diff != "" {
		t.Error(diff)
	}
}
