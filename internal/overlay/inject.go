package overlay

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// inject puts the agent into every collector that reads the key.
func (m *maker) inject() error {
	for _, c := range m.collectors {
		v := map[string]any{}
		put(m.values, v, c.alias)
		put(v, without(list(c.values, "extraEnvs"), variable), "extraEnvs")
		if m.Mode == File {
			m.turnOff(c, v)
		}
		if c.keyless {
			continue
		}
		m.identify(c, v)
		if m.Mode == File {
			m.file(c, v)
			m.exportByOTLP(c, v)
		} else {
			m.process(c, v)
		}
	}
	return nil
}

// turnOff turns off what takes the key by variable alone.
func (m *maker) turnOff(c collector, v map[string]any) {
	for _, w := range wanted {
		if truth(c.values, "presets", w.preset, "enabled") {
			put(v, false, "presets", w.preset, "enabled")
		}
	}
	if truth(m.Values, "global", "coralogix", "features", "resourceCatalog", "enabled") {
		put(m.values, false, "global", "coralogix", "features", "resourceCatalog", "enabled")
	}
}

// without is a list without the items of a name; never nil, which Helm would take for nothing said.
func without(items []any, name string) []any {
	kept := make([]any, 0, len(items))
	for _, item := range items {
		if nameOf(item) != name {
			kept = append(kept, item)
		}
	}
	return kept
}

// extend puts a list that has what was there before and the items.
func extend(c collector, v map[string]any, key string, items ...any) {
	had := list(v, key)
	if had == nil {
		had = list(c.values, key)
	}
	v[key] = append(slices.Clone(had), items...)
}

// identify lets the pod read AppConfig and the key. The group is that by which a collector under another user reads
// the token and the key's file.
func (m *maker) identify(c collector, v map[string]any) {
	if dig(c.values, "podSecurityContext", "fsGroup") == nil {
		put(v, 65532, "podSecurityContext", "fsGroup")
	}
	if !m.PodIdentity {
		put(v, m.role(c.alias), "serviceAccount", "annotations", "eks.amazonaws.com/role-arn")
		put(v, "true", "serviceAccount", "annotations", "eks.amazonaws.com/sts-regional-endpoints")
	}
	if m.ProjectToken {
		extend(c, v, "extraVolumes", map[string]any{"name": tokenVolume, "projected": map[string]any{
			"sources": []any{map[string]any{"serviceAccountToken": map[string]any{
				"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token",
			}}},
		}})
	}
}

// env is what the agent needs in either mode.
func (m *maker) env(c collector, more ...string) []any {
	pairs := append([]string{"PINNACE_APPCONFIG", m.AppConfig, "PINNACE_POLL_INTERVAL", "60s"}, more...)
	if m.Region != "" {
		pairs = append(pairs, "AWS_REGION", m.Region)
	}
	if m.ProjectToken {
		pairs = append(pairs, "AWS_ROLE_ARN", m.role(c.alias), "AWS_WEB_IDENTITY_TOKEN_FILE", tokenFolder+"/token",
			"AWS_STS_REGIONAL_ENDPOINTS", "regional")
	}
	var all []any
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, map[string]any{"name": pairs[i], "value": pairs[i+1]})
	}
	return all
}

func mount(volume, at string, readOnly bool) map[string]any {
	m := map[string]any{"name": volume, "mountPath": at}
	if readOnly {
		m["readOnly"] = true
	}
	return m
}

// container is one of the agent's image, with no more rights than it needs.
func (m *maker) container(name string, args ...any) map[string]any {
	return map[string]any{
		"name": name, "image": m.Image, "args": args,
		"resources": map[string]any{
			"requests": map[string]any{"cpu": "10m", "memory": "32Mi"}, "limits": map[string]any{"memory": "64Mi"},
		},
		"securityContext": map[string]any{
			"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "privileged": false,
			"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
			"capabilities":   map[string]any{"drop": []any{"ALL"}},
			"seccompProfile": map[string]any{"type": "RuntimeDefault"},
		},
	}
}

// file adds the sidecar and its file.
func (m *maker) file(c collector, v map[string]any) {
	agent := m.container(sidecar, "run")
	agent["restartPolicy"] = "Always"
	agent["env"] = m.env(c, "PINNACE_TOKEN_FILES", keyFile+"=private_key", "PINNACE_MODE", "0440", "GOMEMLIMIT", "51MiB")
	ready := map[string]any{"command": []any{"/pinnace-agent", "ready"}}
	agent["startupProbe"] = map[string]any{
		"exec": ready, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 120,
	}
	agent["readinessProbe"] = map[string]any{"exec": ready, "periodSeconds": 10, "timeoutSeconds": 5}
	mounts := []any{mount(keyVolume, keyFolder, false)}
	if m.ProjectToken {
		mounts = append(mounts, mount(tokenVolume, tokenFolder, true))
	}
	agent["volumeMounts"] = mounts
	extend(c, v, "initContainers", agent)
	extend(c, v, "extraVolumes", map[string]any{
		"name": keyVolume, "emptyDir": map[string]any{"medium": "Memory", "sizeLimit": "1Mi"},
	})
	extend(c, v, "extraVolumeMounts", mount(keyVolume, keyFolder, true))
	m.withhold(c, v, sidecar)
}

// withhold keeps EKS's webhook from giving the role to another container than the one that fetches the key. Where the
// team's service account had the role before, the others may need it, and keep it.
func (m *maker) withhold(c collector, v map[string]any, fetches string) {
	const skip = "eks.amazonaws.com/skip-containers"
	if text(c.values, "serviceAccount", "annotations", "eks.amazonaws.com/role-arn") != "" {
		return
	}
	var others []string
	if had := text(c.values, "podAnnotations", skip); had != "" {
		others = strings.Split(had, ",")
	}
	for _, one := range slices.Concat(c.workload.pod.Containers, c.workload.pod.InitContainers) {
		others = append(others, one.Name)
	}
	if fetches != sidecar {
		others = append(others, installer)
	}
	var names []string
	for _, name := range others {
		if name = strings.TrimSpace(name); name != fetches && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	put(v, strings.Join(names, ","), "podAnnotations", skip)
}

// exportByOTLP puts the chart's OTLP exporter where the coralogix exporter was.
func (m *maker) exportByOTLP(c collector, v map[string]any) {
	put(v, false, "presets", "coralogixExporter", "enabled")
	put(v, map[string]any{
		"enabled": true, "endpoint": "ingress." + m.domain + ":443", "pipelines": m.pipelines(c),
		"headers": map[string]any{
			"CX-Application-Name": m.shared("defaultApplicationName"),
			"CX-Subsystem-Name":   m.shared("defaultSubsystemName"),
		},
	}, "presets", "otlpExporter")
	auth := map[string]any{"filename": keyFile}
	if v, err := semver.NewVersion(m.version(c)); err == nil && !v.LessThan(semver.MustParse("0.165.0")) {
		auth["retry_on_failure"] = map[string]any{"enabled": true, "interval": "1s"}
		auth["wait_for_token_file"] = true
	}
	put(v, auth, "config", "extensions", authExtender)
	put(v, append(slices.Clone(list(c.values, "config", "service", "extensions")), authExtender),
		"config", "service", "extensions")
	m.nameByAttributes(c, v)
}

// pipelines are those that the coralogix exporter had: behind a load balancer it has no traces.
func (m *maker) pipelines(c collector) []any {
	chosen := list(c.values, "presets", "coralogixExporter", "pipelines")
	if one := text(c.values, "presets", "coralogixExporter", "pipeline"); len(chosen) == 0 && one != "" {
		chosen = []any{one}
	}
	if len(chosen) == 0 {
		chosen = []any{"all"}
	}
	sampled := truth(m.Values, "global", "coralogix", "features", "tailSampling", "enabled")
	if !sampled || text(c.values, "integration", "role") != "agent" {
		return chosen
	}
	if slices.Contains(chosen, any("all")) {
		return []any{"metrics", "logs", "profiles"}
	}
	return slices.DeleteFunc(slices.Clone(chosen), func(p any) bool { return p == any("traces") })
}

// namer is the processor that names application and subsystem.
const namer = "transform/coralogix_names"

// nameByAttributes names application and subsystem as the coralogix exporter did: by the first attribute that there is.
func (m *maker) nameByAttributes(c collector, v map[string]any) {
	var statements []any
	for _, one := range []struct{ attribute, key string }{
		{"cx.application.name", "application_name_attributes"}, {"cx.subsystem.name", "subsystem_name_attributes"},
	} {
		for _, from := range names(list(c.config, "exporters", "coralogix", one.key)) {
			statements = append(statements, fmt.Sprintf("set(resource.attributes[%q], resource.attributes[%q]) "+
				"where resource.attributes[%q] == nil and resource.attributes[%q] != nil",
				one.attribute, from, one.attribute, from))
		}
	}
	if len(statements) == 0 {
		return
	}
	named := map[string]any{"error_mode": "ignore"}
	for _, signal := range []string{"log", "metric", "trace"} {
		if !slices.Contains(names(list(c.config, "service", "pipelines", signal+"s", "exporters")), "coralogix") {
			continue
		}
		named[signal+"_statements"] = []any{map[string]any{"context": "resource", "statements": statements}}
		had := list(c.values, "extraConfig", "service", "pipelines", signal+"s", "processors")
		put(v, append(slices.Clone(had), namer), "extraConfig", "service", "pipelines", signal+"s", "processors")
	}
	put(v, named, "extraConfig", "processors", namer)
}

// version of the collector, from what is told or from its image; empty when neither says.
func (m *maker) version(c collector) string {
	if m.CollectorVersion != "" {
		return m.CollectorVersion
	}
	container := find(c.workload.pod.Containers, c.container)
	if strings.Contains(container.Image, "@") {
		return ""
	}
	_, tag, _ := strings.Cut(container.Image[strings.LastIndex(container.Image, "/")+1:], ":")
	return tag
}

// process installs the agent and puts it in the place of the image's program.
func (m *maker) process(c collector, v map[string]any) {
	install := m.container(installer, "install", programDir)
	install["volumeMounts"] = []any{mount(program, programDir, false)}
	extend(c, v, "initContainers", install)
	extend(c, v, "extraVolumes", map[string]any{"name": program, "emptyDir": map[string]any{"sizeLimit": "64Mi"}})
	extend(c, v, "extraVolumeMounts", mount(program, programDir, true))
	if m.ProjectToken {
		extend(c, v, "extraVolumeMounts", mount(tokenVolume, tokenFolder, true))
	}
	extend(c, v, "extraEnvs", m.env(c, "PINNACE_COMMAND", c.command, "PINNACE_ENV", variable+"=private_key")...)
	put(v, strings.TrimPrefix(wrapper, "/"), "command", "name")
	m.withhold(c, v, c.container)
}
