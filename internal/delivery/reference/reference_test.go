package reference_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery/reference"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

const (
	versionID = "00000000-1111-2222-3333-444444444444"
	arn       = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:team/key-AbCdEf"
	canary    = "CANARY-not-a-real-key"
)

func TestFind(t *testing.T) {
	type refs = []reference.Reference
	tests := map[string]refs{
		"":                                    nil,
		"no reference":                        nil,
		"{{ .Values }} and {{resolver:x}}":    nil,
		"{{resolve:secretsmanager:team/key}}": {{SecretID: "team/key"}},
		"{{resolve:secretsmanager:k:SecretString}}":              {{SecretID: "k"}},
		"{{resolve:secretsmanager:k::::}}":                       {{SecretID: "k"}},
		"{{resolve:secretsmanager:k:SecretString:user name}}":    {{SecretID: "k", JSONKey: "user name"}},
		"{{resolve:secretsmanager:k:SecretString::AWSPREVIOUS}}": {{SecretID: "k", Stage: "AWSPREVIOUS"}},
		"{{resolve:secretsmanager:k:SecretString:p::" + versionID + "}}": {
			{SecretID: "k", JSONKey: "p", VersionID: versionID},
		},
		"{{resolve:secretsmanager:" + arn + "}}": {{SecretID: arn}},
		"{{resolve:secretsmanager:" + arn + ":SecretString:p:AWSCURRENT:}}": {
			{SecretID: arn, JSONKey: "p", Stage: "AWSCURRENT"},
		},
		"a {{resolve:secretsmanager:k1}}{{resolve:secretsmanager:k2}} b {{resolve:secretsmanager:k1}}": {
			{SecretID: "k1"}, {SecretID: "k2"}, {SecretID: "k1"},
		},
	}
	for text, want := range tests {
		got, err := reference.Find(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", text, diff)
		}
	}
}

// The text around a malformed reference is secret, and so may be what stands in it by mistake.
func TestMalformed(t *testing.T) {
	tests := map[string]string{
		"{{resolve:secretsmanager:k":                                               "byte 21: the closing braces",
		"{{resolve:secretsmanager}}":                                               "byte 21: the secret id is missing",
		"{{resolve:secretsmanager:}}":                                              "byte 21: the secret id is empty",
		"{{resolve:secretsmanager::SecretString}}":                                 "the secret id is empty",
		"{{resolve:ssm:" + canary + "}}":                                           "the service is not secretsmanager",
		"{{resolve:" + canary + "}}":                                               "the service is not secretsmanager",
		"{{resolve:secretsmanager:k:" + canary + "}}":                              "is not SecretString",
		"{{resolve:secretsmanager:k:SecretString:a:b:c:d}}":                        "too many parts",
		"{{resolve:secretsmanager:k:SecretString:a:AWSCURRENT:" + versionID + "}}": "name one of them",
		"{{resolve:secretsmanager:k:SecretString:a::short}}":                       "32 to 64",
		"{{resolve:secretsmanager:" + canary + " x}}":                              "characters that no secret id has",
		"{{resolve:secretsmanager:arn:aws:s3:::bucket}}":                           "not the ARN of a secret",
		"{{resolve:secretsmanager:arn:aws:secretsmanager:r:1:secret:}}":            "not the ARN of a secret",
		"{{resolve:secretsmanager:k:SecretString:{{resolve:secretsmanager:k}}}}":   "another reference starts inside it",
	}
	for malformed, want := range tests {
		_, err := reference.Find(canary + malformed + canary)
		if err == nil {
			t.Errorf("%s: no error", malformed)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, want it to contain %q", malformed, err, want)
		}
		if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: the error quotes the text: %q", malformed, err)
		}
	}
}

func TestExpand(t *testing.T) {
	values := map[string]string{"user": "ada", "key": canary, "sly": "{{resolve:secretsmanager:key}}"}
	resolve := func(_ context.Context, r reference.Reference) (secret.Value, error) {
		v, ok := values[r.SecretID]
		if !ok {
			return secret.Value{}, errors.New("no such secret")
		}
		return secret.FromString(v), nil
	}
	tests := map[string]string{
		"plain": "plain",
		"{{resolve:secretsmanager:user}}:{{resolve:secretsmanager:key}}@host": "ada:" + canary + "@host",
		"{{resolve:secretsmanager:sly}}":                                      "{{resolve:secretsmanager:key}}",
	}
	for text, want := range tests {
		got, err := reference.Expand(t.Context(), text, resolve)
		if err != nil || string(got.Reveal()) != want {
			t.Errorf("%q became %q (%v), want %q", text, got.Reveal(), err, want)
		}
	}
	got, err := reference.Expand(t.Context(), "{{resolve:secretsmanager:key}} {{resolve:secretsmanager:none}}", resolve)
	if err == nil || got.Len() != 0 {
		t.Errorf("a reference that cannot be resolved gave %d bytes, %v", got.Len(), err)
	}
}

func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		"", "{{resolve:", "}}{{resolve:secretsmanager:k}}", "{{resolve:secretsmanager:k:SecretString:j:s:}}",
		"{{resolve:secretsmanager:" + arn + "::::" + versionID + "}} tail", "{{resolve:secretsmanager:k:SecretString:{{}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		refs, err := reference.Find(text)
		if err != nil {
			return
		}
		// Writing each reference back must give a text that means the same.
		write := func(_ context.Context, r reference.Reference) (secret.Value, error) {
			return secret.FromString(r.String()), nil
		}
		again, err := reference.Expand(t.Context(), text, write)
		if err != nil {
			t.Fatalf("Find accepts what Expand does not: %v", err)
		}
		twice, err := reference.Find(string(again.Reveal()))
		if err != nil {
			t.Fatalf("what was written back does not parse: %v", err)
		}
		if diff := cmp.Diff(refs, twice); diff != "" {
			t.Errorf("(-first +second)\n%s", diff)
		}
	})
}

func TestExpandJSON(t *testing.T) {
	values := map[string]string{
		"plain": "x", "quotes": "a\"b\\c", "lines": "-----BEGIN-----\nAB+/=\n-----END-----\n", "html": "<&>\u2028",
		"sly": `{{resolve:secretsmanager:plain}}`, "json": `{"a":1}`, "nul": "\x00\x1f",
	}
	resolve := func(_ context.Context, r reference.Reference) (secret.Value, error) {
		return secret.FromString(values[r.SecretID]), nil
	}
	const ref = `{{resolve:secretsmanager:`
	for text, want := range map[string]string{
		`{"z":1.50, "a" : 1e3 ,"big":12345678901234567890,"s":"é\u00e9\/","z":2}`: "", // as it is
		` [ null,true,"{{","}}","\"{{" ] `:                                        "",
		`"` + ref + `plain}}"`:                                                    `"x"`,
		`{"b":"` + ref + `quotes}}","a":[ "` + ref + `lines}}" ,2.0]}`: `{"b":"a\"b\\c","a":[ ` +
			`"-----BEGIN-----\nAB+/=\n-----END-----\n" ,2.0]}`,
		`["1 ` + ref + `html}} \"2\" ` + ref + `plain}}"]`:        `["1 <&>\u2028 \"2\" x"]`,
		`["` + ref + `sly}}"]`:                                    `["{{resolve:secretsmanager:plain}}"]`,
		`["` + ref + `json}}"]`:                                   `["{\"a\":1}"]`,
		`["` + ref + `nul}}"]`:                                    `["\u0000\u001f"]`,
		`["\u007b\u007Bresolve:secretsmanager:plain\u007d}"]`:     `["x"]`,
		`["{{resolve:secretsmanager:plain:SecretString\u003a}}"]`: `["x"]`,
		`["arn\/` + ref + `plain}}"]`:                             `["arn/x"]`,
	} {
		if want == "" {
			want = text
		}
		got, err := reference.ExpandJSON(t.Context(), text, resolve)
		if err != nil || string(got.Reveal()) != want {
			t.Errorf("%s became %s (%v), want %s", text, got.Reveal(), err, want)
		}
	}
}

func TestExpandJSONRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"` + canary + `":"{{resolve:ssm:x}}"}`:               "string at byte 25: reference at byte 0: the service",
		`{"{{resolve:secretsmanager:k}}" :"` + canary + `"}`:   "string at byte 1: a reference stands in the name",
		`["` + canary + `\ud800{{resolve:secretsmanager:k}}"]`: "string at byte 1: it has a reference beside",
		`["` + canary + `{{resolve:secretsmanager:k"]`:         "closing braces",
		`["{{resolve:secretsmanager:binary}}"]`:                "string at byte 1: the secret is not valid UTF-8",
		`["{{resolve:secretsmanager:none}}"]`:                  "no such secret",
		`["` + canary + `{{resolve:secretsmanager:k}}`:         "string at byte 1: it is not valid JSON",
		`["\u007b{resolve:secretsmanager:k\x}}"]`:              "string at byte 1: it is not valid JSON",
	} {
		got, err := reference.ExpandJSON(t.Context(), text, func(_ context.Context, r reference.Reference) (secret.Value, error) {
			switch r.SecretID {
			case "none":
				return secret.Value{}, errors.New("no such secret")
			case "binary":
				return secret.FromString(canary + "\xff"), nil
			}
			return secret.FromString(canary), nil
		})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") || got.Len() != 0 {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
	}
}

// What was valid JSON stays it, with the same shape; no reference is left, and each value stands there as it is.
func FuzzExpandJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":"{{resolve:secretsmanager:k}}"}`, `["\u007b{resolve:secretsmanager:k}}",1.0]`, `"\ud800{{resolve:"`, `{"a":"`,
		`[{"{{resolve:secretsmanager:k}}":1}]`, `{"a" : "1 {{resolve:secretsmanager:k:SecretString:j:s:}} \" 2\/"}`,
	} {
		f.Add(seed, canary)
		f.Add(seed, "\"\n\\ {{resolve:secretsmanager:k}}")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if strings.Contains(value, "{{") || !utf8.ValidString(value) || !utf8.ValidString(text) {
			return // a value that looks like a reference is for the table
		}
		refs, findErr := reference.FindJSON(text)
		resolve := func(context.Context, reference.Reference) (secret.Value, error) { return secret.FromString(value), nil }
		got, err := reference.ExpandJSON(t.Context(), text, resolve)
		if (err != nil) != (findErr != nil) {
			t.Fatalf("FindJSON says %v, ExpandJSON %v", findErr, err)
		}
		if err != nil || !json.Valid([]byte(text)) {
			return
		}
		expanded := string(got.Reveal())
		if !json.Valid([]byte(expanded)) {
			t.Fatalf("%q became %q", text, expanded)
		}
		if len(refs) == 0 && expanded != text {
			t.Fatalf("without a reference %q became %q", text, expanded)
		}
		want, after := tokensOf(t, text), tokensOf(t, expanded)
		if len(want) != len(after) {
			t.Fatalf("%d tokens became %d", len(want), len(after))
		}
		for i, before := range want {
			s, isString := before.(string)
			if isString && strings.Contains(s, "{{resolve:") {
				v, err := reference.Expand(t.Context(), s, resolve)
				if err != nil {
					t.Fatal(err)
				}
				before = string(v.Reveal())
			}
			if before != after[i] {
				t.Fatalf("token %d: %#v, want %#v", i, after[i], before)
			}
		}
	})
}

// tokensOf lists the tokens of JSON.
func tokensOf(t *testing.T, text string) (tokens []any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return tokens
		}
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
}
