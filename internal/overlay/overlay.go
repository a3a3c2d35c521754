// Package overlay makes the values that put pinnace-agent into Coralogix's own otel-integration chart, as it is: Helm
// merges mappings and replaces lists, so whatever the overlay must say in a list has what the chart and the team had
// there before. It learns the rest from what the chart renders, and proves the result the same way.
//
// It knows charts and Kubernetes by their text alone, and does nothing but call Chart.Render.
package overlay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// prefix of the names under which the chart has a collector.
const prefix = "opentelemetry-"

// Chart is the chart as a team uses it.
type Chart struct {
	Name   string         // with its version, for the head of the overlay
	Values map[string]any // what the chart, the charts below it and the team say together
	Team   map[string]any // what the team says alone
	// Render gives the manifests by template path, with a document of values on top of the team's; nil is none.
	Render func(overlay []byte) (map[string]string, error)
}

// Overlay is a document of values and what there is to know about it.
type Overlay struct {
	Values   map[string]any `json:"values"`
	Notes    []string       `json:"notes"`    // what is lost, or left to do
	Subjects []string       `json:"subjects"` // of the service accounts, as a trust policy writes them
	head     string
}

// YAML is the document, with the notes as comments.
func (o Overlay) YAML() ([]byte, error) {
	body, err := yaml.Marshal(o.Values)
	if err != nil {
		return nil, fmt.Errorf("writing values: %w", err)
	}
	var b strings.Builder
	b.WriteString(o.head)
	for _, note := range o.Notes {
		b.WriteString(comment("- " + note))
	}
	if len(o.Subjects) > 0 {
		b.WriteString("#\n# The role's trust policy allows these subjects:\n")
	}
	for _, subject := range o.Subjects {
		b.WriteString("#   " + subject + "\n")
	}
	b.Write(body)
	return []byte(b.String()), nil
}

// comment wraps a text into lines that start with a hash.
func comment(text string) string {
	const width = 118
	var lines []string
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width {
			lines, line = append(lines, line), "#  "
		}
		line += " " + word
	}
	return strings.Join(append(lines, line), "\n") + "\n"
}

// Make makes the overlay: it renders the chart as the team has it, puts the agent where the key was read, renders again
// to learn which exporter it must authenticate and which pipelines name one that is gone, and checks a third render.
//
// Options that say too little or contradict the values are a problem.Usage; values that the mode cannot serve, and a
// result that does not pass Check, a problem.Refused that says what to write instead.
func Make(o Options, c Chart) (Overlay, error) {
	m := maker{Options: o, Chart: c, values: map[string]any{}}
	for _, step := range []func() error{
		o.validate, m.global, m.look, m.refuse, m.inject, m.authenticate, m.prove,
	} {
		if err := step(); err != nil {
			return Overlay{}, err
		}
	}
	return Overlay{Values: m.values, Notes: m.allNotes(), Subjects: m.subjects, head: m.head()}, nil
}

// maker carries the state of Make from step to step.
type maker struct {
	Options
	Chart
	values     map[string]any // of the overlay
	domain     string
	collectors []collector
	notes      []string
	subjects   []string
}

// collector is one of the chart's collectors that reads the key.
type collector struct {
	alias     string
	workload  workload
	container string         // that runs it
	command   string         // its program
	config    map[string]any // its configuration
	values    map[string]any // under its alias, from all sides
	team      map[string]any // from the team alone
	keyless   bool           // nothing wants the key once it is not offered
}

func refused(hint, format string, args ...any) error {
	return problem.New(problem.Refused, hint, format, args...)
}

func (m *maker) note(format string, args ...any) {
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

// global settles what every collector shares.
func (m *maker) global() error {
	for _, one := range []struct{ flag, value, key string }{
		{"--domain", m.Domain, "domain"},
		{"--cluster-name", m.ClusterName, "clusterName"},
		{"--application-name", m.Application, "defaultApplicationName"},
		{"--subsystem-name", m.Subsystem, "defaultSubsystemName"},
	} {
		told := text(m.Team, "global", one.key)
		if one.value != "" && told != "" && one.value != told {
			return usage("leave one of them out", "%s is %q, and global.%s of the values is %q",
				one.flag, one.value, one.key, told)
		}
		if one.value != "" {
			put(m.values, one.value, "global", one.key)
		}
	}
	if m.domain = m.shared("domain"); m.domain == "" {
		return usage("add --domain, such as --domain eu2.coralogix.com", "global.domain is empty")
	}
	if m.shared("clusterName") == "" {
		return usage("add --cluster-name", "global.clusterName is empty")
	}
	for _, alias := range m.Leave {
		if mapping(m.Values, alias) == nil && mapping(m.Values, prefix+alias) == nil {
			return usage("name a chart below that is enabled, such as agent", "--leave %s: there is no such chart", alias)
		}
	}
	return m.validateDomain(m.domain)
}

// shared is a value below global.
func (m *maker) shared(key string) string {
	return cmp.Or(text(m.values, "global", key), text(m.Values, "global", key))
}

// render renders the chart with the overlay as it is.
func (m *maker) render() (map[string]string, error) {
	document, err := yaml.Marshal(m.values)
	if err != nil {
		return nil, fmt.Errorf("writing values: %w", err)
	}
	return m.Render(document)
}

// look finds the collectors that read the key, in what the chart renders for the team today.
func (m *maker) look() error {
	manifests, err := m.render()
	if err != nil {
		return err
	}
	before := parse(manifests)
	for _, w := range before.workloads {
		reader := checker{release: before, w: w}
		reader.secrets()
		if len(reader.findings) == 0 || m.left(w.alias) {
			continue
		}
		_, config := before.collectorConfig(w)
		container := find(w.pod.Containers, w.alias)
		if container == nil || len(container.Command) == 0 || config == nil && m.Mode == File {
			return refused("add --leave "+w.alias+" to let it keep the Secret",
				"%s reads the Secret %s and is not a collector that the overlay knows", w, secretName)
		}
		wants := checker{release: before, w: w}
		wants.wantsVariable("")
		m.collectors = append(m.collectors, collector{
			alias: w.alias, workload: w, container: container.Name, command: container.Command[0], config: config,
			values: mapping(m.Values, w.alias), team: mapping(m.Team, w.alias),
			keyless: len(wants.findings) == 0 || m.Mode == File && !exportsKey(config),
		})
	}
	if len(m.collectors) == 0 {
		return refused("look at the values: no collector is enabled, or none has the variable "+variable,
			"no workload reads the Secret %s", secretName)
	}
	return m.knowRoles()
}

// knowRoles refuses a role for nobody.
func (m *maker) knowRoles() error {
	for _, role := range m.Roles {
		alias, _, named := strings.Cut(role, "=")
		if named && !strings.HasPrefix(role, "arn:") && !slices.ContainsFunc(m.collectors, func(c collector) bool {
			return c.alias == alias || c.alias == prefix+alias
		}) {
			return usage("name one that is enabled", "--role-arn %s: no collector of that name reads the key", role)
		}
	}
	return nil
}

// exportsKey tells whether the exporter that records go by has the key, and not only those of special features.
func exportsKey(config map[string]any) bool {
	return text(config, "exporters", "coralogix", "private_key") != ""
}

func (m *maker) left(alias string) bool {
	return slices.Contains(m.Leave, alias) || slices.Contains(m.Leave, strings.TrimPrefix(alias, prefix))
}

// prove renders the chart with the finished overlay, and takes no finding.
func (m *maker) prove() error {
	manifests, err := m.render()
	if err != nil {
		return err
	}
	var faults []string
	for _, f := range Check(manifests).Findings {
		if !m.left(f.Alias) {
			faults = append(faults, f.String())
		}
	}
	if len(faults) > 0 {
		return refused("change the values that say so, add --leave ALIAS, or use the other --mode",
			"the chart does not take the overlay: %s", strings.Join(faults, "; "))
	}
	m.account(parse(manifests))
	return nil
}

// account notes the service accounts that the roles must trust.
func (m *maker) account(r release) {
	namespace := m.Namespace
	if namespace == "" {
		namespace = "NAMESPACE"
	}
	for _, w := range r.workloads {
		name := w.pod.ServiceAccountName
		i := slices.IndexFunc(m.collectors, func(c collector) bool { return c.alias == w.alias && !c.keyless })
		if i < 0 || w.name != m.collectors[i].workload.name {
			continue
		}
		subject := "system:serviceaccount:" + namespace + ":" + name
		if !slices.Contains(m.subjects, subject) {
			m.subjects = append(m.subjects, subject)
		}
		if _, made := r.accounts[name]; !made && !m.PodIdentity && !m.ProjectToken {
			m.note("service account %s is not of this chart: annotate it with eks.amazonaws.com/role-arn: %s", name,
				m.role(w.alias))
		}
	}
}

func (m *maker) head() string {
	return comment(fmt.Sprintf("Values that put pinnace-agent into %s, mode %s. Give them after all others, and make "+
		"them anew after each upgrade of the chart or change of its values.", m.Name, m.Mode)) + "#\n"
}
