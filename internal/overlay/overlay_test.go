package overlay_test

import (
	"flag"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/overlay"
)

var update = flag.Bool("update", false, "write the golden files anew")

// archive is our own chart with the hooks of Coralogix's.
var archive = sync.OnceValues(func() ([]byte, error) {
	p, err := chartrepo.Pack(filepath.Join("testdata", "otel-integration"))
	return p.Archive, err
})

const role = "arn:aws:iam::111122223333:role/opentelemetry"

// team is what a team says that uses the chart: lists of its own in every place where the overlay has one, too.
const team = `
global: {domain: eu2.coralogix.com, clusterName: prod}
opentelemetry-agent:
  command: {extraArgs: [--feature-gates=one]}
  extraEnvs:
    - name: CORALOGIX_PRIVATE_KEY
      valueFrom: {secretKeyRef: {name: coralogix-keys, key: PRIVATE_KEY}}
    - {name: TEAM, value: blue}
  extraVolumes: [{name: scratch, emptyDir: {}}]
  extraVolumeMounts: [{name: scratch, mountPath: /scratch}]
  initContainers: [{name: warm, image: "busybox:{{ .Chart.AppVersion }}", command: [/bin/true]}]
  extraConfig:
    processors: {filter/health: {}}
    service: {pipelines: {logs: {processors: [filter/health]}}}
  podAnnotations: {team: blue}
  serviceAccount: {annotations: {team: blue}}
  config: {extensions: {zpages: {}}, service: {extensions: [health_check, zpages]}}
`

func options(mode overlay.Mode) overlay.Options {
	return overlay.Options{
		Mode: mode, AppConfig: "opentelemetry/prod/collector", Roles: []string{role}, Namespace: "observability",
		Image: "registry.example.com/pinnace-agent@sha256:" + strings.Repeat("0", 64),
	}
}

// subject is the chart as a team has it, by documents of values.
func subject(t *testing.T, documents ...string) overlay.Chart {
	t.Helper()
	packed, err := archive()
	if err != nil {
		t.Fatal(err)
	}
	var values [][]byte
	for _, document := range documents {
		values = append(values, []byte(document))
	}
	c := overlay.Chart{Name: "otel-integration 0.0.1", Render: func(last []byte) (map[string]string, error) {
		return chartrepo.Render(packed, chartrepo.RenderOptions{
			Release: "otel", Namespace: "observability", KubeVersion: "1.31.0", Values: slices.Concat(values, [][]byte{last}),
		})
	}}
	if c.Values, err = chartrepo.Values(packed, values...); err != nil {
		t.Fatal(err)
	}
	if c.Team, err = chartrepo.MergeValues(values...); err != nil {
		t.Fatal(err)
	}
	return c
}

// render is what the chart makes of the team's values and the overlay, read strictly: pods by alias, ConfigMaps and
// service accounts by name.
type rendered struct {
	manifests  map[string]string
	pods       map[string]corev1.PodTemplateSpec
	configMaps map[string]corev1.ConfigMap
	accounts   map[string]corev1.ServiceAccount
}

func render(t *testing.T, c overlay.Chart, made overlay.Overlay) rendered {
	t.Helper()
	document, err := made.YAML()
	if err != nil {
		t.Fatal(err)
	}
	r := rendered{
		pods: map[string]corev1.PodTemplateSpec{}, configMaps: map[string]corev1.ConfigMap{},
		accounts: map[string]corev1.ServiceAccount{},
	}
	if r.manifests, err = c.Render(document); err != nil {
		t.Fatal(err)
	}
	for name, manifest := range r.manifests {
		alias := strings.Split(name, "/")[2]
		switch path.Base(name) {
		case "workload.yaml":
			switch kind := decode[struct {
				Kind string `json:"kind"`
			}](t, manifest, false).Kind; kind {
			case "DaemonSet":
				r.pods[alias] = decode[appsv1.DaemonSet](t, manifest, true).Spec.Template
			case "Deployment":
				r.pods[alias] = decode[appsv1.Deployment](t, manifest, true).Spec.Template
			default:
				t.Fatalf("a %s", kind)
			}
		case "configmap.yaml":
			one := decode[corev1.ConfigMap](t, manifest, true)
			r.configMaps[alias] = one
		case "serviceaccount.yaml":
			one := decode[corev1.ServiceAccount](t, manifest, true)
			r.accounts[one.Name] = one
		}
	}
	return r
}

// decode reads a manifest; strictly, it refuses keys that are there twice and fields that the type does not have.
func decode[T any](t *testing.T, manifest string, strict bool) T {
	t.Helper()
	var into T
	read := func(b []byte, v any) error { return yaml.Unmarshal(b, v) }
	if strict {
		read = func(b []byte, v any) error { return yaml.UnmarshalStrict(b, v) }
	}
	if err := read([]byte(manifest), &into); err != nil {
		t.Fatalf("%v in\n%s", err, manifest)
	}
	return into
}

func mustMake(t *testing.T, o overlay.Options, documents ...string) (overlay.Chart, overlay.Overlay) {
	t.Helper()
	c := subject(t, documents...)
	made, err := overlay.Make(o, c)
	if err != nil {
		t.Fatal(err)
	}
	return c, made
}

func TestGolden(t *testing.T) {
	token := options(overlay.File)
	token.ProjectToken, token.Region = true, "eu-north-1"
	identity := options(overlay.Process)
	identity.Roles, identity.PodIdentity, identity.Image = nil, true, "registry.example.com/pinnace-agent:1.0"
	for name, o := range map[string]overlay.Options{
		"file": options(overlay.File), "process": options(overlay.Process),
		"file-project-token": token, "process-pod-identity": identity,
	} {
		t.Run(name, func(t *testing.T) {
			_, made := mustMake(t, o, team)
			got, err := made.YAML()
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got); if it is meant, run the test with -update:\n%s", golden, diff)
			}
		})
	}
}

// What the chart and the team have in lists stays there beside what the overlay needs, and the key's variable goes.
func TestListsAreCarriedOver(t *testing.T) {
	for _, mode := range []overlay.Mode{overlay.File, overlay.Process} {
		t.Run(string(mode), func(t *testing.T) {
			r := render(t, subject(t, team), second(mustMake(t, options(mode), team)))
			pod := r.pods["opentelemetry-agent"]
			container := pod.Spec.Containers[0]
			env := map[string]string{}
			for _, variable := range container.Env {
				env[variable.Name] = variable.Value
			}
			_, key := env["CORALOGIX_PRIVATE_KEY"]
			if key || env["TEAM"] != "blue" {
				t.Errorf("environment is %v", env)
			}
			if warm := pod.Spec.InitContainers[0]; warm.Name != "warm" || warm.Image != "busybox:0.159.0" {
				t.Errorf("the team's init container has become %s of %s", warm.Name, warm.Image)
			}
			if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "scratch" }) ||
				!slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/scratch" }) {
				t.Error("the team's volume is lost")
			}
			if pod.Annotations["team"] != "blue" || r.accounts["coralogix-opentelemetry"].Annotations["team"] != "blue" {
				t.Error("the team's annotations are lost")
			}
			config := r.configMaps["opentelemetry-agent"].Data["relay"]
			if !strings.Contains(config, "- zpages") || !strings.Contains(config, "- filter/health") {
				t.Errorf("the team's extension or processor is lost:\n%s", config)
			}
		})
	}
	// Without a word of the team, the chart's own list counts: it has more than the key.
	const little = `global: {domain: eu2.coralogix.com, clusterName: prod}`
	r := render(t, subject(t, little), second(mustMake(t, options(overlay.File), little)))
	names := []string{}
	for _, variable := range r.pods["opentelemetry-agent"].Spec.Containers[0].Env {
		names = append(names, variable.Name)
	}
	// The last two are set for fleet management, which is off now, and the detector of resources reads them.
	want := []string{"MY_POD_IP", "KUBE_NODE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "NODE"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

func second[A, B any](_ A, b B) B { return b }

func TestFileMode(t *testing.T) {
	r := render(t, subject(t, team), second(mustMake(t, options(overlay.File), team)))
	for alias, root := range map[string]bool{"opentelemetry-agent": true, "opentelemetry-cluster-collector": false} {
		t.Run(alias, func(t *testing.T) {
			pod := r.pods[alias].Spec
			agent, collector := pod.InitContainers[len(pod.InitContainers)-1], pod.Containers[0]
			if agent.Name != "pinnace-agent" || agent.RestartPolicy == nil ||
				*agent.RestartPolicy != corev1.ContainerRestartPolicyAlways || agent.StartupProbe == nil {
				t.Errorf("%s is no sidecar that is ready before the collector starts", agent.Name)
			}
			volume := pod.Volumes[slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "pinnace-key" })]
			if volume.EmptyDir == nil || volume.EmptyDir.Medium != corev1.StorageMediumMemory {
				t.Errorf("the key's volume is %+v", volume.VolumeSource)
			}
			readOnly := map[string]bool{}
			for _, container := range []corev1.Container{agent, collector} {
				for _, mount := range container.VolumeMounts {
					if mount.Name == "pinnace-key" && mount.MountPath == "/var/run/pinnace" && mount.SubPath == "" {
						readOnly[container.Name] = mount.ReadOnly
					}
				}
			}
			if diff := cmp.Diff(map[string]bool{"pinnace-agent": false, alias: true}, readOnly); diff != "" {
				t.Errorf("read-only mounts of the key (-want +got):\n%s", diff)
			}
			// One of the collectors is root and one is not: the file is of mode 0440, and both have its group.
			if isRoot := collector.SecurityContext.RunAsUser != nil; isRoot != root || *pod.SecurityContext.FSGroup != 65532 {
				t.Errorf("root %v, group %v", isRoot, pod.SecurityContext.FSGroup)
			}
			config := decode[map[string]any](t, r.configMaps[alias].Data["relay"], true)
			exporters := config["exporters"].(map[string]any)
			otlp := exporters["otlp"].(map[string]any)
			auth := map[string]any{"authenticator": "bearertokenauth"}
			if otlp["endpoint"] != "ingress.eu2.coralogix.com:443" || !cmp.Equal(otlp["auth"], any(auth)) {
				t.Errorf("exporter is %v", otlp)
			}
			file := config["extensions"].(map[string]any)["bearertokenauth"]
			if diff := cmp.Diff(any(map[string]any{"filename": "/var/run/pinnace/private_key"}), file); diff != "" {
				t.Errorf("authenticator (-want +got):\n%s", diff)
			}
			for _, gone := range []string{"CORALOGIX_PRIVATE_KEY", "opamp", "resource_catalog", "- coralogix\n"} {
				if strings.Contains(r.configMaps[alias].Data["relay"], gone) {
					t.Errorf("the configuration still has %q", gone)
				}
			}
		})
	}
}

func TestProcessMode(t *testing.T) {
	r := render(t, subject(t, team), second(mustMake(t, options(overlay.Process), team)))
	pod := r.pods["opentelemetry-agent"].Spec
	install, collector := pod.InitContainers[1], pod.Containers[0]
	if diff := cmp.Diff([]string{"install", "/pinnace"}, install.Args); diff != "" {
		t.Errorf("init container (-want +got):\n%s", diff)
	}
	command := []string{"/pinnace/pinnace-agent", "--config=/conf/relay.yaml", "--feature-gates=one"}
	if diff := cmp.Diff(command, collector.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	env := map[string]string{}
	for _, variable := range collector.Env {
		env[variable.Name] = variable.Value
	}
	want := map[string]string{
		"MY_POD_IP": "", "TEAM": "blue", "PINNACE_APPCONFIG": "opentelemetry/prod/collector",
		"PINNACE_COMMAND": "/otelcol-contrib", "PINNACE_ENV": "CORALOGIX_PRIVATE_KEY=private_key",
		"PINNACE_POLL_INTERVAL": "60s", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod", "NODE": "",
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	// Nothing is lost: what takes the variable still has it.
	for _, kept := range []string{"opamp", "coralogix/resource_catalog", "- coralogix\n"} {
		if !strings.Contains(r.configMaps["opentelemetry-agent"].Data["relay"], kept) {
			t.Errorf("the configuration has no %q any more", kept)
		}
	}
	// The supervisor gets flags of its own, and no extra arguments: the program is told by variable, not by argument.
	const supervised = "opentelemetry-agent: {command: {name: opampsupervisor}, " +
		"presets: {fleetManagement: {supervisor: {enabled: true}}}}"
	r = render(t, subject(t, team, supervised), second(mustMake(t, options(overlay.Process), team, supervised)))
	collector = r.pods["opentelemetry-agent"].Spec.Containers[0]
	if diff := cmp.Diff([]string{"/pinnace/pinnace-agent", "--config=/etc/supervisor.yaml"}, collector.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
}

// TestOnlyTheAgentGetsTheRole: EKS's webhook gives the role to every container of a pod that it is not told to skip.
func TestOnlyTheAgentGetsTheRole(t *testing.T) {
	const agent = "opentelemetry-agent"
	const beside = agent + ": {extraContainers: [{name: shell, image: busybox}]}"
	const skipping = agent + ": {podAnnotations: {eks.amazonaws.com/skip-containers: 'mesh, shell'}}"
	const before = agent + ": {serviceAccount: {annotations: {eks.amazonaws.com/role-arn: '" + role + "'}}}"
	for name, test := range map[string]struct {
		mode   overlay.Mode
		values []string
		want   string
	}{
		"file":                           {overlay.File, []string{team}, agent + ",warm"},
		"process":                        {overlay.Process, []string{team}, "warm,pinnace-install"},
		"beside another container":       {overlay.File, []string{team, beside}, agent + ",shell,warm"},
		"process beside another":         {overlay.Process, []string{team, beside}, "shell,warm,pinnace-install"},
		"what was skipped before":        {overlay.File, []string{team, beside, skipping}, "mesh,shell," + agent + ",warm"},
		"a role that others had before":  {overlay.File, []string{team, beside, before}, ""},
		"the same, and what was skipped": {overlay.File, []string{team, skipping, before}, "mesh, shell"},
	} {
		t.Run(name, func(t *testing.T) {
			r := render(t, subject(t, test.values...), second(mustMake(t, options(test.mode), test.values...)))
			if got := r.pods[agent].Annotations["eks.amazonaws.com/skip-containers"]; got != test.want {
				t.Errorf("the webhook skips %q, want %q", got, test.want)
			}
		})
	}
}

// Every pod keeps what it may do to what it needs, and tells AWS who it is.
func TestPodsOfBothModes(t *testing.T) {
	for _, mode := range []overlay.Mode{overlay.File, overlay.Process} {
		o := options(mode)
		o.Roles = []string{role, "cluster-collector=" + role + "-cluster"}
		c, made := mustMake(t, o, team)
		r := render(t, c, made)
		wantRoles := map[string]string{"coralogix-opentelemetry": role, "coralogix-opentelemetry-collector": role + "-cluster"}
		for name, want := range wantRoles {
			if got := r.accounts[name].Annotations["eks.amazonaws.com/role-arn"]; got != want {
				t.Errorf("%s: %s has the role %q, not %s", mode, name, got, want)
			}
		}
		subjects := []string{}
		for _, name := range slices.Sorted(maps.Keys(wantRoles)) {
			subjects = append(subjects, "system:serviceaccount:observability:"+name)
		}
		if diff := cmp.Diff(subjects, made.Subjects); diff != "" {
			t.Errorf("%s: subjects (-want +got):\n%s", mode, diff)
		}
		for alias, pod := range r.pods {
			ours := pod.Spec.InitContainers[len(pod.Spec.InitContainers)-1]
			security := ours.SecurityContext
			if !*security.RunAsNonRoot || *security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem ||
				!slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) || ours.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: %s of %s may do too much", mode, ours.Name, alias)
			}
		}
		for name, manifest := range r.manifests {
			if strings.Contains(manifest, "coralogix-keys") {
				t.Errorf("%s: %s reads the Secret", mode, name)
			}
		}
	}
}
