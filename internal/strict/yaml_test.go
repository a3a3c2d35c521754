package strict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/strict"
)

type outer struct {
	Name  string        `yaml:"name"`
	Wait  time.Duration `yaml:"wait"`
	Inner []inner       `yaml:"inner"`
}

type inner struct {
	Port int  `yaml:"port"`
	On   bool `yaml:"on"`
}

func TestYAML(t *testing.T) {
	var got outer
	err := strict.YAML("f.yaml", []byte("name: x\nwait: 30s\ninner: [{port: 1, on: true}]\n"), &got, "docs/f.md")
	if err != nil || got.Name != "x" || got.Wait != 30*time.Second || got.Inner[0].Port != 1 || !got.Inner[0].On {
		t.Errorf("%+v, %v", got, err)
	}
	if err := strict.YAML("f.yaml", nil, &got, "docs/f.md"); err != nil || got.Name != "x" {
		t.Errorf("an empty file: %+v, %v", got, err)
	}
}

func TestYAMLRefuses(t *testing.T) {
	for body, want := range map[string][2]string{
		"nam: x":                     {"line 1: unknown field nam", "use one of: name, wait, inner"},
		"inner:\n- prt: 1":           {"line 2: unknown field prt", "use one of: port, on"},
		"inner: [{port: not-a-key}]": {"line 1: found a text where a number belongs", "correct the line; docs/f.md lists the fields"},
		"wait: [1]":                  {"line 1: found a list where a time such as 30s belongs", "docs/f.md"},
		"wait: not-a-key":            {"line 1: found a text where a time such as 30s belongs", "docs/f.md"},
		"inner: x":                   {"line 1: found a text where a list belongs", ""},
		"name: [":                    {"did not find expected node content", ""},
		"name: a\n---\nname: b":      {"several documents", "keep one document"},
	} {
		err := strict.YAML("f.yaml", []byte(body), &outer{}, "docs/f.md")
		if err == nil || problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error(), "reading f.yaml: ") ||
			!strings.Contains(err.Error(), want[0]) || !strings.Contains(problem.HintOf(err), want[1]) {
			t.Errorf("%q: %v, hint %q", body, err, problem.HintOf(err))
		}
		if err != nil && strings.Contains(err.Error(), "not-a-key") {
			t.Errorf("%q: the value is quoted: %v", body, err)
		}
	}
}
