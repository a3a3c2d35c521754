package overlay

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// authenticate renders what there is by now, to learn by which name the chart calls the exporter, and which pipelines
// still name the one that is gone: the chart writes some of them by that name whatever the presets say. In mode process
// nothing is gone.
func (m *maker) authenticate() error {
	if m.Mode != File {
		return nil
	}
	manifests, err := m.render()
	if err != nil {
		return err
	}
	now := parse(manifests)
	for _, w := range now.workloads {
		i := slices.IndexFunc(m.collectors, func(c collector) bool {
			return c.alias == w.alias && c.workload.name == w.name
		})
		if i < 0 {
			continue
		}
		if err := m.keepEnvironment(m.collectors[i], w); err != nil {
			return err
		}
		if m.collectors[i].keyless {
			continue
		}
		_, config := now.collectorConfig(w)
		exporter := exporterTo(config, "ingress."+m.domain+":443")
		if exporter == "" {
			return refused("use a version of the chart that has presets.otlpExporter, or --mode process",
				"%s renders no exporter to ingress.%s", w.alias, m.domain)
		}
		m.authenticateExporter(w.alias, exporter, config)
	}
	return nil
}

// keepEnvironment brings back the variables that the chart sets for a preset that is off now, and others use: the
// collector's attributes, with the node's name.
func (m *maker) keepEnvironment(c collector, now workload) error {
	had, has := find(c.workload.pod.Containers, c.container), find(now.pod.Containers, c.container)
	if has == nil {
		return refused("look at the chart", "%s renders no container %s any more", c.alias, c.container)
	}
	for _, env := range had.Env {
		if env.Name == variable || slices.ContainsFunc(has.Env, func(e corev1.EnvVar) bool { return e.Name == env.Name }) {
			continue
		}
		var item map[string]any
		document, err := yaml.Marshal(env)
		if err == nil {
			err = yaml.Unmarshal(document, &item)
		}
		if err != nil {
			return fmt.Errorf("reading variable %s of %s: %w", env.Name, c.alias, err)
		}
		v := mapping(m.values, c.alias)
		extend(c, v, "extraEnvs", item)
	}
	return nil
}

func (m *maker) authenticateExporter(alias, exporter string, config map[string]any) {
	put(m.values, map[string]any{
		"auth": map[string]any{"authenticator": authExtender},
		// What the queue cannot take is refused at the receiver, where the sender sees it.
		"retry_on_failure": map[string]any{"max_elapsed_time": "0s"},
		"timeout":          "30s",
	}, alias, "config", "exporters", exporter)
	for _, gone := range dangling(config) {
		if gone.kind != "exporter" {
			continue
		}
		path := []string{alias, "config", "service", "pipelines", gone.pipeline, "exporters"}
		had := names(list(m.values, path...))
		if had == nil {
			had = names(list(config, "service", "pipelines", gone.pipeline, "exporters"))
		}
		var exporters []any
		for _, name := range had {
			if name == gone.name {
				name = exporter
			}
			if !slices.Contains(exporters, any(name)) {
				exporters = append(exporters, name)
			}
		}
		put(m.values, exporters, path...)
		m.nameIn(alias, gone.pipeline, names(list(config, "service", "pipelines", gone.pipeline, "processors")))
	}
}

// nameIn lets a pipeline of the chart's own name application and subsystem, before it makes batches: extraConfig does
// not reach it.
func (m *maker) nameIn(alias, pipeline string, processors []string) {
	signal, _, own := strings.Cut(pipeline, "/")
	statements := strings.TrimSuffix(signal, "s") + "_statements"
	if !own || dig(m.values, alias, "extraConfig", "processors", namer, statements) == nil {
		return
	}
	at := len(processors)
	if i := slices.Index(processors, "batch"); i >= 0 {
		at = i
	}
	named := anyOf(slices.Insert(processors, at, namer))
	put(m.values, named, alias, "config", "service", "pipelines", pipeline, "processors")
}

// exporterTo is the name of the exporter that has the endpoint.
func exporterTo(config map[string]any, endpoint string) string {
	for name := range mapping(config, "exporters") {
		if text(config, "exporters", name, "endpoint") == endpoint {
			return name
		}
	}
	return ""
}
