package chartrepo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// upstream is a Helm repository on the web, with an index in YAML as other tools write it.
type upstream struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	asked []string // METHOD PATH AUTHORIZATION
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{files: map[string][]byte{}}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	u.files["/index.yaml"] = []byte("apiVersion: v1\nentries:\n")
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, strings.TrimSpace(req.URL.Path+" "+req.Header.Get("Authorization")))
	body, ok := u.files[req.URL.Path]
	if !ok {
		http.NotFound(w, req)
		return
	}
	_, _ = w.Write(body)
}

// add puts charts of one name into the repository.
func (u *upstream) add(ps ...chartrepo.Package) {
	u.files["/index.yaml"] = append(u.files["/index.yaml"], "  "+ps[0].Name+":\n"...)
	for _, p := range ps {
		u.files["/"+p.Filename()] = p.Archive
		u.files["/index.yaml"] = append(u.files["/index.yaml"], fmt.Sprintf(
			"  - {name: %s, version: %q, apiVersion: v2, digest: %s, urls: [%q]}\n", p.Name, p.Version, p.Digest,
			strings.ReplaceAll(p.Filename(), "+", "%2B"))...)
	}
}

func (u *upstream) source(t *testing.T, opts chartrepo.HTTPOptions) chartrepo.Source {
	t.Helper()
	s, err := chartrepo.HTTPSource(u.URL+"/", opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func web(ref string) (chartrepo.Source, error) {
	return chartrepo.HTTPSource(ref, chartrepo.HTTPOptions{})
}

func wants(t *testing.T, names ...string) (list []chartrepo.Want) {
	t.Helper()
	for _, n := range names {
		w, err := chartrepo.ParseWant(n)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, w)
	}
	return list
}

func mirrored(res chartrepo.MirrorResult) (found []string) {
	for _, c := range res.Charts {
		found = append(found, strings.TrimSpace(fmt.Sprintln(c.Name, c.Version, c.RequiredBy)))
	}
	return found
}

func TestMirrorPicks(t *testing.T) {
	u := newUpstream(t)
	var all []chartrepo.Package
	for _, v := range []string{"1.0.0", "1.2.0", "1.10.0+b.1", "1.10.0+a.9", "2.0.0-rc.1", "0.9.0"} {
		all = append(all, open(t, "app", v, ""))
	}
	u.add(all...)
	for want, version := range map[string]string{
		"app": "1.10.0+b.1", "app@^1": "1.10.0+b.1", "app@~1.2": "1.2.0", "app@<1": "0.9.0", "app@1.10.0+a.9": "1.10.0+a.9",
		"app@1.10.0": "1.10.0+b.1", "app@2.0.0-rc.1": "2.0.0-rc.1", "app@>=1.0.0-0": "2.0.0-rc.1", "app@*": "1.10.0+b.1",
		"app@^3": "", "app@1.10.0+zz": "", "other": "",
	} {
		res, err := chartrepo.Mirror(t.Context(), u.source(t, chartrepo.HTTPOptions{}), repository(mem.New()), wants(t, want),
			chartrepo.MirrorOptions{})
		if version == "" {
			if problem.KindOf(err) != problem.Usage {
				t.Errorf("%s: %v", want, err)
			}
			continue
		}
		if diff := cmp.Diff([]string{"app " + version}, mirrored(res)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", want, err, diff)
		}
	}
	for _, bad := range []string{"", "@1", "app@", "app@~~1", "a/b", "a b"} {
		if _, err := chartrepo.ParseWant(bad); problem.KindOf(err) != problem.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// What a chart needs and does not carry comes along, over any number of repositories, each chart once; what it carries
// does not. A provenance comes too.
func TestMirrorDependencies(t *testing.T) {
	u, v := newUpstream(t), newUpstream(t)
	needs := func(list ...string) string {
		text := "dependencies:\n"
		for _, d := range list {
			name, at, _ := strings.Cut(d, " ")
			text += fmt.Sprintf("- {name: %s, version: ^1, repository: %q}\n", name, at)
		}
		return text
	}
	base, extra := open(t, "base", "1.0.0", ""), open(t, "base", "1.1.0+b", "")
	db := open(t, "db", "1.0.0", needs("base "+v.URL))
	carries := pack(t, map[string]string{
		"Chart.yaml":             "apiVersion: v2\nname: carries\nversion: 1.0.0\n" + needs("db https://nowhere.example.com"),
		"charts/db/Chart.yaml":   "apiVersion: v2\nname: db\nversion: 1.0.0\n",
		"templates/_helpers.tpl": "",
	})
	app := open(t, "app", "1.0.0", needs("db "+u.URL+"/", "base "+v.URL+"/", "carries "+u.URL))
	u.add(app)
	u.add(db)
	u.add(carries)
	v.add(base, extra)
	v.files["/base-1.1.0+b.tgz.prov"] = []byte("-----BEGIN PGP SIGNED MESSAGE-----\n…")
	u.files["/app-1.0.0.tgz.prov"] = []byte("<html>not here</html>")

	s := mem.New()
	var inspected []string
	opts := chartrepo.MirrorOptions{Open: web, Inspect: func(_ context.Context, ps []chartrepo.Package) error {
		for _, p := range ps {
			inspected = append(inspected, p.Name)
		}
		return nil
	}}
	res, err := chartrepo.Mirror(t.Context(), u.source(t, chartrepo.HTTPOptions{}), repository(s), wants(t, "app"), opts)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"app 1.0.0", "db 1.0.0 app 1.0.0", "base 1.1.0+b app 1.0.0", "carries 1.0.0 app 1.0.0"}
	if diff := cmp.Diff(want, mirrored(res)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"app", "db", "base", "carries"}, inspected); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"app-1.0.0.tgz", "base-1.1.0+b.tgz", "base-1.1.0+b.tgz.prov", "carries-1.0.0.tgz", "db-1.0.0.tgz", "index.yaml",
	}, keys(t, s)); diff != "" {
		t.Errorf("objects:\n%s", diff)
	}
	if !bytes.Equal(get(t, s, "app-1.0.0.tgz"), app.Archive) {
		t.Error("other bytes")
	}
	again, err := chartrepo.Mirror(t.Context(), u.source(t, chartrepo.HTTPOptions{}), repository(s), wants(t, "app"), opts)
	for _, c := range again.Charts {
		if !c.Already || err != nil {
			t.Errorf("%+v, %v", c, err)
		}
	}
	res, err = chartrepo.Mirror(t.Context(), u.source(t, chartrepo.HTTPOptions{}), repository(mem.New()), wants(t, "app"),
		chartrepo.MirrorOptions{})
	if len(res.Charts) != 1 || err != nil {
		t.Errorf("without dependencies: %v, %v", mirrored(res), err)
	}
	refused := errors.New("a secret")
	to := mem.New()
	opts.Inspect = func(context.Context, []chartrepo.Package) error { return refused }
	_, err = chartrepo.Mirror(t.Context(), u.source(t, chartrepo.HTTPOptions{}), repository(to), wants(t, "app"), opts)
	if !errors.Is(err, refused) || len(keys(t, to)) != 0 {
		t.Errorf("%v; the target has %q", err, keys(t, to))
	}
}

// A foreign chart cannot make this identity read a folder or a bucket.
func TestMirrorDependenciesStayOnTheWeb(t *testing.T) {
	for _, at := range []string{"file:///etc", "s3://private/charts", "oci://registry.example.com/charts", "@alias", "", "//x"} {
		u := newUpstream(t)
		u.add(open(t, "app", "1.0.0", fmt.Sprintf("dependencies: [{name: db, version: 1.0.0, repository: %q}]\n", at)))
		opened := false
		_, err := chartrepo.Mirror(t.Context(), u.source(t, chartrepo.HTTPOptions{}), repository(mem.New()), wants(t, "app"),
			chartrepo.MirrorOptions{Open: func(string) (chartrepo.Source, error) { opened = true; return nil, errors.New("x") }})
		wantProblem(t, err, problem.Refused, "depends on db", "--no-dependencies")
		if opened {
			t.Errorf("%q was opened", at)
		}
	}
}

func TestMirrorChecksBytes(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*upstream)
		want  string
	}{
		"other bytes": {func(u *upstream) { u.files["/app-1.0.0.tgz"] = tgz(t, "app", "1.0.0", "description: x\n") }, "has digest"},
		"another name": {func(u *upstream) {
			u.files["/index.yaml"] = bytes.ReplaceAll(u.files["/index.yaml"], []byte("version: \"1.0.0\""), []byte("version: \"1.0.1\""))
		}, "is of app 1.0.0"},
		"gone":     {func(u *upstream) { delete(u.files, "/app-1.0.0.tgz") }, "no such object"},
		"no chart": {func(u *upstream) { u.files["/app-1.0.0.tgz"] = []byte("x") }, "has digest"},
		"no URL": {func(u *upstream) {
			u.files["/index.yaml"] = bytes.ReplaceAll(u.files["/index.yaml"], []byte("urls: ["), []byte("x: ["))
		}, "no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			u, s := newUpstream(t), mem.New()
			u.add(open(t, "app", "1.0.0", ""))
			test.spoil(u)
			_, err := chartrepo.Mirror(t.Context(), u.source(t, chartrepo.HTTPOptions{}), repository(s), wants(t, "app"),
				chartrepo.MirrorOptions{})
			if err == nil || !strings.Contains(err.Error(), test.want) || len(keys(t, s)) != 0 {
				t.Errorf("%v; the target has %q", err, keys(t, s))
			}
		})
	}
}

func TestMirrorLock(t *testing.T) {
	u := newUpstream(t)
	one, two := open(t, "app", "1.0.0", ""), open(t, "app", "1.1.0", "")
	u.add(one)
	mirror := func(lock chartrepo.Lock, update bool) (chartrepo.MirrorResult, error) {
		return chartrepo.Mirror(t.Context(), u.source(t, chartrepo.HTTPOptions{}), repository(mem.New()), wants(t, "app@^1"),
			chartrepo.MirrorOptions{Lock: lock, Update: update})
	}
	res, err := mirror(chartrepo.Lock{}, false)
	if err != nil {
		t.Fatal(err)
	}
	text, err := res.Lock.Marshal()
	want := "# Written by pinnace mirror; keep it with your code. A version whose digest changes is refused.\n" +
		"charts:\n- digest: sha256:" + one.Digest + "\n  name: app\n  repository: " + u.URL + "\n  version: 1.0.0\n" +
		"lockVersion: 1\n"
	if diff := cmp.Diff(want, string(text)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	lock, err := chartrepo.ParseLock(text)
	if diff := cmp.Diff(res.Lock.Charts(), lock.Charts()); diff != "" || err != nil {
		t.Errorf("read again: %v\n%s", err, diff)
	}

	// A newer version comes only when it is asked for.
	u.files["/index.yaml"] = []byte("apiVersion: v1\nentries:\n")
	u.add(two, one)
	if res, err = mirror(lock, false); err != nil || mirrored(res)[0] != "app 1.0.0" {
		t.Errorf("%v, %v", mirrored(res), err)
	}
	if res, err = mirror(lock, true); err != nil || mirrored(res)[0] != "app 1.1.0" || len(res.Lock.Charts()) != 2 {
		t.Errorf("%v, %v", mirrored(res), err)
	}

	// The same version with other bytes is refused, whether the index says so or only the archive does, and whether or
	// not newer versions are asked for.
	changed := open(t, "app", "1.0.0", "description: x\n")
	honest := []byte("apiVersion: v1\nentries:\n")
	u.files["/index.yaml"] = honest
	u.add(changed)
	silent := bytes.ReplaceAll(u.files["/index.yaml"], []byte("digest:"), []byte("was:"))
	for _, index := range [][]byte{u.files["/index.yaml"], silent} {
		for _, update := range []bool{false, true} {
			u.files["/index.yaml"] = index
			_, err = mirror(lock, update)
			wantProblem(t, err, problem.Refused, "its digest was sha256:"+one.Digest, "why a published version changed")
		}
	}

	// A locked version that is gone is not silently another one.
	u.files["/index.yaml"] = []byte("apiVersion: v1\nentries:\n")
	u.add(two)
	_, err = mirror(lock, false)
	wantProblem(t, err, problem.Refused, "app 1.0.0 is locked and no longer", "--update")
}

func TestParseLockRefuses(t *testing.T) {
	good := "name: a\n  version: 1.0.0\n  repository: https://x.example\n  digest: sha256:" + strings.Repeat("ab", 32)
	for _, bad := range []string{
		"x", "[]", "lockVersion: 2\ncharts: []\n", "charts: []\n", "lockVersion: 1\nunknown: 1\n",
		"lockVersion: 1\ncharts:\n- name: a\n", "lockVersion: 1\ncharts:\n- " + strings.Replace(good, "ab", "xy", 1),
		"lockVersion: 1\ncharts:\n- " + good + "\n- " + strings.Replace(good, "ab", "cd", 1), "a: [",
	} {
		if _, err := chartrepo.ParseLock([]byte(bad)); problem.KindOf(err) != problem.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := chartrepo.ParseLock(nil); err != nil {
		t.Error(err)
	}
}

// The password goes to the repository's own host and port, and nowhere else: not along a redirect, not to where the
// index leads, not to the repository of a dependency.
// An index may lead to another host, and never to another scheme.
// From one of our own repositories it works the same, and stays within it.
func TestMirrorFromAStore(t *testing.T) {
	from, s := repository(mem.New()), mem.New()
	publish(t, from, open(t, "app", "1.0.0+b", ""))
	res, err := chartrepo.Mirror(t.Context(), from.Source(), repository(s), wants(t, "app"), chartrepo.MirrorOptions{Open: web})
	if diff := cmp.Diff([]string{"app 1.0.0+b"}, mirrored(res)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if res.Charts[0].Repository != "s3://charts/uat" {
		t.Errorf("%+v", res.Charts[0])
	}
	_, err = from.Source().Fetch(t.Context(), "https://charts.example.com/a.tgz")
	wantProblem(t, err, problem.Refused, "outside of the repository", "mirror from the repository")
	dry := mem.New()
	res, err = chartrepo.Mirror(t.Context(), from.Source(), repository(dry), wants(t, "app"), chartrepo.MirrorOptions{DryRun: true})
	if len(res.Charts) != 1 || err != nil || len(keys(t, dry)) != 0 {
		t.Errorf("dry run: %v, %v", mirrored(res), err)
	}
}

func TestMirrorProvenance(t *testing.T) {
	ring, sign := signer(t, "Upstream <up@example.com>")
	otherRing, _ := signer(t, "Somebody <somebody@example.com>")
	u := newUpstream(t)
	p := open(t, "app", "1.0.0", "")
	u.add(p)
	mirror := func(s *mem.Store, ring string) error {
		_, err := chartrepo.Mirror(t.Context(), u.source(t, chartrepo.HTTPOptions{}), repository(s), wants(t, "app"),
			chartrepo.MirrorOptions{Keyring: keyringOf(t, ring)})
		return err
	}
	wantProblem(t, mirror(mem.New(), ring), problem.Refused, "no provenance", "--keyring")
	u.files["/app-1.0.0.tgz.prov"] = sign(p)
	wantProblem(t, mirror(mem.New(), otherRing), problem.Refused, "verifying its provenance", "keyring")
	s := mem.New()
	if err := mirror(s, ring); err != nil || !bytes.Equal(get(t, s, "app-1.0.0.tgz.prov"), u.files["/app-1.0.0.tgz.prov"]) {
		t.Error(err)
	}
}

// Dependencies that name dependencies without an end are refused, not followed.
func TestMirrorIsBounded(t *testing.T) {
	var server *httptest.Server
	asked := make(chan struct{}, 10_000)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked <- struct{}{}
		at, file := path.Split(req.URL.Path)
		more := "dependencies:\n"
		for i := range 20 {
			more += fmt.Sprintf("- {name: app, alias: a%d, version: 1.0.0, repository: %q}\n", i, fmt.Sprint(server.URL, at, i))
		}
		switch file {
		case "index.yaml":
			_, _ = w.Write([]byte(`{"entries":{"app":[{"name":"app","version":"1.0.0","urls":["app.tgz"]}]}}`))
		case "app.tgz":
			_, _ = w.Write(tgz(t, "app", "1.0.0", more))
		default:
			http.NotFound(w, req)
		}
	}))
	t.Cleanup(server.Close)
	s, err := web(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	to := mem.New()
	_, err = chartrepo.Mirror(t.Context(), s, repository(to), wants(t, "app"), chartrepo.MirrorOptions{Open: web})
	wantProblem(t, err, problem.Refused, "more than 1000 charts", "dependencies out")
	if len(keys(t, to)) != 0 || len(asked) > 3000 {
		t.Errorf("%d requests; the target has %q", len(asked), keys(t, to))
	}
}

// An archive is a gzip file: a server that compresses on the way, or a client that takes it for compressed, would
// change its digest.
