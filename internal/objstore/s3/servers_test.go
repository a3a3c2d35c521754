package s3_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/objstore/storetest"
	"github.com/pinnace-dev/pinnace/internal/objstore/storetest/servers"
)

// The contract holds against S3 servers that we did not write, but for the condition on a delete: Amazon's S3 keeps it,
// these two do not (TestDeleteOnOtherServers says how). PINNACE_VERSITYGW and PINNACE_MINIO name their binaries.
func TestStoreOnOtherServers(t *testing.T) {
	onServers(t, func(t *testing.T, server *servers.Server) {
		var buckets atomic.Int64
		storetest.Run(t, func(t *testing.T) objstore.Store {
			bucket := fmt.Sprintf("contract-%d", buckets.Add(1))
			if err := server.CreateBucket(t.Context(), bucket, time.Now); err != nil {
				t.Fatal(err)
			}
			return s3.Open(server.Config(), bucket, "charts")
		}, "deleting", "racing deleters")
	})
}

// What a delete with a condition does where it is not kept. Nothing in a chart repository may hang on a delete that is
// refused, as long as this is so; where a server gets better, this test says so.
func TestDeleteOnOtherServers(t *testing.T) {
	type outcome struct{ Missing, Stale, Twice error }
	want := map[string]outcome{
		servers.VersityGW: {Stale: objstore.ErrChanged}, // a condition on nothing is met, the other one is kept
		servers.MinIO:     {},                           // the condition is not looked at
	}
	onServers(t, func(t *testing.T, server *servers.Server) {
		if err := server.CreateBucket(t.Context(), "deletes", time.Now); err != nil {
			t.Fatal(err)
		}
		s := s3.Open(server.Config(), "deletes", "charts")
		first, err := s.Create(t.Context(), "a", objstore.Content{Body: []byte("one")})
		if err != nil {
			t.Fatal(err)
		}
		second, err := s.Replace(t.Context(), "a", first, objstore.Content{Body: []byte("two")})
		if err != nil {
			t.Fatal(err)
		}
		got := outcome{Missing: s.Delete(t.Context(), "b", first), Stale: s.Delete(t.Context(), "a", first)}
		_ = s.Delete(t.Context(), "a", second) // gone by now, on either server
		got.Twice = s.Delete(t.Context(), "a", second)
		if diff := cmp.Diff(want[server.Kind], got, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("a delete does otherwise than it did (-want +got):\n%s", diff)
		}
	})
}

// Two hundred publishers at once, each with a client and a chart of its own, lose nothing.
func TestManyPublishersOnOtherServers(t *testing.T) {
	publishers := 200
	if testing.Short() {
		publishers = 40
	}
	packages := packCharts(t, publishers)
	onServers(t, func(t *testing.T, server *servers.Server) {
		if err := server.CreateBucket(t.Context(), "many", time.Now); err != nil {
			t.Fatal(err)
		}
		open := func() *chartrepo.Repository {
			return chartrepo.New(s3.Open(server.Config(), "many", "charts"), chartrepo.Options{})
		}
		group, ctx := errgroup.WithContext(t.Context())
		start := time.Now()
		for _, p := range packages {
			group.Go(func() error {
				_, err := open().Publish(ctx, p)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		index, err := open().Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packages {
			if found := index.Versions(p.Name); len(found) != 1 || found[0].Digest != p.Digest {
				t.Errorf("%s %s: the index has %d entries, or another digest", p.Name, p.Version, len(found))
			}
		}
		t.Logf("%d publishers on %s in %v", publishers, server.Kind, took.Round(time.Millisecond))
	})
}

// onServers runs a test on each server whose binary the environment names, and skips aloud without it.
func onServers(t *testing.T, test func(*testing.T, *servers.Server)) {
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
			test(t, server)
		})
	}
}

func packCharts(t *testing.T, n int) []chartrepo.Package {
	t.Helper()
	packages := make([]chartrepo.Package, n)
	for i := range packages {
		dir := filepath.Join(t.TempDir(), "chart")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		chart := fmt.Sprintf("apiVersion: v2\nname: service-%03d\nversion: 1.%d.0+build.7\ndescription: one of many\n", i, i)
		if err := os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte(chart), 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if packages[i], err = chartrepo.Pack(dir); err != nil {
			t.Fatal(err)
		}
	}
	return packages
}
