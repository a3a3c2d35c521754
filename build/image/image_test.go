package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/x509"
	"debug/elf"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

func noEnv(string) string { return "" }

func build(t *testing.T, args ...string) (digest string) {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, noEnv, &out); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

// tiny is a repository with one commit of one program, which tells whether it runs alone.
func tiny(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for file, text := range map[string]string{
		"go.mod": "module example.com/tiny\n\ngo 1.26\n",
		"tiny/main.go": `package main

import (
	"fmt"
	"os"
)

func main() {
	_, err := os.Stat("/bin/sh")
	fmt.Println(os.Getuid(), os.Getgid(), os.IsNotExist(err))
}
`,
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "init", "-q")
	git(t, dir, "add", ".")
	git(t, dir, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "One")
	return dir
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// One commit, cloned twice and built twice, is one image, down to the bytes of the archive. The environment of who
// builds has no say, but the date that reproducible builds agree on has.
func TestSameCommitSameDigest(t *testing.T) {
	first := tiny(t)
	second := filepath.Join(t.TempDir(), "elsewhere", "clone")
	git(t, t.TempDir(), "clone", "-q", first, second)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.tar"), filepath.Join(dir, "b.tar")
	digestA := build(t, "-C", first, "-archive", a, "-ref", "example.com/tiny:1", "./tiny")
	t.Setenv("GOFLAGS", "-ldflags=-X=main.x=y")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("CGO_ENABLED", "1")
	digestB := build(t, "-C", second, "-archive", b, "-ref", "example.com/tiny:1", "./tiny")
	if digestA != digestB || !bytes.Equal(read(t, a), read(t, b)) {
		t.Errorf("%s and %s", digestA, digestB)
	}

	dated := func(name string) string { return map[string]string{"SOURCE_DATE_EPOCH": "1700000000"}[name] }
	var out bytes.Buffer
	args := []string{"-C", first, "-archive", a, "-ref", "example.com/tiny:1", "./tiny"}
	if err := run(t.Context(), args, dated, &out); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got == digestA || !bytes.Contains(read(t, a), []byte("2023-11-14T22:13:20Z")) {
		t.Errorf("SOURCE_DATE_EPOCH is not heeded: %s", got)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The image holds a program, the authorities and nothing else, says where it is from, and is what it says it is.
func TestContents(t *testing.T) {
	source := tiny(t)
	folder := filepath.Join(t.TempDir(), "layout")
	digest := build(t, "-C", source, "-layout", folder, "-ref", "example.com/tiny:1", "-description", "A test", "./tiny")
	index, manifest := open(t, folder)
	if got := manifest.Manifests[0].Annotations["io.containerd.image.name"]; got != "example.com/tiny:1" {
		t.Errorf("containerd would call it %q", got)
	}
	if manifest.Manifests[0].Digest.String() != digest {
		t.Errorf("the layout has %s, printed was %s", manifest.Manifests[0].Digest, digest)
	}
	inner, err := index.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(inner); err != nil {
		t.Error(err)
	}
	platforms, err := inner.IndexManifest()
	if err != nil || len(platforms.Manifests) != 2 {
		t.Fatalf("%+v, %v", platforms, err)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		descriptor := platforms.Manifests[i]
		if descriptor.Platform.Architecture != arch || descriptor.Platform.OS != "linux" {
			t.Errorf("image %d is for %v", i, descriptor.Platform)
		}
		image, err := inner.Image(descriptor.Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkConfig(t, image, source)
		checkFiles(t, image)
	}
}

func open(t *testing.T, folder string) (v1.ImageIndex, *v1.IndexManifest) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	return index, manifest
}

func checkConfig(t *testing.T, image v1.Image, source string) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	revision := git(t, source, "rev-parse", "HEAD")
	version := config.Config.Labels["org.opencontainers.image.version"]
	if !strings.HasSuffix(version, "-"+revision[:12]) {
		t.Errorf("version %q of commit %s", version, revision)
	}
	want := v1.Config{
		Entrypoint: []string{"/tiny"}, User: "65532:65532", WorkingDir: "/",
		Env: []string{"PATH=/", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Labels: map[string]string{
			"org.opencontainers.image.title": "tiny", "org.opencontainers.image.description": "A test",
			"org.opencontainers.image.source":   "https://github.com/pinnace-dev/pinnace",
			"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.version": version,
			"org.opencontainers.image.revision": revision,
			"org.opencontainers.image.created":  config.Created.UTC().Format("2006-01-02T15:04:05Z"),
		},
	}
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if want := git(t, source, "log", "-1", "--format=%ct"); fmt.Sprint(config.Created.Unix()) != want {
		t.Errorf("created at %d, the commit at %s", config.Created.Unix(), want)
	}
}

func checkFiles(t *testing.T, image v1.Image) {
	t.Helper()
	var got []string
	each(t, image, func(h *tar.Header, body []byte) {
		got = append(got, fmt.Sprintf("%s %o %d:%d %d", h.Name, h.Mode, h.Uid, h.Gid, h.ModTime.Unix()))
		if h.Name != "etc/ssl/certs/ca-certificates.crt" {
			return
		}
		names := map[string]bool{}
		for block, rest := pem.Decode(body); block != nil; block, rest = pem.Decode(rest) {
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			names[certificate.Subject.CommonName] = true
		}
		for _, want := range []string{"Amazon Root CA 1", "Amazon Root CA 3", "ISRG Root X1"} {
			if !names[want] {
				t.Errorf("%s is not among %d authorities", want, len(names))
			}
		}
	})
	want := []string{
		"tiny 555 0:0 0", "etc 755 0:0 0", "etc/ssl 755 0:0 0", "etc/ssl/certs 755 0:0 0",
		"etc/ssl/certs/ca-certificates.crt 444 0:0 0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// each goes through the files of an image, the last layer first.
func each(t *testing.T, image v1.Image, do func(*tar.Header, []byte)) {
	t.Helper()
	files := mutate.Extract(image)
	defer files.Close()
	for reader := tar.NewReader(files); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		do(header, body)
	}
}

// With nothing around it but what the image holds, and as the user that it names, the program runs.
func TestRunsAlone(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only the superuser of Linux may change the root folder")
	}
	folder := filepath.Join(t.TempDir(), "layout")
	build(t, "-C", tiny(t), "-platforms", "linux/"+runtime.GOARCH, "-layout", folder, "./tiny")
	index, manifest := open(t, folder)
	inner, err := index.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	platforms, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	image, err := inner.Image(platforms.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	each(t, image, func(h *tar.Header, body []byte) {
		path := filepath.Join(root, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = os.WriteFile(path, body, os.FileMode(h.Mode))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	cmd := exec.CommandContext(t.Context(), "/tiny")
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "65532 65532 true\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// What a registry has is what was built.
func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	to := strings.TrimPrefix(server.URL, "http://") + "/team/tiny:1.0.0"
	digest := build(t, "-C", tiny(t), "-push", to, "./tiny")
	ref, err := name.ParseReference(to)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := index.Digest(); err != nil || got.String() != digest {
		t.Errorf("the registry has %s, %v; built was %s", got, err, digest)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	server.Close()
	err = run(t.Context(), []string{"-C", tiny(t), "-push", to, "./tiny"}, noEnv, io.Discard)
	if err == nil || problem.HintOf(err) == "" {
		t.Errorf("without a registry: %v", err)
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := compile(t.Context(), tiny(t), "./tiny", []platform{"amd64", "386"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	out := "-archive=" + filepath.Join(dir, "out.tar")
	for _, test := range []struct {
		args []string
		kind problem.Kind
		want string
	}{
		{[]string{out}, problem.Usage, "name either one PACKAGE or its binaries"},
		{[]string{out, "-binary", text, "./tiny"}, problem.Usage, "name either one PACKAGE or its binaries"},
		{[]string{"./tiny"}, problem.Usage, "nowhere to write to"},
		{[]string{out, "-platforms=windows/amd64", "./tiny"}, problem.Usage, `no such platform: "windows/amd64"`},
		{[]string{out, "-binary", files[0]}, problem.Usage, `"" cannot be the name`},
		{[]string{out, "-name=a/b", "-binary", files[0]}, problem.Usage, `"a/b" cannot be the name`},
		{[]string{out, "-name=x", "-binary", text}, problem.Refused, "is no program for Linux"},
		{[]string{out, "-name=x", "-binary", files[1]}, problem.Refused, "is for EM_386"},
		{[]string{out, "-name=x", "-binary", files[0], "-binary", files[0]}, problem.Usage, "two programs are for linux/amd64"},
		{[]string{out, "-name=x", "-ref=A B", "-binary", files[0]}, problem.Usage, "-ref or -push: "},
		{[]string{"-layout", dir, "-name=x", "-binary", files[0]}, problem.Usage, "is no empty folder"},
	} {
		err := run(context.Background(), test.args, noEnv, io.Discard)
		if err == nil || problem.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v; want %q", test.args, err, test.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out.tar")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an archive is left behind: %v", err)
	}
}

// A program that needs a loader and libraries would not start.
func TestRefusesADynamicProgram(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	file, err := elf.Open(shell)
	if err != nil {
		t.Skip("sh is no program for Linux here")
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) == 0 {
		t.Skip("sh needs no libraries here")
	}
	args := []string{"-archive", filepath.Join(t.TempDir(), "a"), "-name=sh", "-binary", shell}
	err = run(t.Context(), args, noEnv, io.Discard)
	if err == nil || problem.KindOf(err) != problem.Refused || !strings.Contains(err.Error(), "is linked dynamically") {
		t.Errorf("error %v", err)
	}
}
