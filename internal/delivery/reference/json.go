package reference

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pinnace-dev/pinnace/internal/secret"
)

// FindJSON lists the references in the strings of text, which is valid JSON, in their order, repetitions included. A
// reference in the name of a member is an error.
func FindJSON(text string) ([]Reference, error) {
	var refs []Reference
	err := splitJSON(text, nil, func(decoded string) error {
		found, err := Find(decoded)
		refs = append(refs, found...)
		return err
	})
	return refs, err
}

// ExpandJSON is Expand for the strings of text, which is valid JSON. A string that has a reference is read, expanded
// and written anew, so that a value with quotes or line ends stays within it. Everything else is kept byte by byte:
// the order of members, numbers, white space, and strings without a reference.
func ExpandJSON(ctx context.Context, text string,
	resolve func(ctx context.Context, r Reference) (secret.Value, error),
) (secret.Value, error) {
	var out bytes.Buffer
	err := splitJSON(text, func(literal string) { out.WriteString(literal) }, func(decoded string) error {
		value, err := Expand(ctx, decoded, resolve)
		if err != nil {
			return err
		}
		expanded := value.Reveal()
		if !utf8.Valid(expanded) {
			return errors.New("the secret is not valid UTF-8, which a JSON string must be")
		}
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		err = e.Encode(string(expanded))
		out.Truncate(out.Len() - len("\n"))
		return err
	})
	if err != nil {
		return secret.Value{}, err
	}
	return secret.New(out.Bytes()), nil
}

// splitJSON walks over JSON and hands out, in order, the strings that have a reference, decoded, and all between them
// as it is. A nil literal is not called. An error of expand is told with the position of its string.
func splitJSON(text string, literal func(string), expand func(decoded string) error) error {
	from := 0 // of what was not handed out yet
	for position := 0; ; {
		start := strings.IndexByte(text[position:], '"')
		if start < 0 {
			break
		}
		start += position
		position = endOfString(text, start)
		decoded, err := decode(text[start:position])
		if err == nil && strings.Contains(decoded, Opening) {
			if literal != nil {
				literal(text[from:start])
			}
			from = position
			err = checkString(text[position:], decoded)
			if err == nil {
				err = expand(decoded)
			}
		}
		if err != nil {
			return fmt.Errorf("string at byte %d: %w", start, err)
		}
	}
	if literal != nil {
		literal(text[from:])
	}
	return nil
}

// endOfString is the position behind the string that starts at start.
func endOfString(text string, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// decode reads a JSON string that may have a reference; another it need not read.
func decode(quoted string) (string, error) {
	if !strings.Contains(quoted, Opening) && !strings.Contains(quoted, `\u00`) && !strings.Contains(quoted, `\/`) {
		return "", nil
	}
	var s string
	if json.Unmarshal([]byte(quoted), &s) != nil { // whose error may quote it
		return "", errors.New("it is not valid JSON")
	}
	return s, nil
}

// checkString refuses what cannot be expanded without a loss. The rest is what follows the string.
func checkString(rest, decoded string) error {
	if strings.HasPrefix(strings.TrimLeft(rest, " \t\r\n"), ":") {
		return errors.New("a reference stands in the name of a member")
	}
	if strings.ContainsRune(decoded, utf8.RuneError) {
		return errors.New("it has a reference beside a character that is not Unicode")
	}
	return nil
}
