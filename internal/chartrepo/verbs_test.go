package chartrepo_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
)

// tgz is a chart's archive, made without Helm: quick enough for thousands.
func tgz(t testing.TB, name, version, more string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	body := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n%s", name, version, more)
	err := w.WriteHeader(&tar.Header{Name: name + "/Chart.yaml", Mode: 0o644, Size: int64(len(body))})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte(body))
	if w.Close() != nil || z.Close() != nil {
		t.Fatal("closing the archive")
	}
	return b.Bytes()
}

func open(t testing.TB, name, version, more string) chartrepo.Package {
	t.Helper()
	p, err := chartrepo.Open(tgz(t, name, version, more))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func publish(t testing.TB, r *chartrepo.Repository, ps ...chartrepo.Package) {
	t.Helper()
	if _, err := r.PublishAll(t.Context(), ps); err != nil {
		t.Fatal(err)
	}
}

// put makes the object or replaces it; nil removes it.
func put(t testing.TB, s objstore.Store, key string, body []byte) {
	t.Helper()
	o, err := s.Get(t.Context(), key)
	switch {
	case body == nil:
		err = s.Delete(t.Context(), key, o.Version)
	case err != nil:
		_, err = s.Create(t.Context(), key, objstore.Content{Body: body})
	default:
		_, err = s.Replace(t.Context(), key, o.Version, objstore.Content{Body: body})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// indexed are the entries of the index as NAME VERSION DIGEST.
func indexed(t testing.TB, r *chartrepo.Repository) (found []string) {
	t.Helper()
	ix, err := r.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for e := range ix.Entries() {
		found = append(found, e.Name+" "+e.Version+" "+e.Digest)
	}
	return found
}

func line(p chartrepo.Package) string { return p.Name + " " + p.Version + " " + p.Digest }

func keys(t testing.TB, s objstore.Store) (found []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, info.Key)
	}
	return found
}

// rawEntries are the entries of a chart as they stand, decoded without any type.
func rawEntries(t testing.TB, s objstore.Store, name string) (found []map[string]any) {
	t.Helper()
	o, err := s.Get(t.Context(), "index.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var ix struct{ Entries map[string][]map[string]any }
	if err := json.Unmarshal(o.Body, &ix); err != nil {
		t.Fatal(err)
	}
	return ix.Entries[name]
}

// kinds are the findings as KIND KEY.
func kinds(findings []chartrepo.Finding) (found []string) {
	for _, f := range findings {
		found = append(found, string(f.Kind)+" "+f.Key)
	}
	return found
}

func repository(s *mem.Store) *chartrepo.Repository {
	return chartrepo.New(s, options(chartrepo.Location{Scheme: "s3", Bucket: "charts", Prefix: "uat"}))
}
