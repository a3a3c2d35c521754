package charts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

// notes renders NOTES.txt, which is no manifest: in a copy of the chart it stands inside of one.
func notes(t *testing.T, values ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), chartDir)
	if err := os.CopyFS(dir, os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "templates", "NOTES.txt")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const first, rest = "kind: Notes\nmetadata: {name: a}\ntext: |\n  {{- include \"notes\" . | nindent 2 }}\n", "{{- end -}}\n"
	manifest := first + "{{- define \"notes\" -}}\n" + string(text) + rest
	if err := os.WriteFile(filepath.Join(dir, "templates", "notes.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	packed, err := chartrepo.Pack(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := renderArchive(packed.Archive, append([]string{environment(t, "uat")}, values...)...)
	if err != nil {
		t.Fatal(err)
	}
	return get[struct {
		Kind     string
		Metadata struct{ Name string }
		Text     string
	}](t, all, "Notes/a").Text
}

// TestNotes tell everyone who must be trusted, and where to look.
func TestNotes(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/opentelemetry-uat"
	for name, test := range map[string]struct {
		values     string
		has, lacks []string
	}{
		"IRSA": {"{}", []string{
			"sends telemetry of example-uat to ingress.eu2.coralogix.com:443.",
			"system:serviceaccount:observability:opentelemetry-agent for " + role,
			"system:serviceaccount:observability:opentelemetry-cluster for " + role,
			"helm test opentelemetry --namespace observability --logs",
			"opentelemetry-agent.observability.svc:4317",
			"logs --container pinnace-agent \\\n    daemonset/opentelemetry-agent",
			"docs/runbook-revoked-key.md",
		}, []string{"gateway", "pod-identity"}},
		"pod identity": {`aws: {podIdentity: true, roleArn: ""}`, []string{
			"create-pod-identity-association", "--namespace observability --service-account opentelemetry-cluster",
		}, []string{"system:serviceaccount"}},
		"process": {"keyDelivery: {file: {enabled: false}, process: {enabled: true}}", []string{
			"logs --container collector \\\n    deployment/opentelemetry-cluster",
		}, []string{"--container pinnace-agent"}},
		"existing Secret": {"keyDelivery: {file: {enabled: false}, existingSecret: {enabled: true, name: mine}}", []string{
			"comes from the Secret mine", "rollout restart daemonset/opentelemetry-agent",
		}, []string{"helm test", "system:serviceaccount", "pinnace-agent"}},
		"gateway without agents": {"{agent: {enabled: false}, gateway: {enabled: true}}", []string{
			"opentelemetry-gateway.observability.svc:4317",
		}, []string{"opentelemetry-agent"}},
		"gateway behind agents": {"gateway: {enabled: true}", []string{
			"opentelemetry-agent.observability.svc:4317", "system:serviceaccount:observability:opentelemetry-gateway for " + role,
		}, []string{"opentelemetry-gateway.observability.svc"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := notes(t, test.values)
			for _, want := range test.has {
				if !strings.Contains(text, want) {
					t.Errorf("the notes lack %q:\n%s", want, text)
				}
			}
			for _, word := range test.lacks {
				if strings.Contains(text, word) {
					t.Errorf("the notes have %q:\n%s", word, text)
				}
			}
		})
	}
}
