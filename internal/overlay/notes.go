package overlay

import (
	"slices"
	"strings"
)

// allNotes say what is lost and what is left to do, the former first.
func (m *maker) allNotes() []string {
	var all []string
	if m.Mode == File {
		all = m.losses()
	} else {
		all = append(all, "A rotation starts each collector again, at a moment of its own within 30 s; the key is in the "+
			"environment of its process, and neither in etcd nor in the pod's specification.")
	}
	for _, alias := range m.Leave {
		all = append(all, alias+" keeps the Secret "+secretName+".")
	}
	if !strings.Contains(m.Image, "@sha256:") {
		all = append(all, "The agent's image has no digest: pin it, as REPOSITORY@sha256:….")
	}
	return append(all, m.notes...)
}

// losses of mode file, as far as the team had them.
func (m *maker) losses() []string {
	var all []string
	for _, w := range wanted {
		var of []string
		for _, c := range m.collectors {
			if truth(c.values, "presets", w.preset, "enabled") && !c.keyless {
				of = append(of, c.alias)
			}
		}
		if len(of) > 0 {
			all = append(all, "Lost: "+w.loses+" of "+strings.Join(of, ", ")+"; it takes the key by variable alone "+
				"(--mode process keeps it).")
		}
	}
	if slices.ContainsFunc(m.collectors, func(c collector) bool {
		return mapping(c.config, "service", "pipelines", "profiles") != nil
	}) {
		all = append(all, "Lost: the headers that the coralogix exporter adds for profiles alone.")
	}
	return append(all, "Records go by plain OTLP: no rate limiter and no batches by bytes of the coralogix exporter. "+
		"Application and subsystem are resource attributes, by the same attributes as before.")
}
