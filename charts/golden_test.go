package charts_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/pinnace-dev/pinnace/charts"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with its file in testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); if it is meant, run the test with -update:\n%s", file, diff)
	}
}

// TestGolden has all manifests of the variants that matter most; the others are in its configurations.
func TestGolden(t *testing.T) {
	for _, name := range []string{"uat", "prod", "pod-identity", "process", "existing-secret", "everything"} {
		t.Run(name, func(t *testing.T) {
			all := variant(t, name)
			var got strings.Builder
			for _, id := range ids(all) {
				if strings.HasPrefix(id, "ConfigMap/") {
					continue // testdata/collector has what is in it
				}
				fmt.Fprintf(&got, "---\n%s\n", all[id])
			}
			golden(t, name+".yaml", got.String())
		})
	}
}

// TestGoldenConfigurations writes what e2e/collector hands to a collector's own validation.
func TestGoldenConfigurations(t *testing.T) {
	var files []string
	for _, v := range charts.Variants() {
		for role, config := range configurations(t, mustRender(t, v.Values...)) {
			file := v.Name + "-" + role + ".yaml"
			files = append(files, file)
			t.Run(file, func(t *testing.T) { golden(t, filepath.Join("collector", file), config) })
		}
	}
	entries, err := os.ReadDir(filepath.Join("testdata", "collector"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains(files, entry.Name()) {
			t.Errorf("testdata/collector/%s is of no variant", entry.Name())
		}
	}
}

// configurations are the collectors' configuration files by role.
func configurations(t *testing.T, all objects) map[string]string {
	t.Helper()
	files := map[string]string{}
	for id, manifest := range all {
		if strings.HasPrefix(id, "ConfigMap/") {
			object := decode[corev1.ConfigMap](t, manifest)
			files[object.Labels["app.kubernetes.io/component"]] = object.Data["collector.yaml"]
		}
	}
	return files
}

// TestEnvironmentsDifferOnlyWhereMeant names every place where prod is not uat.
func TestEnvironmentsDifferOnlyWhereMeant(t *testing.T) {
	uat, prod := leaves(t, "uat"), leaves(t, "prod")
	var got []string
	for place, value := range prod {
		if other, ok := uat[place]; !ok || other != value {
			got = append(got, place)
		}
	}
	for place := range uat {
		if _, ok := prod[place]; !ok {
			got = append(got, place)
		}
	}
	slices.Sort(got)
	var want []string
	for _, workload := range []string{"DaemonSet/opentelemetry-agent", "Deployment/opentelemetry-cluster"} {
		spec := workload + ".spec.template"
		_, name, _ := strings.Cut(workload, "/")
		attributes := "ConfigMap/" + name + ".data.collector.yaml.processors.resource.attributes"
		want = append(want,
			attributes+"[deployment.environment.name].value", attributes+"[k8s.cluster.name].value",
			spec+".metadata.annotations.checksum/config",
			spec+".spec.containers[collector].env[GOMEMLIMIT].value",
			spec+".spec.containers[collector].resources.limits.memory",
			spec+".spec.containers[collector].resources.requests.cpu",
			spec+".spec.containers[collector].resources.requests.memory",
			spec+".spec.initContainers[pinnace-agent].env[PINNACE_APPCONFIG].value",
			"Pod/"+name+"-check.spec.containers[pinnace-agent].env[PINNACE_APPCONFIG].value",
			"ServiceAccount/"+name+".metadata.annotations.eks.amazonaws.com/role-arn")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

// leaves are the scalars of all manifests of an environment by their place. List items are told by their name or key.
func leaves(t *testing.T, environmentName string) map[string]string {
	t.Helper()
	places := map[string]string{}
	var walk func(place string, node any)
	walk = func(place string, node any) {
		switch node := node.(type) {
		case map[string]any:
			for key, child := range node {
				walk(place+"."+key, child)
			}
		case []any:
			for i, child := range node {
				name := any(i)
				if object, ok := child.(map[string]any); ok && object["name"] != nil {
					name = object["name"]
				} else if ok && object["key"] != nil {
					name = object["key"]
				}
				walk(fmt.Sprintf("%s[%v]", place, name), child)
			}
		case string:
			if strings.HasSuffix(place, ".data.collector.yaml") {
				walk(place, decode[map[string]any](t, node))
				return
			}
			places[place] = node
		default:
			places[place] = fmt.Sprint(node)
		}
	}
	for id, manifest := range mustRender(t, environment(t, environmentName)) {
		walk(id, decode[map[string]any](t, manifest))
	}
	return places
}
