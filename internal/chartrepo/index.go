package chartrepo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

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

// Len is the number of charts, whatever the number of their versions.
func (ix Index) Len() int { return len(ix.charts) }

// Names are the charts in ascending order.
func (ix Index) Names() []string { return slices.Sorted(maps.Keys(ix.charts)) }

// Versions are the entries of a chart in the order of the index, newest first. Entries that cannot be read are left
// out.
func (ix Index) Versions(name string) []Entry {
	all, err := ix.entries(name)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(e Entry) bool { return !e.readable })
}

// Entries are all entries that can be read, by chart in ascending order, newest first. It decodes one chart at a time:
// an index of 100,000 versions takes some tenths of a second.
func (ix Index) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, name := range ix.Names() {
			for _, e := range ix.Versions(name) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// parseIndex reads an index in JSON or YAML. An empty body is an empty index. What is compact JSON already, as Publish
// writes it, is not copied: the index then consists of parts of the body.
func parseIndex(body []byte) (Index, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Index{}.clone(), nil
	}
	ix, compact, err := splitIndex(body)
	if err == nil && compact {
		return ix, ix.check()
	}
	if body, err = compactJSON(body); err != nil {
		return Index{}, err
	}
	if ix, _, err = splitIndex(body); err != nil {
		return Index{}, err
	}
	return ix, ix.check()
}

// splitIndex takes a JSON object apart.
func splitIndex(body []byte) (ix Index, compact bool, err error) {
	ix = Index{}.clone()
	s := scanner{b: body}
	into := func(parts map[string]json.RawMessage, depth int) func([]byte) bool {
		return func(name []byte) bool {
			raw, ok := s.raw(depth)
			parts[text(name)] = raw
			return ok
		}
	}
	top := into(ix.fields, 1)
	ok := s.document(func() bool {
		return s.object(0, func(name []byte) bool {
			if text(name) != "entries" || s.peek() != '{' {
				return top(name)
			}
			ix.fields["entries"] = json.RawMessage("null") // they are in charts
			clear(ix.charts)                               // the last one counts, as for encoding/json
			return s.object(1, into(ix.charts, 2))
		})
	})
	if !ok {
		return Index{}, false, errors.New("it is not a mapping")
	}
	return ix, !s.blanks, nil
}

var errNoIndex = errors.New("it has neither apiVersion nor entries")

// check refuses what Helm would not read as an index.
func (ix Index) check() error {
	version, hasVersion := ix.fields["apiVersion"]
	entries, hasEntries := ix.fields["entries"]
	switch {
	case !hasVersion && !hasEntries && len(ix.fields) > 0:
		return errNoIndex
	case hasVersion && string(version) != `"`+repo.APIVersionV1+`"`:
		return fmt.Errorf("its apiVersion is %s, not %s", version, repo.APIVersionV1)
	case hasEntries && string(entries) != "null":
		return errors.New("its entries are not a mapping")
	}
	delete(ix.fields, "entries")
	return nil
}

// compactJSON answers the body as JSON without blanks. YAML is converted with Helm's types as a guide, so that what
// Helm takes for a string though it has no quotes does not become a number that Helm would choke on, and so that YAML
// which Helm cannot read is not made into JSON that it cannot read either.
func compactJSON(body []byte) ([]byte, error) {
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		return compact.Bytes(), nil
	}
	// Megabytes of something else would keep the YAML reader busy for half a minute before it says so.
	if !bytes.Contains(body, []byte("apiVersion")) && !bytes.Contains(body, []byte("entries")) {
		return nil, errNoIndex
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

// entries are all entries of a chart as they stand, readable or not.
func (ix Index) entries(name string) ([]Entry, error) {
	raw, ok := ix.charts[name]
	if !ok {
		return nil, nil
	}
	raws, err := elements(raw)
	if err != nil {
		return nil, fmt.Errorf("entries of chart %s: %w", name, err)
	}
	found := make([]Entry, len(raws))
	for i, raw := range raws {
		found[i] = readEntry(raw)
	}
	return found, nil
}

// Find is the entry of one version.
func (ix Index) Find(name, version string) (Entry, bool) {
	all := ix.Versions(name)
	i := slices.IndexFunc(all, func(e Entry) bool { return e.Version == version })
	if i < 0 {
		return Entry{}, false
	}
	return all[i], true
}

func (ix Index) clone() Index {
	next := Index{fields: maps.Clone(ix.fields), charts: maps.Clone(ix.charts)}
	if next.fields == nil {
		next.fields = map[string]json.RawMessage{}
	}
	if next.charts == nil {
		next.charts = map[string]json.RawMessage{}
	}
	return next
}

// with is the index with these entries of a chart and no others of it, sorted. A chart without entries is left out.
func (ix Index) with(name string, entries []Entry) Index {
	next := ix.clone()
	if len(entries) == 0 {
		delete(next.charts, name)
		return next
	}
	newestFirst(entries)
	next.charts[name] = joinList(entries)
	return next
}

// without is the index without these versions of a chart.
func (ix Index) without(name string, versions map[string]bool) (Index, error) {
	all, err := ix.entries(name)
	if err != nil {
		return Index{}, err
	}
	left := slices.DeleteFunc(slices.Clone(all), func(e Entry) bool { return versions[e.Version] })
	if len(left) == len(all) {
		return ix, nil
	}
	return ix.with(name, left), nil
}

// merge is the index with those of the entries that may come in, each chart newest first. The verdicts are in the order
// of the entries: nil for one that comes in, objstore.ErrUnchanged for one that is there with the same digest, and
// problem.Conflict for a version that is there with another digest or that was yanked. Versions are told apart by their
// text: 1.0.0+a and 1.0.0+b are two.
func (ix Index) merge(entries []Entry) (next Index, verdicts []error, err error) {
	dead, err := ix.tombstones()
	if err != nil {
		return Index{}, nil, err
	}
	buried := map[[2]string]Tombstone{}
	for _, t := range dead {
		buried[[2]string{t.Name, t.Version}] = t
	}
	byChart := map[string][]int{}
	for i, e := range entries {
		byChart[e.Name] = append(byChart[e.Name], i)
	}
	next, verdicts = ix, make([]error, len(entries))
	for _, name := range slices.Sorted(maps.Keys(byChart)) {
		list, err := ix.entries(name)
		if err != nil {
			return Index{}, nil, err
		}
		before := len(list)
		digests := map[string]string{}
		for _, e := range list {
			digests[e.Version] = e.Digest
		}
		for _, i := range byChart[name] {
			e := entries[i]
			tombstone, isBuried := buried[[2]string{e.Name, e.Version}]
			switch there, ok := digests[e.Version]; {
			case isBuried:
				verdicts[i] = tombstone.refusal()
			case ok && there == e.Digest:
				verdicts[i] = objstore.ErrUnchanged
			case ok:
				verdicts[i] = immutable(e.Name, e.Version)
			default:
				digests[e.Version] = e.Digest
				list = append(list, e)
			}
		}
		if len(list) > before {
			next = next.with(name, list)
		}
	}
	return next, verdicts, nil
}

func immutable(name, version string) error {
	return problem.New(problem.Conflict, "published versions never change: raise the version in Chart.yaml",
		"chart %s %s is published with other content", name, version)
}

// occupied says why a package cannot have its archive where there is one with other bytes. That is of the same version
// or, as a file name does not tell where the name ends, of another chart, such as app 1.0.0-2.0.0 and app-1.0.0 2.0.0.
func occupied(p Package, there []byte) error {
	other, err := Open(there)
	if err != nil || other.Name == p.Name && other.Version == p.Version {
		return immutable(p.Name, p.Version)
	}
	return problem.New(problem.Conflict, "change the name or the version of one of the two charts in its Chart.yaml",
		"chart %s %s and chart %s %s, which is published, are both archived as %s",
		p.Name, p.Version, other.Name, other.Version, p.Filename())
}

func joinList(entries []Entry) json.RawMessage {
	n := 2
	for _, e := range entries {
		n += len(e.raw) + 1
	}
	list := append(make([]byte, 0, n), '[')
	for i, e := range entries {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, e.raw...)
	}
	return append(list, ']')
}

// equal tells whether two indexes hold the same. What they share is not compared byte by byte.
func (ix Index) equal(other Index) bool {
	same := func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
	return maps.EqualFunc(ix.charts, other.charts, same) && maps.EqualFunc(ix.fields, other.fields, same)
}
