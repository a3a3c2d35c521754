package agent_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// long is a secret whose file takes several writes, so that a part of it can be told from the whole.
func long(version int) string {
	return strings.Repeat(fmt.Sprintf("%s-%d\n", canary, version), 2_000)
}

// wholeness watches a file: whatever is read of it is one of the versions.
type wholeness struct {
	path  string
	mu    sync.Mutex
	valid map[string]bool
	reads int // that found a file
	bad   int // that found a part of one, or none where one had been
}

func (w *wholeness) allow(version int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.valid[strings.TrimSuffix(long(version), "\n")] = true
}

func (w *wholeness) watch(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		data, err := os.ReadFile(w.path)
		w.mu.Lock()
		if err == nil {
			w.reads++
		}
		if err == nil && !w.valid[string(data)] || err != nil && w.reads > 0 {
			w.bad++
		}
		w.mu.Unlock()
	}
}

// An agent that is killed at any moment, again and again while the secret is rotated, leaves a whole file, and the last
// one that is started brings the last value and takes away what the others left.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 30 // of three rotations: Secrets Manager keeps a hundred versions
	if testing.Short() {
		rounds = 5
	}
	a := newFastAccount(t)
	arn, _ := a.create("team/db", long(0))
	a.allow("otel", readSecret, arn)
	dir := t.TempDir()
	w := &wholeness{path: filepath.Join(dir, "db"), valid: map[string]bool{}}
	w.allow(0)
	args := []string{"run", "--secret", "team/db", "--file", w.path, "--poll-interval", "15s"}
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { w.watch(ctx) })
	version := 0
	for range rounds {
		p := runProgram(t, a.env, args...)
		for range 3 {
			<-time.After(rand.N(150 * time.Millisecond))
			version++
			w.allow(version)
			a.put("team/db", long(version))
		}
		<-time.After(rand.N(150 * time.Millisecond))
		p.signal(t, syscall.SIGKILL)
		p.exit(t)
	}
	p := runProgram(t, a.env, args...)
	p.until(t, "the last value is there", has(w.path, strings.TrimSuffix(long(version), "\n")))
	stop()
	watching.Wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
	t.Logf("%d kills, %d rotations, %d reads", rounds, version, w.reads)
	if w.bad > 0 {
		t.Errorf("%d of %d reads found no whole version", w.bad, w.reads)
	}
}

// A token file that is not there yet keeps the agent waiting, and one that disappears later is not missed.
func TestTokenFileComesAndGoes(t *testing.T) {
	a := newFastAccount(t)
	arn, _ := a.create("team/db", secretOf(1))
	a.allow("otel", readSecret, arn)
	path := filepath.Join(t.TempDir(), "db")
	token, hidden := a.env["AWS_WEB_IDENTITY_TOKEN_FILE"], a.env["AWS_WEB_IDENTITY_TOKEN_FILE"]+".hidden"
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(token, hidden)
	p := runProgram(t, a.env, "run", "--secret", "team/db", "--file", path, "--poll-interval", "15s")
	p.until(t, "it names the file", func() bool { return strings.Contains(p.out.String(), token) })
	move(hidden, token)
	p.until(t, "the value is there", has(path, secretOf(1)))
	move(token, hidden)
	a.put("team/db", secretOf(2))
	p.until(t, "the session serves on", has(path, secretOf(2)))
}

// A disk that is full and a folder that cannot be written leave the last good file, whole and alone; when there is room
// the agent goes on by itself.
func TestDiskInTrouble(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("this test needs a small disk, which only root can mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	a := newFastAccount(t)
	size := func(n int, letter string) string { return canary + strings.Repeat(letter, n) }
	arn, _ := a.create("team/db", size(30_000, "a"))
	a.allow("otel", readSecret, arn)
	path := filepath.Join(dir, "db")
	p := runProgram(t, a.env, "run", "--secret", "team/db", "--file", path, "--poll-interval", "15s")
	p.until(t, "the first is there", has(path, size(30_000, "a")))

	a.put("team/db", size(50_000, "b")) // beside the first there is no room
	p.until(t, "it says that the disk is full", func() bool { return strings.Contains(p.out.String(), "no space left") })
	if !has(path, size(30_000, "a"))() {
		t.Error("the full disk took the last good file away")
	}
	a.put("team/db", size(20_000, "c"))
	p.until(t, "the small one is there", has(path, size(20_000, "c")))

	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	a.put("team/db", size(10_000, "d"))
	p.until(t, "it says that the folder cannot be written",
		func() bool { return strings.Contains(p.out.String(), "read-only file system") })
	if !has(path, size(20_000, "c"))() {
		t.Error("the last good file is gone")
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=64k"); err != nil {
		t.Fatal(err)
	}
	p.until(t, "the next one is there", has(path, size(10_000, "d")))
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// SIGTERM does not wait for a service that has taken a call and says nothing.
func TestSIGTERMDuringASlowCall(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	called := make(chan net.Conn, 16)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			called <- c // and nobody answers
		}
	}()
	a := newFastAccount(t)
	a.env["AWS_ENDPOINT_URL"] = "http://" + l.Addr().String()
	for name, test := range map[string]struct {
		args []string
		code int
	}{
		"files":      {[]string{"--file", filepath.Join(t.TempDir(), "db")}, 0},
		"a workload": {[]string{"--env", "DB", "--", "true"}, 128 + int(syscall.SIGTERM)},
	} {
		t.Run(name, func(t *testing.T) {
			p := runProgram(t, a.env, append([]string{"run", "--secret", "team/db"}, test.args...)...)
			<-called
			began := time.Now()
			p.signal(t, syscall.SIGTERM)
			code := p.exit(t)
			t.Logf("it ended after %v", time.Since(began))
			if code != test.code || time.Since(began) > 10*time.Second { // a call may take 15 s
				t.Errorf("exit code %d after %v", code, time.Since(began))
			}
		})
	}
}

// What cannot be started ends the agent as it ends a shell.
func TestNoSuchCommand(t *testing.T) {
	a := newFastAccount(t)
	arn, _ := a.create("team/db", secretOf(1))
	a.allow("otel", readSecret, arn)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]int{"nosuchcommand": 127, "/no/such/command": 127, plain: 126} {
		p := runProgram(t, a.env, "run", "--secret", "team/db", "--env", "DB", "--", command)
		if code := p.exit(t); code != want || !strings.Contains(p.out.String(), "\nhint: ") {
			t.Errorf("%s: exit code %d, want %d\n%s", command, code, want, p.out.String())
		}
	}
}

// The dump of all goroutines at a panic or at SIGQUIT has no value, and nobody gets at the memory otherwise.
func TestGoroutineDump(t *testing.T) {
	a := newFastAccount(t)
	dir, replace := populate(t, a)
	before, rest, _ := strings.Cut(everything, "process:")
	_, after, _ := strings.Cut(rest, "onChange:")
	a.env["GOTRACEBACK"] = "system"
	config := writeConfig(t, dir, replace.Replace(before+"onChange:"+after))
	a.env[panicValue] = "yes"
	p := runProgram(t, a.env, "run", "--config", config)
	if code := p.exit(t); code != 2 || !strings.Contains(p.out.String(), "as the test wants it\n\ngoroutine ") {
		t.Errorf("exit code %d:\n%s", code, p.out.String())
	}
	delete(a.env, panicValue)
	p = runProgram(t, a.env, "run", "--config", config)
	p.until(t, "it has delivered", has(dir+"/key", canary+"-1"))
	p.signal(t, syscall.SIGQUIT)
	if code := p.exit(t); code != 2 || !strings.Contains(p.out.String(), "goroutine 1 ") {
		t.Errorf("exit code %d:\n%s", code, p.out.String())
	}
	cmd := exec.Command(os.Args[0], "dumpable")
	cmd.Env = []string{epochValue + "=" + a.env[epochValue]}
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "dumpable 0 <nil>\n" {
		t.Errorf("%s, %v", out, err)
	}
}
