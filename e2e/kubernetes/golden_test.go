package kubernetes_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Every golden render of the chart is what a real API server takes, field by field.
func TestGoldenRenders(t *testing.T) {
	needCluster(t)
	t.Parallel()
	golden, err := filepath.Glob(root + "/charts/testdata/*.yaml")
	must(t, err)
	if len(golden) == 0 {
		t.Fatal("there are no golden renders")
	}
	monitors := filepath.Join(t.TempDir(), "crd.yaml")
	must(t, os.WriteFile(monitors, []byte(serviceMonitors), 0o600))
	if out, err := kube.Kubectl(t.Context(), "apply", "--filename", monitors).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := kube.Kubectl(t.Context(), "wait", "--for=condition=Established", "crd/servicemonitors.monitoring.coreos.com",
		"--timeout=30s").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	space := namespace(t, nil)
	for _, file := range golden {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			must(t, err)
			if !strings.Contains(string(content), "\nkind: ") {
				t.Skip("no render")
			}
			here := regexp.MustCompile(`(?m)^(\s+namespace:) \S+$`).ReplaceAll(content, []byte("$1 "+space))
			makeAccounts(t, space, content)
			copied := filepath.Join(t.TempDir(), "golden.yaml")
			must(t, os.WriteFile(copied, here, 0o600))
			out, err := kube.Kubectl(t.Context(), "apply", "--server-side", "--dry-run=server", "--validate=strict",
				"--namespace", space, "--filename", copied).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			t.Logf("%d objects", strings.Count(string(out), "(server dry run)"))
		})
	}
}

// makeAccounts makes the service accounts that a render names, without which its pods are refused.
func makeAccounts(t *testing.T, space string, rendered []byte) {
	t.Helper()
	for _, match := range regexp.MustCompile(`(?m)^\s+serviceAccountName: (\S+)$`).FindAllSubmatch(rendered, -1) {
		_, err := kube.Client.CoreV1().ServiceAccounts(space).Create(t.Context(), &corev1.ServiceAccount{
			ObjectMeta: metav1.ObjectMeta{Name: string(match[1])},
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
}

// serviceMonitors is the least definition of the Prometheus operator's resource: its fields are not checked.
const serviceMonitors = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: ServiceMonitor, plural: servicemonitors, singular: servicemonitor}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
