package charts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/pinnace-dev/pinnace/charts"
)

// TestContainersMayDoNothing holds every container of every variant to the restricted standard and to a read-only root.
// Only what reads logs is root, and of no capability: DAC_READ_SEARCH, with which others read logs, opens all files of the node
// by open_by_handle_at, which the default profile of seccomp allows along with it.
func TestContainersMayDoNothing(t *testing.T) {
	for _, v := range charts.Variants() {
		for role, pod := range pods(t, mustRender(t, v.Values...)) {
			for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
				t.Run(v.Name+"/"+role+"/"+c.Name, func(t *testing.T) {
					security := c.SecurityContext
					if *security.AllowPrivilegeEscalation || *security.Privileged || !*security.ReadOnlyRootFilesystem ||
						!slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) {
						t.Errorf("security is %+v", security)
					}
					root := security.RunAsUser != nil && *security.RunAsUser == 0
					logs := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "pod-logs" })
					if root != logs || len(security.Capabilities.Add) > 0 {
						t.Errorf("root: %v, capabilities: %v, reads logs: %v", root, security.Capabilities.Add, logs)
					}
					if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
						t.Error("no memory limit or no CPU request")
					}
				})
			}
		}
	}
}

func TestPods(t *testing.T) {
	for _, v := range charts.Variants() {
		for role, pod := range pods(t, mustRender(t, v.Values...)) {
			t.Run(v.Name+"/"+role, func(t *testing.T) {
				security := pod.Spec.SecurityContext
				if !*security.RunAsNonRoot || security.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
					t.Errorf("pod security is %+v", security)
				}
				if security.FSGroup == nil || *security.FSGroup != 65532 {
					t.Error("without the group a file of mode 0440 is closed to the collector")
				}
				if *pod.Spec.AutomountServiceAccountToken || pod.Spec.HostPID || pod.Spec.HostIPC {
					t.Error("the pod has a token everywhere or shares a namespace of its node")
				}
				if pod.Spec.NodeSelector["kubernetes.io/os"] != "linux" {
					t.Errorf("the pod may start on Windows: %v", pod.Spec.NodeSelector)
				}
				if pod.Spec.HostNetwork != (v.Name == "everything" && role == "agent") {
					t.Errorf("host network: %v", pod.Spec.HostNetwork)
				}
				collector := container(t, pod, "collector")
				for _, probe := range []*corev1.Probe{
					collector.StartupProbe, collector.LivenessProbe, collector.ReadinessProbe,
				} {
					if probe == nil || probe.HTTPGet.Port.StrVal != "health" {
						t.Errorf("a probe is %+v", probe)
					}
				}
				for _, mount := range collector.VolumeMounts {
					source := volume(t, pod, mount.Name).VolumeSource
					if source.HostPath != nil && !mount.ReadOnly && mount.Name != "state" {
						t.Errorf("the collector may write to %s of the node", source.HostPath.Path)
					}
					if source.Secret != nil {
						t.Errorf("the collector mounts the Secret %s", source.Secret.SecretName)
					}
				}
			})
		}
	}
}

// TestRestrictedWhereTheWorkloadAllows: whatever does not read the node is at the restricted level.
func TestRestrictedWhereTheWorkloadAllows(t *testing.T) {
	restricted := []string{"otlp-only/agent", "otlp-only/cluster", "uat/cluster", "everything/gateway", "fargate/gateway"}
	for _, name := range restricted {
		v, role, _ := strings.Cut(name, "/")
		pod := pods(t, variant(t, v))[role]
		for _, volume := range pod.Spec.Volumes {
			if volume.HostPath != nil {
				t.Errorf("%s mounts %s of the node", name, volume.HostPath.Path)
			}
		}
		if user := container(t, pod, "collector").SecurityContext.RunAsUser; user == nil || *user == 0 {
			t.Errorf("the collector of %s is root", name)
		}
		if pod.Spec.HostNetwork {
			t.Errorf("%s uses the node's network", name)
		}
	}
}

func TestWorkloads(t *testing.T) {
	all := variant(t, "everything")
	agents := get[appsv1.DaemonSet](t, all, "DaemonSet/opentelemetry-agent")
	if got := agents.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable.String(); got != "10%" {
		t.Errorf("the agents are replaced %s at a time", got)
	}
	cluster := get[appsv1.Deployment](t, all, "Deployment/opentelemetry-cluster")
	if *cluster.Spec.Replicas != 1 || cluster.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Errorf("%d replicas by %s would send twice", *cluster.Spec.Replicas, cluster.Spec.Strategy.Type)
	}
	gateway := get[appsv1.Deployment](t, all, "Deployment/opentelemetry-gateway")
	if *gateway.Spec.Replicas != 3 || gateway.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 {
		t.Errorf("the gateway is %+v", gateway.Spec)
	}
	for role, selector := range map[string]map[string]string{
		"agent": agents.Spec.Selector.MatchLabels, "cluster": cluster.Spec.Selector.MatchLabels,
		"gateway": gateway.Spec.Selector.MatchLabels,
	} {
		want := map[string]string{
			"app.kubernetes.io/name":      "opentelemetry",
			"app.kubernetes.io/instance":  "opentelemetry",
			"app.kubernetes.io/component": role,
		}
		if diff := cmp.Diff(want, selector); diff != "" {
			t.Errorf("selector of the %s (-want +got):\n%s", role, diff)
		}
		for key, value := range selector {
			if pods(t, all)[role].Labels[key] != value {
				t.Errorf("the %s selects %s=%s, which its pods have not", role, key, value)
			}
		}
	}
}

func TestOnDelete(t *testing.T) {
	agents := get[appsv1.DaemonSet](t, uat(t, "agent: {updateStrategy: {type: OnDelete}}"), "DaemonSet/opentelemetry-agent")
	if agents.Spec.UpdateStrategy.RollingUpdate != nil {
		t.Errorf("update strategy is %+v", agents.Spec.UpdateStrategy)
	}
}

// TestNewConfigurationNewPods: a ConfigMap alone restarts nothing.
func TestNewConfigurationNewPods(t *testing.T) {
	checksum := func(values string, role string) string {
		return pods(t, uat(t, values))[role].Annotations["checksum/config"]
	}
	for _, role := range []string{"agent", "cluster"} {
		if before := checksum("{}", role); before == "" || before == checksum("logLevel: debug", role) {
			t.Errorf("another configuration of the %s keeps its pods", role)
		}
	}
	if checksum("{}", "agent") != checksum("presets: {clusterMetrics: {collectionInterval: 30s}}", "agent") {
		t.Error("the cluster's configuration restarts the agents")
	}
}

// TestRoleOverCommon sets each value for all roles and for one.
func TestRoleOverCommon(t *testing.T) {
	all := uat(t, `
extraEnv: {GOGC: "50", NOTE: common}
resources: {limits: {memory: 1Gi}}
podAnnotations: {a: common, b: common}
podLabels: {team: common}
nodeSelector: {pool: common}
tolerations: [{key: common, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [
  {key: common, operator: Exists}]}]}}}
priorityClassName: common
cluster:
  extraEnv: {NOTE: own}
  resources: {limits: {memory: 200Mi}}
  podAnnotations: {b: own}
  podLabels: {team: own}
  nodeSelector: {pool: own}
  tolerations: [{key: own, operator: Exists}]
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [
    {key: own, operator: Exists}]}]}}}
  priorityClassName: own
`)
	requests := container(t, pods(t, uat(t, "agent: {resources: {requests: {cpu: 1}}}"))["agent"], "collector").Resources
	if requests.Requests.Cpu().String() != "1" || requests.Limits.Memory().String() != "512Mi" {
		t.Errorf("a request of its own over the common limits makes %+v", requests)
	}
	for role, want := range map[string]struct{ word, limit string }{"agent": {"common", "819MiB"}, "cluster": {"own", "160MiB"}} {
		pod := pods(t, all)[role]
		env := environ(container(t, pod, "collector"))
		terms := pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
		got := []string{
			env["NOTE"], pod.Annotations["b"], pod.Labels["team"], pod.Spec.NodeSelector["pool"], pod.Spec.Tolerations[0].Key,
			terms[0].MatchExpressions[0].Key, pod.Spec.PriorityClassName,
		}
		if diff := cmp.Diff(slices.Repeat([]string{want.word}, len(got)), got); diff != "" {
			t.Errorf("the %s has (-want +got):\n%s", role, diff)
		}
		if env["GOGC"] != "50" || pod.Annotations["a"] != "common" || env["GOMEMLIMIT"] != want.limit {
			t.Errorf("the %s has lost what only the common values say, or its own limit: %v %v", role, env, pod.Annotations)
		}
	}
}

func TestPodSettingsArrive(t *testing.T) {
	all := variant(t, "everything")
	for role, pod := range pods(t, all) {
		if got := pod.Spec.ImagePullSecrets; len(got) != 1 || got[0].Name != "mirror" {
			t.Errorf("%s: pull secrets are %v", role, got)
		}
		if got := pod.Spec.HostAliases; len(got) != 1 || got[0].IP != "10.0.0.1" {
			t.Errorf("%s: host aliases are %v", role, got)
		}
		for _, name := range []string{"collector", "pinnace-agent"} {
			if got := environ(container(t, pod, name))["SSL_CERT_FILE"]; got != "/etc/pinnace/ca/ca.crt" {
				t.Errorf("%s: authorities of %s are in %q", role, name, got)
			}
		}
		want := map[string]bool{"collector": true, "pinnace-agent": true}
		if diff := cmp.Diff(want, mounts(pod, "ca-bundle")); diff != "" {
			t.Errorf("%s mounts the authorities (-want +got):\n%s", role, diff)
		}
	}
	digest := "sha256:" + strings.Repeat("0", 64)
	pod := pods(t, uat(t, "{pinnace: {image: {digest: '"+digest+"'}}, image: {digest: '"+digest+"', tag: 0.165.0}}"))["agent"]
	for name, want := range map[string]string{
		"pinnace-agent": "pinnace-dev/pinnace-agent@" + digest,
		"collector":     "otel/opentelemetry-collector-contrib@" + digest,
	} {
		if got := container(t, pod, name).Image; got != want {
			t.Errorf("the image of %s is %s", name, got)
		}
	}
}
