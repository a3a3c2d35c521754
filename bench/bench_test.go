package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore/storetest/servers"
)

// The tests' program is its own launcher, as the command is.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != launcher {
		os.Exit(m.Run())
	}
	if err := launch(os.Args[2:], os.NewFile(reportTo, "report"), time.Now); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// What a process costs is its own: not the memory of the program that measures it.
func TestMeasure(t *testing.T) {
	held := bytes.Repeat([]byte("x"), 200<<20)
	used, out, err := command{"/bin/echo", []string{"hello"}, nil}.measure(t.Context())
	if err != nil || string(out) != "hello\n" {
		t.Fatalf("%q, %v", out, err)
	}
	if used.Wall <= 0 || used.RSS <= 0 || used.RSS > 100<<20 {
		t.Errorf("echo cost %+v beside %d bytes held here", used, len(held))
	}
	_, _, err = command{"/bin/sh", []string{"-c", "echo why >&2; exit 3"}, nil}.measure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("error %v, want one with what the process said", err)
	}
}

// A run of the smallest sizes goes through everything: a server of its own, real publishers, the table and the picture.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	pinnace := filepath.Join(dir, "pinnace")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", dir+"/", module+"/cmd/pinnace", module+"/cmd/pinnace-getter")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building pinnace: %v\n%s", err, out)
	}
	out := filepath.Join(dir, "bench.md")
	args := []string{
		"--sizes", "60", "--publishers", "1,3", "--parallel-sizes", "60", "--delays", "0,5ms", "--archives", "20", "--repeat", "1",
		"--pinnace", pinnace, "--out", out, "--timeout", "1m",
	}
	if err := run(t.Context(), args, io.Discard, io.Discard, time.Now); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| localaws | pinnace | 60 |", "| localaws | pinnace | 60 | 0s | 3 | 3 | 3 | 0 |",
		"| localaws | pinnace | 60 | 5ms | 3 | 3 | 3 | 0 |", "| localaws | pinnace | 20 |",
		"| pinnace-getter | fetch the index | localaws | JSON | 60 |", "| fetch it again, unchanged | localaws |",
		" cores\n", "(bench.svg)",
	} {
		if !strings.Contains(string(table), want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	if strings.Contains(string(table), "did not work") {
		t.Errorf("something did not work:\n%s", table)
	}
	if picture, err := os.ReadFile(filepath.Join(dir, "bench.svg")); err != nil || !bytes.HasPrefix(picture, []byte("<svg")) {
		t.Errorf("no picture: %v", err)
	}
}

// helm-s3 is started as Helm starts it, with what it needs to find a server on loopback and nothing else.
func TestHelmS3(t *testing.T) {
	peer := filepath.Join(t.TempDir(), "helm-s3")
	script := "#!/bin/sh\nset -eu\ntest -d \"$HELM_CACHE_HOME/repository\"\n" +
		"echo \"$@ at $AWS_ENDPOINT ssl-off=$AWS_DISABLE_SSL mode=$HELM_S3_MODE dynamic=$HELM_S3_DYNAMIC_REGION_ENABLED\"\n" +
		"cat \"$HELM_REPOSITORY_CONFIG\"\n"
	if err := os.WriteFile(peer, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	b := &bench{options: options{peers: []binary{{peerHelmS3, peer}}}, dir: t.TempDir()}
	p := place{Server: &servers.Server{URL: "http://127.0.0.1:1"}, bucket: "b", front: "http://127.0.0.1:2"}
	c, err := b.publishing(b.publishingTools()[1], p)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := c.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "push " + c.args[1] + " bench at 127.0.0.1:2 ssl-off=true mode=3 dynamic=false\n" +
		"apiVersion: v1\nrepositories:\n- name: bench\n  url: s3://b/charts\n"
	if string(out) != want {
		t.Errorf("it was called as\n%swant\n%s", out, want)
	}
	if _, err := os.Stat(c.args[1]); err != nil {
		t.Error(err)
	}
}

func TestFlags(t *testing.T) {
	o, err := parse([]string{
		"--sizes", "1,20", "--stores", "localaws,minio=/m", "--peer", "helm=/h", "--peer", "helm-s3=/s", "--publishers", "",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.sizes) != 2 || len(o.publishers) != 0 || len(o.stores) != 2 || o.stores[1] != (binary{"minio", "/m"}) ||
		len(o.peers) != 2 || o.peers[1] != (binary{"helm-s3", "/s"}) {
		t.Errorf("%+v", o)
	}
	for _, args := range [][]string{
		{"--sizes", "0"},
		{"--sizes", "many"},
		{"--publishers", "1,-2"},
		{"--peer", "helm"},
		{"--peer", "flux=/f"},
		{"--repeat", "0"},
		{"surplus"},
		{"--parallel-sizes", "10000000"},
		{"--delays", "-1ms"},
		{"--delays", "30"},
	} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

// A store that does not start ends the run with its reason, and nothing is left running or lying about.
func TestServerThatDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"pinnace", "pinnace-getter"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--pinnace", filepath.Join(dir, "pinnace"), "--sizes", "1"}
	err := run(t.Context(), args, io.Discard, io.Discard, time.Now)
	if err == nil || !strings.Contains(err.Error(), "localaws") {
		t.Errorf("error %v, want one that names the store", err)
	}
}
