// Package chartdoc makes from a chart's values.yaml what repeats it: the table of values in the chart's README and
// values.schema.json. A test of the chart compares both with what is committed, so that neither can be stale.
//
// In values.yaml each value has a comment directly above it, of plain sentences. The comment's last line may be
// "# @schema {…}", JSON Schema on one line, which is laid over what the default tells: its type, the types of a list's
// items, and that a mapping has the members that it has and no others. An empty list or mapping tells nothing, and
// null neither: they need such a line. A mapping whose line tells of members itself ($ref, properties,
// patternProperties, additionalProperties) is one value, and what is in it needs no comments. Comments above a blank
// line belong to nothing.
//
// The schema keeps to draft-07, as the validators of Helm 3 and Helm 4 do. Before any rule of the chart it has those
// of nokeys.json: values that hold a key are refused by a sentence that does not repeat it.
//
// helm-docs would make the README alone. It wants its own mark on each comment, brings Helm 3 into a module that has
// Helm 4, takes its settings from the process (viper) and logs what it misses; the schema would still need all that
// is read here. The generators of schemas that charts use do not come as Go modules, and invopop/jsonschema reflects
// Go types, which values do not have. Reading the nodes of go.yaml.in/yaml is less than any of these.
package chartdoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Value is one value that a chart's user can give.
type Value struct {
	Path        string  // such as coralogix.domain; empty for all values together
	Description string  // the sentences of its comment, on one line
	Line        int     // in values.yaml, from 1
	Members     []Value // of a mapping whose members are values on their own, as they are written

	node   *yaml.Node
	schema map[string]any // what @schema says
}

// Parse reads a chart's values.yaml. What is not as the package asks for is a problem.Refused that names each value
// by path and line.
func Parse(document []byte) (Value, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return Value{}, problem.New(problem.Usage, "correct values.yaml", "reading values.yaml: %w", err)
	}
	if root.Kind != yaml.DocumentNode || root.Content[0].Kind != yaml.MappingNode {
		return Value{}, problem.New(problem.Usage, "values are YAML with a mapping at the top", "values.yaml has none")
	}
	p := parser{lines: strings.Split(string(document), "\n")}
	all := Value{node: root.Content[0], Line: 1, schema: map[string]any{}}
	all.Members = p.members(all)
	if len(p.findings) > 0 {
		return Value{}, problem.New(problem.Refused, "see the description of internal/chartdoc",
			"values.yaml: %s", strings.Join(p.findings, "\n"))
	}
	return all, nil
}

type parser struct {
	lines    []string
	findings []string
}

func (p *parser) found(v Value, what string) {
	p.findings = append(p.findings, fmt.Sprintf("line %d: %s %s", v.Line, v.Path, what))
}

func (p *parser) members(parent Value) []Value {
	var members []Value
	content := parent.node.Content
	for i := 0; i < len(content); i += 2 {
		name, node := content[i], content[i+1]
		v := Value{Path: strings.TrimPrefix(parent.Path+"."+name.Value, "."), Line: name.Line, node: node}
		if node.Kind == yaml.AliasNode || node.Anchor != "" || name.Tag != "!!str" {
			p.found(v, "has an anchor, an alias or a name that is no text: write it out")
			continue
		}
		if comment := p.above(name); len(comment) == 0 {
			p.found(v, "has no comment on the line above it: say what it does")
			continue
		} else if err := v.read(comment); err != nil {
			p.found(v, err.Error())
			continue
		}
		if node.Kind == yaml.MappingNode && !v.whole() {
			v.Members = p.members(v)
		}
		if lack := v.lack(); lack != "" {
			p.found(v, lack)
		}
		members = append(members, v)
	}
	return members
}

// above gives the comment that ends on the line above a name, at the name's indentation. It is read from the lines:
// the comments of the nodes do not tell what a blank line parts.
func (p *parser) above(name *yaml.Node) []string {
	indented := strings.Repeat(" ", name.Column-1) + "#"
	last := name.Line - 1
	first := last
	for first > 0 && strings.HasPrefix(p.lines[first-1], indented) {
		first--
	}
	if strings.TrimSpace(p.lines[last][:min(name.Column-1, len(p.lines[last]))]) != "" {
		return nil // in braces, where the line above is not this name's
	}
	comment := make([]string, 0, last-first)
	for _, line := range p.lines[first:last] {
		comment = append(comment, strings.TrimSpace(strings.TrimPrefix(line, indented)))
	}
	return comment
}

const schemaMark = "@schema"

func (v *Value) read(comment []string) error {
	last := len(comment) - 1
	if own, ok := strings.CutPrefix(comment[last], schemaMark); ok {
		comment = comment[:last]
		decoder := json.NewDecoder(strings.NewReader(own))
		decoder.UseNumber()
		if err := decoder.Decode(&v.schema); err != nil {
			return fmt.Errorf("has an @schema that is no JSON object: %w", err)
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			return errors.New("has more than one JSON object in its @schema")
		}
		if wrong := misuse(v.schema); wrong != "" {
			return errors.New("has an @schema that " + wrong)
		}
	}
	v.Description = strings.TrimSpace(strings.Join(comment, " "))
	switch {
	case v.Description == "":
		return errors.New("has no sentence in its comment: say what it does")
	case strings.Contains(v.Description, schemaMark):
		return errors.New("has an @schema that is not the last line of its comment")
	}
	return nil
}

// whole tells whether the value is one and its members none of their own.
func (v Value) whole() bool {
	for _, keyword := range []string{"$ref", "properties", "patternProperties", "additionalProperties"} {
		if _, ok := v.schema[keyword]; ok {
			return true
		}
	}
	return false
}

// lack says what neither default nor @schema tell.
func (v Value) lack() string {
	_, isReference := v.schema["$ref"]
	_, hasType := v.schema["type"]
	_, hasItems := v.schema["items"]
	switch {
	case isReference:
	case v.node.Kind == yaml.MappingNode && len(v.node.Content) == 0 && !v.whole():
		return "is an empty mapping: say in @schema what may be in it, by $ref, properties or additionalProperties"
	case v.node.Kind == yaml.SequenceNode && !hasItems && itemType(v.node) == "":
		return "is a list of which nothing tells the items: give items in @schema"
	case v.node.Kind == yaml.ScalarNode && types[v.node.Tag] == "" && !hasType:
		return "has a default that tells no type: give type in @schema"
	}
	return ""
}

// types are JSON's names for YAML's.
var types = map[string]string{
	"!!str": "string", "!!bool": "boolean", "!!int": "integer", "!!float": "number",
	"!!map": "object", "!!seq": "array",
}

// itemType is the type that all scalars of a list have, or nothing.
func itemType(list *yaml.Node) string {
	found := ""
	for _, item := range list.Content {
		of := types[item.Tag]
		if item.Kind != yaml.ScalarNode || of == "" || found != "" && of != found {
			return ""
		}
		found = of
	}
	return found
}
