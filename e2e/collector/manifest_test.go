package collector_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// manifests are those of the chart that matter to one pod of the DaemonSet.
type manifests struct {
	pod        podSpec
	configMaps map[string]map[string]string
}

type podSpec struct {
	ServiceAccountName string
	InitContainers     []containerSpec
	Containers         []containerSpec
	Volumes            []volume
}

type containerSpec struct {
	Name, Image, RestartPolicy string
	Command, Args              []string
	Env                        []variable
	VolumeMounts               []struct{ Name, MountPath string }
}

type variable struct {
	Name, Value string
	ValueFrom   struct {
		FieldRef struct{ FieldPath string }
	}
}

type volume struct {
	Name      string
	ConfigMap *struct{ Name string }
	Projected *struct {
		Sources []struct {
			ServiceAccountToken *struct{ Audience, Path string }
			ConfigMap           *struct{ Name string }
		}
	}
}

// render renders the tree's chart with values, as `pinnace publish` would see it.
func render(t *testing.T, values string) manifests {
	t.Helper()
	folder := must(programs())(t)
	path := filepath.Join(t.TempDir(), "values.yaml")
	write(t, path, values)
	cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "pinnace"), "render", "./charts/opentelemetry",
		"--release", "otel", "--namespace", namespace, "--values", path)
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pinnace render: %v\n%s", err, stderr.Bytes())
	}
	m := manifests{configMaps: map[string]map[string]string{}}
	for document := range strings.SplitSeq("\n"+string(out), "\n---\n") {
		m.read(t, document)
	}
	if len(m.pod.Containers) == 0 {
		t.Fatalf("the chart renders no DaemonSet:\n%s", out)
	}
	return m
}

func (m *manifests) read(t *testing.T, document string) {
	t.Helper()
	var object struct {
		Kind     string
		Metadata struct{ Name string }
		Data     map[string]any
		Spec     struct {
			Template struct{ Spec podSpec }
		}
	}
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatalf("a rendered manifest: %v\n%s", err, document)
	}
	switch object.Kind {
	case "DaemonSet":
		m.pod = object.Spec.Template.Spec
	case "ConfigMap":
		data := map[string]string{}
		for name, value := range object.Data {
			data[name], _ = value.(string)
		}
		m.configMaps[object.Metadata.Name] = data
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
