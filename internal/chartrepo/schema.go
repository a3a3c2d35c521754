package chartrepo

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// checkSchemas checks coalesced values against the schemas of a chart and of the charts below it, each of which sees
// the values under its own name.
func checkSchemas(c *chart.Chart, values map[string]any) []string {
	findings := checkSchema(c.ChartFullPath(), c.Schema, values)
	for _, d := range c.Dependencies() {
		switch below := values[d.Name()].(type) {
		case nil: // no values: nothing to check
		case map[string]any:
			findings = append(findings, checkSchemas(d, below)...)
		default:
			findings = append(findings, fmt.Sprintf("%s: /%s (type: want object)", c.ChartFullPath(), d.Name()))
		}
	}
	return findings
}

// checkSchema lets Helm check values against one schema. The findings tell where the values are wrong and which rule
// they break, but, unlike Helm's own text, never what they are: the wrong value may be a key that was put there.
func checkSchema(name string, schema []byte, values map[string]any) []string {
	if schema == nil || commonutil.ValidateAgainstSingleSchema(values, schema) == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if err := validate(schema, values); !errors.As(err, &invalid) {
		return []string{name + ": values.schema.json cannot be used"}
	}
	var findings []string
	for _, leaf := range leaves(invalid) {
		where := strings.Join(leaf.InstanceLocation, "/")
		findings = append(findings, fmt.Sprintf("%s: /%s (%s)", name, where, rule(leaf)))
	}
	slices.Sort(findings)
	return slices.Compact(findings)
}

func validate(schema []byte, values map[string]any) error {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	const name = "file:///values.schema.json"
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, document); err != nil {
		return err
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return err
	}
	return compiled.Validate(values)
}

func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var found []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		found = append(found, leaves(cause)...)
	}
	return found
}

// rule names the broken rule and as much of it as shows no value.
func rule(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return "missing: " + strings.Join(k.Missing, ", ")
	case *kind.AdditionalProperties:
		return "unknown: " + strings.Join(k.Properties, ", ")
	case *kind.Type:
		return "type: want " + strings.Join(k.Want, " or ")
	case *kind.Const: // what the schema wants is the schema's text, not a value
		return fmt.Sprint("must be ", k.Want)
	case *kind.FalseSchema:
		return "not allowed"
	}
	if keyword := e.ErrorKind.KeywordPath(); len(keyword) > 0 {
		return keyword[0]
	}
	return "refused"
}

// refuse makes the findings, if any, an error about the thing.
func refuse(thing string, findings []string) error {
	if len(findings) == 0 {
		return nil
	}
	return problem.New(problem.Refused, "correct the values named above, or values.schema.json",
		"values of %s do not meet the schema: %s", thing, strings.Join(findings, "; "))
}
