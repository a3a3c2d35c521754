package hook

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// receivers finds who gets the signal; at least one.
func (s *Sink) receivers() ([]int, error) {
	if s.c.PIDFile != "" {
		pid, err := readPID(s.c.PIDFile)
		return []int{pid}, err
	}
	return named(os.DirFS("/proc"), s.c.Process, os.Getpid())
}

func readPID(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, problem.New(problem.Failed, "share its folder with the agent", "reading the PID file: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	// Zero and negative numbers are whole groups, -1 is everybody.
	if err != nil || pid <= 0 || pid == os.Getpid() {
		return 0, problem.New(problem.Failed, "it has the number of one other process and nothing else",
			"PID file %s names no process", path)
	}
	return pid, nil
}

// named finds the processes of a name whose parents have another.
func named(proc fs.FS, name string, self int) ([]int, error) {
	stats, err := fs.Glob(proc, "[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	parents := map[int]int{}
	for _, stat := range stats {
		data, err := fs.ReadFile(proc, stat)
		if err != nil {
			continue // it has just ended
		}
		pid, _ := strconv.Atoi(filepath.Dir(stat))
		if comm, parent, ok := parse(string(data)); ok && comm == name && pid != self {
			parents[pid] = parent
		}
	}
	var first []int
	for pid, parent := range parents {
		if _, too := parents[parent]; !too {
			first = append(first, pid)
		}
	}
	if len(first) == 0 {
		return nil, problem.New(problem.Failed, "set shareProcessNamespace for the pod; see /proc/PID/comm for the name",
			"no process %s is to be seen", name)
	}
	slices.Sort(first)
	return first, nil
}

// parse reads "PID (COMM) STATE PPID …". A name may have spaces and brackets. A process that has ended is none.
func parse(stat string) (comm string, parent int, ok bool) {
	from, to := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if from < 0 || to < from {
		return "", 0, false
	}
	fields := strings.Fields(stat[to+1:])
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return "", 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return stat[from+1 : to], parent, err == nil
}
