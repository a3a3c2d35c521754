package workload

import "github.com/aws/aws-sdk-go-v2/aws"

// Mechanism says how credentials are come by.
type Mechanism string

// The mechanisms of a workload.
const (
	WebIdentity Mechanism = "web identity" // IRSA: STS takes the pod's token
	PodIdentity Mechanism = "pod identity" // EKS: the node's agent takes the pod's token
	Static      Mechanism = "static keys"
)

// facts are what is known of an identity. They hold nothing secret, and travel in a configuration's ConfigSources.
type facts struct {
	mechanism Mechanism
	role      string    // empty when only AWS knows it
	region    string    //
	session   string    // name of the session; empty leaves it to AWS
	token     tokenFile // empty for static keys
	agent     string    // host of the Pod Identity agent

	// Of a role that is assumed with other credentials:
	from       *facts // whose they are
	base       *held  // where they are
	externalID bool   // one is given
}

// factsOf finds what Config or Assume put into a configuration.
func factsOf(cfg aws.Config) (facts, bool) {
	for _, source := range cfg.ConfigSources {
		if f, ok := source.(*facts); ok {
			return *f, true
		}
	}
	return facts{}, false
}

// withFacts replaces what a configuration's copy says of itself.
func withFacts(cfg aws.Config, f facts) aws.Config {
	sources := []any{&f}
	for _, source := range cfg.ConfigSources {
		if _, ok := source.(*facts); !ok {
			sources = append(sources, source)
		}
	}
	cfg.ConfigSources = sources
	return cfg
}
