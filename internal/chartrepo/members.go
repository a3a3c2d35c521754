package chartrepo

import (
	"encoding/json"
	"errors"
	"iter"
)

// members yields the members of a JSON object in its order, values as parts of object, up to the first fault if it is
// not valid. Decoding into a map would check and copy the whole object once more for each level.
func members(object []byte) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		s := scanner{b: object}
		s.object(0, func(name []byte) bool {
			raw, ok := s.raw(1)
			return ok && yield(text(name), raw)
		})
	}
}

// elements are the elements of a JSON array, as parts of it; null is an empty one.
func elements(array []byte) ([]json.RawMessage, error) {
	var found []json.RawMessage
	s := scanner{b: array}
	ok := s.array(0, func() bool {
		raw, ok := s.raw(1)
		found = append(found, raw)
		return ok
	})
	if !ok && string(array) != "null" {
		return nil, errors.New("not a list")
	}
	return found, nil
}

// unquote is the text of a JSON value, if it is a string.
func unquote(value json.RawMessage) (string, bool) {
	if value[0] != '"' {
		return "", false
	}
	return text(value), true
}

// text is the text of a JSON string.
func text(quoted []byte) string {
	for _, c := range quoted {
		if c == '\\' || c >= 0x80 { // escapes, and bytes that may be no UTF-8
			var s string
			_ = json.Unmarshal(quoted, &s) // valid, as the object is
			return s
		}
	}
	return string(quoted[1 : len(quoted)-1])
}

// scanner goes through JSON (RFC 8259) once, without decoding it. Its methods stand before what they are named after
// and end behind it, or answer false. It takes what encoding/json takes.
type scanner struct {
	b      []byte
	i      int
	blanks bool // there were some outside of strings
}

// maxDepth is how deep values may be nested, as for encoding/json.
const maxDepth = 10000

// document is a value with nothing behind it.
func (s *scanner) document(value func() bool) bool {
	s.skipBlanks()
	if !value() {
		return false
	}
	s.skipBlanks()
	return s.i == len(s.b)
}

// raw is any value, as a part of the whole.
func (s *scanner) raw(depth int) (json.RawMessage, bool) {
	from := s.i
	ok := s.value(depth)
	return s.b[from:s.i:s.i], ok
}

func (s *scanner) value(depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch s.peek() {
	case '"':
		return s.string()
	case '{':
		return s.object(depth, func([]byte) bool { return s.value(depth + 1) })
	case '[':
		return s.array(depth, func() bool { return s.value(depth + 1) })
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

// object calls member before each value, with its quoted name; member goes on to the end of the value.
func (s *scanner) object(depth int, member func(name []byte) bool) bool {
	return s.list('{', '}', depth, func() bool {
		from := s.i
		if s.peek() != '"' || !s.string() {
			return false
		}
		name := s.b[from:s.i]
		s.skipBlanks()
		if !s.word(":") {
			return false
		}
		s.skipBlanks()
		return member(name)
	})
}

// array calls element before each value; element goes on to its end.
func (s *scanner) array(depth int, element func() bool) bool { return s.list('[', ']', depth, element) }

func (s *scanner) list(begin, end byte, depth int, item func() bool) bool {
	if depth >= maxDepth || s.peek() != begin {
		return false
	}
	s.i++
	s.skipBlanks()
	if s.peek() == end {
		s.i++
		return true
	}
	for item() {
		s.skipBlanks()
		switch s.peek() {
		case end:
			s.i++
			return true
		case ',':
			s.i++
			s.skipBlanks()
		default:
			return false
		}
	}
	return false
}

// peek is the next byte, or zero, which begins nothing, at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) skipBlanks() {
	for ; s.i < len(s.b); s.i++ {
		if c := s.b[s.i]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return
		}
		s.blanks = true
	}
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

func (s *scanner) string() bool {
	rest := s.b[s.i+1:]
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			s.i += i + 2
			return true
		case c < ' ':
			return false
		case c == '\\':
			n := escapeLen(rest[i+1:])
			if n == 0 {
				return false
			}
			i += n
		}
	}
	return false
}

// escapeLen is the length of what follows a backslash, or 0 if nothing may that begins with b.
func escapeLen(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		for i := 1; i <= 4; i++ {
			if i == len(b) || !isHex(b[i]) {
				return 0
			}
		}
		return 5
	}
	return 0
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func (s *scanner) number() bool {
	s.word("-")
	if !s.word("0") && !s.digits() {
		return false
	}
	if s.word(".") && !s.digits() {
		return false
	}
	if s.word("e") || s.word("E") {
		_ = s.word("+") || s.word("-")
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	from := s.i
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.i++
	}
	return s.i > from
}
