package leakscan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/leakscan"
)

// largeChart is a chart of n files of the usual size, with values, templates and what they make.
func largeChart(n int) leakscan.Input {
	var in leakscan.Input
	var manifests []leakscan.File
	for i := range n {
		template := fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ include \"app.name\" . }}-%d\n", i)
		container := "      - name: app\n        image: \"{{ .Values.image }}\"\n        env:\n        - name: API_KEY\n" +
			"          valueFrom: {secretKeyRef: {name: keys, key: api-key}}\n        - name: LEVEL\n          value: info\n"
		template += "spec:\n  template:\n    spec:\n      containers:\n" + strings.Repeat(container, 16)
		in.Files = append(in.Files, file(fmt.Sprintf("templates/d%d.yaml", i), template))
		manifests = append(manifests, file(fmt.Sprintf("templates/d%d.yaml", i), strings.NewReplacer("{{", "", "}}", "").Replace(template)))
	}
	in.Render = render(manifests...)
	return in
}

// TestLargeChart finds the one secret among many files and their manifests.
func TestLargeChart(t *testing.T) {
	in := largeChart(40)
	in.Files = append(in.Files, file("values.yaml", "password: "+fakePassword+"\n"))
	if found := scan(t, in); len(found) != 1 {
		t.Errorf("found %v", places(found))
	}
}

func BenchmarkScan(b *testing.B) {
	in := largeChart(200)
	s := scanner(b)
	for b.Loop() {
		if _, err := s.Scan(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
