package chartrepo_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

func TestMirrorCredentials(t *testing.T) {
	u, v := newUpstream(t), newUpstream(t)
	app, db := open(t, "app", "1.0.0", "dependencies: [{name: db, version: 1.0.0, repository: \""+v.URL+"\"}]\n"),
		open(t, "db", "1.0.0", "")
	u.add(app)
	u.files["/index.yaml"] = bytes.ReplaceAll(u.files["/index.yaml"], []byte(`"app-1.0.0.tgz"`), []byte(`"`+v.URL+`/app-1.0.0.tgz"`))
	v.add(db)
	v.files["/app-1.0.0.tgz"] = app.Archive
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		u.mu.Lock()
		u.asked = append(u.asked, "redirect "+req.URL.Path+" "+req.Header.Get("Authorization"))
		u.mu.Unlock()
		http.Redirect(w, req, u.URL+req.URL.Path, http.StatusFound)
	}))
	t.Cleanup(redirect.Close)
	opts := chartrepo.HTTPOptions{Username: "me", Password: secret.FromString("not-a-password")}
	const basic = "Basic bWU6bm90LWEtcGFzc3dvcmQ="
	for _, at := range []string{u.URL, redirect.URL} {
		u.asked, v.asked = nil, nil
		source, err := chartrepo.HTTPSource(at, opts)
		if err == nil {
			_, err = chartrepo.Mirror(t.Context(), source, repository(mem.New()), wants(t, "app"), chartrepo.MirrorOptions{Open: web})
		}
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"/index.yaml " + basic}
		if at == redirect.URL {
			want = []string{"redirect /index.yaml " + basic, "/index.yaml"}
		}
		if diff := cmp.Diff(want, u.asked); diff != "" {
			t.Errorf("its own host was asked (-want +got):\n%s", diff)
		}
		for _, asked := range v.asked {
			if strings.Contains(asked, "Basic") {
				t.Errorf("another host got %s", asked)
			}
		}
		if len(v.asked) < 3 {
			t.Errorf("the other host was asked %q", v.asked)
		}
	}
}

func TestHTTPSourceRefuses(t *testing.T) {
	for ref, want := range map[string]string{
		"ftp://charts.example.com": "no repository", "charts.example.com": "no repository", "https://": "no repository",
		"https://u:p@charts.example.com": "user", "https://charts.example.com/?token=hush": "query", "%": "no repository",
	} {
		_, err := chartrepo.HTTPSource(ref, chartrepo.HTTPOptions{})
		if problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v", ref, err)
		}
	}
	_, err := chartrepo.HTTPSource("http://charts.example.com", chartrepo.HTTPOptions{Username: "me"})
	wantProblem(t, err, problem.Usage, "unencrypted", "https://")

	answers := map[string]http.HandlerFunc{
		"/unauthorized/index.yaml": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"/down/index.yaml":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"/scheme/index.yaml": func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "https://charts.example.com/index.yaml?signature=hush", http.StatusFound)
		},
		"/file/index.yaml": func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "file:///etc/passwd", http.StatusFound)
		},
		"/loop/index.yaml": func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, req.URL.Path, http.StatusFound)
		},
		"/large/index.yaml": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1000") },
		"/endless/index.yaml": func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				_, _ = w.Write(make([]byte, 10))
				w.(http.Flusher).Flush()
			}
		},
		"/cut/index.yaml": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "50")
			_, _ = w.Write([]byte("apiVersion: v1"))
		},
		"/page/index.yaml":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html></html>")) },
		"/empty/index.yaml": http.NotFound,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answers[req.URL.Path](w, req)
	}))
	t.Cleanup(server.Close)
	for path, test := range map[string]struct {
		kind problem.Kind
		want string
	}{
		"/unauthorized": {problem.Denied, "401"}, "/down": {problem.Failed, "503"}, "/scheme": {problem.Refused, "from http to https"},
		"/file": {problem.Refused, "from http to file"}, "/loop": {problem.Failed, "10 redirects"},
		"/large": {problem.Refused, "larger than 99"}, "/endless": {problem.Refused, "larger than 99"},
		"/cut": {problem.Failed, "unexpected EOF"}, "/page": {problem.Failed, "neither apiVersion nor entries"},
		"/empty": {problem.Usage, "no such object"},
	} {
		s, err := chartrepo.HTTPSource(server.URL+path, chartrepo.HTTPOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = chartrepo.WithLimit(s, 99).Index(t.Context())
		if problem.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.want) ||
			!strings.Contains(err.Error(), server.URL+path+"/index.yaml") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v (kind %d)", path, err, problem.KindOf(err))
		}
	}
}

func TestHTTPSourceFetch(t *testing.T) {
	u, v := newUpstream(t), newUpstream(t)
	v.files["/a+b.tgz"], u.files["/sub/a.tgz"] = []byte("there"), []byte("here")
	s := u.source(t, chartrepo.HTTPOptions{})
	for ref, want := range map[string]string{v.URL + "/a%2Bb.tgz": "there", "sub/a.tgz": "here", "/sub/a.tgz": "here"} {
		if got, err := s.Fetch(t.Context(), ref); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"file:///etc/passwd", "s3://charts/app.tgz", "https://charts.example.com/a.tgz", "ftp://x/y"} {
		_, err := s.Fetch(t.Context(), ref)
		wantProblem(t, err, problem.Refused, "leads from http to", "scheme")
	}
}

func TestHTTPSourceTakesArchivesAsTheyAre(t *testing.T) {
	archive := tgz(t, "app", "1.0.0", "")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
		}
		_, _ = w.Write(archive)
	}))
	t.Cleanup(server.Close)
	s, err := web(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Fetch(t.Context(), "app-1.0.0.tgz"); !bytes.Equal(got, archive) || err != nil {
		t.Errorf("%d bytes instead of %d, %v", len(got), len(archive), err)
	}
}
