package overlay

import "slices"

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
			return c.alias == w.alias && c.workload.name == w.name && !c.keyless
		})
		if i < 0 {
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
	}
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
