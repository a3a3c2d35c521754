package chartrepo

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Lock remembers what was mirrored: the digest of each version from each repository. Its zero value is empty. It is a
// value; With makes a new one.
type Lock struct{ charts []Locked }

// Locked is one line of a lock.
type Locked struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	Repository string `json:"repository"` // URL without a slash at its end
	Digest     string `json:"digest"`     // sha256:HEX of the archive
}

const lockHeader = "# Written by pinnace mirror; keep it with your code. A version whose digest changes is refused.\n"

type lockFile struct {
	LockVersion int      `json:"lockVersion"`
	Charts      []Locked `json:"charts"`
}

// ParseLock reads a lock file; an empty one is an empty lock. What is none is a problem.Usage.
func ParseLock(data []byte) (Lock, error) {
	bad := func(format string, args ...any) (Lock, error) {
		return Lock{}, problem.New(problem.Usage, "restore the lock file from your version control",
			"reading lock file: "+format, args...)
	}
	if len(strings.TrimSpace(string(data))) == 0 {
		return Lock{}, nil
	}
	var file lockFile
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return bad("%s", oneLine(err.Error()))
	}
	if file.LockVersion != 1 {
		return bad("its lockVersion is %d, not 1", file.LockVersion)
	}
	var lock Lock
	for _, l := range file.Charts {
		if l.Name == "" || l.Version == "" || l.Repository == "" || !isDigest(strings.TrimPrefix(l.Digest, "sha256:")) {
			return bad("chart %q version %q lacks a name, version, repository or digest", l.Name, l.Version)
		}
		if known, ok := lock.digest(l.Repository, l.Name, l.Version); ok && known != l.Digest {
			return bad("chart %s %s is locked to two digests", l.Name, l.Version)
		}
		lock = lock.With(l)
	}
	return lock, nil
}

// Marshal is the lock file: YAML, sorted, the same for the same lock.
func (l Lock) Marshal() ([]byte, error) {
	body, err := yaml.Marshal(lockFile{LockVersion: 1, Charts: l.charts})
	if err != nil {
		return nil, fmt.Errorf("writing lock file: %w", err)
	}
	return append([]byte(lockHeader), body...), nil
}

// Charts are the lines in order: by name, version, repository.
func (l Lock) Charts() []Locked { return slices.Clone(l.charts) }

// With is the lock with one more line, or with that line's digest replaced.
func (l Lock) With(line Locked) Lock {
	next := slices.Clone(l.charts)
	i, found := slices.BinarySearchFunc(next, line, compareLocked)
	if found {
		next[i] = line
	} else {
		next = slices.Insert(next, i, line)
	}
	return Lock{next}
}

func (l Lock) digest(repository, name, version string) (string, bool) {
	i, found := slices.BinarySearchFunc(l.charts, Locked{Name: name, Version: version, Repository: repository},
		compareLocked)
	if !found {
		return "", false
	}
	return l.charts[i].Digest, true
}

func compareLocked(a, b Locked) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Repository, b.Repository))
}

// isDigest tells whether s is a SHA-256 in lower-case hexadecimal.
func isDigest(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == 32 && s == strings.ToLower(s)
}
