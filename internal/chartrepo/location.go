package chartrepo

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// The schemes of a Location.
const (
	SchemeS3   = "s3"
	SchemeFile = "file"
)

// Location says where a repository is. For s3 Bucket and Prefix are set, for file Path.
type Location struct {
	Scheme string
	Bucket string
	Prefix string // without slashes around it; may be empty
	Path   string // absolute and clean
}

// String is the location as a URL without a trailing slash, as ParseRef and Helm read it.
func (l Location) String() string {
	u := url.URL{Scheme: l.Scheme, Path: l.Path}
	if l.Scheme == SchemeS3 {
		u.Host = l.Bucket
		if l.Prefix != "" {
			u.Path = "/" + l.Prefix
		}
	}
	if u.Host == "" { // url.URL would leave out the empty authority of file:///folder
		return u.Scheme + "://" + u.EscapedPath()
	}
	return u.String()
}

const refHint = "use s3://BUCKET/PREFIX or file:///FOLDER"

// bucketName is what S3 lets a bucket be called (user guide, "General purpose bucket naming rules").
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// ParseRef reads a reference to a repository: s3://bucket/prefix, where the prefix may be missing, or file:///folder
// with an absolute path. A trailing slash does not matter, %XX stands for a byte. Anything else is a problem.Usage.
func ParseRef(s string) (Location, error) {
	bad := func(why string) (Location, error) {
		return Location{}, problem.New(problem.Usage, refHint, "repository %q %s", s, why)
	}
	scheme, _, ok := strings.Cut(s, "://")
	if !ok || scheme != SchemeS3 && scheme != SchemeFile {
		return bad("is neither on S3 nor a folder")
	}
	u, err := url.Parse(s)
	if err != nil {
		return bad("is not a URL")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") {
		return bad("has a user, a query or a fragment")
	}
	if scheme == SchemeFile {
		return parseFolder(u, bad)
	}
	prefix := strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case !bucketName.MatchString(u.Host):
		return bad("does not name a bucket: 3 to 63 lower-case letters, digits, dots and hyphens")
	case prefix != "" && objstore.CheckKey(prefix) != nil:
		return bad("has a prefix that is no relative path")
	}
	return Location{Scheme: SchemeS3, Bucket: u.Host, Prefix: prefix}, nil
}

func parseFolder(u *url.URL, bad func(string) (Location, error)) (Location, error) {
	path := filepath.Clean(u.Path)
	switch {
	case u.Host != "":
		return bad("names a host: a folder has three slashes, file:///FOLDER")
	case !filepath.IsAbs(path) || path == "/":
		return bad("does not name a folder by its absolute path")
	case strings.ContainsFunc(path, unicode.IsControl):
		return bad("has a control character in its path")
	}
	return Location{Scheme: SchemeFile, Path: path}, nil
}
