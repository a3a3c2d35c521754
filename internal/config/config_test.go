package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/config"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const example = `repositories:
  charts-uat:
    url: s3://acme-charts-uat/stable
    region: eu-west-1
  prod:
    url: s3://acme-charts/stable
    kmsKeyID: alias/charts
    endpoint: http://127.0.0.1:4566
    tags: {team: platform}
  local: {url: "file:///srv/charts"}
  upstream: {url: "https://charts.example.com"}
environments:
  uat:
    repository: charts-uat
    values: [values-common.yaml, values-uat.yaml]
  prod: {repository: prod}
`

func TestParse(t *testing.T) {
	c, err := config.Parse("pinnace.yaml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"charts-uat", "local", "prod", "uat", "upstream"}
	if diff := cmp.Diff(want, c.Names()); diff != "" {
		t.Error(diff)
	}
	uat, ok := c.Lookup("uat")
	if diff := cmp.Diff(config.Repository{URL: "s3://acme-charts-uat/stable", Region: "eu-west-1"}, uat); !ok || diff != "" {
		t.Error(diff)
	}
	prod, ok := c.Lookup("prod")
	wantProd := config.Repository{
		URL: "s3://acme-charts/stable", KMSKeyID: "alias/charts", Endpoint: "http://127.0.0.1:4566",
		Tags: map[string]string{"team": "platform"},
	}
	if diff := cmp.Diff(wantProd, prod); !ok || diff != "" {
		t.Error(diff)
	}
	if _, ok := c.Lookup("other"); ok {
		t.Error("an unknown name is found")
	}
	if c, err := config.Parse("pinnace.yaml", nil); err != nil || len(c.Names()) != 0 {
		t.Errorf("an empty file: %v, %v", c, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct{ body, text, hint string }{
		"unknown field": {
			"repositories:\n  uat:\n    url: s3://charts-uat\n    regoin: eu-west-1\n",
			"line 4: unknown field regoin", "url, region, endpoint, kmsKeyID, tags",
		},
		"unknown section": {"repos: {}\n", "line 1: unknown field repos", "repositories, environments"},
		"unknown field of an environment": {
			"environments:\n  uat: {repo: uat}\n", "line 2: unknown field repo", "repository, values",
		},
		"twice":         {"repositories: {}\nrepositories: {}\n", "line 2", "correct the line"},
		"another type":  {"repositories:\n  uat: [s3://x]\n", "line 2", "correct the line"},
		"no YAML":       {"a: [\n", "line ", "correct the line"},
		"two documents": {"{}\n---\n{}\n", "several documents", "one document"},
		"no url":        {"repositories: {uat: {}}\n", `repository uat has the url ""`, "url: s3://"},
		"another scheme": {
			"repositories: {uat: {url: ftp://example.com}}\n", `the url "ftp://example.com"`, "url: s3://",
		},
		"tags of a folder": {
			"repositories: {uat: {url: file:///srv, tags: {a: b}}}\n", "repository uat is no bucket", "remove region",
		},
		"too many tags": {
			"repositories: {uat: {url: s3://charts, tags: {a: a, b: b, c: c, d: d, e: e, f: f, g: g, h: h, i: i, j: j, k: k}}}\n",
			"11 tags", "10",
		},
		"bad name": {"repositories: {a/b: {url: s3://charts}}\n", `"a/b" is no name`, "letters"},
		"environment without its repository": {
			"environments: {uat: {repository: charts}}\n", `environment uat has the repository "charts"`, "name one",
		},
		"two meanings of a name": {
			"repositories: {a: {url: s3://aaa}, b: {url: s3://bbb}}\nenvironments: {a: {repository: b}}\n",
			"a is a repository, and an environment", "another name",
		},
		"values elsewhere": {
			"repositories: {a: {url: s3://aaa}}\nenvironments: {a: {repository: a, values: [../secrets.yaml]}}\n",
			"environment a has a values file outside", "within each chart",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("team/pinnace.yaml", []byte(test.body))
			if err == nil || problem.KindOf(err) != problem.Usage || strings.Contains(err.Error(), "\n") ||
				!strings.Contains(err.Error(), "team/pinnace.yaml: ") || !strings.Contains(err.Error(), test.text) ||
				!strings.Contains(problem.HintOf(err), test.hint) {
				t.Errorf("error %v, hint %q; want %q and %q", err, problem.HintOf(err), test.text, test.hint)
			}
		})
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{root, filepath.Join(root, "a")} { // the nearest one counts
		path := filepath.Join(folder, config.Name)
		if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := config.Find(below); err != nil || got != path {
			t.Errorf("found %q, %v; want %q", got, err, path)
		}
	}
	if _, err := config.Load(filepath.Join(root, config.Name)); err != nil {
		t.Error(err)
	}
	_, err := config.Load(filepath.Join(below, config.Name))
	if problem.KindOf(err) != problem.Usage || !strings.Contains(problem.HintOf(err), "--config") {
		t.Errorf("loading what is not there: %v, %q", err, problem.HintOf(err))
	}
}

// docs/pinnace-yaml.md names every field, and its example is a pinnace.yaml that uses each of them.
func TestReference(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "pinnace-yaml.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no example")
	}
	if _, err := config.Parse("the example", block[1]); err != nil {
		t.Error(err)
	}
	var all []string
	for _, section := range []any{config.Config{}, config.Repository{}, config.Environment{}} {
		for field := range reflect.TypeOf(section).Fields() {
			all = append(all, field.Tag.Get("yaml"))
		}
	}
	for _, field := range all {
		if !strings.Contains(string(page), "| `"+field+"` |") || !strings.Contains(string(block[1]), field+":") {
			t.Errorf("the page or its example lacks the field %s", field)
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllSubmatch(page, -1)
	if len(rows) != len(all) {
		t.Errorf("the page describes %d fields of %d", len(rows), len(all))
	}
}
