package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

type index struct {
	APIVersion string             `json:"apiVersion"`
	Generated  string             `json:"generated"`
	Entries    map[string][]entry `json:"entries"`
}

func TestCorpusIsRealistic(t *testing.T) {
	for _, versions := range []int{1, 7, 50, 120, 5000} {
		body, err := corpus{1, versions}.writeJSON()
		if err != nil {
			t.Fatal(err)
		}
		var ix index
		if err := json.Unmarshal(body, &ix); err != nil {
			t.Fatalf("%d versions: %v", versions, err)
		}
		if want := min(versions, maxCharts); len(ix.Entries) != want {
			t.Errorf("%d versions: %d charts, want %d", versions, len(ix.Entries), want)
		}
		seen := map[string]bool{}
		for name, list := range ix.Entries {
			for _, e := range list {
				if e.Name != name || e.Digest == "" || seen[e.URLs[0]] {
					t.Errorf("%s has %s %s at %s, or twice", name, e.Name, e.Version, e.URLs)
				}
				seen[e.URLs[0]] = true
			}
		}
		if len(seen) != versions {
			t.Errorf("%d versions, want %d", len(seen), versions)
		}
		if each := len(body) / versions; versions >= 1000 && (each < 600 || each > 700) {
			t.Errorf("%d versions: %d bytes an entry", versions, each)
		}
	}
}

func TestCorpusRepeats(t *testing.T) {
	one, _ := corpus{1, 200}.writeJSON()
	again, _ := corpus{1, 200}.writeJSON()
	other, _ := corpus{2, 200}.writeJSON()
	if !bytes.Equal(one, again) {
		t.Error("the same seed gives other bytes")
	}
	if bytes.Equal(one, other) {
		t.Error("another seed gives the same bytes")
	}
}

// What other tools' indexes say is what ours says.
func TestCorpusYAMLIsTheSameIndex(t *testing.T) {
	c := corpus{1, 120}
	body, err := c.writeJSON()
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON, fromYAML index
	if err := json.Unmarshal(body, &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(c.writeYAML(), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
		t.Errorf("the YAML says otherwise (-JSON +YAML):\n%s", diff)
	}
}

// Each archive is a chart that Helm reads, of the name and version that its file says.
func TestCorpusArchives(t *testing.T) {
	n := 0
	digests := map[[sha256.Size]byte]bool{}
	for name, body := range (corpus{1, 60}).archives() {
		p, err := chartrepo.Open(body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.Filename() != name {
			t.Errorf("%s holds %s", name, p.Filename())
		}
		digests[sha256.Sum256(body)] = true
		n++
	}
	if n != 60 || len(digests) != 60 {
		t.Errorf("%d archives, %d digests, want 60", n, len(digests))
	}
}
