package chartrepo_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestRender(t *testing.T) {
	p := pack(t, nil)
	got, err := chartrepo.Render(p.Archive, chartrepo.RenderOptions{
		Release: "uat", Namespace: "observability",
		Values: [][]byte{[]byte("replicas: 2\n"), []byte("# nothing\n"), []byte("replicas: 3\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"app/templates/configmap.yaml": "apiVersion: v1\nkind: ConfigMap\n" +
		"metadata:\n  name: uat\n  namespace: observability\ndata:\n  replicas: \"3\"\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
	got, err = chartrepo.Render(p.Archive, chartrepo.RenderOptions{})
	if err != nil || !strings.Contains(got["app/templates/configmap.yaml"], "name: app\n  namespace: default") {
		t.Errorf("defaults: %v, %v", got, err)
	}
}

func TestRenderKubeVersion(t *testing.T) {
	p := pack(t, map[string]string{
		"Chart.yaml":               files["Chart.yaml"] + "kubeVersion: \">=1.20.0-0 <1.34.0-0\"\n",
		"templates/configmap.yaml": "kube: {{ .Capabilities.KubeVersion.Version }}\n",
	})
	for version, want := range map[string]string{
		"1.33": "v1.33", "v1.33.4": "v1.33.4", "1.20.0-eks-abc": "v1.20.0-eks-abc",
	} {
		got, err := chartrepo.Render(p.Archive, chartrepo.RenderOptions{KubeVersion: version})
		if err != nil || got["app/templates/configmap.yaml"] != "kube: "+want+"\n" {
			t.Errorf("%s: %v, %v", version, got, err)
		}
	}
	_, err := chartrepo.Render(p.Archive, chartrepo.RenderOptions{KubeVersion: "1.34"})
	wantProblem(t, err, problem.Refused, "needs Kubernetes", "version")
	_, err = chartrepo.Render(p.Archive, chartrepo.RenderOptions{KubeVersion: "latest"})
	wantProblem(t, err, problem.Usage, "latest", "1.33")
}

// The schema decides, of the chart and of those below it, and what was refused is not shown.
func TestRenderChecksTheSchema(t *testing.T) {
	const secret = "example-not-a-real-key-0000"
	overlay := map[string]string{
		"Chart.yaml": files["Chart.yaml"] + "dependencies:\n" +
			"- {name: db, version: 0.1.0, repository: \"\", condition: db.enabled}\n",
		"values.schema.json": `{"additionalProperties": false, "properties": {"replicas": {"type": "integer"},
			"db": {}, "global": {}, "never": false, "name": {"pattern": "^[a-z]{1,8}$"}}}`,
		"charts/db/Chart.yaml":         "apiVersion: v2\nname: db\nversion: 0.1.0\n",
		"charts/db/values.yaml":        "enabled: true\nsize: 1\n",
		"charts/db/values.schema.json": `{"properties": {"size": {"enum": [1, 2]}}}`,
		"charts/db/templates/x.yaml":   "size: {{ .Values.size }}\n",
	}
	p := pack(t, overlay)
	for values, want := range map[string]string{
		"name: " + secret:            "/name (pattern)",
		"replicas: " + secret:        "/replicas (type: want integer)",
		"other: " + secret:           "/ (unknown: other)",
		"never: " + secret:           "/never (not allowed)",
		"db: {size: " + secret + "}": "/size (enum)",
		"db: " + secret:              "do not fit",
	} {
		_, err := chartrepo.Render(p.Archive, chartrepo.RenderOptions{Values: [][]byte{[]byte(values)}})
		wantProblem(t, err, problem.Refused, want, "")
		if err != nil && strings.Contains(err.Error()+problem.HintOf(err), secret) {
			t.Errorf("the error shows a value: %v", err)
		}
	}
	for values, want := range map[string][]string{
		"db: {size: 2}":        {"app/charts/db/templates/x.yaml", "app/templates/configmap.yaml"},
		"db: {enabled: false}": {"app/templates/configmap.yaml"},
	} {
		got, err := chartrepo.Render(p.Archive, chartrepo.RenderOptions{Values: [][]byte{[]byte(values)}})
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", values, err, diff)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	p := pack(t, map[string]string{"templates/a.yaml": "{{ if .Values.bad }}{{ fail \"set good\" }}{{ end }}"})
	_, err := chartrepo.Render(p.Archive, chartrepo.RenderOptions{Values: [][]byte{[]byte("a: [")}})
	wantProblem(t, err, problem.Usage, "values document 1", "YAML")
	_, err = chartrepo.Render(p.Archive, chartrepo.RenderOptions{Values: [][]byte{[]byte("bad: true")}})
	wantProblem(t, err, problem.Usage, "set good", "template")
	_, err = chartrepo.Render([]byte("x"), chartrepo.RenderOptions{})
	wantProblem(t, err, problem.Usage, "archive", ".tgz")
}
