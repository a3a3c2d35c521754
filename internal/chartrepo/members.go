package chartrepo

import (
	"encoding/json"
	"iter"
)

// members yields the members of a JSON object that is valid and without blanks, in its order, values as parts of
// object. Decoding into a map would check and copy the whole object once more for each level.
func members(object []byte) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for i := 1; object[i] != '}'; {
			colon := stringEnd(object, i)
			var name string
			_ = json.Unmarshal(object[i:colon], &name) // valid, as the object is
			end := valueEnd(object, colon+1)
			if !yield(name, object[colon+1:end:end]) {
				return
			}
			if i = end; object[i] == ',' {
				i++
			}
		}
	}
}

// stringEnd is the index after the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd is the index of the comma or brace after the value that begins at i within an object.
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
