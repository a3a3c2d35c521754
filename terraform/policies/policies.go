// Package policies holds the IAM documents of a pinnace installation as templates, in one copy: Terraform renders them
// with templatefile and Go renders the embedded files, so what the emulator enforces is what AWS will enforce. The
// README says what fails without each statement.
//
// A template is JSON with ${name} placeholders inside string literals and nothing else of Terraform's template
// language, which is what lets two renderers agree byte for byte.
package policies

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Templates are the documents of this folder, NAME.json.tftpl each.
//
//go:embed *.json.tftpl
var Templates embed.FS

// suffix is the ending of a template's file name.
const suffix = ".json.tftpl"

// ErrVariable is wrapped by Render when a variable is missing, unused or has a value that a template must not hold.
var ErrVariable = errors.New("bad template variable")

var (
	placeholder = regexp.MustCompile(`\$\{([a-z][a-z0-9_]*)\}`)
	// forbidden in a value: what would end the JSON string, start a template or an IAM policy variable, or widen a
	// resource to a pattern.
	forbidden = regexp.MustCompile(`["\\*?]|\$\{|%\{|[[:cntrl:]]`)
)

// separator stands between the values of a list; what is around it in a template makes strings of them.
const separator = `", "`

// List joins the values of a variable whose name ends with "_arns", such as reader_arns, as Terraform does with
// join("\", \"", values). The template has it between brackets and quotes: ["${reader_arns}"].
func List(values ...string) string { return strings.Join(values, separator) }

// optional are the variables that may be empty: charts may live at the root of a bucket.
var optional = []string{"prefix"}

// Names lists the documents of Templates, sorted.
func Names() []string {
	files, err := fs.Glob(Templates, "*"+suffix)
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(file, suffix)
	}
	slices.Sort(files)
	return files
}

// Variables lists the variables that the document called name from fsys takes, sorted and without repetition. It fails
// with an error that wraps fs.ErrNotExist when there is no such document.
func Variables(fsys fs.FS, name string) ([]string, error) {
	template, err := read(fsys, name)
	if err != nil {
		return nil, err
	}
	return variables(template), nil
}

// Render fills in the document called name from fsys, usually Templates. Every variable of the document must be given
// and no other; values are plain text without quotes, backslashes, control characters, template openings or the
// wildcards of IAM, and only "prefix" may be empty (else it ends with a slash). A name that ends with "_arns" takes
// what List makes of one value or more. An error wraps ErrVariable or fs.ErrNotExist, or says that the result is not
// JSON.
func Render(fsys fs.FS, name string, vars map[string]string) (string, error) {
	template, err := read(fsys, name)
	if err != nil {
		return "", err
	}
	wanted := variables(template)
	if err := check(wanted, vars); err != nil {
		return "", fmt.Errorf("rendering policy %s: %w", name, err)
	}
	document := placeholder.ReplaceAllStringFunc(template, func(p string) string {
		return vars[p[len("${"):len(p)-len("}")]]
	})
	if strings.Contains(document, "${") || strings.Contains(document, "%{") {
		return "", fmt.Errorf("rendering policy %s: the template holds more than plain ${name} placeholders", name)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(document), &object); err != nil {
		return "", fmt.Errorf("rendering policy %s: %w", name, err)
	}
	return document, nil
}

func read(fsys fs.FS, name string) (string, error) {
	template, err := fs.ReadFile(fsys, name+suffix)
	if err != nil {
		return "", fmt.Errorf("reading policy template %s: %w", name, err)
	}
	return string(template), nil
}

func variables(template string) []string {
	var names []string
	for _, match := range placeholder.FindAllStringSubmatch(template, -1) {
		names = append(names, match[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func check(wanted []string, vars map[string]string) error {
	for _, name := range wanted {
		joined, given := vars[name]
		if !given {
			return fmt.Errorf("%w: %s is missing", ErrVariable, name)
		}
		values := []string{joined}
		if strings.HasSuffix(name, "_arns") {
			values = strings.Split(joined, separator)
		}
		for _, value := range values {
			if err := checkValue(name, value); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if !slices.Contains(wanted, name) {
			return fmt.Errorf("%w: %s is not used", ErrVariable, name)
		}
	}
	return nil
}

func checkValue(name, value string) error {
	switch {
	case value == "" && !slices.Contains(optional, name):
		return fmt.Errorf("%w: %s is empty", ErrVariable, name)
	case forbidden.MatchString(value):
		return fmt.Errorf("%w: %s must not hold %q", ErrVariable, name, forbidden.FindString(value))
	case name == "prefix" && value != "" && !strings.HasSuffix(value, "/"):
		return fmt.Errorf("%w: prefix %q must end with a slash, or it would cover its neighbours", ErrVariable, value)
	}
	return nil
}
