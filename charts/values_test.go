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

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/charts"
	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

// A leaf is a place in values.yaml with no place below it, and its default there.
type leaf struct {
	path     []string
	standing any
}

func (l leaf) String() string { return strings.Join(l.path, ".") }

// put gives values with another at this place. It copies what it changes.
func (l leaf) put(values map[string]any, value any) map[string]any {
	copied := maps.Clone(values)
	if copied == nil {
		copied = map[string]any{}
	}
	if name := l.path[0]; len(l.path) == 1 {
		copied[name] = value
	} else {
		below, _ := copied[name].(map[string]any)
		copied[name] = leaf{path: l.path[1:]}.put(below, value)
	}
	return copied
}

// document is JSON, which is YAML.
func document(t *testing.T, values map[string]any) string {
	t.Helper()
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// defaults are the values as Helm reads them, and their leaves.
func defaults(t *testing.T) (map[string]any, []leaf) {
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
	return values, all
}

// TestNoValueHoldsAKey puts a key into each place of the values. internal/chartdoc has the test of what is a key.
func TestNoValueHoldsAKey(t *testing.T) {
	for _, key := range []string{fakeKey, fakeUserKey, fakeUUID, fakeAWS, fakeBearer, fakeJWT} {
		for form, into := range map[string]struct {
			value any
			place string // below the leaf's
		}{
			"itself": {key, ""}, "a member": {map[string]any{"a": key}, "/a"}, "a name": {map[string]any{key: "a"}, ""},
			"an item": {[]any{key}, "/0"}, "deep": {[]any{map[string]any{"name": key}}, "/0/name"},
		} {
			_, places := defaults(t)
			values := map[string]any{}
			for _, l := range places {
				values = l.put(values, into.value)
			}
			_, err := render(environment(t, "uat"), document(t, values))
			if err == nil {
				t.Fatalf("rendered with %s in every place as %s", key, form)
			}
			if strings.Contains(err.Error(), key) {
				t.Errorf("the error repeats the key as %s: %v", form, err)
			}
			for _, l := range places {
				own := "/" + strings.Join(l.path, "/")
				whole, _, _ := strings.Cut(own, "Secret/") // a reference in another form is refused as a whole
				refused := func(place string) bool {
					return strings.Contains(err.Error(), " "+place+" (must be no key: values hold none")
				}
				if !refused(own+into.place) && !refused(own) && !refused(whole+"Secret") {
					t.Errorf("%s takes %s as %s", l, key, form)
				}
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
		t.Skip("renders the chart some three hundred times")
	}
	schema, packed := apart(t)
	ways := append(charts.Variants(), charts.Variant{
		Name: "alias", Values: []string{environment(t, "uat"), "coralogix: {domain: coralogixsg.com, allowUnknownDomain: true}"},
	})
	before := make([]objects, len(ways))
	for i, way := range ways {
		var err error
		if before[i], err = renderArchive(packed, way.Values...); err != nil {
			t.Fatal(err)
		}
	}
	values, places := defaults(t)
	for _, l := range places {
		changes := slices.ContainsFunc(others(l), func(value any) bool {
			if schema.Validate(l.put(values, value)) != nil {
				return false
			}
			change := document(t, l.put(nil, value))
			for i, way := range ways {
				after, err := renderArchive(packed, append(slices.Clone(way.Values), change)...)
				if err != nil || !maps.Equal(before[i], after) {
					return true
				}
			}
			return false
		})
		if reason, known := unread[l.String()]; known == changes {
			t.Errorf("%s has an effect: %t; known to have none: %t (%s)", l, changes, known, reason)
		}
	}
}

// apart are the chart's schema, to be read once, and the chart without it.
func apart(t *testing.T) (*jsonschema.Schema, []byte) {
	t.Helper()
	const file = "values.schema.json"
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(chartDir, file))
	if err != nil {
		t.Fatal(err)
	}
	without := filepath.Join(t.TempDir(), chartDir)
	if err := os.CopyFS(without, os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(without, file)); err != nil {
		t.Fatal(err)
	}
	pkg, err := chartrepo.Pack(without)
	if err != nil {
		t.Fatal(err)
	}
	return schema, pkg.Archive
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
