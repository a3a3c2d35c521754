package chartrepo_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/objstore/storetest/servers"
	"github.com/pinnace-dev/pinnace/internal/problem"
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

// site is a server with a bucket, for this process and for others.
type site struct {
	cfg     aws.Config
	environ []string
}

func (s site) store() *s3.Store { return s3.Open(s.cfg, localBucket, "") }

// onSites runs a test on localaws, and on each server whose binary the environment names.
func onSites(t *testing.T, test func(*testing.T, site)) {
	t.Run(servers.LocalAWS, func(t *testing.T) {
		server := localAWS(t)
		test(t, site{rootConfig(server), server.Environ()})
	})
	for _, kind := range []string{servers.VersityGW, servers.MinIO} {
		t.Run(kind, func(t *testing.T) {
			variable := "PINNACE_" + strings.ToUpper(kind)
			binary := os.Getenv(variable)
			if binary == "" {
				t.Skipf("set %s to the path of its binary to run this on %s", variable, kind)
			}
			server, err := servers.Start(t.Context(), kind, binary, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := server.Close(); err != nil {
					t.Error(err)
				}
			})
			if err := server.CreateBucket(t.Context(), localBucket, time.Now); err != nil {
				t.Fatal(err)
			}
			test(t, site{server.Config(), server.Environ()})
		})
	}
}

// publishers runs a process for each package, all at once, and answers their exit statuses.
func publishers(t *testing.T, at site, packages []chartrepo.Package) []int {
	t.Helper()
	folder := t.TempDir()
	statuses := make([]int, len(packages))
	var group sync.WaitGroup
	for i, p := range packages {
		path := filepath.Join(folder, fmt.Sprintf("%d.tgz", i))
		write(t, path, string(p.Archive))
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPublisherProcess$")
		cmd.Env = append(slices.Clone(at.environ), publishVariable+"="+path, "TMPDIR="+folder)
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
	packages := make([]chartrepo.Package, n)
	for i := range packages {
		packages[i] = pack(t, chartYAML("app", fmt.Sprintf("1.%d.0", i)))
	}
	onSites(t, func(t *testing.T, at site) {
		publishers(t, at, packages)
		ix, err := chartrepo.New(at.store(), chartrepo.Options{}).Index(t.Context())
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
		for info, err := range at.store().List(t.Context(), ".pending/") {
			t.Errorf("%s is left (%v)", info.Key, err)
		}
	})
}

// Twenty processes publish one version with twenty contents: one wins, the others end with the status of a conflict.
func TestManyProcessesOfOneVersion(t *testing.T) {
	packages := make([]chartrepo.Package, 20)
	for i := range packages {
		packages[i] = pack(t, map[string]string{"README.md": fmt.Sprint(i)})
	}
	onSites(t, func(t *testing.T, at site) {
		won := -1
		for i, status := range publishers(t, at, packages) {
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
		archive, err := chartrepo.New(at.store(), chartrepo.Options{}).Pull(t.Context(), "app", "1.2.3")
		if err != nil || string(archive) != string(packages[won].Archive) {
			t.Errorf("the winner's archive is not there: %v", err)
		}
	})
}
