// Package strict reads configuration files so that nothing in them is ignored: an unknown field is an error that names
// the line and the fields there are.
package strict

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// YAML decodes the one document in body into a pointer to a struct with yaml tags. name is what errors call the file,
// reference the page that describes it. What is not understood is a problem.Usage with the line, never with a value. An
// empty file leaves into as it is.
func YAML(name string, body []byte, into any, reference string) error {
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		text, hint := explain(err, reflect.TypeOf(into), reference)
		return problem.New(problem.Usage, hint, "reading %s: %s", name, text)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return problem.New(problem.Usage, "keep one document in it", "reading %s: it has several documents", name)
	}
	return nil
}

var (
	unknownField = regexp.MustCompile(`^(line \d+): field (\S+) not found in type (\S+)$`)
	wrongType    = regexp.MustCompile("^(line \\d+): cannot unmarshal (\\S+)(?: `[^`]*`)? into (\\S+)$")
)

// explain makes one line of the decoder's errors, and a hint. Only the first is told: the next may follow from it. The
// decoder quotes what it cannot read, which might be a key in the wrong place; that is left out.
func explain(err error, root reflect.Type, reference string) (text, hint string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	var several *yaml.TypeError
	if errors.As(err, &several) {
		text = several.Errors[0]
	}
	hint = "correct the line; " + reference + " lists the fields"
	if found := unknownField.FindStringSubmatch(text); found != nil {
		text = found[1] + ": unknown field " + found[2]
		if known := fields(root, found[3]); len(known) > 0 {
			hint = "use one of: " + strings.Join(known, ", ")
		}
	}
	if found := wrongType.FindStringSubmatch(text); found != nil {
		text = found[1] + ": found " + kind(found[2]) + " where " + goal(found[3]) + " belongs"
	}
	return text, hint
}

func kind(tag string) string {
	switch tag {
	case "!!str":
		return "a text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!seq":
		return "a list"
	case "!!map":
		return "a mapping"
	}
	return "something"
}

func goal(goType string) string {
	switch {
	case goType == "time.Duration":
		return "a time such as 30s"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a number"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a text"
	}
	return "a mapping"
}

// fields are the names in the struct type of that name, found from root on.
func fields(root reflect.Type, typeName string) []string {
	seen := map[reflect.Type]bool{}
	var found reflect.Type
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] || found != nil {
			return
		}
		seen[t] = true
		if t.String() == typeName {
			found = t
			return
		}
		for i := range t.NumField() {
			walk(t.Field(i).Type)
		}
	}
	walk(root)
	if found == nil {
		return nil
	}
	var names []string
	for i := range found.NumField() {
		name, _, _ := strings.Cut(found.Field(i).Tag.Get("yaml"), ",")
		names = append(names, name)
	}
	return names
}
