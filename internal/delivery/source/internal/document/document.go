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

// ErrMissing is wrapped by the error for a field that is not there.
var ErrMissing = errors.New("is missing")

// Object is a JSON object. Its zero value is empty.
type Object struct{ members map[string]any }

// twice stands in an object for a member that is there more than once: readers differ in which of them counts.
type twice struct{}

// Parse reads data, which must be one JSON object and nothing else: see Check. A repeated member is an error only for
// who asks for it.
func Parse(data []byte) (Object, error) {
	if err := Check(data); err != nil {
		return Object{}, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a number is passed on as it is written
	value, err := decode(d)
	if err != nil {
		return Object{}, fmt.Errorf("it is not valid JSON near byte %d", d.InputOffset())
	}
	members, ok := value.(map[string]any)
	if !ok {
		return Object{}, fmt.Errorf("it is %s, not a JSON object", kind(value))
	}
	return Object{members: members}, nil
}

// Check says why data is not one JSON value in valid UTF-8, nested at most 10,000 deep, and nothing else.
func Check(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("it is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		// The decoder's own text quotes a character of the input.
		return fmt.Errorf("it is not valid JSON near byte %d", d.InputOffset())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the JSON value at byte %d", d.InputOffset())
	}
	return nil
}

// decode reads the next value of d, of which Check knows that it is valid.
func decode(d *json.Decoder) (any, error) {
	token, err := d.Token()
	switch {
	case err != nil:
		return nil, err
	case token == json.Delim('{'):
		return decodeObject(d)
	case token == json.Delim('['):
		return decodeArray(d)
	}
	return token, nil
}

func decodeObject(d *json.Decoder) (any, error) {
	members := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, err := decode(d)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprint(token) // a string, in valid JSON
		if _, there := members[name]; there {
			value = twice{}
		}
		members[name] = value
	}
	_, err := d.Token()
	return members, err
}

func decodeArray(d *json.Decoder) (any, error) {
	elements := []any{}
	for d.More() {
		value, err := decode(d)
		if err != nil {
			return nil, err
		}
		elements = append(elements, value)
	}
	_, err := d.Token()
	return elements, err
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
		return "", fmt.Errorf("field %s %w", field, ErrMissing)
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	case twice:
		return "", fmt.Errorf("field %s is there twice", field)
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
		case twice:
			return v, true
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
