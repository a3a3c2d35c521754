package leakscan

import (
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/report"
	"github.com/zricethezav/gitleaks/v8/sources"
)

// outline is what a rule looks for and how much it lets pass.
type outline struct {
	Regex, Path string
	Keywords    []string
	Entropy     float64
	Group       int
	Allowlists  int
}

func outlines(rules map[string]config.Rule, allowlists bool) map[string]outline {
	all := map[string]outline{}
	for id, r := range rules {
		o := outline{Keywords: slices.Sorted(slices.Values(r.Keywords)), Entropy: r.Entropy, Group: r.SecretGroup}
		if r.Regex != nil {
			o.Regex = r.Regex.String()
		}
		if r.Path != nil {
			o.Path = r.Path.String()
		}
		if allowlists {
			o.Allowlists = len(r.Allowlists)
		}
		all[id] = o
	}
	return all
}

// What is read rule by rule is what gitleaks reads at once.
func TestRulesAreThoseOfGitleaks(t *testing.T) {
	original, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		t.Fatal(err)
	}
	head, rules, err := splitRules(config.DefaultConfig)
	if err != nil {
		t.Fatal(err)
	}
	whole, bare := map[string]config.Rule{}, map[string]config.Rule{}
	for _, r := range rules {
		cfg, err := readConfiguration(head + r.text)
		if err != nil || len(cfg.Rules) != 1 || len(cfg.Allowlists) != len(original.Config.Allowlists) {
			t.Fatalf("a rule alone: %d rules, %d lists, %v: %s", len(cfg.Rules), len(cfg.Allowlists), err, r.text)
		}
		if got := slices.Collect(maps.Keys(cfg.Keywords)); !sameWords(got, r.keywords) {
			t.Errorf("keywords %q, gitleaks reads %q", r.keywords, got)
		}
		maps.Copy(whole, cfg.Rules)
		if cfg, err = readConfiguration(r.bare()); err != nil {
			t.Fatal(err)
		}
		maps.Copy(bare, cfg.Rules)
	}
	if diff := cmp.Diff(outlines(original.Config.Rules, true), outlines(whole, true)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(outlines(original.Config.Rules, false), outlines(bare, true)); diff != "" {
		t.Error(diff)
	}
}

func sameWords(a, b []string) bool {
	unique := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(unique(a), unique(b))
}

// Few rules find in a text what all of them find.
func TestFewRulesFindAsMuch(t *testing.T) {
	all, err := newPatterns()
	if err != nil {
		t.Fatal(err)
	}
	all.seen.Add(plenty)
	github := "ghp" + "_" + "x7Kq2Vn9Rt4Lw8Yz3Bm6Hd5Js1Fp0GcQaWeX"
	coralogix := "cxtp" + "_FAKE" + "8fJ2kQ9xW3mZ7vB5"
	base64Of := base64.StdEncoding.EncodeToString
	for name, test := range map[string]struct {
		path, text string
		finds      bool
	}{
		"no keyword":               {"values.yaml", "replicas: 2\n", false},
		"a keyword":                {"values.yaml", "apiKey: {{ .Values.key }}\n", false},
		"a key":                    {"values.yaml", "x: " + github + "\n", true},
		"an own key":               {"values.yaml", "x: " + coralogix + "\n", true},
		"in base64":                {"values.yaml", "x: " + base64Of([]byte("y "+github+" z")) + "\n", true},
		"in base64 in base64":      {"values.yaml", "x: " + base64Of([]byte(base64Of([]byte("y "+github+" z")))) + "\n", true},
		"in hexadecimal":           {"values.yaml", "x: " + hex.EncodeToString([]byte("y: "+coralogix+" ")) + "\n", true},
		"generic":                  {"values.yaml", "api_token: \"" + "x7Kq2Vn9Rt4Lw8Yz3Bm6Hd5J" + "\"\n", true},
		"generic, let pass":        {"values.yaml", "api_token: \"" + "x7Kq2Vn9-example-Lw8Yz3Bm6" + "\"\n", false},
		"in a file that is passed": {"package-lock.json", "x: " + github + "\n", false},
		"a file by its name":       {"files/key.p12", "x", true},
		"upper case":               {"values.yaml", "X: " + strings.ToUpper("akia") + "Z7QW3ERT5YUI2OPA" + "\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			few, err := newPatterns()
			if err != nil {
				t.Fatal(err)
			}
			fragment := sources.Fragment{Raw: test.text, FilePath: test.path, StartLine: 1}
			got, err := few.detect(t.Context(), fragment)
			if err != nil {
				t.Fatal(err)
			}
			want, err := all.detect(t.Context(), fragment)
			if err != nil {
				t.Fatal(err)
			}
			byRule := cmp.Transformer("sorted", func(list []report.Finding) map[string]string {
				found := map[string]string{}
				for _, f := range list {
					found[f.RuleID] += f.Secret + "\n"
				}
				return found
			})
			if diff := cmp.Diff(want, got, byRule); diff != "" {
				t.Error(diff)
			}
			if (len(got) > 0) != test.finds {
				t.Errorf("found %d", len(got))
			}
			if n := len(few.bare.has); n > len(few.rules)/4 {
				t.Errorf("%d rules were read", n)
			}
		})
	}
}
