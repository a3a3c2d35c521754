package chartrepo_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/dir"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
)

func TestVerifyOfASoundRepository(t *testing.T) {
	for name, r := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			a, b := open(t, "app", "1.0.0+b.1", ""), open(t, "other", "2.0.0", "")
			publish(t, r, a, b)
			want := chartrepo.Report{Charts: 2, Versions: 2, Archives: 2, Bytes: int64(len(a.Archive) + len(b.Archive)), Read: 2}
			got, err := r.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true})
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestVerifyFinds(t *testing.T) {
	s := mem.New()
	r := repository(s)
	publish(t, r, open(t, "app", "1.0.0", ""), open(t, "app", "2.0.0+b", ""), open(t, "app", "3.0.0", ""),
		open(t, "app", "4.0.0", ""), open(t, "app", "5.0.0", ""), open(t, "app", "6.0.0", ""))
	if err := r.Yank(t.Context(), "app", "6.0.0", "broken"); err != nil {
		t.Fatal(err)
	}
	body := string(get(t, s, "index.yaml"))
	body = strings.Replace(body, `"digest":"`+open(t, "app", "4.0.0", "").Digest+`"`, `"digest":""`, 1)
	body = strings.Replace(body, `"urls":["app-5.0.0.tgz"]`, `"urls":["https://other.example.com/app-5.0.0.tgz"]`, 1)
	body = strings.Replace(body, `"app":[`, `"app":[{"name":"app","version":"0.1.0","urls":["//other.example.com/a.tgz"],
		"digest":"x"},`, 1)
	put(t, s, "index.yaml", []byte(body))
	put(t, s, "app-1.0.0.tgz", nil)
	put(t, s, "app-2.0.0+b.tgz", tgz(t, "app", "2.0.0+b", "description: other\n"))
	put(t, s, "app-4.0.0.tgz", tgz(t, "app", "9.0.0", ""))
	put(t, s, "app-7.0.0.tgz", tgz(t, "app", "7.0.0", ""))
	put(t, s, "app-3.0.0.tgz.prov", []byte("-----BEGIN PGP SIGNED MESSAGE-----"))
	put(t, s, ".pending/x.json", []byte(`{"entries":[]}`))
	put(t, s, "team/app-8.0.0.tgz", tgz(t, "app", "8.0.0", ""))
	put(t, s, "README.md", []byte("hello"))

	shallow := []string{
		"dangling app-1.0.0.tgz", "leftover .pending/x.json", "no-digest app-4.0.0.tgz", "orphan app-7.0.0.tgz",
	}
	deep := []string{shallow[0], "digest-mismatch app-2.0.0+b.tgz", shallow[1], "misnamed app-4.0.0.tgz", shallow[2], shallow[3]}
	signed := append(append([]string{}, shallow...), "unsigned app-2.0.0+b.tgz", "unsigned app-4.0.0.tgz", "unsigned app-5.0.0.tgz")
	for name, test := range map[string]struct {
		opts chartrepo.VerifyOptions
		want []string
	}{
		"names":  {chartrepo.VerifyOptions{}, shallow},
		"bytes":  {chartrepo.VerifyOptions{Deep: true, Parallel: 2}, deep},
		"signed": {chartrepo.VerifyOptions{RequireSigned: true}, signed},
		"recent": {chartrepo.VerifyOptions{Grace: time.Hour}, []string{shallow[0], shallow[2]}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(chartrepo.Location{Scheme: "s3", Bucket: "charts", Prefix: "uat"})
			opts.Now = time.Now
			got, err := chartrepo.New(s, opts).Verify(t.Context(), test.opts)
			if diff := cmp.Diff(test.want, kinds(got.Findings)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if got.Elsewhere != 1 || got.Yanked != 1 || got.Versions != 6 || got.Archives != 6 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestVerifyFindsTemporaryFiles(t *testing.T) {
	folder := t.TempDir()
	opts := options(chartrepo.Location{Scheme: "file", Path: folder})
	opts.Now = time.Now
	r := chartrepo.New(dir.New(folder), opts)
	publish(t, r, open(t, "app", "1.0.0", ""))
	left := filepath.Join(folder, ".pinnace-tmp-123")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := r.Verify(t.Context(), chartrepo.VerifyOptions{})
	if diff := cmp.Diff([]string{"leftover " + left}, kinds(got.Findings)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got, err = r.Verify(t.Context(), chartrepo.VerifyOptions{Grace: time.Hour})
	if len(got.Findings) != 0 || err != nil {
		t.Errorf("%v, %v", got.Findings, err)
	}
}

// What is published and pruned while it looks is no finding, whatever it falls between.
func TestVerifyAmongOthers(t *testing.T) {
	others := map[string]func(*testing.T, *chartrepo.Repository){
		"publish": func(t *testing.T, r *chartrepo.Repository) { publish(t, r, open(t, "app", "3.0.0", "")) },
		"prune": func(t *testing.T, r *chartrepo.Repository) {
			rules := chartrepo.PruneOptions{Keep: 1}
			plan, err := r.PlanPrune(t.Context(), rules)
			if err == nil {
				_, err = r.ApplyPrune(t.Context(), rules, plan.Token)
			}
			if err != nil {
				t.Error(err)
			}
		},
	}
	for name, other := range others {
		for step := int64(1); step <= 6; step++ {
			t.Run(fmt.Sprint(name, step), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := mem.New()
					r := repository(s)
					publish(t, r, open(t, "app", "1.0.0", ""), open(t, "app", "2.0.0", ""))
					var ran atomic.Int64
					s.Before = func(mem.Op, string) error {
						if ran.Add(1) == step {
							other(t, r)
						}
						return nil
					}
					got, err := r.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true, Parallel: 1})
					if err != nil || len(got.Findings) != 0 {
						t.Errorf("%v, %v", got.Findings, err)
					}
				})
			})
		}
	}
}
