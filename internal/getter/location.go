package getter

import (
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	schemeS3   = "s3"
	schemeFile = "file"
)

// location is one file of a repository.
type location struct {
	url         string // as it was given
	scheme      string
	bucket, key string // of s3
	path        string // of file: absolute and clean
}

// bucketName is what S3 lets a bucket be called (user guide, "General purpose bucket naming rules").
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// parse reads the URL of a file. %XX stands for a byte, once; a plus sign stands for itself. Anything that does not
// name one file is a problem.Usage.
func parse(ref string) (location, error) {
	bad := func(why string) (location, error) {
		return location{}, problem.New(problem.Usage, "use s3://BUCKET/PREFIX or file:///FOLDER as the repository",
			"URL %q %s", ref, why)
	}
	u, err := url.Parse(ref)
	if err != nil {
		return bad("is not a URL")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(ref, "#") {
		return bad("has a user, a query or a fragment")
	}
	switch u.Scheme {
	case schemeS3:
		key := plusAgain(strings.TrimPrefix(u.Path, "/"))
		switch {
		case !bucketName.MatchString(u.Host):
			return bad("does not name a bucket: 3 to 63 lower-case letters, digits, dots and hyphens")
		case objstore.CheckKey(key) != nil:
			return bad("does not name an object by a relative path")
		}
		return location{url: ref, scheme: schemeS3, bucket: u.Host, key: key}, nil
	case schemeFile:
		switch {
		case u.Host != "":
			return bad("names a host: a folder has three slashes, file:///FOLDER")
		case !filepath.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0):
			return bad("does not name a file by its absolute path")
		}
		return location{url: ref, scheme: schemeFile, path: plusAgain(filepath.Clean(u.Path))}, nil
	}
	return bad("is neither on S3 nor a file")
}

// plusAgain mends the plus sign in the name of an archive: Helm 3 escapes the relative URL of a dependency, which has
// it as %2B already, once more. No chart or version has a percent sign, so nothing else can be meant.
func plusAgain(name string) string {
	dir, file := path.Split(name)
	if !strings.HasSuffix(file, ".tgz") && !strings.HasSuffix(file, ".tgz.prov") {
		return name
	}
	return dir + strings.NewReplacer("%2B", "+", "%2b", "+").Replace(file)
}
