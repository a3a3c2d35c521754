package charts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/charts"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// A leaf is a place in values.yaml with no place below it, and its default there.
type leaf struct {
	path     []string
	standing any
}

func (l leaf) String() string { return strings.Join(l.path, ".") }

// with is a document of values that has only this leaf.
func (l leaf) with(t testing.TB, value any) string {
	t.Helper()
	for _, name := range slices.Backward(l.path) {
		value = map[string]any{name: value}
	}
	text, err := json.Marshal(value) // which is YAML
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func defaults(t testing.TB) []leaf {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	var all []leaf
	var walk func(path []string, value any)
	walk = func(path []string, value any) {
		members, ok := value.(map[string]any)
		if !ok || len(members) == 0 {
			all = append(all, leaf{slices.Clone(path), value})
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			walk(append(path, name), members[name])
		}
	}
	walk(nil, values)
	return all
}

// TestNoValueHoldsAKey puts a key into each place of the values. internal/chartdoc has the test of what is a key.
func TestNoValueHoldsAKey(t *testing.T) {
	uat := environment(t, "uat")
	keys := []string{fakeKey, fakeUserKey, fakeUUID, fakeAWS, fakeBearer, fakeJWT}
	for i, l := range defaults(t) {
		key := keys[i%len(keys)]
		into := []any{key}
		switch l.standing.(type) {
		case map[string]any:
			into = append(into, map[string]any{"a": key}, map[string]any{key: "a"})
		case []any:
			into = append(into, []any{key}, []any{map[string]any{"name": key}})
		}
		for _, value := range into {
			_, err := render(uat, l.with(t, value))
			switch {
			case err == nil:
				t.Errorf("%s takes a key", l)
			case strings.Contains(err.Error(), key):
				t.Errorf("%s: the error repeats the key: %v", l, err)
			case !strings.Contains(err.Error(), "no key: values hold none"):
				t.Errorf("%s: the error does not say what is wrong: %v", l, err)
			}
		}
	}
}

// unread are the values without effect, each with its reason.
var unread = map[string]string{
	"replicas": "of version 0.1.0, whose values files must still be accepted",
}

// TestEachValueHasAnEffect changes each value to others that the schema accepts, in each way to install the chart,
// until something else is rendered or the templates refuse it.
func TestEachValueHasAnEffect(t *testing.T) {
	if testing.Short() {
		t.Skip("renders the chart some five hundred times")
	}
	ways := append(charts.Variants(), charts.Variant{
		Name: "alias", Values: []string{environment(t, "uat"), "coralogix: {domain: coralogixsg.com, allowUnknownDomain: true}"},
	})
	before := make([]objects, len(ways))
	for i, way := range ways {
		before[i] = mustRender(t, way.Values...)
	}
	for _, l := range defaults(t) {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			changes := slices.ContainsFunc(others(l), func(value any) bool {
				document := l.with(t, value)
				for i, way := range ways {
					after, err := render(append(slices.Clone(way.Values), document)...)
					if err != nil && problem.KindOf(err) == problem.Refused {
						return false // by the schema, which is the same in all ways
					}
					if err != nil || !maps.Equal(before[i], after) {
						return true
					}
				}
				return false
			})
			if reason, known := unread[l.String()]; known == changes {
				t.Errorf("has an effect: %t; known to have none: %t (%s)", changes, known, reason)
			}
		})
	}
}

// others are values in place of a leaf's, of all forms that the chart's schema knows.
func others(l leaf) []any {
	switch standing := l.standing.(type) {
	case bool:
		return []any{!standing, standing} // the default, too: ways differ from it
	case float64:
		return []any{standing + 1, standing - 1}
	case []any:
		named := map[string]any{"name": "other", "type": "always_sample"}
		return []any{
			[]any{"other"},
			[]any{named},
			[]any{map[string]any{"name": "other"}},
			[]any{"system"},
			[]any{map[string]any{"podSelector": map[string]any{}}},
			[]any{map[string]any{"operator": "Exists", "key": "other"}},
			[]any{map[string]any{"ip": "10.0.0.2", "hostnames": []any{"other.example"}}},
		}
	case map[string]any:
		return []any{
			map[string]any{"OTHER": "other"},
			map[string]any{"limits": map[string]any{"memory": "1Gi"}},
			map[string]any{"nodeAffinity": map[string]any{"requiredDuringSchedulingIgnoredDuringExecution": map[string]any{}}},
		}
	}
	return []any{
		"other", "arn:aws:iam::555566667777:role/other", "99Mi", "99s", "97%", "eu-south-1", "0.150.0", "/other", "sha256:" + strings.Repeat("0", 64),
		"warn", "Never", "end", "15s", "OnDelete", "deployment", "fargate", fmt.Sprint(l.standing, "0"),
	}
}
