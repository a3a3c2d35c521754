// Package tools gets what a cluster is made of: Kubernetes' components, Debian's container runtime and images, each
// built or downloaded once and kept in the user's cache, in a folder that is named by what went into it.
package tools

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// Cache is the folder that tools are kept in: $PINNACE_TOOLS, or the user's cache.
func Cache() (string, error) {
	if folder := os.Getenv("PINNACE_TOOLS"); folder != "" {
		return folder, nil
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "pinnace", "tools"), err
}

// ErrAbsent is that a tool is not in the cache and nobody asked for it to be made.
var ErrAbsent = errors.New("set PINNACE_E2E_BUILD=1 to make it (minutes)")

// kept answers the folder NAME of the cache. When it is not there, make fills it, if PINNACE_E2E_BUILD allows; whoever
// else wants it waits meanwhile. A folder appears whole or not at all.
func kept(name string, make func(folder string) error) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, name)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if os.Getenv("PINNACE_E2E_BUILD") == "" {
		return "", fmt.Errorf("there is no %s: %w", folder, ErrAbsent)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(folder+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	scratch, err := os.MkdirTemp(cache, ".making-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	if err := errors.Join(os.Chmod(scratch, 0o755), make(scratch)); err != nil {
		return "", fmt.Errorf("making %s: %w", name, err)
	}
	return folder, os.Rename(scratch, folder)
}

// hash names what is made of the files, in their order, by this Go for this machine.
func hash(files ...string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, filepath.Base(file), len(content))
		sum.Write(content)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

func run(ctx context.Context, dir string, env []string, line ...string) error {
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", line, err, out)
	}
	return nil
}

// Components is the folder of Kubernetes' programs, built from the module in folder source.
func Components(ctx context.Context, source string) (string, error) {
	const version, minor = "v1.35.4", "35"
	sum, err := hash(source+"/go.mod", source+"/go.sum", source+"/main.go")
	if err != nil {
		return "", err
	}
	return kept("kubernetes-"+version+"-"+sum, func(folder string) error {
		// Without these the components take themselves for a development version, and clients refuse them.
		flags := "-s -w -X k8s.io/component-base/version.gitVersion=" + version +
			" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=" + minor +
			" -X k8s.io/client-go/pkg/version.gitVersion=" + version
		program := filepath.Join(folder, "components")
		err := run(ctx, source, []string{"CGO_ENABLED=0", "GOFLAGS="},
			"nice", "go", "build", "-trimpath", "-ldflags", flags, "-o", program, ".")
		for _, name := range []string{
			"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl",
		} {
			err = errors.Join(err, os.Symlink("components", filepath.Join(folder, name)))
		}
		return err
	})
}

// ErrNoPackages is that this machine cannot get packages as Debian does.
var ErrNoPackages = errors.New("there is no apt-get to get Debian's containerd, runc and CNI plugins with")

// Packages is a folder with containerd, runc and the CNI plugins as Debian lays them out, unpacked and not installed.
func Packages(ctx context.Context) (string, error) {
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", ErrNoPackages
		}
	}
	sum, err := hash("/etc/os-release")
	if err != nil {
		return "", err
	}
	return kept("debian-containerd-"+sum, func(folder string) error {
		wanted := []string{"apt-get", "download", "containerd", "runc", "containernetworking-plugins", "libseccomp2"}
		packages, err := os.MkdirTemp(folder, "packages-")
		if err != nil {
			return err
		}
		if err := os.Chmod(packages, 0o777); err != nil { // apt downloads as a user of its own
			return err
		}
		if err := run(ctx, packages, nil, wanted...); err != nil { // most often for want of an up-to-date list
			if err := run(ctx, "", nil, "apt-get", "update"); err != nil {
				return err
			}
			if err := run(ctx, packages, nil, wanted...); err != nil {
				return err
			}
		}
		files, err := fs.Glob(os.DirFS(packages), "*.deb")
		for _, file := range files {
			err = errors.Join(err, run(ctx, packages, nil, "dpkg-deb", "-x", file, folder))
		}
		return errors.Join(err, os.RemoveAll(packages))
	})
}
