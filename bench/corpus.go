package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// maxCharts is how many charts share the versions of a corpus.
const maxCharts = 50

// corpus is a repository that looks like those of many teams: some fifty charts with hundreds of versions, each entry
// about 650 bytes. The same seed and number of versions give the same bytes.
type corpus struct {
	seed     uint64
	versions int
}

// entry is a version of a chart as Helm's index describes it.
type entry struct {
	APIVersion   string            `json:"apiVersion"`
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	AppVersion   string            `json:"appVersion"`
	Description  string            `json:"description"`
	Type         string            `json:"type"`
	Home         string            `json:"home"`
	Keywords     []string          `json:"keywords"`
	Maintainers  []maintainer      `json:"maintainers"`
	Sources      []string          `json:"sources"`
	Annotations  map[string]string `json:"annotations"`
	Dependencies []dependency      `json:"dependencies,omitempty"`
	Created      *time.Time        `json:"created,omitempty"`
	Digest       string            `json:"digest,omitempty"`
	URLs         []string          `json:"urls,omitempty"`
}

type maintainer struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

type dependency struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	Repository string `json:"repository"`
}

var (
	domains = []string{
		"payments", "orders", "inventory", "search", "identity", "billing", "shipping", "catalog", "reports", "support",
	}
	parts = []struct{ name, does string }{
		{"api", "Answers the requests of web and mobile clients"},
		{"worker", "Takes jobs off the queue and retries those that fail"},
		{"gateway", "Terminates TLS, limits rates and routes to the services behind it"},
		{"cache", "Keeps what is read often close to the service that reads it"},
		{"exporter", "Exports the team's metrics and service level indicators"},
	}
	epoch = time.Date(2024, time.January, 2, 8, 30, 0, 0, time.UTC)
)

// charts yields each chart's number and how many versions it has.
func (c corpus) charts() iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		charts := min(maxCharts, c.versions)
		for i := range charts {
			n := c.versions / charts
			if i < c.versions%charts {
				n++
			}
			if !yield(i, n) {
				return
			}
		}
	}
}

// entries yields the versions of a chart, newest first.
func (c corpus) entries(chart, n int) iter.Seq[entry] {
	random := newRandom(c.seed, chart)
	return func(yield func(entry) bool) {
		for v := n - 1; v >= 0; v-- {
			if !yield(makeEntry(random, chart, v)) {
				return
			}
		}
	}
}

func newRandom(seed uint64, chart int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(chart))) }

func makeEntry(random *rand.Rand, chart, v int) entry {
	domain, part := domains[chart%len(domains)], parts[chart/len(domains)%len(parts)]
	name := domain + "-" + part.name
	version := fmt.Sprintf("%d.%d.%d", 1+v/400, v/20%20, v%20)
	created := epoch.Add(time.Duration(v)*9*time.Hour + time.Duration(random.IntN(3600))*time.Second)
	var digest [sha256.Size]byte
	for i := range digest {
		digest[i] = byte(random.UintN(256))
	}
	return entry{
		APIVersion: "v2", Name: name, Version: version, Type: "application",
		AppVersion:  fmt.Sprintf("%d.%d.%d", 2+v/300, random.IntN(30), random.IntN(10)),
		Description: part.does + " of " + domain,
		Home:        "https://example.com/" + name,
		Keywords:    []string{domain, part.name, "platform"},
		Maintainers: []maintainer{{"team " + domain, domain + "@example.com"}},
		Sources:     []string{"https://git.example.com/" + name},
		Annotations: map[string]string{"category": "Service", "example.com/tier": fmt.Sprint(1 + random.IntN(3))},
		Dependencies: []dependency{{
			"common", fmt.Sprintf("%d.x.x", 1+v/500), "https://example.com/charts",
		}},
		Created: &created, Digest: hex.EncodeToString(digest[:]), URLs: []string{name + "-" + version + ".tgz"},
	}
}

// writeJSON is the index as pinnace stores it: compact JSON.
func (c corpus) writeJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"apiVersion":"v1","generated":"2026-01-02T08:30:00Z","entries":{`)
	for chart, n := range c.charts() {
		separator := byte('[')
		for e := range c.entries(chart, n) {
			if separator == '[' {
				if chart > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, "%q:", e.Name)
			}
			b.WriteByte(separator)
			separator = ','
			one, err := json.Marshal(e)
			if err != nil {
				return nil, fmt.Errorf("writing an entry: %w", err)
			}
			b.Write(one)
		}
		b.WriteByte(']')
	}
	b.WriteString(`}}`)
	return b.Bytes(), nil
}

// writeYAML is the same index as other tools store it. It is printed and not marshalled: a YAML library would take
// minutes for the largest.
func (c corpus) writeYAML() []byte {
	var b bytes.Buffer
	b.WriteString("apiVersion: v1\nentries:\n")
	for chart, n := range c.charts() {
		first := true
		for e := range c.entries(chart, n) {
			if first {
				fmt.Fprintf(&b, "  %s:\n", e.Name)
				first = false
			}
			e.writeYAML(&b)
		}
	}
	b.WriteString("generated: \"2026-01-02T08:30:00Z\"\n")
	return b.Bytes()
}

func (e entry) writeYAML(b *bytes.Buffer) {
	fmt.Fprintf(b, "  - annotations:\n      category: %s\n      example.com/tier: %q\n    apiVersion: %s\n",
		e.Annotations["category"], e.Annotations["example.com/tier"], e.APIVersion)
	fmt.Fprintf(b, "    appVersion: %s\n    created: %q\n", e.AppVersion, e.Created.Format(time.RFC3339))
	b.WriteString("    dependencies:\n")
	for _, d := range e.Dependencies {
		fmt.Fprintf(b, "    - name: %s\n      repository: %s\n      version: %s\n", d.Name, d.Repository, d.Version)
	}
	fmt.Fprintf(b, "    description: %s\n    digest: %s\n    home: %s\n    keywords:\n",
		e.Description, e.Digest, e.Home)
	for _, word := range e.Keywords {
		fmt.Fprintf(b, "    - %s\n", word)
	}
	b.WriteString("    maintainers:\n")
	for _, m := range e.Maintainers {
		fmt.Fprintf(b, "    - email: %s\n      name: %s\n", m.Email, m.Name)
	}
	fmt.Fprintf(b, "    name: %s\n    sources:\n", e.Name)
	for _, s := range e.Sources {
		fmt.Fprintf(b, "    - %s\n", s)
	}
	fmt.Fprintf(b, "    type: %s\n    urls:\n", e.Type)
	for _, u := range e.URLs {
		fmt.Fprintf(b, "    - %s\n", u)
	}
	fmt.Fprintf(b, "    version: %s\n", e.Version)
}

// archives yields the packaged charts themselves, by file name.
func (c corpus) archives() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for chart, n := range c.charts() {
			for e := range c.entries(chart, n) {
				if !yield(e.URLs[0], e.archive()) {
					return
				}
			}
		}
	}
}

// files are those of the entry's chart, which is small: what is measured is the number of charts.
func (e entry) files() map[string]string {
	file := e.URLs[0]
	e.Created, e.Digest, e.URLs = nil, "", nil // of the index, not of the chart
	chart, _ := json.Marshal(e)                // an entry always marshals; JSON is YAML
	return map[string]string{
		"Chart.yaml":               string(chart),
		"values.yaml":              "replicas: 1\n",
		"templates/configmap.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + file + "\n",
	}
}

// archive packages the chart of the entry.
func (e entry) archive() []byte {
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	archive := tar.NewWriter(packed)
	files := e.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		body := files[name]
		header := &tar.Header{Name: e.Name + "/" + name, Mode: 0o644, Size: int64(len(body)), ModTime: epoch}
		_ = archive.WriteHeader(header) // a buffer takes all
		_, _ = archive.Write([]byte(body))
	}
	_ = archive.Close()
	_ = packed.Close()
	return b.Bytes()
}
