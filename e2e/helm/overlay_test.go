package helm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const overlayTeam = `global: {domain: eu2.coralogix.com, clusterName: prod}
opentelemetry-agent:
  extraEnvs:
    - name: CORALOGIX_PRIVATE_KEY
      valueFrom: {secretKeyRef: {name: coralogix-keys, key: PRIVATE_KEY}}
    - {name: TEAM, value: blue}
`

// A team that runs a chart of others mirrors it, whose charts below come along inside, puts the agent into it by values
// alone, and checks what Helm makes of them. The chart is one of ours with the hooks of Coralogix's; its charts below
// name a repository that nobody answers for.
func TestOverlay(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.plugins(t)
		chart, err := filepath.Abs(filepath.Join("..", "..", "internal", "overlay", "testdata", "otel-integration"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(w.home, "otel-integration"), os.DirFS(chart)); err != nil {
			t.Fatal(err)
		}
		metadata, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		w.write(t, map[string]string{
			"team.yaml": overlayTeam,
			"otel-integration/Chart.yaml": strings.ReplaceAll(string(metadata), `repository: ""`,
				`repository: "https://charts.invalid"`),
		})
		w.run(t, words("helm package ./otel-integration -d upstream"))
		w.run(t, words("helm repo index upstream"))
		out := w.run(t, []string{
			"helm", "pinnace", "mirror", "file://" + w.home + "/upstream", "otel-integration", "--to",
			"s3://acme-charts/stable", "--lock", "mirror.lock",
		}, "mirrored otel-integration 0.0.1")
		if n := strings.Count(out, "mirrored "); n != 1 {
			t.Errorf("%d charts were mirrored, want the one that carries the others", n)
		}
		w.run(t, words("helm repo add stable s3://acme-charts/stable"))
		w.run(t, words("helm pull stable/otel-integration --version 0.0.1"))
		w.shell(t, "helm template otel otel-integration-0.0.1.tgz -f team.yaml > before.yaml")
		w.refused(t, words("helm pinnace overlay check before.yaml"), "from the Secret coralogix-keys", "no pod has the agent")
		for mode, result := range map[string]string{"file": "2 by file, 0 by process", "process": "0 by file, 2 by process"} {
			w.shell(t, "helm pinnace overlay otel-integration otel-integration-0.0.1.tgz -f team.yaml --mode "+mode+
				" --appconfig opentelemetry/prod/collector --role-arn arn:aws:iam::111122223333:role/opentelemetry"+
				" --agent-image registry.example.com/pinnace-agent:1.0 > overlay.yaml")
			w.shell(t, "helm template otel otel-integration-0.0.1.tgz -f team.yaml -f overlay.yaml > all.yaml")
			w.run(t, words("helm pinnace overlay check all.yaml"), result+", 0 without a key, 0 findings")
			w.run(t, words("helm lint otel-integration-0.0.1.tgz -f team.yaml -f overlay.yaml"), "0 chart\\(s\\) failed")
		}

		// The trap that Helm does not tell: on Fargate the template prints a list of its own, and then that of values.
		w.write(t, map[string]string{"fargate.yaml": `opentelemetry-agent-eks-fargate:
  enabled: true
  initContainers: [{name: pinnace-install, image: x}]
`})
		w.shell(t, "helm template otel otel-integration-0.0.1.tgz -f team.yaml -f overlay.yaml -f fargate.yaml > twice.yaml")
		w.refused(t, words("helm pinnace overlay check twice.yaml"), `key "initContainers" already`, `\(duplicate\)`)
	})
}

// shell runs a line with a redirection.
func (w *world) shell(t *testing.T, line string) {
	t.Helper()
	w.run(t, []string{"sh", "-c", strings.Replace(line, "helm", w.helm, 1)})
}
