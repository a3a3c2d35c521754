package chartrepo

import (
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Want is one chart to mirror.
type Want struct {
	Name  string
	Range string // a version, or a constraint such as ^1.2; empty is the newest that is no prerelease
}

func (w Want) String() string {
	if w.Range == "" {
		return w.Name
	}
	return w.Name + "@" + w.Range
}

// ParseWant reads NAME or NAME@RANGE. Anything else is a problem.Usage.
func ParseWant(s string) (Want, error) {
	name, constraint, ranged := strings.Cut(s, "@")
	w := Want{Name: name, Range: strings.TrimSpace(constraint)}
	if name == "" || strings.ContainsAny(name, "/ ") || ranged && w.Range == "" {
		return Want{}, problem.New(problem.Usage, "use NAME, NAME@1.2.3 or NAME@^1.2", "%q names no chart", s)
	}
	if _, err := w.matcher(); err != nil {
		return Want{}, err
	}
	return w, nil
}

// matcher decides which versions are wanted. A range that is a version is that version: with build metadata to the
// letter, without any it leaves the build metadata open, as Helm does.
func (w Want) matcher() (func(version string) bool, error) {
	if v, err := semver.StrictNewVersion(w.Range); err == nil && v.Metadata() != "" {
		return func(version string) bool { return version == w.Range }, nil
	}
	constraint := w.Range
	if constraint == "" {
		constraint = "*"
	}
	c, err := semver.NewConstraint(constraint)
	if err != nil {
		return nil, problem.New(problem.Usage, "use a version such as 1.2.3, or a range such as ^1.2 or \">=1.2 <2\"",
			"%q is no range of versions for chart %s", w.Range, w.Name)
	}
	return func(version string) bool {
		v, err := semver.NewVersion(version)
		return version == w.Range || err == nil && c.Check(v)
	}, nil
}

// newest is the wanted version that goes first in an index; the one that is w.Range to the letter goes before all.
func (w Want) newest(versions []string) (string, bool, error) {
	wanted, err := w.matcher()
	if err != nil {
		return "", false, err
	}
	var list []Entry
	for _, v := range versions {
		if v == w.Range {
			return v, true, nil
		}
		if wanted(v) {
			list = append(list, Entry{Version: v})
		}
	}
	if len(list) == 0 {
		return "", false, nil
	}
	newestFirst(list)
	return list[0].Version, true, nil
}

// pick is the entry to mirror from ix: what the lock has of the chart, if it has something that is wanted, else the
// newest.
func (w Want) pick(ix Index, at string, lock Lock) (Entry, error) {
	entries := ix.Versions(w.Name)
	if len(entries) == 0 {
		return Entry{}, problem.New(problem.Usage, "look which charts the repository has",
			"repository %s has no chart %s", at, w.Name)
	}
	var locked, offered []string
	for _, l := range lock.charts {
		if l.Name == w.Name && l.Repository == at {
			locked = append(locked, l.Version)
		}
	}
	for _, e := range entries {
		offered = append(offered, e.Version)
	}
	version, found, err := w.newest(locked)
	if err == nil && !found {
		version, found, err = w.newest(offered)
	}
	if err != nil {
		return Entry{}, err
	}
	if !found {
		return Entry{}, problem.New(problem.Usage, "look which versions the repository has; a prerelease must be named",
			"repository %s has no version of %s", at, w)
	}
	i := slices.Index(offered, version)
	if i < 0 {
		return Entry{}, problem.New(problem.Refused, "add --update to take another version",
			"chart %s %s is locked and no longer in %s", w.Name, version, at)
	}
	return entries[i], nil
}
