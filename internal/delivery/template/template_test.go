package template_test

import (
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
	"github.com/pinnace-dev/pinnace/internal/delivery/template"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

const canary = "CANARY-not-a-real-key"

var items = map[string]string{"key": canary, "user-name": `o"k`, "number": " 5\n"}

func TestRender(t *testing.T) {
	for _, test := range []struct{ name, text, want, fails string }{
		{name: "fields", text: "a {{ .key }} b", want: "a " + canary + " b"},
		{name: "names that are no identifiers", text: `{{ item "user-name" | json }}`, want: `"o\"k"`},
		{name: "functions", text: `{{ trim .number }},{{ base64 "x" }},{{ has "key" }},{{ has "no" }}`, want: "5,eA==,true,false"},
		{name: "optional", text: `x{{ if has "no" }}{{ .no }}{{ end }}`, want: "x"},
		{name: "missing field", text: "{{ .no }}", fails: `no entry for key "no"`},
		{name: "missing item", text: `{{ item "no" }}`, fails: "there is no item no"},
		{name: "a function that fails", text: `{{ slice .key 3 900 }}`, fails: "out of range"},
		{name: "too long", text: `{{ range $i := 100000 }}{{ range $j := 10 }}{{ $.key }}{{ end }}{{ end }}`, fails: "more than 4194304 bytes"},
		{name: "a value as a template", text: `{{ .key.x }}`, fails: "can't evaluate field x"},
		{name: "a value in an error", text: `{{ item .key }}`, fails: "there is no item [secret]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			parsed, err := template.Parse("app.conf", test.text)
			if err != nil {
				t.Fatal(err)
			}
			value, err := parsed.Render(deliverytest.Snapshot(t, "1", items))
			if test.fails == "" {
				if err != nil || string(value.Reveal()) != test.want {
					t.Errorf("made %q, want %q (%v)", value.Reveal(), test.want, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.fails) || problem.KindOf(err) != problem.Refused ||
				!strings.Contains(err.Error(), "app.conf") {
				t.Fatalf("%v, want %s", err, test.fails)
			}
			secrettest.Find(t, err.Error()+secrettest.Print(parsed, value), canary)
		})
	}
}

// One template renders many snapshots, each with its own values.
func TestRenderAgain(t *testing.T) {
	parsed, err := template.Parse("t", `{{ item "a" }}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1", "2"} {
		value, err := parsed.Render(deliverytest.Snapshot(t, "1", map[string]string{"a": want}))
		if err != nil || string(value.Reveal()) != want {
			t.Errorf("made %q, want %q (%v)", value.Reveal(), want, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"{{ .key", "{{ nofunction }}", "{{ if }}{{ end }}"} {
		if _, err := template.Parse("app.conf", text); problem.KindOf(err) != problem.Usage ||
			!strings.Contains(err.Error(), "app.conf") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
