package chartdoc

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	kubeyaml "sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// nokeys is the schema around that of the values. It has all but the title and the definition "values".
//
//go:embed nokeys.json
var nokeys []byte

// Schema gives values.schema.json. An @schema may refer to the definitions, a JSON object of schemas by name, as
// {"$ref": "#/definitions/NAME"}; nil is none. A reference to nothing is a problem.Refused, and so are defaults that
// the schema itself would refuse, as Helm reads them.
func (v Value) Schema(chart string, definitions []byte) ([]byte, error) {
	var schema struct {
		Schema      string         `json:"$schema"`
		Title       string         `json:"title"`
		Description string         `json:"description"`
		AllOf       []any          `json:"allOf"`
		If          any            `json:"if"`
		Then        any            `json:"then"`
		Definitions map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(nokeys, &schema); err != nil {
		return nil, err
	}
	schema.Title = "Values of the " + chart + " chart"
	if err := define(schema.Definitions, definitions); err != nil {
		return nil, err
	}
	values := v.jsonSchema()
	properties := values["properties"].(map[string]any)
	properties["global"] = map[string]any{
		"description": "Given by Helm to charts below another; not read.", "type": "object",
	}
	if properties["enabled"] == nil {
		properties["enabled"] = map[string]any{
			"description": "For the condition of a chart above; not read.", "type": "boolean",
		}
	}
	schema.Definitions["values"] = values
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // patterns stay readable
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		return nil, err
	}
	return text.Bytes(), v.meets(text.Bytes())
}

// define adds a chart's own definitions.
func define(all map[string]any, definitions []byte) error {
	const hint = "correct the chart's definitions"
	if definitions == nil {
		return nil
	}
	var own map[string]any
	if err := json.Unmarshal(definitions, &own); err != nil {
		return problem.New(problem.Usage, hint, "reading definitions: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if _, taken := all[name]; taken || name == "values" {
			return problem.New(problem.Refused, hint, "definition %s has a name that chartdoc uses", name)
		}
		if wrong := misuse(own[name]); wrong != "" {
			return problem.New(problem.Refused, hint, "definition %s %s", name, wrong)
		}
		all[name] = own[name]
	}
	return nil
}

func (v Value) jsonSchema() map[string]any {
	schema := map[string]any{}
	if v.Description != "" {
		schema["description"] = v.Description
	}
	if _, ok := v.schema["$ref"]; !ok {
		v.infer(schema)
	}
	maps.Copy(schema, v.schema)
	return schema
}

func (v Value) infer(schema map[string]any) {
	if inferred := types[v.node.Tag]; inferred != "" {
		schema["type"] = inferred
	}
	if v.node.Kind == yaml.SequenceNode {
		if of := itemType(v.node); of != "" {
			schema["items"] = map[string]any{"type": of}
		}
	}
	if v.node.Kind == yaml.MappingNode && !v.whole() {
		properties := map[string]any{}
		for _, member := range v.Members {
			properties[member.Path[len(v.Path):][min(1, len(v.Path)):]] = member.jsonSchema()
		}
		schema["properties"], schema["additionalProperties"] = properties, false
	}
}

// meets checks the defaults, as Helm reads them, against their own schema.
func (v Value) meets(schema []byte) error {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	const name, hint = "file:///values.schema.json", "correct the @schema or the default"
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, document); err != nil {
		return err
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return problem.New(problem.Refused, hint, "the schema of values.yaml cannot be used: %w", err)
	}
	text, err := yaml.Marshal(v.node)
	if err != nil {
		return err
	}
	if text, err = kubeyaml.YAMLToJSONStrict(text); err != nil {
		return problem.New(problem.Refused, hint, "reading values.yaml as Helm does: %w", err)
	}
	defaults, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	var invalid *jsonschema.ValidationError
	if err := compiled.Validate(defaults); errors.As(err, &invalid) {
		return problem.New(problem.Refused, hint, "values.yaml does not meet its own schema: %w", invalid)
	} else if err != nil {
		return err
	}
	return nil
}

// The keywords of draft-07 that a schema may have, by what they hold. "format" is not among them: old Helm checks it
// and new Helm does not.
var (
	plainKeywords = []string{
		"type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
		"maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "required",
		"title", "description", "examples", "$ref", "$comment",
	}
	schemaKeywords = []string{
		"items", "additionalItems", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else",
	}
	listKeywords = []string{"allOf", "anyOf", "oneOf"}
	mapKeywords  = []string{"properties", "patternProperties"}
)

// misuse says what in a schema validators would pass over in silence, or nothing.
func misuse(schema any) string {
	keywords, ok := schema.(map[string]any)
	if _, isBool := schema.(bool); !ok && !isBool {
		return "is neither object nor boolean"
	}
	if _, ok := keywords["$ref"]; ok && len(keywords) > 1 {
		return `has other keywords beside "$ref", which hides them: put both into "allOf"`
	}
	for _, keyword := range slices.Sorted(maps.Keys(keywords)) {
		below, err := subschemas(keyword, keywords[keyword])
		if err != nil {
			return err.Error()
		}
		for _, schema := range below {
			if wrong := misuse(schema); wrong != "" {
				return wrong
			}
		}
	}
	return ""
}

// subschemas are the schemas that a keyword holds.
func subschemas(keyword string, value any) ([]any, error) {
	list, isList := value.([]any)
	named, isMap := value.(map[string]any)
	switch {
	case slices.Contains(plainKeywords, keyword):
		return nil, nil
	case slices.Contains(schemaKeywords, keyword):
		return []any{value}, nil
	case slices.Contains(listKeywords, keyword) && isList:
		return list, nil
	case slices.Contains(mapKeywords, keyword) && isMap:
		return slices.Collect(maps.Values(named)), nil
	}
	return nil, fmt.Errorf("has the keyword %q, which draft-07 does not have or not like this, or which is not for here",
		keyword)
}
