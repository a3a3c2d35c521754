package presets_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/charts"
	"github.com/pinnace-dev/pinnace/e2e/collector"
	"github.com/pinnace-dev/pinnace/e2e/collector/presets"
	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

const chart = "../../../charts/"

// need gives a release's collector, built if need be, or skips the test.
func need(t *testing.T, release string) string {
	t.Helper()
	program, err := presets.Program(t.Context(), release, os.Getenv)
	switch {
	case errors.Is(err, collector.ErrNotBuilt):
		t.Skipf("SKIP collector %s: %v", release, err)
	case err != nil:
		t.Fatal(err)
	}
	return program
}

var archive = sync.OnceValues(func() ([]byte, error) {
	pkg, err := chartrepo.Pack(chart + "opentelemetry")
	return pkg.Archive, err
})

// configurations are those that the chart renders for a release of the collector, by role.
func configurations(t *testing.T, release string, values ...string) map[string]string {
	t.Helper()
	packed, err := archive()
	if err != nil {
		t.Fatal(err)
	}
	options := chartrepo.RenderOptions{Release: "opentelemetry", Namespace: "observability", KubeVersion: "1.31.0"}
	for _, document := range append(values, fmt.Sprintf("image: {version: %s}", release)) {
		options.Values = append(options.Values, []byte(document))
	}
	rendered, err := chartrepo.Render(packed, options)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for file, text := range rendered {
		for document := range strings.SplitSeq("\n"+text, "\n---") {
			var object corev1.ConfigMap
			if yaml.Unmarshal([]byte(document), &object) == nil && object.Kind == "ConfigMap" {
				files[object.Labels["app.kubernetes.io/component"]] = object.Data["collector.yaml"]
			} else if strings.Contains(document, "kind: ConfigMap") {
				t.Fatalf("%s: a ConfigMap that cannot be read", file)
			}
		}
	}
	if len(files) == 0 {
		t.Fatal("the chart rendered no configuration")
	}
	return files
}

// variant are the values of one of the chart's variants.
func variant(t *testing.T, name string) []string {
	t.Helper()
	for _, v := range charts.Variants() {
		if v.Name == name {
			return v.Values
		}
	}
	t.Fatalf("there is no variant %s", name)
	return nil
}

// podEnv are the variables that a pod of the chart has.
func podEnv(ip string) []string {
	return []string{"POD_IP=" + ip, "POD_NAME=opentelemetry-agent-1", "NODE_NAME=node-1", "CORALOGIX_PRIVATE_KEY=a key"}
}
