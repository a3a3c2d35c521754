package overlay

import (
	"maps"
	"slices"
	"strings"
)

// config checks that a collector's configuration refers to what it defines, and sends one Authorization. With a file,
// somebody must use it, and nobody may keep a key from the start.
func (c *checker) config(place string, config map[string]any, file bool) {
	used := false
	for _, name := range slices.Sorted(maps.Keys(mapping(config, "exporters"))) {
		authenticated := text(config, "exporters", name, "auth", "authenticator") != ""
		used = used || authenticated
		kept := text(config, "exporters", name, "private_key") != ""
		if authenticated && (kept || hasAuthorization(mapping(config, "exporters", name, "headers"))) {
			c.fault("authorization", "exporter %s of %s would send two Authorizations", name, place)
		}
		if authenticated && truth(config, "exporters", name, "tls", "insecure") {
			c.fault("tls", "exporter %s of %s would send the key unencrypted", name, place)
		}
		if file && kept {
			c.fault("static", "exporter %s of %s keeps the key that it starts with", name, place)
		}
	}
	if file && !used {
		c.fault("unused", "no exporter of %s has an authenticator", place)
	}
	enabled := names(list(config, "service", "extensions"))
	if file && !slices.Contains(enabled, authExtender) {
		c.fault("extension", "service.extensions of %s lacks %s", place, authExtender)
	}
	for _, name := range enabled {
		if _, defined := mapping(config, "extensions")[name]; !defined {
			c.fault("undefined", "%s enables the extension %s and does not define it", place, name)
		}
	}
	for _, d := range dangling(config) {
		c.fault("undefined", "pipeline %s of %s names %s %s, which is not defined", d.pipeline, place, d.kind, d.name)
	}
}

func hasAuthorization(headers map[string]any) bool {
	for name := range headers {
		if strings.EqualFold(name, "authorization") {
			return true
		}
	}
	return false
}

// link is a component that a pipeline names.
type link struct{ pipeline, kind, name string }

// dangling are the components that pipelines name and that are not defined. A collector refuses to start with one.
func dangling(config map[string]any) []link {
	var found []link
	pipelines := mapping(config, "service", "pipelines")
	for _, pipeline := range slices.Sorted(maps.Keys(pipelines)) {
		for _, kind := range []string{"receiver", "processor", "exporter"} {
			for _, name := range names(list(pipelines, pipeline, kind+"s")) {
				_, defined := mapping(config, kind+"s")[name]
				_, connects := mapping(config, "connectors")[name]
				if !defined && (!connects || kind == "processor") {
					found = append(found, link{pipeline, kind, name})
				}
			}
		}
	}
	return found
}
