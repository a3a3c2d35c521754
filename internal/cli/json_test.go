package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/json.md names every field that a verb prints.
func TestJSONIsDocumented(t *testing.T) {
	documented := jsonReference(t)
	chart := filepath.Join(t.TempDir(), "web")
	repo, copied := "file://"+t.TempDir(), "file://"+t.TempDir()
	at := func(version string) {
		t.Helper()
		writeChart(t, chart, "name: web\nversion: "+version+"\nappVersion: \"1\"\ndescription: a chart\n")
	}
	for _, step := range []struct {
		verb, version string
		args          []string
	}{
		{"scan", "1.0.0", []string{"scan", chart}},
		{"render", "", []string{"render", chart}},
		{"publish", "", []string{"publish", chart, "--repo", repo}},
		{"publish", "1.1.0", []string{"publish", chart, "--repo", repo}},
		{"publish", "1.2.0", []string{"publish", chart, "--repo", repo}},
		{"ls", "", []string{"ls", "--repo", repo}},
		{"promote", "", []string{"promote", "web", "1.0.0", "--from", repo, "--to", copied}},
		{"mirror", "", []string{"mirror", repo, "web@1.1.0", "--to", copied}},
		{"yank", "", []string{"yank", "web", "1.1.0", "--repo", copied, "--reason", "old"}},
		{"deprecate", "", []string{"deprecate", "web", "1.0.0", "--repo", copied}},
		{"show", "", []string{"ls", "web", "--repo", copied}},
		{"show", "", []string{"show", "web", "1.0.0", "--repo", copied}},
		{"prune", "", []string{"prune", "--keep", "1", "--repo", repo}},
		{"reindex", "", []string{"reindex", "--repo", repo}},
		{"verify", "", []string{"verify", "--require-signed", "--grace", "0s", "--repo", repo}},
	} {
		if step.version != "" {
			at(step.version)
		}
		for _, field := range fieldsOf(t, run(t, append(step.args, "--output", "json"))) {
			if !slices.Contains(documented[step.verb], field) {
				t.Errorf("pinnace %s prints %q; docs/json.md does not say so", strings.Join(step.args, " "), field)
			}
		}
	}
}

// jsonReference is the fields by verb. Those of findings and of what is within a list belong to every verb.
func jsonReference(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(repository, "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([a-zA-Z]+)`")
	names := func(text string) (found []string) {
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		return found
	}
	_, prose, _ := strings.Cut(string(page), "A finding of")
	verbs := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			if verb := names(cells[1]); len(verb) == 1 {
				verbs[verb[0]] = append(names(cells[3]), names(prose)...)
			}
		}
	}
	verbs["mirror"] = append(verbs["mirror"], verbs["scan"]...)
	return verbs
}

func run(t *testing.T, args []string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	code := Main(t.Context(), args, Streams{Out: &out, Err: &errs}, func(string) string { return "" })
	if code != 0 && args[0] != "verify" {
		t.Fatalf("%v: exit status %d: %s", args, code, errs.String())
	}
	return out.Bytes()
}

// fieldsOf are the names of all members within a document, but for manifests, whose names are files.
func fieldsOf(t *testing.T, document []byte) (found []string) {
	t.Helper()
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, element := range v {
				walk(element)
			}
		case map[string]any:
			for name, value := range v {
				found = append(found, name)
				if text, ok := value.(string); ok && name == "digest" && !strings.HasPrefix(text, "sha256:") {
					t.Errorf("%s: digest %q", document, text)
				}
				if name != "manifests" {
					walk(value)
				}
			}
		}
	}
	var whole any
	if err := json.Unmarshal(document, &whole); err != nil {
		t.Fatalf("%q: %v", document, err)
	}
	if walk(whole); len(found) == 0 {
		t.Errorf("%s has no fields", document)
	}
	return found
}

func writeChart(t *testing.T, folder, yaml string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "Chart.yaml"), []byte("apiVersion: v2\n"+yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}
