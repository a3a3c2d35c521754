package overlay

import (
	"cmp"
	"slices"
	"strings"
)

// refuse finds what the mode cannot serve, in the words of the values that say so.
func (m *maker) refuse() error {
	for _, c := range m.collectors {
		for _, rule := range []func(collector) error{m.refusePod, m.refuseConflict, m.refuseKey, m.refuseRole} {
			if err := rule(c); err != nil {
				return err
			}
		}
		if m.Mode == File {
			if err := cmp.Or(m.refuseFeatures(c), m.refuseExporter(c)); err != nil {
				return err
			}
		}
		if m.Mode == Process && m.version(c) == "0.127.0" {
			return refused("use another version of the collector",
				"%s runs collector 0.127.0, whose coralogix exporter sends no key at all", c.alias)
		}
	}
	return nil
}

// refusePod refuses pods that the agent cannot be put into.
func (m *maker) refusePod(c collector) error {
	leave := "add --leave " + c.alias + " to let it keep the Secret"
	switch {
	case truth(c.values, "isWindows"):
		return refused(leave, "%s runs on Windows, and there is no agent for it", c.alias)
	case len(c.workload.pod.InitContainers) > len(list(c.values, "initContainers")):
		return refused(leave+", or use pinnace's own chart with platform fargate in its place",
			"%s prints initContainers of its own (%s): those of values would be a second list in the pod, and Helm "+
				"would drop one of the two without a word", c.alias, c.workload.pod.InitContainers[0].Name)
	case m.Mode == File && text(c.values, "distribution") == "eks/fargate":
		return refused("use --mode process, or "+leave,
			"%s runs on Fargate, where the key's file in memory has not been tried", c.alias)
	}
	return nil
}

// refuseConflict refuses names and places that the team has taken already.
func (m *maker) refuseConflict(c collector) error {
	ours := []string{sidecar, installer, keyVolume, program, tokenVolume}
	for _, key := range []string{"initContainers", "extraContainers", "extraVolumes"} {
		for _, item := range list(c.values, key) {
			if slices.Contains(ours, nameOf(item)) {
				return refused("take it out of the values: the overlay brings it, and replaces the one of before",
					"%s.%s has %s already", c.alias, key, nameOf(item))
			}
		}
	}
	for _, item := range list(c.values, "extraVolumeMounts") {
		mount, _ := item.(map[string]any)
		if at := text(mount, "mountPath"); slices.Contains([]string{keyFolder, programDir, tokenFolder}, at) {
			return refused("mount it elsewhere", "%s.extraVolumeMounts has something at %s already", c.alias, at)
		}
	}
	return nil
}

// refuseKey refuses keys in values, and other ways to the Secret than the one variable. It shows no value.
func (m *maker) refuseKey(c collector) error {
	const hint = "take it out: the key belongs in AWS Secrets Manager, and reaches the collector by the agent"
	key := text(c.values, "presets", "coralogixExporter", "privateKey")
	if key != "" && key != "${env:"+variable+"}" && key != "${"+variable+"}" {
		return refused(hint, "%s.presets.coralogixExporter.privateKey is not ${env:%s}", c.alias, variable)
	}
	for _, item := range list(c.values, "extraEnvs") {
		env, _ := item.(map[string]any)
		switch {
		case nameOf(item) == variable && dig(env, "value") != nil:
			return refused(hint, "%s.extraEnvs has %s by value", c.alias, variable)
		case nameOf(item) != variable && text(env, "valueFrom", "secretKeyRef", "name") == secretName:
			return refused("take it out, or add --leave "+c.alias, "%s.extraEnvs has %s from the Secret %s", c.alias,
				nameOf(item), secretName)
		case strings.HasPrefix(nameOf(item), "PINNACE_"):
			return refused("take it out", "%s.extraEnvs has %s, which is the agent's", c.alias, nameOf(item))
		}
	}
	return nil
}

// refuseRole refuses another role than the one that is to be.
func (m *maker) refuseRole(c collector) error {
	const key = "eks.amazonaws.com/role-arn"
	had, want := text(c.values, "serviceAccount", "annotations", key), m.role(c.alias)
	switch {
	case had != "" && m.PodIdentity:
		return refused("take it out, or leave out --pod-identity", "%s.serviceAccount.annotations has %s", c.alias, key)
	case had != "" && had != want:
		return refused("give one role, with both permissions", "%s.serviceAccount.annotations has %s %s, not %s",
			c.alias, key, had, want)
	case want == "" && !m.PodIdentity && !c.keyless:
		return usage("add --role-arn "+strings.TrimPrefix(c.alias, prefix)+"=ARN, or one for all", "%s has no role",
			c.alias)
	}
	return nil
}

// wanted are the presets that take the key from the variable and from nowhere else.
var wanted = []struct{ preset, loses string }{
	{"fleetManagement", "fleet management (OpAMP)"},
	{"hostEntityEvents", "host entities of the resource catalog"},
	{"kubernetesResources", "Kubernetes resources of the resource catalog"},
}

const orProcess = "use --mode process, which loses nothing, or take it out of your values"

// refuseFeatures refuses what a team has asked for by name and mode file takes away.
func (m *maker) refuseFeatures(c collector) error {
	for _, w := range wanted {
		if truth(c.team, "presets", w.preset, "enabled") {
			return refused(orProcess, "%s.presets.%s.enabled is true in your values, and %s takes the key by variable alone",
				c.alias, w.preset, w.loses)
		}
	}
	if truth(m.Team, "global", "coralogix", "features", "resourceCatalog", "enabled") {
		return refused(orProcess, "global.coralogix.features.resourceCatalog.enabled is true in your values, and the "+
			"resource catalog takes the key by variable alone")
	}
	return nil
}

// refuseExporter refuses what the OTLP exporter cannot do in place of the coralogix exporter.
func (m *maker) refuseExporter(c collector) error {
	switch {
	case c.keyless:
		return nil
	case truth(c.values, "presets", "headSampling", "enabled"):
		return refused(orProcess, "%s.presets.headSampling takes the exporter coralogix out of the traces by its name: by "+
			"otlp all of them would go out unsampled, and the sampled ones twice", c.alias)
	case truth(c.values, "presets", "otlpExporter", "enabled"):
		return refused(orProcess, "%s.presets.otlpExporter is in use already", c.alias)
	case len(list(c.values, "presets", "coralogixExporter", "additionalEndpoints")) > 0,
		len(list(m.Values, "global", "additionalEndpoints")) > 0:
		return refused(orProcess, "%s has additionalEndpoints, each of which needs a key of its own", c.alias)
	}
	return nil
}
