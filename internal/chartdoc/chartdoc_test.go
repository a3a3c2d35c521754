package chartdoc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartdoc"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const example = `# Values of an example. This belongs to nothing.

# Names the cluster,
# and <nothing> else | here.
# @schema {"minLength": 1}
cluster: "a"

# Where records go.
target:
  # How many.
  replicas: 2
  # Share of them.
  share: 0.5
  # Whether at all.
  enabled: false
  # A text in which a line looks like a comment.
  text: |
    # no comment
    a
# Programs.
command: [a, b]
# Who pulls.
# @schema {"items": {"$ref": "#/definitions/named"}}
pull: []
# Anything.
# @schema {"additionalProperties": true}
free: {}
# One value, whose members need no comments.
# @schema {"$ref": "#/definitions/limits"}
limits:
  memory: 64Mi
# A number or a share.
# @schema {"type": ["integer", "string"], "pattern": "^[0-9]+%$"}
away: 1
`

const definitions = `{
  "named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
  "limits": {"type": "object", "additionalProperties": false, "properties": {"memory": {"type": "string"}}}
}`

func parse(t *testing.T, document string) chartdoc.Value {
	t.Helper()
	values, err := chartdoc.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestTable(t *testing.T) {
	got, err := parse(t, example).Table()
	if err != nil {
		t.Fatal(err)
	}
	want := `| value | default | meaning |
|---|---|---|
| ` + "`cluster`" + ` | ` + "`\"a\"`" + ` | Names the cluster, and &lt;nothing> else \| here. |
| ` + "`target`" + ` |  | Where records go. |
| ` + "`target.replicas`" + ` | ` + "`2`" + ` | How many. |
| ` + "`target.share`" + ` | ` + "`0.5`" + ` | Share of them. |
| ` + "`target.enabled`" + ` | ` + "`false`" + ` | Whether at all. |
| ` + "`target.text`" + ` | ` + "`# no comment a`" + ` | A text in which a line looks like a comment. |
| ` + "`command`" + ` | ` + "`[a, b]`" + ` | Programs. |
| ` + "`pull`" + ` | ` + "`[]`" + ` | Who pulls. |
| ` + "`free`" + ` | ` + "`{}`" + ` | Anything. |
| ` + "`limits`" + ` | ` + "`{memory: 64Mi}`" + ` | One value, whose members need no comments. |
| ` + "`away`" + ` | ` + "`1`" + ` | A number or a share. |
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestSchemaTellsWhatDefaultsAndLinesTell(t *testing.T) {
	text, err := parse(t, example).Schema("example", []byte(definitions))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Schema      string `json:"$schema"`
		Title       string
		Definitions map[string]any
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if schema.Schema != "http://json-schema.org/draft-07/schema#" || schema.Title != "Values of the example chart" {
		t.Errorf("%s %q", schema.Schema, schema.Title)
	}
	var want any
	if err := json.Unmarshal([]byte(`{"type": "object", "additionalProperties": false, "properties": {
  "global": {"type": "object", "description": "Given by Helm to charts below another; not read."},
  "enabled": {"type": "boolean", "description": "For the condition of a chart above; not read."},
  "cluster": {"type": "string", "minLength": 1, "description": "Names the cluster, and <nothing> else | here."},
  "target": {"type": "object", "additionalProperties": false, "description": "Where records go.", "properties": {
    "replicas": {"type": "integer", "description": "How many."},
    "share": {"type": "number", "description": "Share of them."},
    "enabled": {"type": "boolean", "description": "Whether at all."},
    "text": {"type": "string", "description": "A text in which a line looks like a comment."}}},
  "command": {"type": "array", "items": {"type": "string"}, "description": "Programs."},
  "pull": {"type": "array", "items": {"$ref": "#/definitions/named"}, "description": "Who pulls."},
  "free": {"type": "object", "additionalProperties": true, "description": "Anything."},
  "limits": {"$ref": "#/definitions/limits", "description": "One value, whose members need no comments."},
  "away": {"type": ["integer", "string"], "pattern": "^[0-9]+%$", "description": "A number or a share."}
}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, schema.Definitions["values"]); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]struct{ document, want string }{
		"no comment":             {"# A.\na: 1\nb: 2\n", "line 3: b has no comment"},
		"no comment below":       {"# A.\na:\n  b: 1\n", "line 3: a.b has no comment"},
		"a comment too far":      {"# A.\n\na: 1\n", "line 3: a has no comment"},
		"another's indentation":  {"# A.\na:\n# B.\n  b: 1\n", "line 4: a.b has no comment"},
		"in braces":              {"# A.\na: {b: 1}\n", "line 2: a.b has no comment"},
		"no sentence":            {"# @schema {}\na: 1\n", "line 2: a has no sentence"},
		"empty comment":          {"#\na: 1\n", "line 2: a has no sentence"},
		"schema not last":        {"# A.\n# @schema {}\n# More.\na: 1\n", "a has an @schema that is not the last line"},
		"two schemas":            {"# A.\n# @schema {}\n# @schema {}\na: 1\n", "a has an @schema that is not the last line"},
		"schema is no JSON":      {"# A.\n# @schema type: string\na: 1\n", "a has an @schema that is no JSON object"},
		"schema is a list":       {"# A.\n# @schema []\na: 1\n", "a has an @schema that is no JSON object"},
		"two objects":            {"# A.\n# @schema {} {}\na: 1\n", "a has more than one JSON object"},
		"later draft":            {"# A.\n# @schema {\"dependentRequired\": {}}\na: 1\n", `keyword "dependentRequired"`},
		"mistyped keyword":       {"# A.\n# @schema {\"allOf\": [{\"minlength\": 1}]}\na: a\n", `keyword "minlength"`},
		"mistyped below":         {"# A.\n# @schema {\"properties\": {\"b\": {\"typ\": 1}}}\na: {}\n", `keyword "typ"`},
		"list for a schema":      {"# A.\n# @schema {\"not\": []}\na: a\n", "is neither object nor boolean"},
		"list for a mapping":     {"# A.\n# @schema {\"properties\": []}\na: {}\n", `keyword "properties"`},
		"beside a reference":     {"# A.\n# @schema {\"$ref\": \"#/definitions/b\", \"minLength\": 1}\na: a\n", `beside "$ref"`},
		"empty mapping":          {"# A.\na: {}\n", "line 2: a is an empty mapping"},
		"empty list":             {"# A.\na: []\n", "line 2: a is a list of which nothing tells the items"},
		"list of different":      {"# A.\na: [1, b]\n", "line 2: a is a list of which nothing tells the items"},
		"list of mappings":       {"# A.\na: [{b: 1}]\n", "line 2: a is a list of which nothing tells the items"},
		"null":                   {"# A.\na:\n", "line 2: a has a default that tells no type"},
		"alias":                  {"# A.\na: &x b\n# C.\nc: *x\n", "line 2: a has an anchor"},
		"name that is no text":   {"# A.\n1: a\n", "line 2: 1 has an anchor, an alias or a name that is no text"},
		"list at the top":        {"- a\n", "values.yaml has none"},
		"nothing":                {"", "values.yaml has none"},
		"no YAML":                {"a: [", "reading values.yaml"},
		"every one of them":      {"a: 1\n# B.\nb: 1\nc: 1\n", "line 1: a has no comment on the line above it: say what it does\nline 4: c has no comment"},
		"comment beside, not on": {"a: 1 # A.\n", "line 1: a has no comment"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := chartdoc.Parse([]byte(test.document))
			if err == nil {
				t.Fatal("parsed")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error does not say %q: %v", test.want, err)
			}
			if problem.HintOf(err) == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestSchemaRefuses(t *testing.T) {
	tests := map[string]struct{ document, definitions, want string }{
		"reference to nothing":             {"# A.\n# @schema {\"$ref\": \"#/definitions/b\"}\na: a\n", "", "/definitions/b"},
		"default against line":             {"# A.\n# @schema {\"minimum\": 3}\na: 1\n", "", "/a"},
		"no pattern":                       {"# A.\n# @schema {\"pattern\": \"(\"}\na: a\n", "", "cannot be used"},
		"twice":                            {"# A.\na: 1\n# A.\na: 2\n", "", "already set"},
		"text that Helm reads as a switch": {"# A.\na: yes\n", "", "got boolean, want string"},
		"a key by default":                 {"# A.\na: Bearer fakefakefake\n", "", "no key: values hold none"},
		"a definition of ours":             {"# A.\na: 1\n", `{"holdsNoKey": {}}`, "definition holdsNoKey"},
		"a definition in our place":        {"# A.\na: 1\n", `{"values": {}}`, "definition values"},
		"a definition in error":            {"# A.\na: 1\n", `{"b": {"typ": "string"}}`, `definition b has the keyword "typ"`},
		"definitions that are none":        {"# A.\na: 1\n", `[]`, "reading definitions"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var own []byte
			if test.definitions != "" {
				own = []byte(test.definitions)
			}
			if _, err := parse(t, test.document).Schema("example", own); err == nil {
				t.Fatal("made")
			} else if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error does not say %q: %v", test.want, err)
			}
		})
	}
}

func TestReadme(t *testing.T) {
	values := parse(t, "# A.\na: 1\n")
	const table = "| value | default | meaning |\n|---|---|---|\n| `a` | `1` | A. |\n"
	got, err := values.Readme([]byte("Before\n" + chartdoc.Begin + "\nold\n" + chartdoc.End + "\nAfter\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "Before\n" + chartdoc.Begin + "\n\n" + table + "\n" + chartdoc.End + "\nAfter\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("README (-want +got):\n%s", diff)
	}
	if again, err := values.Readme(got); err != nil || string(again) != want {
		t.Errorf("made again it is\n%s (%v)", again, err)
	}
	for name, readme := range map[string]string{
		"no marks": "a\n", "no end": chartdoc.Begin + "\n", "no beginning": chartdoc.End + "\n",
		"twice": strings.Repeat(chartdoc.Begin+"\nx\n"+chartdoc.End+"\n", 2),
	} {
		if _, err := values.Readme([]byte(readme)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
