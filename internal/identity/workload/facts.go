package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
)

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

// explained are credentials whose failures say what to do.
type explained struct {
	provider aws.CredentialsProvider
	explain  func(error) error
}

// Retrieve makes errors of kind Denied, or Failed when no answer came, unless ctx is done.
func (e *explained) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := e.provider.Retrieve(ctx)
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	return c, &exchangeError{e.explain(err)}
}

// exchangeError marks an error that came before there were credentials.
type exchangeError struct{ error }

func (e *exchangeError) Unwrap() error { return e.error }

// held are credentials in a cache, which prints without them: the SDK's own shows its keys for some verbs.
type held struct{ cache *aws.CredentialsCache }

// Cache keeps the credentials of a provider until they expire, and prints without them, in every format.
func Cache(provider aws.CredentialsProvider) aws.CredentialsProvider { return hold(provider) }

func hold(provider aws.CredentialsProvider) *held { return &held{aws.NewCredentialsCache(provider)} }

// Retrieve gives what is cached, or exchanges the token anew.
func (h *held) Retrieve(ctx context.Context) (aws.Credentials, error) { return h.cache.Retrieve(ctx) }

// Invalidate makes the next Retrieve exchange the token anew.
func (h *held) Invalidate() { h.cache.Invalidate() }

// ProviderSources is for the SDK's user agent.
func (h *held) ProviderSources() []aws.CredentialSource { return h.cache.ProviderSources() }

const shownCredentials = "[credentials]"

// Format never shows a key, whatever the verb.
func (h *held) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, shownCredentials) }

// LogValue never shows a key.
func (h *held) LogValue() slog.Value { return slog.StringValue(shownCredentials) }

// MarshalJSON never shows a key.
func (h *held) MarshalJSON() ([]byte, error) { return json.Marshal(shownCredentials) }
