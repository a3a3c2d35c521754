package chartrepo

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v4/pkg/repo/v1"
)

// Entry is one version of a chart as the index describes it.
type Entry struct {
	Name        string
	Version     string // told apart by its text: 1.0.0+a and 1.0.0+b are two
	AppVersion  string
	Description string
	Digest      string   // sha256 of the archive, hexadecimal; other tools may leave it empty
	URLs        []string // absolute, or relative to the index
	Created     time.Time
	Deprecated  bool

	raw      json.RawMessage // the whole entry as it stands in the index, unknown fields included
	readable bool
}

// newEntry describes the package as Helm would.
func newEntry(p Package, created time.Time) (Entry, error) {
	raw, err := json.Marshal(repo.ChartVersion{
		Metadata: p.metadata, URLs: []string{escape(p.Filename())}, Created: created.UTC(), Digest: p.Digest,
	})
	if err != nil {
		return Entry{}, fmt.Errorf("describing chart %s %s: %w", p.Name, p.Version, err)
	}
	return readEntry(raw), nil
}

// readEntry reads what stands in a list of entries: valid JSON without blanks. An entry that cannot be read is
// somebody else's; its name and version are answered as far as they can be. Like encoding/json, which Helm reads with,
// it does not mind the case of names and takes the last of several.
func readEntry(raw json.RawMessage) Entry {
	if raw[0] != '{' {
		return Entry{raw: raw}
	}
	e := Entry{raw: raw, readable: true}
	for name, value := range members(raw) {
		if string(value) == "null" {
			continue
		}
		good := true
		switch {
		case strings.EqualFold(name, "name"):
			e.Name, good = unquote(value)
		case strings.EqualFold(name, "version"):
			e.Version, good = unquote(value)
		case strings.EqualFold(name, "appVersion"):
			e.AppVersion, good = unquote(value)
		case strings.EqualFold(name, "description"):
			e.Description, good = unquote(value)
		case strings.EqualFold(name, "digest"):
			e.Digest, good = unquote(value)
		case strings.EqualFold(name, "urls"):
			good = json.Unmarshal(value, &e.URLs) == nil
		case strings.EqualFold(name, "created"):
			good = e.Created.UnmarshalJSON(value) == nil
		case strings.EqualFold(name, deprecatedField):
			good = json.Unmarshal(value, &e.Deprecated) == nil
		}
		e.readable = e.readable && good
	}
	return e
}

const deprecatedField = "deprecated"

// deprecate is the entry with Helm's own mark set or taken away; everything else stays as it is.
func (e Entry) deprecate(undo bool) Entry {
	var b bytes.Buffer
	b.WriteByte('{')
	for name, value := range members(e.raw) {
		if !strings.EqualFold(name, deprecatedField) {
			writeMember(&b, name, value)
			b.WriteByte(',')
		}
	}
	if !undo {
		writeMember(&b, deprecatedField, json.RawMessage("true"))
	}
	raw := append(bytes.TrimSuffix(b.Bytes(), []byte(",")), '}')
	return readEntry(raw)
}

// newestFirst orders entries as an index has them: by precedence, then by the text (build metadata has no precedence),
// with what is no version last. Each version is parsed once.
func newestFirst(entries []Entry) {
	type versioned struct {
		Entry
		version *semver.Version // nil: not a semantic version
	}
	list := make([]versioned, len(entries))
	for i, e := range entries {
		list[i].Entry = e
		if v, err := semver.NewVersion(e.Version); err == nil {
			list[i].version = v
		}
	}
	slices.SortStableFunc(list, func(a, b versioned) int {
		switch {
		case a.version == nil && b.version == nil:
			return 0
		case a.version == nil:
			return 1
		case b.version == nil:
			return -1
		}
		return cmp.Or(b.version.Compare(a.version), cmp.Compare(b.Version, a.Version))
	})
	for i, v := range list {
		entries[i] = v.Entry
	}
}
