package chartrepo_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestParseRef(t *testing.T) {
	for ref, want := range map[string]chartrepo.Location{
		"s3://charts":              {Scheme: "s3", Bucket: "charts"},
		"s3://charts/":             {Scheme: "s3", Bucket: "charts"},
		"s3://my.charts-1/a/b/":    {Scheme: "s3", Bucket: "my.charts-1", Prefix: "a/b"},
		"s3://charts/a%20b/c+d":    {Scheme: "s3", Bucket: "charts", Prefix: "a b/c+d"},
		"file:///srv/charts":       {Scheme: "file", Path: "/srv/charts"},
		"file:///srv/x/../charts/": {Scheme: "file", Path: "/srv/charts"},
		"file:///srv/a%3Fb c":      {Scheme: "file", Path: "/srv/a?b c"},
	} {
		got, err := chartrepo.ParseRef(ref)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", ref, got, err, want)
		}
	}
	for _, ref := range []string{
		"", "charts", "./charts", "/srv/charts", "https://charts.example.com", "oci://registry/charts",
		"S3://charts", "s3:charts",
		"s3://", "s3:///prefix", "s3://UPPER", "s3://ab", "s3://charts:80/x", "s3://user@charts", "s3://charts?x",
		"s3://charts/#x",
		"s3://charts/../x", "s3://charts/a/../b", "s3://charts//a", "s3://charts/a//", "s3://charts/%zz",
		`s3://charts/a\b`,
		"file://", "file:///", "file:///..", "file://srv/charts", "file://localhost/srv",
		"file:///srv?x", "file:///a%00b",
	} {
		l, err := chartrepo.ParseRef(ref)
		if problem.KindOf(err) != problem.Usage || !strings.Contains(problem.HintOf(err), "s3://BUCKET/PREFIX") {
			t.Errorf("%q: %+v, %v; hint %q", ref, l, err, problem.HintOf(err))
		}
	}
}

// FuzzParseRef: what is accepted stays within its bucket or is a clean path, and reads the same when written out.
func FuzzParseRef(f *testing.F) {
	for _, seed := range []string{
		"s3://charts/a/b", "file:///srv/charts", "s3://charts/%2e%2e/x", "file:////a//b/", "s3://a.b/+%2B",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		l, err := chartrepo.ParseRef(ref)
		if err != nil {
			if problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
				t.Errorf("error %v, hint %q", err, problem.HintOf(err))
			}
			return
		}
		again, err := chartrepo.ParseRef(l.String())
		if err != nil || again != l {
			t.Errorf("%q is %+v, written %s, which is %+v, %v", ref, l, l, again, err)
		}
		for part := range strings.SplitSeq(l.Prefix, "/") {
			if part == ".." || part == "." || part == "" && l.Prefix != "" {
				t.Errorf("%q has prefix %q", ref, l.Prefix)
			}
		}
		if l.Scheme == chartrepo.SchemeFile && (!filepath.IsAbs(l.Path) || filepath.Clean(l.Path) != l.Path) {
			t.Errorf("%q has path %q", ref, l.Path)
		}
	})
}
