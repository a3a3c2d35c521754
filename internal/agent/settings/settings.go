// Package settings is what an agent is told: which items to fetch from where, and what becomes of them. It is read from
// a YAML file or, for a workload with one configuration or one secret, from flags and PINNACE_* variables alone.
// Nothing in it is secret: it names things.
package settings

import (
	"strings"
	"time"
)

// Settings is the whole. Its zero value delivers nothing; Load and Parse fill the defaults.
type Settings struct {
	// Items are what the workload needs, each from AppConfig or from Secrets Manager.
	Items []Item `yaml:"items" json:"items" jsonschema:"minItems=1"`

	// Files that each have an item or what a template makes of several. The files of one folder change together.
	Files []File `yaml:"files" json:"files,omitempty"`
	// Mode is the permissions of the files in octal; 0440 when empty. None for others.
	Mode string `yaml:"mode" json:"mode,omitempty" jsonschema:"pattern=^0?[0-7]{3}$,example=0440"`
	// Group is the number of the group that the files belong to; that of the process or the folder without it.
	Group *int `yaml:"group" json:"group,omitempty" jsonschema:"minimum=0"`

	Process  *Process  `yaml:"process" json:"process,omitempty"`
	Loopback *Loopback `yaml:"loopback" json:"loopback,omitempty"`
	OnChange *OnChange `yaml:"onChange" json:"onChange,omitempty"`
	Status   *Status   `yaml:"status" json:"status,omitempty"`

	// PollInterval is the time between two questions for the same thing, 15s to 24h; 30s when empty. AppConfig may ask
	// for more.
	PollInterval time.Duration `yaml:"pollInterval" json:"pollInterval,omitempty"`
	// MaxAge is that of the items that have none: how long a last good value may stand in while AWS does not confirm it,
	// at least twice PollInterval. Past it the agent is not ready. Empty is for ever.
	MaxAge time.Duration `yaml:"maxAge" json:"maxAge,omitempty"`
	// CallsPerHour bounds the calls to AWS for each item; 0 is eight times what polling needs.
	CallsPerHour int `yaml:"callsPerHour" json:"callsPerHour,omitempty" jsonschema:"minimum=0"`
	// Once delivers once and ends, as an init container does.
	Once bool `yaml:"once" json:"once,omitempty"`
	// AllowStaticCredentials lets AWS_ACCESS_KEY_ID count where there is no workload identity.
	AllowStaticCredentials bool `yaml:"allowStaticCredentials" json:"allowStaticCredentials,omitempty"`
	// LogLevel is debug, info, warn or error; info when empty.
	LogLevel string `yaml:"logLevel" json:"logLevel,omitempty" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"`
}

// Item is one thing that the workload needs: all or a field of a configuration in AppConfig, or of a secret.
type Item struct {
	// Name is what files, variables and templates call the item.
	Name string `yaml:"name" json:"name"`

	// AppConfig is APPLICATION/ENVIRONMENT/PROFILE, names or ids.
	AppConfig string `yaml:"appconfig" json:"appconfig,omitempty" jsonschema:"example=otel-config/prod/coralogix"`
	// Field of the document: the name of a member or, starting with a slash, a JSON pointer. Empty: the whole document,
	// with its references resolved.
	Field string `yaml:"field" json:"field,omitempty"`
	// Verbatim leaves references in the document as they are. It belongs to a profile that is located at
	// secretsmanager://, whose document is the secret itself: what looks like a reference there is part of it.
	Verbatim bool `yaml:"verbatim" json:"verbatim,omitempty"`

	// Secret is the name or ARN of a secret in Secrets Manager, instead of AppConfig.
	Secret string `yaml:"secret" json:"secret,omitempty" jsonschema:"example=coralogix/prod/private_key"`
	// Key of the JSON object that the secret is. Empty: the whole secret.
	Key string `yaml:"key" json:"key,omitempty"`
	// VersionStage is a staging label; AWSCURRENT when empty.
	VersionStage string `yaml:"versionStage" json:"versionStage,omitempty"`
	// VersionID pins one version.
	VersionID string `yaml:"versionId" json:"versionId,omitempty"`

	// Role is the ARN of a role to assume with the pod's own, for a thing in another account.
	Role string `yaml:"role" json:"role,omitempty"`
	// ExternalID is what the trust policy of Role asks for.
	ExternalID string `yaml:"externalId" json:"externalId,omitempty"`
	// Region where the thing is; the agent's when empty.
	Region string `yaml:"region" json:"region,omitempty"`

	// Optional lets the workload start without the item.
	Optional bool `yaml:"optional" json:"optional,omitempty"`
	// MaxAge is as in the whole, for this item.
	MaxAge time.Duration `yaml:"maxAge" json:"maxAge,omitempty"`
}

// Whole says that the item is a whole document or secret.
func (i Item) Whole() bool { return i.Field == "" && i.Key == "" }

// File has an item or a template. It is replaced by one rename.
type File struct {
	// Path of the file. Its folder exists.
	Path string `yaml:"path" json:"path"`
	// Item that the file holds.
	Item string `yaml:"item" json:"item,omitempty"`
	// Template in Go's text/template, instead of Item: {{ .private_key }} is the item of that name.
	Template string `yaml:"template" json:"template,omitempty"`
	// TemplateFile is where a template is read from at the start.
	TemplateFile string `yaml:"templateFile" json:"templateFile,omitempty"`
	// Token refuses what is not one word of printable ASCII, such as a JSON document.
	Token bool `yaml:"token" json:"token,omitempty"`
	// Mode is as in the whole, for this file.
	Mode string `yaml:"mode" json:"mode,omitempty" jsonschema:"pattern=^0?[0-7]{3}$"`
}

// Process runs the workload as a child that has items in its environment, and starts it again when they change.
type Process struct {
	// Command and its arguments.
	Command []string `yaml:"command" json:"command" jsonschema:"minItems=1"`
	// Env says which variable has which item.
	Env map[string]string `yaml:"env" json:"env" jsonschema:"minProperties=1"`
	// Stagger is the longest random delay of a restart, so that a fleet does not restart at once; 30s when empty.
	Stagger *time.Duration `yaml:"stagger" json:"stagger,omitempty"`
	// Grace is the time between the stop signal and SIGKILL; 25s when empty, less than Kubernetes grants a pod.
	Grace time.Duration `yaml:"grace" json:"grace,omitempty"`
	// StopSignal asks the child to end; SIGTERM when empty.
	StopSignal string `yaml:"stopSignal" json:"stopSignal,omitempty"`
	// KeepAWS leaves the pod's AWS identity in the child's environment. Without it the child cannot act as the pod.
	KeepAWS bool `yaml:"keepAWS" json:"keepAWS,omitempty"`
}

// Loopback serves whole documents and secrets to applications that speak to AWS's own agents, or to AWS.
type Loopback struct {
	// Address to listen on, such as 127.0.0.1:2772, or several separated by commas, such as those of both of AWS's
	// agents: 127.0.0.1:2772,127.0.0.1:2773. Loopback addresses only.
	Address string `yaml:"address" json:"address"`
	// TokenFile has the token that callers must send.
	TokenFile string `yaml:"tokenFile" json:"tokenFile,omitempty"`
	// WithoutToken lets every process of the pod read, as AWS's AppConfig agent does.
	WithoutToken bool `yaml:"withoutToken" json:"withoutToken,omitempty"`
}

// Addresses are those to listen on, at least one.
func (l Loopback) Addresses() []string {
	addresses := strings.Split(l.Address, ",")
	for i := range addresses {
		addresses[i] = strings.TrimSpace(addresses[i])
	}
	return addresses
}

// OnChange acts after a change is in place. It is tried again until it works.
type OnChange struct {
	// Signal to send, such as SIGHUP, to the process that PidFile or ProcessName says.
	Signal string `yaml:"signal" json:"signal,omitempty"`
	// PidFile has the number of the process.
	PidFile string `yaml:"pidFile" json:"pidFile,omitempty"`
	// ProcessName is looked for among the processes of the pod (shareProcessNamespace).
	ProcessName string `yaml:"processName" json:"processName,omitempty"`
	// Command to run. PINNACE_CHANGED names the items that changed.
	Command []string `yaml:"command" json:"command,omitempty"`
	// Timeout of the command; 30s when empty.
	Timeout time.Duration `yaml:"timeout" json:"timeout,omitempty"`
	// AtStart acts after the first delivery too.
	AtStart bool `yaml:"atStart" json:"atStart,omitempty"`
}

// Status serves /healthz, /readyz, /status and /metrics. None of them has a value. They have fingerprints: who sees
// that of a short password can try passwords until one fits.
type Status struct {
	// Address to listen on, such as :9090. The kubelet and Prometheus come from outside of the pod.
	Address string `yaml:"address" json:"address"`
}
