package appconfig

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	maxValidators = 2
	maxSchema     = 32 << 10 // bytes
	jsonSchema    = "JSON_SCHEMA"
	draft4        = "http://json-schema.org/draft-04/schema"
)

type validator struct {
	Type    string
	Content string
}

func checkValidators(validators []validator) *api.Error {
	if len(validators) > maxValidators {
		return badRequest("A configuration profile can have at most %d validators.", maxValidators)
	}
	for _, v := range validators {
		if v.Type != jsonSchema {
			return badRequest("Validators of type %s are not emulated, only %s.", v.Type, jsonSchema)
		}
		if len(v.Content) > maxSchema {
			return badRequest("A schema can have at most %d bytes.", maxSchema)
		}
		if _, err := compile(v.Content); err != nil {
			return badRequest("The schema is not valid: %v", err)
		}
	}
	return nil
}

// noLoader keeps a schema from reading files or the network.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a schema cannot refer to another document: %s", url)
}

// compile reads a draft 4 schema, the only draft that AppConfig knows.
func compile(schema string) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		return nil, fmt.Errorf("reading a schema: %w", err)
	}
	if object, ok := doc.(map[string]any); ok {
		if draft, ok := object["$schema"].(string); ok && strings.TrimSuffix(draft, "#") != draft4 {
			return nil, fmt.Errorf("$schema is %q, but only draft 4 is known", draft)
		}
	}
	const name = "urn:appconfig:validator"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(noLoader{})
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("adding a schema: %w", err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("compiling a schema: %w", err)
	}
	return compiled, nil
}

// invalidDetail is one entry of BadRequestException's Details.InvalidConfiguration. Value is never given: the
// configuration may be a secret.
type invalidDetail struct {
	Constraint string `json:",omitempty"`
	Location   string `json:",omitempty"`
	Reason     string
	Type       string
}

// runValidators checks a configuration against every schema.
func runValidators(validators []validator, content []byte) *api.Error {
	var details []invalidDetail
	for _, v := range validators {
		schema, err := compile(v.Content)
		if err != nil {
			return badRequest("The schema is not valid: %v", err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err != nil { // the decoder's text may quote the configuration
			details = append(details, invalidDetail{Reason: "the configuration is not JSON", Type: jsonSchema})
			continue
		}
		var invalid *jsonschema.ValidationError
		if errors.As(schema.Validate(doc), &invalid) {
			details = append(details, leaves(invalid)...)
		}
	}
	if len(details) == 0 {
		return nil
	}
	slices.SortFunc(details, func(a, b invalidDetail) int { // the library goes through maps
		return cmp.Or(cmp.Compare(a.Location, b.Location), cmp.Compare(a.Constraint, b.Constraint))
	})
	refusal := badRequest("The configuration does not pass its validators.")
	refusal.Members = map[string]any{
		"Reason": "InvalidConfiguration", "Details": map[string]any{"InvalidConfiguration": details},
	}
	return refusal
}

// leaves gives the constraints that failed, without those that only hold others together. The library's own text is not
// used, because for patterns, enumerations and formats it quotes the value.
func leaves(err *jsonschema.ValidationError) []invalidDetail {
	if len(err.Causes) > 0 {
		var out []invalidDetail
		for _, cause := range err.Causes {
			out = append(out, leaves(cause)...)
		}
		return out
	}
	constraint := strings.Join(err.ErrorKind.KeywordPath(), "/")
	location := "/" + strings.Join(err.InstanceLocation, "/")
	return []invalidDetail{{
		Constraint: constraint, Location: location, Type: jsonSchema,
		Reason: fmt.Sprintf("the value at %s does not satisfy the constraint %q", location, constraint),
	}}
}
