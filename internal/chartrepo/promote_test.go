package chartrepo_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/provenance"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// signer makes a key for this test alone: a keyring with its public half, and what signs with it as Helm does.
func signer(t *testing.T, id string) (keyring string, sign func(chartrepo.Package) []byte) {
	t.Helper()
	name, email, _ := strings.Cut(strings.TrimSuffix(id, ">"), " <")
	key, err := openpgp.NewEntity(name, "", email, nil)
	if err != nil {
		t.Fatal(err)
	}
	var public bytes.Buffer
	if err := key.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	keyring = filepath.Join(t.TempDir(), "ring.gpg")
	if err := os.WriteFile(keyring, public.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return keyring, func(p chartrepo.Package) []byte {
		text, err := (&provenance.Signatory{Entity: key}).ClearSign(p.Archive, p.Filename(), []byte("name: "+p.Name+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		return []byte(text)
	}
}

func keyringOf(t *testing.T, path string) *chartrepo.Keyring {
	t.Helper()
	k, err := chartrepo.OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPromote(t *testing.T) {
	uat, prod := mem.New(), mem.New()
	from, to := repository(uat), chartrepo.New(prod, options(chartrepo.Location{Scheme: "s3", Bucket: "prod"}))
	p := open(t, "app", "1.0.0+b.1", "")
	publish(t, from, p, open(t, "app", "2.0.0", ""))
	done, err := chartrepo.Promote(t.Context(), from, to, "app", "1.0.0+b.1", chartrepo.PromoteOptions{})
	want := chartrepo.Promotion{Result: chartrepo.Result{
		Name: "app", Version: "1.0.0+b.1", Digest: p.Digest, URL: "s3://prod/app-1.0.0%2Bb.1.tgz", Attempts: 1,
	}}
	if diff := cmp.Diff(want, done); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{line(p)}, indexed(t, to)); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(get(t, prod, p.Filename()), p.Archive) {
		t.Error("other bytes")
	}
	want.Already = true
	done, err = chartrepo.Promote(t.Context(), from, to, "app", "1.0.0+b.1", chartrepo.PromoteOptions{})
	if diff := cmp.Diff(want, done); diff != "" || err != nil {
		t.Errorf("again: %v (-want +got):\n%s", err, diff)
	}

	publish(t, to, open(t, "app", "2.0.0", "description: other\n"))
	_, err = chartrepo.Promote(t.Context(), from, to, "app", "2.0.0", chartrepo.PromoteOptions{})
	wantProblem(t, err, problem.Conflict, "promoting app 2.0.0", "raise the version")
	if err := to.Yank(t.Context(), "app", "1.0.0+b.1", ""); err != nil {
		t.Fatal(err)
	}
	_, err = chartrepo.Promote(t.Context(), from, to, "app", "1.0.0+b.1", chartrepo.PromoteOptions{})
	wantProblem(t, err, problem.Conflict, "was yanked", "take the yank back")
}

func TestPromoteRefuses(t *testing.T) {
	other := tgz(t, "app", "1.0.0", "description: other\n")
	for name, test := range map[string]struct {
		spoil func(*testing.T, *mem.Store, *chartrepo.Repository)
		kind  problem.Kind
		want  string
	}{
		"yanked": {func(t *testing.T, _ *mem.Store, r *chartrepo.Repository) {
			if err := r.Yank(t.Context(), "app", "1.0.0", ""); err != nil {
				t.Fatal(err)
			}
		}, problem.Refused, "yanked"},
		"no digest": {func(t *testing.T, s *mem.Store, _ *chartrepo.Repository) {
			body := strings.Replace(string(get(t, s, "index.yaml")), `"digest":"`, `"was":"`, 1)
			put(t, s, "index.yaml", []byte(body))
		}, problem.Refused, "no digest"},
		"swapped": {func(t *testing.T, s *mem.Store, _ *chartrepo.Repository) {
			put(t, s, "app-1.0.0.tgz", other)
		}, problem.Refused, "at the source: app-1.0.0.tgz has digest"},
		"gone": {func(t *testing.T, s *mem.Store, _ *chartrepo.Repository) {
			put(t, s, "app-1.0.0.tgz", nil)
		}, problem.Failed, "at the source"},
		"another chart": {func(t *testing.T, s *mem.Store, _ *chartrepo.Repository) {
			p := open(t, "db", "1.0.0", "")
			was := open(t, "app", "1.0.0", "").Digest
			put(t, s, "index.yaml", []byte(strings.Replace(string(get(t, s, "index.yaml")), was, p.Digest, 1)))
			put(t, s, "app-1.0.0.tgz", p.Archive)
		}, problem.Refused, "the archive is of db 1.0.0"},
		"not there": {func(t *testing.T, s *mem.Store, _ *chartrepo.Repository) {
			put(t, s, "index.yaml", []byte(`{"apiVersion":"v1","entries":{}}`))
		}, problem.Usage, "app 1.0.0"},
		"no index": {func(t *testing.T, s *mem.Store, _ *chartrepo.Repository) {
			put(t, s, "index.yaml", nil)
		}, problem.Usage, "no index.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			uat, prod := mem.New(), mem.New()
			from := repository(uat)
			publish(t, from, open(t, "app", "1.0.0", ""))
			test.spoil(t, uat, from)
			_, err := chartrepo.Promote(t.Context(), from, repository(prod), "app", "1.0.0", chartrepo.PromoteOptions{})
			if problem.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v (kind %d)", err, problem.KindOf(err))
			}
			if got := keys(t, prod); len(got) != 0 {
				t.Errorf("the target has %q", got)
			}
		})
	}
}

func TestPromoteProvenance(t *testing.T) {
	ring, sign := signer(t, "Release <release@example.com>")
	otherRing, _ := signer(t, "Somebody <somebody@example.com>")
	p := open(t, "app", "1.0.0+b", "")
	for name, test := range map[string]struct {
		prov    []byte
		keyring string
		want    string // error, or empty
		signer  string
	}{
		"signed":             {sign(p), ring, "", "Release <release@example.com>"},
		"signed, not asked":  {sign(p), "", "", ""},
		"unsigned":           {nil, ring, "has no provenance", ""},
		"unsigned, no asked": {nil, "", "", ""},
		"by another key":     {sign(p), otherRing, "verifying its provenance", ""},
		"of other bytes":     {sign(open(t, "app", "1.0.0+b", "description: x\n")), ring, "verifying its provenance", ""},
		"no provenance":      {[]byte("hello"), ring, "verifying its provenance", ""},
	} {
		t.Run(name, func(t *testing.T) {
			uat, prod := mem.New(), mem.New()
			from, to := repository(uat), repository(prod)
			publish(t, from, p)
			if test.prov != nil {
				put(t, uat, p.Filename()+".prov", test.prov)
			}
			var opts chartrepo.PromoteOptions
			if test.keyring != "" {
				opts.Keyring = keyringOf(t, test.keyring)
			}
			done, err := chartrepo.Promote(t.Context(), from, to, "app", "1.0.0+b", opts)
			if test.want != "" {
				if problem.KindOf(err) != problem.Refused || !strings.Contains(err.Error(), test.want) || len(keys(t, prod)) != 0 {
					t.Errorf("%v; the target has %q", err, keys(t, prod))
				}
				return
			}
			if err != nil || done.Signer != test.signer || done.Provenance != (test.prov != nil) {
				t.Fatalf("%+v, %v", done, err)
			}
			if test.prov != nil && !bytes.Equal(get(t, prod, p.Filename()+".prov"), test.prov) {
				t.Error("another provenance")
			}
			if opts.Keyring != nil {
				report, err := to.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true, RequireSigned: true, Keyring: opts.Keyring})
				if err != nil || len(report.Findings) != 0 {
					t.Errorf("%v, %v", report.Findings, err)
				}
				opts.Keyring = keyringOf(t, otherRing)
				report, err = to.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true, Keyring: opts.Keyring})
				if diff := cmp.Diff([]string{"unsigned app-1.0.0+b.tgz"}, kinds(report.Findings)); diff != "" || err != nil {
					t.Errorf("%v\n%s", err, diff)
				}
			}
		})
	}
}

func TestOpenKeyring(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.gpg")
	_, err := chartrepo.OpenKeyring(path)
	wantProblem(t, err, problem.Usage, "ring.gpg", "gpg --export")
	write(t, path, "garbage")
	_, err = chartrepo.OpenKeyring(path)
	wantProblem(t, err, problem.Usage, "ring.gpg", "gpg --export")
}

// A promotion that fails at any call on either side, before or after its effect, leaves nothing that Helm sees and that
// is not whole; promoting again completes it.
func TestPromoteIsMendedByARetry(t *testing.T) {
	ring, sign := signer(t, "Release <release@example.com>")
	opts := chartrepo.PromoteOptions{Keyring: keyringOf(t, ring)}
	p := open(t, "app", "1.0.0", "")
	fault := errors.New("connection reset")
	steps := int64(0)
	for step := int64(1); steps == 0; step++ {
		var ran atomic.Int64
		for _, after := range []bool{false, true} {
			ran.Store(0)
			hook := func(here bool) func(mem.Op, string) error {
				return func(mem.Op, string) error {
					if here == after && ran.Add(1) == step {
						return fault
					}
					return nil
				}
			}
			uat, prod := mem.New(), mem.New()
			from, to := repository(uat), repository(prod)
			publish(t, from, p)
			put(t, uat, p.Filename()+".prov", sign(p))
			for _, s := range []*mem.Store{uat, prod} {
				s.Before, s.After = hook(false), hook(true)
			}
			_, err := chartrepo.Promote(t.Context(), from, to, "app", "1.0.0", opts)
			for _, s := range []*mem.Store{uat, prod} {
				s.Before, s.After = nil, nil
			}
			if ran.Load() >= step && !errors.Is(err, fault) {
				t.Errorf("step %d: %v", step, err)
			}
			verify := chartrepo.VerifyOptions{Deep: true, RequireSigned: true, Keyring: opts.Keyring}
			report, err := to.Verify(t.Context(), verify)
			for _, f := range report.Findings {
				if f.Kind != chartrepo.Orphan || err != nil {
					t.Errorf("step %d: %v, %v", step, f, err)
				}
			}
			if _, err := chartrepo.Promote(t.Context(), from, to, "app", "1.0.0", opts); err != nil {
				t.Errorf("again after step %d: %v", step, err)
			}
			report, err = to.Verify(t.Context(), verify)
			if err != nil || len(report.Findings) != 0 || report.Versions != 1 {
				t.Errorf("after step %d: %+v, %v", step, report, err)
			}
		}
		if ran.Load() < step {
			steps = step - 1
		}
	}
	if steps < 8 {
		t.Errorf("%d steps were tried", steps)
	}
}
