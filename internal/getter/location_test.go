package getter

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Whatever Helm passes on from somebody's index, a location stays below its bucket or is one clean path, and means what
// the URL means.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"s3://acme-charts/stable/index.yaml", "s3://acme-charts/a%252Bb.tgz", "s3://acme-charts/../x", "s3://a", "file:///srv/x",
		"file://host/x", "file:///srv/%2e%2e/x", "s3://u@acme/x", "s3://acme/x?y", "s3://acme/x#y", "s3://acme:80/x", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		at, err := parse(ref)
		if err != nil {
			if problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
				t.Errorf("%q: %v is not a usage error with a hint", ref, err)
			}
			return
		}
		switch at.scheme {
		case schemeS3:
			if objstore.CheckKey(at.key) != nil || strings.Contains(at.bucket, "/") {
				t.Errorf("%q: bucket %q, key %q", ref, at.bucket, at.key)
			}
			again, err := parse((&url.URL{Scheme: "s3", Host: at.bucket, Path: "/" + at.key}).String())
			if again.url = at.url; err != nil || again != at {
				t.Errorf("%q: %+v written again is %+v, %v", ref, at, again, err)
			}
		case schemeFile:
			if !filepath.IsAbs(at.path) || filepath.Clean(at.path) != at.path {
				t.Errorf("%q: path %q", ref, at.path)
			}
		default:
			t.Errorf("%q: scheme %q", ref, at.scheme)
		}
	})
}
