package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	cgroups    = "/sys/fs/cgroup"
	cgroupName = "pinnace-e2e-"
)

// cgroup is what a run leaves outside of its namespaces: a group in each hierarchy of the machine, below which the
// kubelet puts the pods, and the node's folder. The lock on its file says that the run is alive.
type cgroup struct {
	name string
	lock *os.File
}

// newCgroup makes the groups of this run and removes those that killed runs left.
func newCgroup() (*cgroup, error) {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), cgroupName+"*.lock"))
	if err != nil {
		return nil, err
	}
	for _, path := range locks {
		if left, err := lockCgroup(path); err == nil {
			if err := left.remove(); err != nil {
				return nil, err
			}
		}
	}
	file, err := os.CreateTemp("", cgroupName+"*.lock")
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	c, err := lockCgroup(file.Name())
	if err != nil {
		return nil, err
	}
	for _, folder := range c.folders() {
		if err := makeGroup(folder); err != nil {
			return nil, errors.Join(err, c.remove())
		}
	}
	return c, nil
}

func lockCgroup(path string) (*cgroup, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &cgroup{name: strings.TrimSuffix(filepath.Base(path), ".lock"), lock: file}, nil
}

// folders are where this run's group belongs: version 2 has one hierarchy, version 1 one for each controller.
func (c *cgroup) folders() []string {
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		return []string{filepath.Join(cgroups, c.name)}
	}
	entries, err := os.ReadDir(cgroups)
	if err != nil {
		return nil
	}
	var all []string
	for _, entry := range entries {
		if entry.IsDir() {
			all = append(all, filepath.Join(cgroups, entry.Name(), c.name))
		}
	}
	return all
}

// makeGroup makes one group. A new one of the controller cpuset has no processors until it is given some. A new one of
// the controller cpu, with all pods in it, gets no more time than any single process of the machine, where on a node
// pods get most of it.
func makeGroup(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return fmt.Errorf("making a cgroup: %w", err)
	}
	for name, share := range map[string]string{"cpu.shares": "16384", "cpu.weight": "1000"} {
		file := filepath.Join(folder, name)
		if _, err := os.Stat(file); err == nil {
			if err := os.WriteFile(file, []byte(share), 0); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		has, err := os.ReadFile(filepath.Join(filepath.Dir(folder), name))
		if errors.Is(err, fs.ErrNotExist) || filepath.Base(filepath.Dir(folder)) != "cpuset" {
			continue
		}
		if err := errors.Join(err, os.WriteFile(filepath.Join(folder, name), has, 0)); err != nil {
			return err
		}
	}
	return nil
}

// remove takes the groups away, the deepest first.
func (c *cgroup) remove() error {
	var failed []error
	for _, folder := range c.folders() {
		var all []string
		_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				all = append(all, path)
			}
			return nil
		})
		for i := len(all) - 1; i >= 0; i-- {
			if err := unix.Rmdir(all[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = append(failed, fmt.Errorf("removing the cgroup %s: %w", all[i], err))
			}
		}
	}
	folder := strings.TrimSuffix(c.lock.Name(), ".lock") // the node's, where nothing is mounted outside of the namespaces
	return errors.Join(append(failed, os.RemoveAll(folder), os.Remove(c.lock.Name()), c.lock.Close())...)
}
