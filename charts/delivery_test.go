package charts_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/pinnace-dev/pinnace/charts"
)

func TestFileDelivery(t *testing.T) {
	all := uat(t)
	for role, pod := range pods(t, all) {
		t.Run(role, func(t *testing.T) {
			if len(pod.Spec.InitContainers) != 1 || len(pod.Spec.Containers) != 1 {
				t.Fatalf("%d init containers and %d containers", len(pod.Spec.InitContainers), len(pod.Spec.Containers))
			}
			agent := container(t, pod, "pinnace-agent")
			if agent.RestartPolicy == nil || *agent.RestartPolicy != corev1.ContainerRestartPolicyAlways {
				t.Error("the agent is an init container that must end before the collector starts")
			}
			ready := []string{"/pinnace-agent", "ready"}
			if agent.StartupProbe == nil || agent.StartupProbe.Exec == nil ||
				!slices.Equal(agent.StartupProbe.Exec.Command, ready) {
				t.Error("without a startup probe the collector starts before its key is there")
			}
			want := map[string]string{
				"PINNACE_APPCONFIG":     "opentelemetry/uat/collector",
				"PINNACE_TOKEN_FILES":   "/var/run/pinnace/private_key=private_key",
				"PINNACE_MODE":          "0440",
				"PINNACE_STATUS":        "[$(POD_IP)]:9474",
				"PINNACE_POLL_INTERVAL": "60s",
				"PINNACE_LOG_LEVEL":     "info",
				"AWS_REGION":            "eu-north-1",
				"GOMEMLIMIT":            "51MiB",
			}
			if diff := cmp.Diff(want, environ(agent)); diff != "" {
				t.Errorf("environment of the agent (-want +got):\n%s", diff)
			}
			key := volume(t, pod, "key").EmptyDir
			if key == nil || key.Medium != corev1.StorageMediumMemory || key.SizeLimit == nil {
				t.Errorf("the key's volume is %+v, want a tmpfs with a limit", key)
			}
			if diff := cmp.Diff(map[string]bool{"pinnace-agent": false, "collector": true}, mounts(pod, "key")); diff != "" {
				t.Errorf("read-only mounts of the key (-want +got):\n%s", diff)
			}
			file := config(t, all, role).Extensions["bearertokenauth"]["filename"]
			if file != "/var/run/pinnace/private_key" {
				t.Errorf("the collector reads its key from %v", file)
			}
			if got := pod.Annotations["eks.amazonaws.com/skip-containers"]; got != "collector" {
				t.Errorf("the webhook skips %q, so that the collector gets the role", got)
			}
		})
	}
}

// TestProcessDelivery has the key in no file and in no configuration: a variable, in a field that is printed masked.
func TestProcessDelivery(t *testing.T) {
	all := uat(t, "keyDelivery: {file: {enabled: false}, process: {enabled: true, command: [/otelcol, --a]}}")
	for role, pod := range pods(t, all) {
		t.Run(role, func(t *testing.T) {
			install, collector := container(t, pod, "pinnace-install"), container(t, pod, "collector")
			if len(pod.Spec.InitContainers) != 1 || len(pod.Spec.Containers) != 1 || install.RestartPolicy != nil {
				t.Errorf("the pod has %d init containers and %d containers", len(pod.Spec.InitContainers), len(pod.Spec.Containers))
			}
			if diff := cmp.Diff([]string{"install", "/pinnace"}, install.Args); diff != "" {
				t.Errorf("arguments of the installer (-want +got):\n%s", diff)
			}
			got := slices.Concat(collector.Command, collector.Args)
			want := []string{"/pinnace/pinnace-agent", "run", "--", "/otelcol", "--a", "--config=/etc/otelcol/collector.yaml"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
			env := environ(collector)
			if env["PINNACE_ENV"] != "CORALOGIX_PRIVATE_KEY=private_key" || env["PINNACE_GRACE"] != "55s" ||
				env["PINNACE_APPCONFIG"] != "opentelemetry/uat/collector" || env["GOMEMLIMIT"] != "409MiB" {
				t.Errorf("environment is %v", env)
			}
			if diff := cmp.Diff(map[string]bool{"pinnace-install": false, "collector": true}, mounts(pod, "program")); diff != "" {
				t.Errorf("read-only mounts of the program (-want +got):\n%s", diff)
			}
			authenticator := map[string]any{"token": "${env:CORALOGIX_PRIVATE_KEY}"}
			if diff := cmp.Diff(authenticator, config(t, all, role).Extensions["bearertokenauth"]); diff != "" {
				t.Errorf("authenticator (-want +got):\n%s", diff)
			}
			if got := pod.Annotations["eks.amazonaws.com/skip-containers"]; got != "pinnace-install" {
				t.Errorf("the webhook skips %q", got)
			}
		})
	}
}

// TestExistingSecret has neither agent nor AWS.
func TestExistingSecret(t *testing.T) {
	all := uat(t, `keyDelivery: {file: {enabled: false}, existingSecret: {enabled: true, name: mine, key: token}}`,
		"aws: {projectToken: true}")
	for role, pod := range pods(t, all) {
		t.Run(role, func(t *testing.T) {
			if len(pod.Spec.InitContainers) != 0 || len(pod.Spec.Containers) != 1 {
				t.Error("the pod has more than its collector")
			}
			collector := container(t, pod, "collector")
			i := slices.IndexFunc(collector.Env, func(v corev1.EnvVar) bool { return v.Name == "CORALOGIX_PRIVATE_KEY" })
			if i < 0 || collector.Env[i].ValueFrom.SecretKeyRef.Name != "mine" || collector.Env[i].ValueFrom.SecretKeyRef.Key != "token" {
				t.Errorf("environment is %v", collector.Env)
			}
			if _, ok := pod.Annotations["eks.amazonaws.com/skip-containers"]; ok {
				t.Error("the pod speaks to EKS's webhook")
			}
		})
	}
	for id, manifest := range all {
		for _, word := range []string{"pinnace-dev", "AWS_", "role-arn", "aws-token", "PINNACE"} {
			if strings.Contains(manifest, word) {
				t.Errorf("%s has %s", id, word)
			}
		}
		if strings.HasPrefix(id, "Pod/") {
			t.Errorf("%s would ask AWS", id)
		}
	}
}

// TestNoKeyAnywhere looks for keys in what is rendered and for objects that could hold or read one.
func TestNoKeyAnywhere(t *testing.T) {
	keyLike := regexp.MustCompile(`(?i)cx[a-z]{2}_[a-z0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|AKIA|-----BEGIN`)
	kinds := []string{
		"ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet", "Deployment", "NetworkPolicy", "Pod", "PodDisruptionBudget",
		"Service", "ServiceAccount", "ServiceMonitor",
	}
	for _, v := range charts.Variants() {
		for id, text := range mustRender(t, v.Values...) {
			if found := keyLike.FindString(text); found != "" {
				t.Errorf("%s of %s holds %q", id, v.Name, found)
			}
			reads := strings.Contains(text, "secretKeyRef") || strings.Contains(text, "secretRef")
			if reads && !strings.HasSuffix(v.Name, "secret") {
				t.Errorf("%s of %s reads a Secret", id, v.Name)
			}
			if kind := fmt.Sprint(decode[map[string]any](t, text)["kind"]); !slices.Contains(kinds, kind) {
				t.Errorf("%s of %s is a %s", id, v.Name, kind)
			}
		}
	}
}
