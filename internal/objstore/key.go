package objstore

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Reserved begins the names that stores keep for themselves (locks, temporary files). No part of a key begins so.
const Reserved = ".pinnace"

// maxKey is the longest key that S3 takes, in bytes.
const maxKey = 1024

// CheckKey says what is wrong with a key, as a problem.Usage error. A key is a relative slash-separated path in UTF-8,
// at most 1024 bytes, without empty, "." or ".." parts, backslashes, control characters or a part that begins with
// Reserved. Such a key means the same object in every store and never leaves a folder.
func CheckKey(key string) error {
	if why := keyFault(key); why != "" {
		return problem.New(problem.Usage, "use a relative path such as charts/app-1.0.0.tgz",
			"object key %q %s", key, why)
	}
	return nil
}

func keyFault(key string) string {
	switch {
	case key == "":
		return "is empty"
	case len(key) > maxKey:
		return "is longer than 1024 bytes"
	case !utf8.ValidString(key):
		return "is not UTF-8"
	case strings.ContainsRune(key, '\\'):
		return "contains a backslash"
	case strings.ContainsFunc(key, unicode.IsControl):
		return "contains a control character"
	}
	for part := range strings.SplitSeq(key, "/") {
		switch {
		case part == "":
			return "has an empty part"
		case part == "." || part == "..":
			return "has a part that is not a name"
		case strings.HasPrefix(part, Reserved):
			return "has a part that is reserved"
		}
	}
	return ""
}
