package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// marker is in the environment of a process that Enter started.
const marker = "PINNACE_E2E_INSIDE"

// Inside says whether this process is the first of private namespaces, which Enter started.
func Inside() bool { return os.Getenv(marker) != "" }

const apart = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID

// Missing says what this machine lacks for a cluster of its own, or nothing.
func Missing() error {
	if os.Geteuid() != 0 {
		return errors.New("a kubelet with pods needs root")
	}
	for _, program := range []string{"ip", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the program %s is not on this machine", program)
		}
	}
	try := exec.Command("ip", "link", "add", "try", "type", "bridge")
	try.SysProcAttr = &syscall.SysProcAttr{Cloneflags: apart}
	if out, err := try.CombinedOutput(); err != nil {
		return fmt.Errorf("no namespace with a bridge of its own: %w: %s", err, out)
	}
	return nil
}

// Enter runs this program once more, with the same arguments, as the first process of network, mount and process
// namespaces of its own, and answers its exit status. When that process ends, or this one is killed, nothing of all
// that ran there runs on; empty cgroups and the node's folder, Enter removes, those of runs that were killed included.
func Enter(env ...string) (int, error) {
	runtime.LockOSThread() // Pdeathsig is about the thread that starts the child
	defer runtime.UnlockOSThread()
	root, err := newCgroup()
	if err != nil {
		return 1, err
	}
	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Env = append(append(os.Environ(), marker+"="+root.name), env...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: apart, Pdeathsig: syscall.SIGKILL}
	err = child.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 1, errors.Join(err, root.remove())
	}
	return child.ProcessState.ExitCode(), root.remove()
}

// settle makes the namespaces of this process a node: mounts that nobody outside sees, processes of its own, and a
// bridge for pods. The host's logs are covered by memory, and so is images, which may lie on a file system that cannot
// be below another's layers. What volumes have on disk stays on disk: in memory it would count against their pods.
func settle(images string) error {
	if err := os.MkdirAll(images, 0o755); err != nil {
		return err
	}
	steps := []error{
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_SHARED, ""), // pods may ask for mounts that follow the host's
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("tmpfs", "/var/log", "tmpfs", 0, "mode=755,size=1g"),
		unix.Mount("tmpfs", images, "tmpfs", 0, "mode=755,size=4g"),
	}
	if err := errors.Join(steps...); err != nil {
		return fmt.Errorf("mounting: %w", err)
	}
	for _, line := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "cni0", "type", "bridge"},
		{"addr", "add", Gateway + "/24", "dev", "cni0"},
		{"link", "set", "cni0", "up"},
		{"route", "add", "local", hostNetwork, "dev", "lo"},
		{"route", "add", "local", serviceAddress, "dev", "lo"},
	} {
		if out, err := exec.Command("ip", line...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", line, err, out)
		}
	}
	return nil
}
