package charts_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestUpgradeFrom010: the values that 0.1.0 had mean what they meant, and what Kubernetes will not change stays.
func TestUpgradeFrom010(t *testing.T) {
	all := variant(t, "values-of-0.1.0")
	agents := get[appsv1.DaemonSet](t, all, "DaemonSet/opentelemetry-agent")
	selector := map[string]string{
		"app.kubernetes.io/name": "opentelemetry", "app.kubernetes.io/instance": "opentelemetry",
		"app.kubernetes.io/component": "agent",
	}
	if diff := cmp.Diff(selector, agents.Spec.Selector.MatchLabels); diff != "" {
		t.Errorf("selector (-0.1.0 +now):\n%s", diff)
	}
	service := get[corev1.Service](t, all, "Service/opentelemetry-agent")
	if diff := cmp.Diff(selector, service.Spec.Selector); diff != "" {
		t.Errorf("selector of the Service (-0.1.0 +now):\n%s", diff)
	}
	account := get[corev1.ServiceAccount](t, all, "ServiceAccount/collector")
	if account.Annotations["owner"] != "telemetry" || account.Annotations["eks.amazonaws.com/role-arn"] == "" {
		t.Errorf("the account has %v", account.Annotations)
	}
	for role, pod := range pods(t, all) {
		collector, agent := container(t, pod, "collector"), container(t, pod, "pinnace-agent")
		env := environ(collector)
		for what, ok := range map[string]bool{
			"account":         pod.Spec.ServiceAccountName == "collector",
			"image":           collector.Image == "otel/opentelemetry-collector-contrib:0.155.0",
			"agent's image":   agent.Image == "pinnace-dev/pinnace-agent:0.1.0",
			"environment":     env["GOGC"] == "50",
			"memory":          env["GOMEMLIMIT"] == "480MiB" && collector.Resources.Limits.Memory().String() == "600Mi",
			"annotation":      pod.Annotations["note"] == "a",
			"label":           pod.Labels["team"] == "a",
			"nodeSelector":    pod.Spec.NodeSelector["kubernetes.io/os"] == "linux",
			"tolerations":     len(pod.Spec.Tolerations) == 1,
			"priority":        pod.Spec.PriorityClassName == "high",
			"grace":           *pod.Spec.TerminationGracePeriodSeconds == 45,
			"key":             config(t, all, role).Extensions["bearertokenauth"]["filename"] == "/var/run/pinnace/private_key",
			"exporter's name": config(t, all, role).Exporters["otlp"] != nil,
		} {
			if !ok {
				t.Errorf("%s of 0.1.0's values did not arrive in the %s", what, role)
			}
		}
	}
}
