package chartrepo

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v4/pkg/repo/v1"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// indexKey is where every Helm looks for the index. Its content is compact JSON, which is YAML too: Helm reads it
// several times faster.
const indexKey = "index.yaml"

// Index is the list of a repository's charts, in Helm's format (apiVersion v1). It keeps what it does not know, and
// what nobody asks about it does not decode: an index of 20,000 versions costs about as much as reading its bytes. It
// is immutable to others and safe for concurrent use.
type Index struct {
	fields map[string]json.RawMessage // top level, without entries
	charts map[string]json.RawMessage // by chart name, a list of entries
}

// Entry is one version of a chart as the index describes it.
type Entry struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	AppVersion  string    `json:"appVersion"`
	Description string    `json:"description"`
	Digest      string    `json:"digest"` // sha256 of the archive, hexadecimal; other tools may leave it empty
	URLs        []string  `json:"urls"`   // absolute, or relative to the index
	Created     time.Time `json:"created"`
}

// Len is the number of charts, whatever the number of their versions.
func (ix Index) Len() int { return len(ix.charts) }

// Names are the charts in ascending order.
func (ix Index) Names() []string { return slices.Sorted(maps.Keys(ix.charts)) }

// Versions are the entries of a chart in the order of the index, newest first. Entries that cannot be read are left
// out.
func (ix Index) Versions(name string) []Entry {
	raws, err := ix.entries(name)
	if err != nil {
		return nil
	}
	var found []Entry
	for _, raw := range raws {
		var e Entry
		if json.Unmarshal(raw, &e) == nil {
			found = append(found, e)
		}
	}
	return found
}

// parseIndex reads an index in JSON or YAML. An empty body is an empty index.
func parseIndex(body []byte) (Index, error) {
	ix := Index{fields: map[string]json.RawMessage{}, charts: map[string]json.RawMessage{}}
	if len(bytes.TrimSpace(body)) == 0 {
		return ix, nil
	}
	compact, err := compactJSON(body)
	if err != nil {
		return Index{}, err
	}
	if compact[0] != '{' {
		return Index{}, errors.New("it is not a mapping")
	}
	ix.fields = maps.Collect(members(compact))
	var version string
	if raw, ok := ix.fields["apiVersion"]; ok {
		if json.Unmarshal(raw, &version) != nil || version != repo.APIVersionV1 {
			return Index{}, fmt.Errorf("its apiVersion is %s, not %s", raw, repo.APIVersionV1)
		}
	}
	if entries, ok := ix.fields["entries"]; ok && entries[0] == '{' {
		ix.charts = maps.Collect(members(entries))
	} else if ok && string(entries) != "null" {
		return Index{}, errors.New("its entries are not a mapping")
	}
	delete(ix.fields, "entries")
	return ix, nil
}

// compactJSON answers the body as JSON without blanks. YAML is converted with Helm's types as a guide, so that what
// Helm takes for a string though it has no quotes does not become a number that Helm would choke on, and so that YAML
// which Helm cannot read is not made into JSON that it cannot read either.
func compactJSON(body []byte) ([]byte, error) {
	var compact bytes.Buffer
	compact.Grow(len(body))
	if json.Compact(&compact, body) == nil {
		return compact.Bytes(), nil
	}
	var raw json.RawMessage
	err := yaml.Unmarshal(body, &repo.IndexFile{}, func(d *json.Decoder) *json.Decoder {
		if err := d.Decode(&raw); err != nil {
			return d
		}
		return json.NewDecoder(bytes.NewReader(raw))
	})
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// marshal is the index as it is stored, stamped with the time.
func (ix Index) marshal(generated time.Time) ([]byte, error) {
	fields := maps.Clone(ix.fields)
	fields["apiVersion"] = json.RawMessage(`"` + repo.APIVersionV1 + `"`)
	stamp, err := json.Marshal(generated.UTC())
	if err != nil {
		return nil, err
	}
	fields["generated"] = stamp
	var b bytes.Buffer
	b.Grow(ix.size())
	b.WriteString(`{`)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		writeMember(&b, name, fields[name])
		b.WriteByte(',')
	}
	b.WriteString(`"entries":{`)
	for i, name := range ix.Names() {
		if i > 0 {
			b.WriteByte(',')
		}
		writeMember(&b, name, ix.charts[name])
	}
	b.WriteString(`}}`)
	return b.Bytes(), nil
}

// size is about the number of bytes that marshal makes.
func (ix Index) size() int {
	n := 1024
	for _, part := range []map[string]json.RawMessage{ix.fields, ix.charts} {
		for name, raw := range part {
			n += len(name) + len(raw) + 8
		}
	}
	return n
}

func writeMember(b *bytes.Buffer, name string, value json.RawMessage) {
	quoted, _ := json.Marshal(name) // a string always marshals
	b.Write(quoted)
	b.WriteByte(':')
	b.Write(value)
}

func (ix Index) entries(name string) ([]json.RawMessage, error) {
	raw, ok := ix.charts[name]
	if !ok {
		return nil, nil
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(raw, &raws); err != nil {
		return nil, fmt.Errorf("entries of chart %s are not a list", name)
	}
	return raws, nil
}

// with is the index with the package's entry among those of its chart, newest version first. It says ErrUnchanged when
// the entry is there, and problem.Conflict when the version is there with another digest. Versions are told apart by
// their text: 1.0.0+a and 1.0.0+b are two.
func (ix Index) with(p Package, created time.Time) (Index, error) {
	raws, err := ix.entries(p.Name)
	if err != nil {
		return Index{}, err
	}
	list := make([]sortable, 0, len(raws)+1)
	for _, raw := range raws {
		var e struct{ Version, Digest string }
		_ = json.Unmarshal(raw, &e) // what cannot be read is somebody else's, and goes to the end
		switch {
		case e.Version == p.Version && e.Digest == p.Digest:
			return Index{}, objstore.ErrUnchanged
		case e.Version == p.Version:
			return Index{}, immutable(p)
		}
		list = append(list, newSortable(e.Version, raw))
	}
	entry, err := newEntry(p, created)
	if err != nil {
		return Index{}, err
	}
	list = append(list, newSortable(p.Version, entry))
	slices.SortStableFunc(list, newestFirst)
	sorted := make([]json.RawMessage, len(list))
	for i, s := range list {
		sorted[i] = s.raw
	}
	next := Index{fields: ix.fields, charts: maps.Clone(ix.charts)}
	next.charts[p.Name] = joinList(sorted)
	return next, nil
}

func joinList(raws []json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, raw := range raws {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(raw)
	}
	b.WriteByte(']')
	return b.Bytes()
}

func newEntry(p Package, created time.Time) (json.RawMessage, error) {
	return json.Marshal(repo.ChartVersion{
		Metadata: p.metadata, URLs: []string{escape(p.Filename())}, Created: created.UTC(), Digest: p.Digest,
	})
}

func immutable(p Package) error {
	return problem.New(problem.Conflict, "published versions never change: raise the version in Chart.yaml",
		"chart %s %s is published with other content", p.Name, p.Version)
}

// sortable is an entry with its version parsed once.
type sortable struct {
	raw     json.RawMessage
	text    string
	version *semver.Version // nil: not a semantic version
}

func newSortable(text string, raw json.RawMessage) sortable {
	v, err := semver.NewVersion(text)
	if err != nil {
		v = nil
	}
	return sortable{raw, text, v}
}

// newestFirst orders by precedence, then by the text (build metadata has no precedence), with what is no version last.
func newestFirst(a, b sortable) int {
	switch {
	case a.version == nil && b.version == nil:
		return 0
	case a.version == nil:
		return 1
	case b.version == nil:
		return -1
	}
	return cmp.Or(b.version.Compare(a.version), cmp.Compare(b.text, a.text))
}
