// Package document reads single values from a JSON object that may hold secrets: its errors name fields and positions,
// never content.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Object is a JSON object. Its zero value is empty.
type Object struct{ members map[string]any }

// Parse reads data, which must be one JSON object in valid UTF-8 and nothing else. Of a repeated member the last one
// counts.
func Parse(data []byte) (Object, error) {
	if !utf8.Valid(data) {
		return Object{}, errors.New("it is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a number is passed on as it is written
	var value any
	if err := d.Decode(&value); err != nil {
		// The decoder's own text quotes a character of the input.
		return Object{}, fmt.Errorf("it is not valid JSON near byte %d", d.InputOffset())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Object{}, fmt.Errorf("something follows the JSON value at byte %d", d.InputOffset())
	}
	members, ok := value.(map[string]any)
	if !ok {
		return Object{}, fmt.Errorf("it is %s, not a JSON object", kind(value))
	}
	return Object{members: members}, nil
}

// Text gives the string, the number as it is written, or "true" or "false" at field: the name of a member or, when it
// starts with a slash, a JSON pointer (RFC 6901).
func (o Object) Text(field string) (string, error) {
	path := []string{field}
	if strings.HasPrefix(field, "/") {
		path = strings.Split(field[1:], "/")
		for i, step := range path {
			path[i] = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		}
	}
	return o.text(field, path)
}

// Member is Text for the name of a member only, whatever it starts with.
func (o Object) Member(name string) (string, error) { return o.text(name, []string{name}) }

func (o Object) text(field string, path []string) (string, error) {
	value, found := o.find(path)
	if !found {
		return "", fmt.Errorf("field %s is missing", field)
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("field %s is %s, not a string, a number or a boolean", field, kind(value))
}

func (o Object) find(path []string) (value any, found bool) {
	value = o.members
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			value, found = v[step]
		case []any:
			var i int
			if i, found = index(step, len(v)); found {
				value = v[i]
			}
		default:
			found = false
		}
		if !found {
			return nil, false
		}
	}
	return value, true
}

// index reads an array index as RFC 6901 writes it: digits without a leading zero.
func index(step string, length int) (int, bool) {
	i, err := strconv.Atoi(step)
	return i, err == nil && i >= 0 && i < length && strconv.Itoa(i) == step
}

func kind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	}
	return "an object"
}
