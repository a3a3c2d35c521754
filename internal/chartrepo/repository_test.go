package chartrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestPublishAndPull(t *testing.T) {
	p := pack(t, chartYAML("app", "1.2.3+build.4"))
	for name, r := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			got, err := r.Publish(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			want := chartrepo.Result{Name: "app", Version: "1.2.3+build.4", Digest: p.Digest, Attempts: 1, URL: got.URL}
			if diff := cmp.Diff(want, got); diff != "" || !strings.HasSuffix(got.URL, "/app-1.2.3%2Bbuild.4.tgz") {
				t.Errorf("%s\n%s", got.URL, diff)
			}
			want.Already = true
			if got, err = r.Publish(t.Context(), p); err != nil || got != want {
				t.Errorf("again: %+v, %v", got, err)
			}
			for _, version := range []string{"1.2.3+build.4", "", "^1.2"} {
				archive, err := r.Pull(t.Context(), "app", version)
				if err != nil || string(archive) != string(p.Archive) {
					t.Errorf("pulling %q: %d bytes, %v", version, len(archive), err)
				}
			}
		})
	}
}

// Versions that differ in their build metadata alone are two. Helm pulls each by its own name, whichever stands first in
// the index. Where one is gone, though, Helm takes its name for a constraint, which its sibling meets: nothing on the
// side of the repository can change that, so a version that is yanked is told by its digest.
func TestPullByBuildMetadata(t *testing.T) {
	a, b := pack(t, chartYAML("app", "1.0.0+a")), pack(t, chartYAML("app", "1.0.0+b"))
	for name, r := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			if _, err := r.PublishAll(t.Context(), []chartrepo.Package{a, b}); err != nil {
				t.Fatal(err)
			}
			pulls := func(version string, want chartrepo.Package) {
				t.Helper()
				if archive, err := r.Pull(t.Context(), "app", version); err != nil || string(archive) != string(want.Archive) {
					t.Errorf("pulling %s: %d bytes, %v; want %s", version, len(archive), err, want.Version)
				}
			}
			pulls("1.0.0+a", a)
			pulls("1.0.0+b", b)
			if err := r.Yank(t.Context(), "app", "1.0.0+a", ""); err != nil {
				t.Fatal(err)
			}
			pulls("1.0.0+b", b)
			pulls("1.0.0+a", b) // not what one would like, but what Helm does
			if err := r.Unyank(t.Context(), "app", "1.0.0+a"); err != nil {
				t.Fatal(err)
			}
			pulls("1.0.0+a", a)
			pulls("1.0.0+b", b)
		})
	}
}

func TestResultURL(t *testing.T) {
	p := pack(t, nil)
	for ref, want := range map[string]string{
		"s3://bucket":          "s3://bucket/app-1.2.3.tgz",
		"s3://bucket/a/b/":     "s3://bucket/a/b/app-1.2.3.tgz",
		"file:///tmp/a folder": "file:///tmp/a%20folder/app-1.2.3.tgz",
	} {
		l, err := chartrepo.ParseRef(ref)
		if err != nil {
			t.Fatal(err)
		}
		r := chartrepo.New(mem.New(), options(l))
		got, err := r.Publish(t.Context(), p)
		if err != nil || got.URL != want {
			t.Errorf("%s: %s, %v", ref, got.URL, err)
		}
		if _, err := r.Pull(t.Context(), "app", "1.2.3"); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestObjectHeaders(t *testing.T) {
	s := mem.New()
	if _, err := chartrepo.New(s, options(chartrepo.Location{})).Publish(t.Context(), pack(t, nil)); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][2]string{
		"index.yaml":    {"application/yaml", "no-cache"},
		"app-1.2.3.tgz": {"application/gzip", "private, max-age=31536000, immutable"},
	} {
		o, err := s.Get(t.Context(), key)
		if got := [2]string{o.Type, o.CacheControl}; err != nil || got != want {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
}

// Thirty publishers of thirty versions, each with a repository of its own as on thirty machines: nothing is lost.
func TestConcurrentPublishers(t *testing.T) {
	const n = 30
	packages := make([]chartrepo.Package, n)
	for i := range packages {
		packages[i] = pack(t, chartYAML("app", fmt.Sprintf("1.%d.0", i)))
	}
	for name, r := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			var group sync.WaitGroup
			for _, p := range packages {
				group.Go(func() {
					if res, err := r.Publish(t.Context(), p); err != nil || res.Already {
						t.Errorf("%s: %+v, %v", p.Version, res, err)
					}
				})
			}
			group.Wait()
			ix, err := r.Index(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for _, p := range slices.Backward(packages) {
				want = append(want, p.Version+" "+p.Digest)
			}
			for _, e := range ix.Versions("app") {
				got = append(got, e.Version+" "+e.Digest)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("index (-want +got):\n%s", diff)
			}
		})
	}
}

// Ten publishers of one version with ten contents: one wins, the others are told, and the archive is the winner's.
func TestConcurrentPublishersOfOneVersion(t *testing.T) {
	const n = 10
	packages := make([]chartrepo.Package, n)
	for i := range packages {
		packages[i] = pack(t, map[string]string{"README.md": fmt.Sprint(i)})
	}
	for name, r := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			errs := make([]error, n)
			var group sync.WaitGroup
			for i, p := range packages {
				group.Go(func() { _, errs[i] = r.Publish(t.Context(), p) })
			}
			group.Wait()
			winner := slices.Index(errs, nil)
			if winner < 0 {
				t.Fatalf("nobody won: %v", errs)
			}
			for i, err := range errs {
				if i != winner {
					wantProblem(t, err, problem.Conflict, "publishing app 1.2.3", "raise the version")
				}
			}
			archive, err := r.Pull(t.Context(), "app", "1.2.3")
			if err != nil || string(archive) != string(packages[winner].Archive) {
				t.Errorf("the winner's archive is not there: %v", err)
			}
		})
	}
}

// A publish that fails at any step, before or after its effect, leaves at most an archive that no index names, and the
// same publish run again completes it.
func TestPublishIsMendedByARetry(t *testing.T) {
	first, p := pack(t, chartYAML("app", "1.0.0")), pack(t, nil)
	steps := 0
	for step := 1; ; step++ {
		ran := 0
		for _, when := range []string{"before", "after"} {
			s := mem.New()
			r := chartrepo.New(s, options(chartrepo.Location{}))
			if _, err := r.Publish(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			fault := errors.New("connection reset")
			ran = 0
			var mu sync.Mutex // two of the calls are made at once
			failing := ""     // the call that is to fail after its effect
			s.Before = func(op mem.Op, key string) error {
				mu.Lock()
				defer mu.Unlock()
				if ran++; ran != step {
					return nil
				}
				if when == "before" {
					return fault
				}
				failing = fmt.Sprint(op, key)
				return nil
			}
			s.After = func(op mem.Op, key string) error {
				mu.Lock()
				defer mu.Unlock()
				if failing == fmt.Sprint(op, key) {
					return fault
				}
				return nil
			}
			_, err := r.Publish(t.Context(), p)
			s.Before, s.After = nil, nil
			if ran < step {
				break
			}
			if !errors.Is(err, fault) {
				t.Errorf("step %d failing %s its effect: %v", step, when, err)
			}
			wantNoDanglingEntry(t, r)
			if _, err := r.Publish(t.Context(), p); err != nil {
				t.Errorf("retry after step %d failing %s its effect: %v", step, when, err)
			}
			if got := wantNoDanglingEntry(t, r); got != 2 {
				t.Errorf("%d entries after the retry", got)
			}
		}
		if ran < step {
			break
		}
		steps = step
	}
	if steps != 5 { // create the archive, look for pending entries and the size, read the index, replace it
		t.Errorf("%d steps were tried", steps)
	}
}

// wantNoDanglingEntry pulls everything that the index names, and counts it.
func wantNoDanglingEntry(t *testing.T, r *chartrepo.Repository) (entries int) {
	t.Helper()
	ix, err := r.Index(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, name := range ix.Names() {
		for _, e := range ix.Versions(name) {
			entries++
			if _, err := r.Pull(t.Context(), e.Name, e.Version); err != nil {
				t.Error(err)
			}
		}
	}
	return entries
}

func TestPublishKeepsAnIndexThatItCannotRead(t *testing.T) {
	s := mem.New()
	if _, err := s.Create(t.Context(), "index.yaml", objstore.Content{Body: []byte("a: [")}); err != nil {
		t.Fatal(err)
	}
	r := chartrepo.New(s, options(chartrepo.Location{}))
	_, err := r.Publish(t.Context(), pack(t, nil))
	wantProblem(t, err, problem.Failed, "index.yaml", "earlier version")
	_, err = r.Index(t.Context())
	wantProblem(t, err, problem.Failed, "index.yaml", "earlier version")
	if o, _ := s.Get(t.Context(), "index.yaml"); string(o.Body) != "a: [" {
		t.Errorf("it was changed to %s", o.Body)
	}
}

func TestPublishNeedsAPackage(t *testing.T) {
	r := chartrepo.New(mem.New(), options(chartrepo.Location{}))
	if _, err := r.Publish(t.Context(), chartrepo.Package{Name: "app", Version: "1.0.0"}); err == nil {
		t.Error("a package that was made by hand was published")
	}
}

func TestPullRefuses(t *testing.T) {
	s := mem.New()
	r := chartrepo.New(s, options(chartrepo.Location{Scheme: "s3", Bucket: "charts", Prefix: "uat"}))
	_, err := r.Pull(t.Context(), "app", "")
	wantProblem(t, err, problem.Usage, "s3://charts/uat has no index.yaml", "publish")
	if !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if _, err := r.Publish(t.Context(), pack(t, nil)); err != nil {
		t.Fatal(err)
	}
	_, err = r.Pull(t.Context(), "nothing", "")
	wantProblem(t, err, problem.Usage, "pulling nothing", "charts and versions")
	_, err = r.Pull(t.Context(), "app", "9.9.9")
	wantProblem(t, err, problem.Usage, "pulling app 9.9.9", "charts and versions")

	o, err := s.Get(t.Context(), "app-1.2.3.tgz")
	if err != nil {
		t.Fatal(err)
	}
	swapped := objstore.Content{Body: []byte("swapped")}
	if _, err := s.Replace(t.Context(), "app-1.2.3.tgz", o.Version, swapped); err != nil {
		t.Fatal(err)
	}
	_, err = r.Pull(t.Context(), "app", "1.2.3")
	wantProblem(t, err, problem.Refused, "the index says", "do not install")
}

// An entry may point elsewhere; elsewhere is not fetched with this repository's rights.
func TestPullStaysInTheRepository(t *testing.T) {
	for _, url := range []string{
		"https://charts.example.com/app.tgz", "s3://other/uat/app.tgz", "s3://charts/prod/app.tgz", "../prod/app.tgz",
	} {
		s := mem.New()
		entry := `{"name":"app","version":"1.0.0","apiVersion":"v2","urls":["` + url + `"]}`
		index := `{"apiVersion":"v1","entries":{"app":[` + entry + `]}}`
		if _, err := s.Create(t.Context(), "index.yaml", objstore.Content{Body: []byte(index)}); err != nil {
			t.Fatal(err)
		}
		r := chartrepo.New(s, options(chartrepo.Location{Scheme: "s3", Bucket: "charts", Prefix: "uat"}))
		_, err := r.Pull(t.Context(), "app", "")
		wantProblem(t, err, problem.Refused, "outside of the repository s3://charts/uat", "Helm")
	}
}

func TestPullLeavesNothingBehind(t *testing.T) {
	opts := options(chartrepo.Location{})
	opts.TempDir = t.TempDir()
	r := chartrepo.New(mem.New(), opts)
	if _, err := r.Publish(t.Context(), pack(t, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Pull(t.Context(), "app", ""); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(opts.TempDir)
	if err != nil || len(left) != 0 {
		t.Errorf("left in %s: %v, %v", filepath.Base(opts.TempDir), left, err)
	}
}
