package overlay

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// release is what a chart renders, as far as keys are concerned.
type release struct {
	workloads  []workload
	configMaps map[string]corev1.ConfigMap // by name
	accounts   map[string]corev1.ServiceAccount
	faults     []Finding // what cannot be read
}

// workload is one pod template.
type workload struct {
	alias      string // the chart below that it is of; empty when the manifest does not say
	kind, name string
	annotated  map[string]string // the pod's annotations
	pod        corev1.PodSpec
}

func (w workload) String() string { return w.kind + "/" + w.name }

var (
	separator = regexp.MustCompile(`(?m)^---.*$`)
	source    = regexp.MustCompile(`(?m)^# Source: (\S+)$`)
)

// parse reads manifests by template path. A text of several documents is read as `helm template` prints it.
func parse(manifests map[string]string) release {
	r := release{configMaps: map[string]corev1.ConfigMap{}, accounts: map[string]corev1.ServiceAccount{}}
	for _, name := range slices.Sorted(maps.Keys(manifests)) {
		for _, document := range separator.Split(manifests[name], -1) {
			from := name
			if found := source.FindStringSubmatch(document); found != nil {
				from = found[1]
			}
			r.add(from, document)
		}
	}
	slices.SortFunc(r.workloads, func(a, b workload) int {
		return strings.Compare(a.alias+" "+a.String(), b.alias+" "+b.String())
	})
	return r
}

// object is any of the kinds that are looked at.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Template corev1.PodTemplateSpec `json:"template"`
	} `json:"spec"`
}

func (r *release) add(from, document string) {
	var kind struct {
		Kind string `json:"kind"`
	}
	_ = yaml.Unmarshal([]byte(document), &kind)
	alias := aliasOf(from)
	fault := func(rule, text string) {
		r.faults = append(r.faults, Finding{Alias: alias, Object: kind.Kind + " of " + from, Rule: rule, Fault: text})
	}
	read := func(into any) bool {
		// A key that is there twice is dropped by Helm without a word: one of the two wins.
		if _, err := yaml.YAMLToJSONStrict([]byte(document)); err != nil {
			fault("duplicate", "it cannot be read without doubt: "+firstLine(err))
			return false
		}
		if err := yaml.Unmarshal([]byte(document), into); err != nil {
			fault("unreadable", "it is no "+kind.Kind)
			return false
		}
		return true
	}
	switch kind.Kind {
	case "DaemonSet", "Deployment", "StatefulSet":
		if o := (object{}); read(&o) {
			pod := o.Spec.Template
			r.workloads = append(r.workloads, workload{alias, o.Kind, o.Metadata.Name, pod.Annotations, pod.Spec})
		}
	case "ConfigMap":
		if c := (corev1.ConfigMap{}); read(&c) {
			r.configMaps[c.Name] = c
		}
	case "ServiceAccount":
		if a := (corev1.ServiceAccount{}); read(&a) {
			r.accounts[a.Name] = a
		}
	case "OpenTelemetryCollector":
		fault("operator", "the operator makes its pods, and nobody has looked at them: set collectorCRD.generate to false")
	}
}

// aliasOf is the chart below that a template is of: otel-integration/charts/opentelemetry-agent/templates/….
func aliasOf(from string) string {
	_, below, found := strings.Cut(path.Clean(from), "/charts/")
	if !found {
		return ""
	}
	alias, _, _ := strings.Cut(below, "/")
	return alias
}

// firstLine of what the decoder says. It quotes keys, not values.
func firstLine(err error) string {
	for _, line := range strings.Split(err.Error(), "\n") {
		if strings.Contains(line, "already") {
			return strings.TrimSpace(line)
		}
	}
	return "it is no YAML"
}

// configsOf are the collector configurations that a pod mounts, by the name of their ConfigMap.
func (r release) configsOf(w workload) map[string]string {
	found := map[string]string{}
	for _, volume := range w.pod.Volumes {
		if volume.ConfigMap == nil {
			continue
		}
		for key, body := range r.configMaps[volume.ConfigMap.Name].Data {
			found[volume.ConfigMap.Name+"/"+key] = body
		}
	}
	return found
}

// collectorConfig is the configuration of a pod's collector and its place, or nil.
func (r release) collectorConfig(w workload) (string, map[string]any) {
	for _, place := range slices.Sorted(maps.Keys(r.configsOf(w))) {
		var config map[string]any
		if yaml.Unmarshal([]byte(r.configsOf(w)[place]), &config) == nil && mapping(config, "service", "pipelines") != nil {
			return place, config
		}
	}
	return "", nil
}
