package reference_test

import (
	"context"
	"errors"
	"strings"
	"testing"

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
