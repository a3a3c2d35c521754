package overlay

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Finding is a fault of rendered manifests: what is wrong with which object. It never has a value.
type Finding struct {
	Alias  string `json:"alias,omitempty"` // the chart below that the object is of
	Object string `json:"object"`
	Rule   string `json:"rule"`
	Fault  string `json:"fault"`
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s (%s)", f.Object, f.Fault, f.Rule) }

// Report is what Check looked at and what it found.
type Report struct {
	Files     int       `json:"file"`    // workloads whose key is a file that the sidecar replaces
	Processes int       `json:"process"` // workloads whose program the wrapper starts
	Keyless   int       `json:"keyless"` // workloads that want no key
	Findings  []Finding `json:"findings"`
}

// What upstream's chart calls the key, and what the overlay calls its parts.
const (
	variable     = "CORALOGIX_PRIVATE_KEY"
	secretName   = "coralogix-keys"
	sidecar      = "pinnace-agent"
	installer    = "pinnace-install"
	keyVolume    = "pinnace-key"
	keyFolder    = "/var/run/pinnace"
	keyFile      = keyFolder + "/private_key"
	program      = "pinnace-program"
	programDir   = "/pinnace"
	wrapper      = programDir + "/pinnace-agent"
	tokenVolume  = "pinnace-token"
	tokenFolder  = "/var/run/secrets/pinnace"
	authExtender = "bearertokenauth"
)

// Check judges rendered manifests, by template path or as the one text that `helm template` prints: no pod reads the
// key from the Secret, each that needs it has the agent, both sides mean the same file, and every collector's
// configuration refers to what it defines and sends one Authorization.
func Check(manifests map[string]string) Report {
	r := parse(manifests)
	report := Report{Findings: slices.Clone(r.faults)}
	for _, w := range r.workloads {
		c := checker{release: r, w: w}
		c.secrets()
		switch {
		case find(w.pod.InitContainers, sidecar) != nil:
			report.Files++
			c.file()
		case find(w.pod.InitContainers, installer) != nil:
			report.Processes++
			c.process()
		default:
			report.Keyless++
			c.keyless()
		}
		report.Findings = append(report.Findings, c.findings...)
	}
	if report.Files+report.Processes == 0 {
		report.Findings = append(report.Findings, Finding{
			Object: "the release", Rule: "agent",
			Fault: "no pod has the agent: the overlay is not among the values, or the chart no longer takes it",
		})
	}
	return report
}

// checker collects the findings of one workload.
type checker struct {
	release
	w        workload
	findings []Finding
}

func (c *checker) fault(rule, format string, args ...any) {
	c.findings = append(c.findings, Finding{c.w.alias, c.w.String(), rule, fmt.Sprintf(format, args...)})
}

func find(containers []corev1.Container, name string) *corev1.Container {
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}

// secrets finds what reads the Secret, and the key's variable, whatever it is from.
func (c *checker) secrets() {
	for _, container := range slices.Concat(c.w.pod.InitContainers, c.w.pod.Containers) {
		for _, env := range container.Env {
			ref := env.ValueFrom
			switch {
			case ref != nil && ref.SecretKeyRef != nil && ref.SecretKeyRef.Name == secretName:
				c.fault("secret", "%s of container %s is from the Secret %s", env.Name, container.Name, secretName)
			case env.Name == variable:
				c.fault("secret", "container %s has the variable %s in its specification", container.Name, variable)
			}
		}
		for _, from := range container.EnvFrom {
			if from.SecretRef != nil && from.SecretRef.Name == secretName {
				c.fault("secret", "container %s has all of the Secret %s in its environment", container.Name, secretName)
			}
		}
	}
	for _, volume := range c.w.pod.Volumes {
		if volume.Secret != nil && volume.Secret.SecretName == secretName {
			c.fault("secret", "volume %s is the Secret %s", volume.Name, secretName)
		}
	}
}

// wantsVariable finds configurations that take the key from the environment.
func (c *checker) wantsVariable(why string) {
	configs := c.configsOf(c.w)
	for _, place := range slices.Sorted(maps.Keys(configs)) {
		if strings.Contains(configs[place], variable) {
			c.fault("variable", "its configuration %s wants the variable %s, %s", place, variable, why)
		}
	}
}

func (c *checker) keyless() { c.wantsVariable("and it has no agent") }

// file checks the sidecar, the collector's view of its file, and the collector's configuration.
func (c *checker) file() {
	c.wantsVariable("which a sidecar cannot set")
	agent := find(c.w.pod.InitContainers, sidecar)
	if agent.RestartPolicy == nil || *agent.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		c.fault("sidecar", "%s must end before the collector starts: restartPolicy is not Always", sidecar)
	}
	if agent.StartupProbe == nil {
		c.fault("sidecar", "%s has no startup probe: a collector that starts without its file sends an empty key", sidecar)
	}
	file, _, _ := strings.Cut(value(agent, "PINNACE_TOKEN_FILES"), "=")
	volume := mounted(agent, path.Dir(file))
	if file == "" || volume == "" {
		c.fault("path", "%s writes no file to a volume", sidecar)
		return
	}
	c.memory(volume)
	if !slices.ContainsFunc(c.w.pod.Containers, func(one corev1.Container) bool {
		return mounted(&one, path.Dir(file)) == volume
	}) {
		c.fault("path", "no container has the volume %s at %s, whole", volume, path.Dir(file))
	}
	place, config := c.collectorConfig(c.w)
	if config == nil {
		c.fault("config", "none of its ConfigMaps has a collector's configuration")
		return
	}
	if got := text(config, "extensions", authExtender, "filename"); got != file {
		c.fault("path", "%s reads %q and %s writes %s", place, got, sidecar, file)
	}
	c.config(place, config, true)
}

func (c *checker) memory(name string) {
	for _, volume := range c.w.pod.Volumes {
		if volume.Name == name && (volume.EmptyDir == nil || volume.EmptyDir.Medium != corev1.StorageMediumMemory) {
			c.fault("memory", "volume %s is no emptyDir in memory: the key would be on the node's disk", name)
		}
	}
}

// process checks the installed program and the container that it stands in for.
func (c *checker) process() {
	i := slices.IndexFunc(c.w.pod.Containers, func(one corev1.Container) bool {
		return len(one.Command) > 0 && one.Command[0] == wrapper
	})
	if i < 0 {
		c.fault("program", "no container runs %s: the chart does not print command.name any more", wrapper)
		return
	}
	wrapped, install := &c.w.pod.Containers[i], find(c.w.pod.InitContainers, installer)
	if volume := mounted(wrapped, programDir); volume == "" || volume != mounted(install, programDir) {
		c.fault("program", "%s is not installed where container %s runs it", wrapper, wrapped.Name)
	}
	if command := value(wrapped, "PINNACE_COMMAND"); command == "" || command == wrapper {
		c.fault("program", "container %s does not say which program it starts (PINNACE_COMMAND)", wrapped.Name)
	}
	if !strings.HasPrefix(value(wrapped, "PINNACE_ENV"), variable+"=") {
		c.fault("program", "container %s does not set %s (PINNACE_ENV)", wrapped.Name, variable)
	}
	if place, config := c.collectorConfig(c.w); config != nil {
		c.config(place, config, false)
	}
}

func value(container *corev1.Container, name string) string {
	for _, env := range container.Env {
		if env.Name == name {
			return env.Value
		}
	}
	return ""
}

// mounted is the volume that a container has at a folder, whole.
func mounted(container *corev1.Container, folder string) string {
	for _, mount := range container.VolumeMounts {
		if mount.MountPath == folder && mount.SubPath == "" && mount.SubPathExpr == "" {
			return mount.Name
		}
	}
	return ""
}
