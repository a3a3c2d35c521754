package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// process is a component that runs.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{}
}

// run starts a component; its output goes to a file of its name.
func (c *Cluster) run(name string, args ...string) error {
	program := filepath.Join(c.cfg.Components, name)
	if _, err := os.Stat(program); err != nil {
		program = filepath.Join(c.cfg.Packages, "usr/bin", name)
	}
	log, err := os.Create(c.path(name + ".log"))
	if err != nil {
		return err
	}
	p := &process{name: name, cmd: exec.Command(program, args...), log: log, ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.dir, log, log
	p.cmd.Env = c.environment()
	if err := p.cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("starting %s: %w", name, err), log.Close())
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.processes = append(c.processes, p)
	return nil
}

// environment lets containerd find its helpers and runc its library, wherever the packages were unpacked.
func (c *Cluster) environment() []string {
	root := c.cfg.Packages
	libraries, _ := filepath.Glob(root + "/usr/lib/*-linux-gnu")
	return append(os.Environ(),
		"PATH="+root+"/usr/bin:"+root+"/usr/sbin:"+os.Getenv("PATH"),
		"LD_LIBRARY_PATH="+strings.Join(libraries, ":"),
	)
}

func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it has no state that outlives it
	<-p.ended
	return p.log.Close()
}

// ended is closed when a component is no more; nil, which is never, when it was not started.
func (c *Cluster) ended(component string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.processes {
		if p.name == component {
			return p.ended
		}
	}
	return nil
}

// ctr runs containerd's own client.
func (c *Cluster) ctr(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(c.cfg.Packages, "usr/bin/ctr"),
		append([]string{"--address", c.path("containerd.sock")}, args...)...)
	cmd.Env = c.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Logs are the last lines of each component's output.
func (c *Cluster) Logs(lines int) string {
	files, _ := filepath.Glob(c.path("*.log"))
	var out strings.Builder
	for _, file := range files {
		content, _ := os.ReadFile(file)
		all := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
		fmt.Fprintf(&out, "== %s\n%s\n", filepath.Base(file), bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
	}
	return out.String()
}

// Kubectl is a command of kubectl as the administrator.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.cfg.Components, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	return cmd
}

// Kill kills the first process of a container, as the kernel does when memory runs out. The id is that of the
// container's status, containerd://….
func (c *Cluster) Kill(containerID string) error {
	id := strings.TrimPrefix(containerID, "containerd://")
	text, err := os.ReadFile(c.path("containerd-state/io.containerd.runtime.v2.task/k8s.io/" + id + "/init.pid"))
	if err != nil {
		return fmt.Errorf("container %s does not run: %w", id, err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}
