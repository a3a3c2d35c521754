// Package template makes whole files, such as a configuration with a password in it, out of a snapshot's items. It is
// Go's text/template, in which each item is a field:
//
//	[server]
//	password = {{ .password }}
//	{{ if has "proxy" }}proxy = {{ item "proxy" | json }}{{ end }}
//
// An item that is not there is an error, so that no file is written with a hole in it.
package template

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/template"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// maxSize bounds what a template makes, in bytes: a loop must not fill the node's memory.
const maxSize = 4 << 20

// Template is a template that was parsed. It is safe for concurrent use.
type Template struct{ parsed *template.Template }

// Parse reads a template; name is what errors call it, such as the path of its file. Beside text/template's own
// functions there are:
//
//	item "name"    the value of an item, for names that are no identifiers
//	has "name"     whether the item is there: for those that are optional
//	json           its argument as a JSON string, quotes included
//	base64         its argument in standard base64
//	trim           its argument without white space at both ends
func Parse(name, text string) (*Template, error) {
	parsed, err := template.New(name).Option("missingkey=error").Funcs(functions(nil)).Parse(text)
	if err != nil {
		return nil, problem.New(problem.Usage, "correct the template; its language is Go's text/template", "%w", err)
	}
	return &Template{parsed}, nil
}

// String is the template's name.
func (t *Template) String() string { return t.parsed.Name() }

// LogValue is String.
func (t *Template) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Format is String, whatever the verb.
func (t *Template) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

func functions(values map[string]string) template.FuncMap {
	return template.FuncMap{
		"item": func(name string) (string, error) {
			value, ok := values[name]
			if !ok {
				return "", fmt.Errorf("there is no item %s", name)
			}
			return value, nil
		},
		"has":    func(name string) bool { _, ok := values[name]; return ok },
		"trim":   strings.TrimSpace,
		"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"json": func(s string) (string, error) {
			quoted, err := json.Marshal(s)
			return string(quoted), err
		},
	}
}

// Render fills the template with the items of s. An error is of kind Refused and names what is missing; should its text
// quote a value, the value is taken out.
func (t *Template) Render(s delivery.Snapshot) (secret.Value, error) {
	values := map[string]string{}
	for item := range s.All() {
		values[item.Name] = string(item.Value.Reveal())
	}
	bound, err := t.parsed.Clone()
	if err != nil {
		return secret.Value{}, err
	}
	out := limited{name: t.String(), left: maxSize}
	if err := bound.Funcs(functions(values)).Execute(&out, values); err != nil {
		return secret.Value{}, problem.New(problem.Refused, "correct the template, or name the item in the configuration",
			"%s", hide(err.Error(), values))
	}
	return secret.New(out.Bytes()), nil
}

// hide takes values out of a text. Those of one or two bytes are in every text and tell nobody anything.
func hide(text string, values map[string]string) string {
	for _, value := range values {
		if len(value) > 2 {
			text = strings.ReplaceAll(text, value, "[secret]")
		}
	}
	return text
}

// limited is a buffer that takes so many bytes.
type limited struct {
	bytes.Buffer

	name string
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("template: %s makes more than %d bytes", l.name, maxSize)
	}
	return l.Buffer.Write(p)
}
