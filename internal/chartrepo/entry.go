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
	s := scanner{b: raw}
	s.object(0, func(name []byte) bool {
		value, ok := s.raw(1)
		e.readable = ok && e.set(name, value) && e.readable
		return ok
	})
	return e
}

// set takes over one field, by its quoted name, and tells whether it can be read.
func (e *Entry) set(name []byte, value json.RawMessage) (ok bool) {
	if bytes.IndexByte(name, '\\') >= 0 {
		name = []byte(`"` + text(name) + `"`)
	}
	is := func(field string) bool { return bytes.EqualFold(name[1:len(name)-1], []byte(field)) }
	switch {
	case string(value) == "null":
		return true
	case is("name"):
		e.Name, ok = unquote(value)
	case is("version"):
		e.Version, ok = unquote(value)
	case is("appVersion"):
		e.AppVersion, ok = unquote(value)
	case is("description"):
		e.Description, ok = unquote(value)
	case is("digest"):
		e.Digest, ok = unquote(value)
	case is("urls"):
		e.URLs, ok = unquoteAll(value)
	case is("created"):
		ok = e.Created.UnmarshalJSON(value) == nil
	case is(deprecatedField):
		ok = json.Unmarshal(value, &e.Deprecated) == nil
	default:
		ok = true
	}
	return ok
}

func unquoteAll(list json.RawMessage) ([]string, bool) {
	raws, err := elements(list)
	ok := err == nil
	found := make([]string, len(raws))
	for i, raw := range raws {
		if string(raw) != "null" && ok {
			found[i], ok = unquote(raw)
		}
	}
	return found, ok
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
