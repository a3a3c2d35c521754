package charts_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/charts"
	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

const chartDir = "opentelemetry"

var archive = sync.OnceValues(func() ([]byte, error) {
	pkg, err := chartrepo.Pack(chartDir)
	return pkg.Archive, err
})

// objects are manifests by KIND/NAME.
type objects map[string]string

var rendered sync.Map // documents of values, joined: objects

// render gives what the packed chart makes of documents of values, the later over the earlier.
func render(values ...string) (objects, error) {
	key := strings.Join(values, "\x00")
	if all, ok := rendered.Load(key); ok {
		return all.(objects), nil //nolint:forcetypeassert // nothing else is stored
	}
	packed, err := archive()
	if err != nil {
		return nil, err
	}
	all, err := renderArchive(packed, values...)
	if err == nil {
		rendered.Store(key, all)
	}
	return all, err
}

func renderArchive(packed []byte, values ...string) (objects, error) {
	return renderWith(packed, chartrepo.RenderOptions{}, values...)
}

// renderWith takes options in which what is empty is that of the other tests.
func renderWith(packed []byte, options chartrepo.RenderOptions, values ...string) (objects, error) {
	options.Release = cmp.Or(options.Release, "opentelemetry")
	options.Namespace = cmp.Or(options.Namespace, "observability")
	options.KubeVersion = cmp.Or(options.KubeVersion, "1.31.0")
	for _, document := range values {
		options.Values = append(options.Values, []byte(document))
	}
	rendered, err := chartrepo.Render(packed, options)
	if err != nil {
		return nil, err
	}
	all := objects{}
	for file, text := range rendered {
		for document := range strings.SplitSeq("\n"+text, "\n---") {
			var object struct {
				Kind     string
				Metadata struct{ Name string }
			}
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				return nil, fmt.Errorf("%s: %w in\n%s", file, err, document)
			}
			if object.Kind == "" {
				continue
			}
			id := object.Kind + "/" + object.Metadata.Name
			if _, twice := all[id]; twice {
				return nil, fmt.Errorf("%s is rendered twice", id)
			}
			all[id] = strings.TrimSpace(document)
		}
	}
	return all, nil
}

func mustRender(t *testing.T, values ...string) objects {
	t.Helper()
	all, err := render(values...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// uat renders the values of uat with others over them.
func uat(t *testing.T, values ...string) objects {
	t.Helper()
	return mustRender(t, append([]string{environment(t, "uat")}, values...)...)
}

func environment(t *testing.T, name string) string {
	t.Helper()
	values, err := os.ReadFile(filepath.Join(chartDir, "values-"+name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(values)
}

func variant(t *testing.T, name string) objects {
	t.Helper()
	for _, v := range charts.Variants() {
		if v.Name == name {
			return mustRender(t, v.Values...)
		}
	}
	t.Fatalf("there is no variant %s", name)
	return nil
}

// get reads one manifest into its Kubernetes type.
func get[T any](t *testing.T, all objects, id string) T {
	t.Helper()
	manifest, ok := all[id]
	if !ok {
		t.Fatalf("there is no %s in %v", id, ids(all))
	}
	return decode[T](t, manifest)
}

// decode reads a manifest and refuses fields that the type does not have.
func decode[T any](t *testing.T, manifest string) T {
	t.Helper()
	var object T
	if err := yaml.UnmarshalStrict([]byte(manifest), &object); err != nil {
		t.Fatalf("%v in\n%s", err, manifest)
	}
	return object
}

func ids(all objects) []string {
	names := make([]string, 0, len(all))
	for id := range all {
		names = append(names, id)
	}
	slices.Sort(names)
	return names
}

// pods are the pod templates of the workloads by their role.
func pods(t *testing.T, all objects) map[string]corev1.PodTemplateSpec {
	t.Helper()
	templates := map[string]corev1.PodTemplateSpec{}
	for id, manifest := range all {
		switch kind, _, _ := strings.Cut(id, "/"); kind {
		case "DaemonSet":
			templates["agent"] = decode[appsv1.DaemonSet](t, manifest).Spec.Template
		case "Deployment":
			workload := decode[appsv1.Deployment](t, manifest)
			templates[workload.Labels["app.kubernetes.io/component"]] = workload.Spec.Template
		}
	}
	return templates
}

// container finds a container or init container of a pod.
func container(t *testing.T, pod corev1.PodTemplateSpec, name string) corev1.Container {
	t.Helper()
	all := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	i := slices.IndexFunc(all, func(c corev1.Container) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("the pod has no container %s", name)
	}
	return all[i]
}

// environ is the environment of a container, as far as it is written there.
func environ(c corev1.Container) map[string]string {
	env := map[string]string{}
	for _, variable := range c.Env {
		if variable.ValueFrom == nil {
			env[variable.Name] = variable.Value
		}
	}
	return env
}

func volume(t *testing.T, pod corev1.PodTemplateSpec, name string) corev1.Volume {
	t.Helper()
	i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("the pod has no volume %s", name)
	}
	return pod.Spec.Volumes[i]
}

// mounts are the containers that mount a volume, and whether read-only.
func mounts(pod corev1.PodTemplateSpec, volume string) map[string]bool {
	readOnly := map[string]bool{}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, mount := range c.VolumeMounts {
			if mount.Name == volume {
				readOnly[c.Name] = mount.ReadOnly
			}
		}
	}
	return readOnly
}

// renderFor renders another release, or for another Kubernetes.
func renderFor(t *testing.T, options chartrepo.RenderOptions, values ...string) objects {
	t.Helper()
	packed, err := archive()
	if err != nil {
		t.Fatal(err)
	}
	all, err := renderWith(packed, options, values...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
