package chartrepo_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/localaws"
)

// publishVariable, in the environment of this test's own program, names an archive and makes it a publisher.
const publishVariable = "PINNACE_TEST_PUBLISH"

// TestPublisherProcess is no test: it is what a process does that startPublisher starts. Its exit status is the
// command's.
func TestPublisherProcess(t *testing.T) {
	path := os.Getenv(publishVariable)
	if path == "" {
		t.Skip("only for the tests with many processes")
	}
	err := publishFrom(t, path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(int(problem.KindOf(err)))
	}
	os.Exit(0)
}

func publishFrom(t *testing.T, path string) error {
	p, err := chartrepo.Pack(path)
	if err != nil {
		return err
	}
	cfg := configFromEnvironment()
	_, err = chartrepo.New(s3.Open(cfg, localBucket, ""), chartrepo.Options{}).Publish(t.Context(), p)
	return err
}

// publishers runs a process for each package, all at once, and answers their exit statuses.
func publishers(t *testing.T, server *localaws.Server, packages []chartrepo.Package) []int {
	t.Helper()
	folder := t.TempDir()
	statuses := make([]int, len(packages))
	var group sync.WaitGroup
	for i, p := range packages {
		path := filepath.Join(folder, fmt.Sprintf("%d.tgz", i))
		write(t, path, string(p.Archive))
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPublisherProcess$")
		cmd.Env = append(server.Environ(), publishVariable+"="+path, "TMPDIR="+folder)
		group.Go(func() {
			output, _ := cmd.CombinedOutput()
			if statuses[i] = cmd.ProcessState.ExitCode(); statuses[i] != 0 && statuses[i] != int(problem.Conflict) {
				t.Errorf("publisher %d: exit status %d: %s", i, statuses[i], output)
			}
		})
	}
	group.Wait()
	return statuses
}

// Two hundred processes publish two hundred versions at once, and all are in the index, with nothing left behind.
func TestManyProcesses(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 40
	}
	server := localAWS(t)
	packages := make([]chartrepo.Package, n)
	for i := range packages {
		packages[i] = pack(t, chartYAML("app", fmt.Sprintf("1.%d.0", i)))
	}
	publishers(t, server, packages)
	store := s3.Open(rootConfig(server), localBucket, "")
	ix, err := chartrepo.New(store, chartrepo.Options{}).Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		if e, ok := ix.Find("app", p.Version); !ok || e.Digest != p.Digest {
			t.Errorf("%s is not in the index", p.Version)
		}
	}
	if got := len(ix.Versions("app")); got != n {
		t.Errorf("%d entries of %d publishers", got, n)
	}
	for info, err := range store.List(t.Context(), ".pending/") {
		t.Errorf("%s is left (%v)", info.Key, err)
	}
}

// Twenty processes publish one version with twenty contents: one wins, the others end with the status of a conflict.
func TestManyProcessesOfOneVersion(t *testing.T) {
	const n = 20
	server := localAWS(t)
	packages := make([]chartrepo.Package, n)
	for i := range packages {
		packages[i] = pack(t, map[string]string{"README.md": fmt.Sprint(i)})
	}
	won := -1
	for i, status := range publishers(t, server, packages) {
		switch {
		case status == 0 && won < 0:
			won = i
		case status != int(problem.Conflict):
			t.Errorf("publisher %d ended with %d", i, status)
		}
	}
	if won < 0 {
		t.Fatal("nobody won")
	}
	r := chartrepo.New(s3.Open(rootConfig(server), localBucket, ""), chartrepo.Options{})
	archive, err := r.Pull(t.Context(), "app", "1.2.3")
	if err != nil || string(archive) != string(packages[won].Archive) {
		t.Errorf("the winner's archive is not there: %v", err)
	}
}
