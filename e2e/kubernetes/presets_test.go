package kubernetes_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinnace-dev/pinnace/e2e/kubernetes/cluster"
)

// Every preset that a collector can be had for does on a real cluster what it says, with no more rights than its own:
// logs of pods, metrics of the machine, of the kubelet and of the cluster, and events arrive, with the names of
// Kubernetes on them.
func TestPresets(t *testing.T) {
	needCluster(t)
	if kit.Presets == "" {
		t.Skip("SKIP there is no collector with the components of the presets")
	}
	t.Parallel()
	s := newScene(t, withHelm(t, "4"), nil)
	seen := record(t, s)
	s.install(t, "install", s.helm.yard.Chart, s.valuesOfPresets(t))
	talker(t, s.space)

	for name, there := range map[string]func(string) bool{
		"metrics of the machine":    func(name string) bool { return name == "system.memory.usage" },
		"metrics of file systems":   func(name string) bool { return name == "system.filesystem.usage" },
		"metrics of pods":           func(name string) bool { return name == "k8s.pod.memory.working_set" },
		"metrics of containers":     func(name string) bool { return name == "container.memory.usage" },
		"metrics of the node":       func(name string) bool { return name == "k8s.node.memory.usage" },
		"state of DaemonSets":       func(name string) bool { return name == "k8s.daemonset.ready_nodes" },
		"state of pods":             func(name string) bool { return name == "k8s.pod.phase" },
		"state of the node":         func(name string) bool { return strings.HasPrefix(name, "k8s.node.condition_") },
		"metrics of the collectors": func(name string) bool { return strings.HasPrefix(name, "otelcol_") },
	} {
		seen.await(t, name, func(r *recorder) bool { return slices.ContainsFunc(slices.Collect(maps.Keys(r.metrics)), there) })
	}
	seen.await(t, "log of a pod, with its names", func(r *recorder) bool {
		return slices.ContainsFunc(r.logs, func(l logRecord) bool {
			return strings.Contains(l.body, "pinnace-agent keeps a workload's keys") &&
				l.resource["k8s.pod.name"] == "talker" && l.resource["k8s.namespace.name"] == s.space &&
				l.resource["k8s.node.name"] == cluster.Node && l.resource["k8s.cluster.name"] == "e2e"
		})
	})
	seen.await(t, "event of the cluster", func(r *recorder) bool {
		return slices.ContainsFunc(r.logs, func(l logRecord) bool {
			return strings.Contains(l.body, "talker") && strings.Contains(l.body, `"Scheduled"`)
		})
	})
	s.wantNoRefusals(t)
	seen.mu.Lock()
	defer seen.mu.Unlock()
	t.Logf("%d log records, %d kinds of metrics", len(seen.logs), len(seen.metrics))
}

// valuesOfPresets turn every preset on that needs no gateway.
func (s *scene) valuesOfPresets(t *testing.T) object {
	t.Helper()
	values := s.valuesOfNew()
	presets := presetsOff("otlpReceiver", "kubernetesAttributes", "kubernetesEvents")
	presets["logsCollection"] = object{"enabled": true, "hostPath": t.TempDir()}
	presets["collectorMetrics"] = object{"enabled": true, "interval": "15s"}
	presets["resourceDetection"] = object{"enabled": true, "detectors": []string{"env", "system"}}
	for _, name := range []string{"hostMetrics", "kubeletMetrics", "clusterMetrics"} {
		presets[name] = object{"enabled": true, "collectionInterval": "5s"}
	}
	presets["hostMetrics"].(object)["fileSystems"] = true
	values["presets"], values["cluster"] = presets, object{"enabled": true}
	values["image"] = object{
		"repository": cluster.Registry + "otelcol-presets", "tag": "dev", "pullPolicy": "Never", "version": kit.PresetsVersion,
	}
	values["hostAliases"] = []object{
		{"ip": s.address, "hostnames": []string{ingressName}},
		{"ip": cluster.Gateway, "hostnames": []string{cluster.Node}},
	}
	return values
}

// talker runs a pod that writes to its log.
func talker(t *testing.T, space string) {
	t.Helper()
	_, err := kube.Client.CoreV1().Pods(space).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "talker"}, Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{
				Name: "talker", Image: cluster.Registry + "pinnace-agent:dev", Args: []string{"help"},
				ImagePullPolicy: corev1.PullNever,
			}},
		},
	}, metav1.CreateOptions{})
	must(t, err)
}

// wantNoRefusals wants no collector to have asked for what its role does not allow.
func (s *scene) wantNoRefusals(t *testing.T) {
	t.Helper()
	pods, err := kube.Client.CoreV1().Pods(s.space).List(t.Context(), metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/instance=" + release,
	})
	must(t, err)
	if len(pods.Items) != 2 {
		t.Errorf("%d pods of the chart, want an agent and the cluster's", len(pods.Items))
	}
	for _, pod := range pods.Items {
		for line := range strings.Lines(s.log(t, pod.Name, "collector")) {
			if low := strings.ToLower(line); strings.Contains(low, "forbidden") || strings.Contains(low, "unauthorized") {
				t.Errorf("%s: %s", pod.Name, line)
			}
		}
	}
}

// await waits until what was recorded fulfils a condition, which is asked with the recorder locked.
func (r *recorder) await(t *testing.T, what string, yes func(*recorder) bool) {
	t.Helper()
	begin := time.Now()
	await(t, what, func(context.Context) (bool, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return yes(r), nil
	})
	t.Logf("%s after %.1f s", what, time.Since(begin).Seconds())
}
