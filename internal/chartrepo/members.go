package chartrepo

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
)

// members yields the members of a JSON object that is valid and without blanks, in its order, values as parts of
// object. Decoding into a map would check and copy the whole object once more for each level.
func members(object []byte) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for i := 1; object[i] != '}'; {
			colon := stringEnd(object, i)
			end := valueEnd(object, colon+1)
			name, _ := unquote(object[i:colon]) // valid, as the object is
			if !yield(name, object[colon+1:end:end]) {
				return
			}
			if i = end; object[i] == ',' {
				i++
			}
		}
	}
}

// elements are the elements of a JSON list that is valid and without blanks, as parts of list; null is an empty list.
func elements(list []byte) ([]json.RawMessage, error) {
	if string(list) == "null" {
		return nil, nil
	}
	if list[0] != '[' {
		return nil, errors.New("not a list")
	}
	var found []json.RawMessage
	for i := 1; list[i] != ']'; {
		end := valueEnd(list, i)
		found = append(found, list[i:end:end])
		if i = end; list[i] == ',' {
			i++
		}
	}
	return found, nil
}

// unquote is the text of a JSON string, or false for another value.
func unquote(quoted []byte) (string, bool) {
	if quoted[0] != '"' {
		return "", false
	}
	for _, c := range quoted {
		if c == '\\' || c >= 0x80 { // escapes, and bytes that may be no UTF-8
			var s string
			return s, json.Unmarshal(quoted, &s) == nil
		}
	}
	return string(quoted[1 : len(quoted)-1]), true
}

// stringEnd is the index after the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; ; i++ {
		if i += bytes.IndexByte(b[i:], '"'); !escaped(b, i) {
			return i + 1
		}
	}
}

// escaped tells whether an odd number of backslashes stands before i, within a string.
func escaped(b []byte, i int) bool {
	n := 0
	for b[i-n-1] == '\\' {
		n++
	}
	return n%2 == 1
}

// valueEnd is the index of the comma, brace or bracket after the value that begins at i within an object or a list.
func valueEnd(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
}
