package document_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/delivery/source/internal/document"
)

const canary = "CANARY-not-a-real-key"

func TestText(t *testing.T) {
	const text = `{"s":"v","n":1.50,"big":12345678901234567890,"t":true,"e":"","z":null,"o":{"in":"x","a/b~c":"y"},
		"l":["p",{"q":"r"}],"/odd":"by its name only","s2":"first","s2":"last","o2":{"in":"x"},"o2":{"in":"y"}}`
	o, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"s": "v", "n": "1.50", "big": "12345678901234567890", "t": "true", "e": "", "/s": "v", "/o/in": "x",
		"/o/a~1b~0c": "y", "/l/0": "p", "/l/1/q": "r",
	} {
		if got, err := o.Text(field); err != nil || got != want {
			t.Errorf("%s = %q (%v), want %q", field, got, err, want)
		}
	}
	for field, want := range map[string]string{
		"z": "field z is null", "o": "field o is an object", "l": "field l is an array", "none": "field none is missing",
		"/odd": "missing", "/s/t": "missing", "/l/2": "missing", "/l/-1": "missing", "/l/01": "missing", "/l/x": "missing",
		"/": "missing", "": "missing", "s2": "field s2 is there twice", "/o2/in": "field /o2/in is there twice",
	} {
		if got, err := o.Text(field); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s = %q, %v, want an error with %q", field, got, err, want)
		}
	}
	if got, err := o.Member("/odd"); err != nil || got != "by its name only" {
		t.Errorf("the member /odd = %q, %v", got, err)
	}
	if _, err := o.Text("none"); !errors.Is(err, document.ErrMissing) {
		t.Errorf("a missing field gives %v", err)
	}
	if _, err := (document.Object{}).Text("s"); err == nil {
		t.Error("the zero object has a field")
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "not valid JSON",
		canary:                            "not valid JSON near byte",
		`{"a":"` + canary:                 "not valid JSON near byte",
		`"` + canary + `"`:                "it is a string",
		`["` + canary + `"]`:              "it is an array",
		"null":                            "it is null",
		`{} "` + canary + `"`:             "something follows",
		`{"a":"` + canary + "\xff" + `"}`: "UTF-8",
		`{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`: "not valid JSON near byte", // too deep
	} {
		_, err := document.Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%q: %v, want an error with %q and nothing of the text", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":true}]}`), "/a/1/b")
	f.Fuzz(func(t *testing.T, data []byte, field string) {
		if o, err := document.Parse(data); err == nil {
			_, _ = o.Text(field) // must not panic
		}
	})
}
