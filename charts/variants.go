package charts

import (
	"io/fs"
	"maps"
	"slices"
)

// A Variant is one way to install the opentelemetry chart: documents of values, the later over the earlier.
type Variant struct {
	Name   string
	Values []string
}

// Variants are the ways that tests render, in the order of their names. The configuration of each role's collector in
// each of them is testdata/collector/VARIANT-ROLE.yaml.
func Variants() []Variant {
	uat, prod := environment("uat"), environment("prod")
	several := map[string][]string{
		"uat":               {uat},
		"prod":              {prod},
		"pod-identity":      {uat, `aws: {podIdentity: true, roleArn: ""}`},
		"project-token":     {uat, `aws: {projectToken: true}`},
		"process":           {uat, process},
		"existing-secret":   {uat, existingSecret},
		"otlp-only":         {uat, otlpOnly},
		"otlp-only-process": {uat, otlpOnly, process},
		"otlp-only-secret":  {uat, otlpOnly, existingSecret},
		"gateway":           {uat, `gateway: {enabled: true}`},
		"tail-sampling":     {uat, `{gateway: {enabled: true}, presets: {tailSampling: {enabled: true}}}`},
		"fargate":           {uat, fargate},
		"older-collector":   {uat, `image: {tag: 0.155.0}`},
		"private-link":      {uat, `coralogix: {privateLink: true}`},
		"everything":        {prod, everything},
		"values-of-0.1.0":   {valuesOf010},
	}
	variants := make([]Variant, 0, len(several))
	for _, name := range slices.Sorted(maps.Keys(several)) {
		variants = append(variants, Variant{Name: name, Values: several[name]})
	}
	return variants
}

// environment is the values file of an environment.
func environment(name string) string {
	values, err := fs.ReadFile(FS, "opentelemetry/values-"+name+".yaml")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(values)
}

// otlpOnly leaves the presets whose components are in every distribution of the collector.
const otlpOnly = `
presets:
  logsCollection: {enabled: false}
  hostMetrics: {enabled: false}
  kubeletMetrics: {enabled: false}
  kubernetesAttributes: {enabled: false}
  kubernetesEvents: {enabled: false}
  clusterMetrics: {enabled: false}
`

const process = `
keyDelivery: {file: {enabled: false}, process: {enabled: true}}
`

const existingSecret = `
keyDelivery: {file: {enabled: false}, existingSecret: {enabled: true, name: coralogix-keys}}
`

const fargate = `
platform: fargate
agent: {enabled: false}
gateway: {enabled: true}
keyDelivery: {file: {enabled: false}, process: {enabled: true}}
`

// everything switches on whatever goes together.
const everything = `
hostNetwork: true
aws: {projectToken: true}
caBundle: {configMap: authorities}
hostAliases: [{ip: 10.0.0.1, hostnames: [ingress.eu2.coralogix.com]}]
imagePullSecrets: [{name: mirror}]
presets:
  hostMetrics: {fileSystems: true}
  resourceDetection: {enabled: true, detectors: [env, system, eks, ec2]}
  tailSampling: {enabled: true}
agent: {serviceAccount: {roleArn: "arn:aws:iam::444455556666:role/agents"}, tolerations: [{operator: Exists}]}
gateway: {enabled: true, replicas: 3, priorityClassName: system-cluster-critical}
networkPolicy: {enabled: true, otlpFrom: [{namespaceSelector: {matchLabels: {team: a}}}]}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
`

// valuesOf010 has every value that version 0.1.0 had for a DaemonSet, as it was written then.
const valuesOf010 = `
nameOverride: ""
fullnameOverride: ""
mode: daemonset
replicas: 2
clusterName: example-uat
resourceAttributes: {deployment.environment.name: uat}
coralogix: {domain: eu2.coralogix.com, allowUnknownDomain: false, applicationName: otel, subsystemName: integration}
aws:
  region: eu-north-1
  roleArn: arn:aws:iam::111122223333:role/opentelemetry-uat
  podIdentity: false
  stsRegionalEndpoints: true
  projectToken: false
pinnace:
  image: {repository: pinnace-dev/pinnace-agent, tag: 0.1.0, digest: "", pullPolicy: IfNotPresent}
  appConfig: {application: opentelemetry, environment: uat, profile: collector}
  pollInterval: 60s
  logLevel: info
  extraEnv: {}
  resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 64Mi}}
image: {repository: otel/opentelemetry-collector-contrib, tag: 0.155.0, digest: "", pullPolicy: IfNotPresent}
imagePullSecrets: []
logLevel: info
extraEnv: {GOGC: "50"}
resources: {requests: {cpu: 200m, memory: 300Mi}, limits: {memory: 600Mi}}
serviceAccount: {create: true, name: collector, annotations: {owner: telemetry}}
service: {enabled: true}
hostNetwork: false
podAnnotations: {note: a}
podLabels: {team: a}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {}
priorityClassName: high
terminationGracePeriodSeconds: 45
`
