package charts_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

var update = flag.Bool("update", false, "write the golden files anew")

const chartDir = "opentelemetry"

var archive = sync.OnceValues(func() ([]byte, error) {
	pkg, err := chartrepo.Pack(chartDir)
	return pkg.Archive, err
})

// render gives the manifests of the packed chart by template file. Each of values is a document of values, the later
// over the earlier.
func render(values ...string) (map[string]string, error) {
	packed, err := archive()
	if err != nil {
		return nil, err
	}
	options := chartrepo.RenderOptions{Release: "opentelemetry", Namespace: "observability", KubeVersion: "1.31.0"}
	for _, document := range values {
		options.Values = append(options.Values, []byte(document))
	}
	rendered, err := chartrepo.Render(packed, options)
	if err != nil {
		return nil, err
	}
	files := make(map[string]string, len(rendered))
	for name, manifest := range rendered {
		files[path.Base(name)] = manifest
	}
	return files, nil
}

func mustRender(t *testing.T, values ...string) map[string]string {
	t.Helper()
	files, err := render(values...)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func environment(t *testing.T, name string) string {
	t.Helper()
	values, err := os.ReadFile(filepath.Join(chartDir, "values-"+name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(values)
}

// decode reads a manifest into its Kubernetes type and refuses fields that the type does not have.
func decode[T any](t *testing.T, manifest string) T {
	t.Helper()
	var object T
	if err := yaml.UnmarshalStrict([]byte(manifest), &object); err != nil {
		t.Fatalf("%v in\n%s", err, manifest)
	}
	return object
}

func uat(t *testing.T) (map[string]string, appsv1.DaemonSet) {
	t.Helper()
	files := mustRender(t, environment(t, "uat"))
	return files, decode[appsv1.DaemonSet](t, files["workload.yaml"])
}

func TestGolden(t *testing.T) {
	for name, values := range map[string][]string{
		"uat": {environment(t, "uat")}, "prod": {environment(t, "prod")},
		"pod-identity": {environment(t, "uat"), `aws: {podIdentity: true, roleArn: ""}`},
	} {
		t.Run(name, func(t *testing.T) {
			files := mustRender(t, values...)
			var got strings.Builder
			for _, file := range slices.Sorted(maps.Keys(files)) {
				fmt.Fprintf(&got, "---\n# %s\n%s\n", file, strings.TrimSpace(files[file]))
			}
			golden := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got); if it is meant, run the test with -update:\n%s", golden, diff)
			}
		})
	}
}

// TestEnvironmentsDifferOnlyWhereMeant names every place where prod is not uat.
func TestEnvironmentsDifferOnlyWhereMeant(t *testing.T) {
	uat, prod := leaves(t, "uat"), leaves(t, "prod")
	var got []string
	for place, value := range prod {
		if other, ok := uat[place]; !ok || other != value {
			got = append(got, place)
		}
	}
	for place := range uat {
		if _, ok := prod[place]; !ok {
			got = append(got, place)
		}
	}
	slices.Sort(got)
	want := []string{
		"configmap.yaml.data.collector.yaml.processors.resource.attributes[deployment.environment.name].value",
		"configmap.yaml.data.collector.yaml.processors.resource.attributes[k8s.cluster.name].value",
		"serviceaccount.yaml.metadata.annotations.eks.amazonaws.com/role-arn",
		"workload.yaml.spec.template.metadata.annotations.checksum/config",
		"workload.yaml.spec.template.spec.containers[collector].env[GOMEMLIMIT].value",
		"workload.yaml.spec.template.spec.containers[collector].resources.limits.memory",
		"workload.yaml.spec.template.spec.containers[collector].resources.requests.cpu",
		"workload.yaml.spec.template.spec.containers[collector].resources.requests.memory",
		"workload.yaml.spec.template.spec.initContainers[pinnace-agent].env[PINNACE_APPCONFIG].value",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

// leaves are the scalars of all manifests of an environment by their place. List items are told by their name or key.
func leaves(t *testing.T, environmentName string) map[string]string {
	t.Helper()
	places := map[string]string{}
	var walk func(place string, node any)
	walk = func(place string, node any) {
		switch node := node.(type) {
		case map[string]any:
			for key, child := range node {
				walk(place+"."+key, child)
			}
		case []any:
			for i, child := range node {
				name := any(i)
				if object, ok := child.(map[string]any); ok && object["name"] != nil {
					name = object["name"]
				} else if ok && object["key"] != nil {
					name = object["key"]
				}
				walk(fmt.Sprintf("%s[%v]", place, name), child)
			}
		case string:
			if strings.HasSuffix(place, ".data.collector.yaml") {
				walk(place, decode[map[string]any](t, node))
				return
			}
			places[place] = node
		default:
			places[place] = fmt.Sprint(node)
		}
	}
	for file, manifest := range mustRender(t, environment(t, environmentName)) {
		walk(file, decode[map[string]any](t, manifest))
	}
	return places
}

func TestAgentIsNativeSidecar(t *testing.T) {
	_, workload := uat(t)
	pod := workload.Spec.Template.Spec
	if len(pod.InitContainers) != 1 || len(pod.Containers) != 1 {
		t.Fatalf("%d init containers and %d containers, want one each", len(pod.InitContainers), len(pod.Containers))
	}
	agent, collector := pod.InitContainers[0], pod.Containers[0]
	if agent.RestartPolicy == nil || *agent.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		t.Error("the agent is an init container that must end before the collector starts")
	}
	ready := []string{"/pinnace-agent", "ready"}
	if agent.StartupProbe == nil || agent.StartupProbe.Exec == nil ||
		!slices.Equal(agent.StartupProbe.Exec.Command, ready) {
		t.Error("without a startup probe the collector starts before its key is there")
	}
	env := map[string]string{}
	for _, variable := range agent.Env {
		env[variable.Name] = variable.Value
	}
	want := map[string]string{
		"PINNACE_APPCONFIG":     "opentelemetry/uat/collector",
		"PINNACE_TOKEN_FILES":   "/var/run/pinnace/private_key=private_key",
		"PINNACE_MODE":          "0440",
		"PINNACE_POLL_INTERVAL": "60s",
		"PINNACE_LOG_LEVEL":     "info",
		"AWS_REGION":            "eu-north-1",
		"GOMEMLIMIT":            "51MiB",
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("environment of the agent (-want +got):\n%s", diff)
	}

	key := pod.Volumes[slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "key" })]
	if key.EmptyDir == nil || key.EmptyDir.Medium != corev1.StorageMediumMemory || key.EmptyDir.SizeLimit == nil {
		t.Errorf("the key's volume is %+v, want a tmpfs with a limit", key.VolumeSource)
	}
	mounts := map[string]bool{}
	for _, container := range []corev1.Container{agent, collector} {
		for _, mount := range container.VolumeMounts {
			if mount.Name == "key" && mount.MountPath == "/var/run/pinnace" {
				mounts[container.Name] = mount.ReadOnly
			}
		}
	}
	if diff := cmp.Diff(map[string]bool{"pinnace-agent": false, "collector": true}, mounts); diff != "" {
		t.Errorf("read-only mounts of the key (-want +got):\n%s", diff)
	}
	if pod.SecurityContext.FSGroup == nil || *pod.SecurityContext.FSGroup != 65532 {
		t.Error("without the group a file of mode 0440 is closed to the collector")
	}
}

// TestPodIsRestricted holds the pod to Kubernetes' restricted standard, and to a read-only root besides.
func TestPodIsRestricted(t *testing.T) {
	_, workload := uat(t)
	pod := workload.Spec.Template.Spec
	if pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Error("the pod shares a namespace of its node")
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("the pod carries a token for the Kubernetes API")
	}
	security := pod.SecurityContext
	if !*security.RunAsNonRoot || security.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("pod security is %+v", security)
	}
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		t.Run(container.Name, func(t *testing.T) {
			security := container.SecurityContext
			if *security.AllowPrivilegeEscalation || *security.Privileged || !*security.ReadOnlyRootFilesystem ||
				!slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) ||
				len(security.Capabilities.Add) > 0 {
				t.Errorf("security is %+v", security)
			}
			if container.Resources.Limits.Memory().IsZero() || container.Resources.Requests.Cpu().IsZero() {
				t.Error("no memory limit or no CPU request")
			}
		})
	}
	for _, volume := range pod.Volumes {
		if volume.HostPath != nil || volume.Secret != nil {
			t.Errorf("volume %s is of the host or of a Secret", volume.Name)
		}
	}
}

func TestServiceAccount(t *testing.T) {
	files, workload := uat(t)
	account := decode[corev1.ServiceAccount](t, files["serviceaccount.yaml"])
	want := map[string]string{
		"eks.amazonaws.com/role-arn":               "arn:aws:iam::111122223333:role/opentelemetry-uat",
		"eks.amazonaws.com/sts-regional-endpoints": "true",
	}
	if diff := cmp.Diff(want, account.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken {
		t.Error("the service account mounts its token everywhere")
	}
	if got := workload.Spec.Template.Spec.ServiceAccountName; got != account.Name {
		t.Errorf("the pod runs as %s and the account is %s", got, account.Name)
	}
	if got := workload.Spec.Template.Annotations["eks.amazonaws.com/skip-containers"]; got != "collector" {
		t.Errorf("the webhook skips %q, so that the collector gets the role", got)
	}
}

// TestNoKeyAnywhere looks for keys in what is rendered and for objects that could hold or read one.
func TestNoKeyAnywhere(t *testing.T) {
	keyLike := regexp.MustCompile(`(?i)cx[a-z]{2}_[a-z0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|AKIA|-----BEGIN`)
	for _, name := range []string{"uat", "prod"} {
		for file, text := range mustRender(t, environment(t, name)) {
			if found := keyLike.FindString(text); found != "" {
				t.Errorf("%s of %s holds %q", file, name, found)
			}
			if strings.Contains(text, "secretKeyRef") || strings.Contains(text, "secretRef") {
				t.Errorf("%s of %s reads a Secret", file, name)
			}
			kinds := []string{"ConfigMap", "DaemonSet", "Service", "ServiceAccount"}
			if kind := fmt.Sprint(decode[map[string]any](t, text)["kind"]); !slices.Contains(kinds, kind) {
				t.Errorf("%s of %s is a %s", file, name, kind)
			}
		}
	}
}

func TestSelectorsMatch(t *testing.T) {
	files, workload := uat(t)
	service := decode[corev1.Service](t, files["service.yaml"])
	for name, selector := range map[string]map[string]string{
		"workload": workload.Spec.Selector.MatchLabels,
		"service":  service.Spec.Selector,
	} {
		want := map[string]string{
			"app.kubernetes.io/name":      "opentelemetry",
			"app.kubernetes.io/instance":  "opentelemetry",
			"app.kubernetes.io/component": "agent",
		}
		if diff := cmp.Diff(want, selector); diff != "" {
			t.Errorf("selector of the %s (-want +got):\n%s", name, diff)
		}
		for key, value := range selector {
			if workload.Spec.Template.Labels[key] != value {
				t.Errorf("the %s selects %s=%s, which the pods have not", name, key, value)
			}
		}
	}
	for _, port := range service.Spec.Ports {
		if !slices.ContainsFunc(workload.Spec.Template.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
			return p.Name == port.TargetPort.StrVal && p.ContainerPort == port.Port
		}) {
			t.Errorf("no container listens on the service's port %s", port.Name)
		}
	}
}
