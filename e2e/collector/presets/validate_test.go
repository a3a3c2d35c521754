package presets_test

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/charts"
	"github.com/pinnace-dev/pinnace/e2e/collector/presets"
)

// TestEveryConfigurationIsValid renders each variant of the chart for each release and lets a collector of it judge.
func TestEveryConfigurationIsValid(t *testing.T) {
	for _, release := range presets.Releases {
		t.Run(release, func(t *testing.T) {
			judge := newJudge(t, release)
			for _, v := range charts.Variants() {
				for role, config := range configurations(t, release, v.Values...) {
					t.Run(v.Name+"-"+role, func(t *testing.T) {
						t.Parallel()
						if err := judge.validate(t, config); err != nil {
							t.Errorf("%v\n%s", err, config)
						}
					})
				}
			}
		})
	}
}

// TestGoldenConfigurationsAreJudged holds that the chart's golden files are, as they stand, among what the collectors
// judge: those for 0.155.0 are what 0.149.0 gets.
func TestGoldenConfigurationsAreJudged(t *testing.T) {
	judged := map[string]bool{}
	for _, release := range presets.Releases {
		for _, v := range charts.Variants() {
			for role, config := range configurations(t, release, v.Values...) {
				judged[v.Name+"-"+role+".yaml\n"+strings.TrimSpace(config)] = true
			}
		}
	}
	files, err := filepath.Glob(chart + "testdata/collector/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		config, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !judged[filepath.Base(file)+"\n"+strings.TrimSpace(string(config))] {
			t.Errorf("no collector judges %s", file)
		}
	}
}

// kinds are the sections of components.
var kinds = []string{"extensions", "receivers", "processors", "exporters"}

const misspelt = "misspelt_field"

// refusal is what a collector says of it: tail_sampling reads what it does not know as the policy of an extension, which
// would be a mapping.
var refusal = regexp.MustCompile(misspelt + `|policies\[\d+\].*unconvertible type 'bool'`)

// free are maps whose keys are the user's.
var free = []string{"exporters.otlp_grpc.headers", "exporters.otlp.headers"}

// lenient are sections of which the collector itself takes any field: nothing but running it shows a mistake there.
var lenient = []string{"receivers.host_metrics", "receivers.hostmetrics", "receivers.file_log.operators.0", "receivers.filelog.operators.0"}

// TestMisspeltFieldsAreRefused puts a field that does not exist into every section of everything that the chart can
// render. The collector that takes one would take any mistake there.
func TestMisspeltFieldsAreRefused(t *testing.T) {
	for _, release := range presets.Releases {
		t.Run(release, func(t *testing.T) {
			judge := newJudge(t, release)
			for role, config := range configurations(t, release, variant(t, "everything")...) {
				for place, wrong := range misspellings(t, config) {
					t.Run(role+"/"+place, func(t *testing.T) {
						t.Parallel()
						err := judge.validate(t, wrong)
						refused := err != nil && refusal.MatchString(err.Error())
						if refused == slices.Contains(lenient, place) {
							t.Errorf("the collector said: %v", err)
						}
					})
				}
			}
		})
	}
}

// misspellings are the configuration with one wrong field, by the place of the mapping that has it.
func misspellings(t *testing.T, config string) map[string]string {
	t.Helper()
	var root map[string]any
	if err := yaml.Unmarshal([]byte(config), &root); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	visit := func(place string, m map[string]any) {
		if strings.Count(place, ".") == 0 || slices.Contains(free, place) {
			return
		}
		m[misspelt] = true
		wrong, err := yaml.Marshal(root)
		delete(m, misspelt)
		if err != nil {
			t.Fatal(err)
		}
		all[place] = string(wrong)
	}
	for _, section := range kinds {
		walk(section, root[section], visit)
	}
	return all
}

// walk visits all mappings.
func walk(place string, node any, visit func(place string, m map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		visit(place, node)
		for _, key := range slices.Sorted(maps.Keys(node)) {
			walk(place+"."+key, node[key], visit)
		}
	case []any:
		for n, child := range node {
			walk(fmt.Sprintf("%s.%d", place, n), child, visit)
		}
	}
}

// component is a component of a collector, as its command "components" tells.
type component struct{ Name, Module string }

// components are those of a collector by their kind and name.
func components(t *testing.T, program string) map[string]string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := yaml.Unmarshal([]byte(output(t, program, "components")), &all); err != nil {
		t.Fatal(err)
	}
	of := map[string]string{}
	for _, kind := range kinds {
		var some []component
		if err := json.Unmarshal(all[kind], &some); err != nil {
			t.Fatal(err)
		}
		for _, c := range some {
			of[kind+"."+c.Name] = c.Module
		}
	}
	return of
}

// unlisted are components that 0.149.0 has and that its command "components" leaves out, since they have two names.
var unlisted = map[string]string{
	"exporters.otlp":           "go.opentelemetry.io/collector/exporter/otlpexporter",
	"receivers.filelog":        "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver",
	"processors.k8sattributes": "github.com/open-telemetry/opentelemetry-collector-contrib/processor/k8sattributesprocessor",
}

// addUnlisted adds those, with the versions that are linked.
func addUnlisted(t *testing.T, program string, components map[string]string) {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range unlisted {
		for _, m := range info.Deps {
			if m.Path == path {
				components[name] = path + " " + m.Version
			}
		}
	}
}

// TestComponentsAreReal tells what the collectors are made of, and holds that README.md says the same.
func TestComponentsAreReal(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range presets.Releases {
		t.Run(release, func(t *testing.T) {
			program := need(t, release)
			has := components(t, program)
			addUnlisted(t, program, has)
			for _, name := range used(t, release) {
				module := has[name]
				_, version, _ := strings.Cut(module, " ")
				code := "real " + version
				if strings.Contains(module, "/presets/shape") {
					code = "shape only"
				}
				row := fmt.Sprintf("| %s | %s | %s |", release, name, code)
				t.Log(row)
				if module == "" || !strings.Contains(string(readme), row) {
					t.Errorf("README.md has no row %q; the collector has %q", row, module)
				}
			}
		})
	}
}

// used are the components, by kind and name, of everything that the chart can render.
func used(t *testing.T, release string) []string {
	t.Helper()
	names := map[string]bool{}
	for _, config := range configurations(t, release, variant(t, "everything")...) {
		var root map[string]map[string]any
		if err := yaml.Unmarshal([]byte(config), &root); err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds {
			for name := range root[kind] {
				name, _, _ = strings.Cut(name, "/")
				names[kind+"."+name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
