// Package workload makes the AWS configuration of a workload from the identity of its pod and from nothing else: web
// identity (IRSA) or EKS Pod Identity, and from there roles that are assumed. The SDK's own chain is not linked, so
// that a program which imports this package alone cannot fall through to wider credentials, such as those of the
// node.
package workload

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// callTimeout bounds one call, from dialling to the last byte. The SDK's own client has no bound: a peer that takes the
// connection and says nothing would hold it for ever.
const callTimeout = 15 * time.Second

// Options are what a configuration is made of.
type Options struct {
	Getenv func(string) string // the whole environment
	// HTTPClient is for every call. Nil is the SDK's own, with a time-out of 15 s for a whole call, and for the agent of
	// Pod Identity one that uses no proxy, with a time-out of 5 s.
	HTTPClient aws.HTTPClient
	// APIOptions are those of every client, that of STS included.
	APIOptions []func(*middleware.Stack) error
	// AllowStatic lets AWS_ACCESS_KEY_ID and its kin count when the pod has no identity.
	AllowStatic bool
}

// Config makes a configuration from these variables alone:
//
//	AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE      the web identity; the file is read again at each exchange
//	AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
//	                                               EKS Pod Identity, when there is no web identity; the file likewise
//	AWS_ROLE_SESSION_NAME, else HOSTNAME           what CloudTrail calls the session; optional
//	AWS_REGION, else AWS_DEFAULT_REGION            needed
//	AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE>   where the services are; optional
//	AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN    only with AllowStatic
//
// A pod that has both identities uses its web identity, as the SDK does. What is incomplete is an error, and there
// is no fallback from one to the other, nor to shared files (AWS_PROFILE) or the instance metadata service: on a
// node's network that would be the node's role, which is wider. A region or an endpoint that is missing or wrong is
// an error of kind Usage, an identity that is missing is Denied. Later on the credentials fail with Denied, too, or
// with Failed when STS or the agent cannot be reached. No call is made here.
//
// An endpoint of scheme http is taken for this machine only: the token would travel in clear.
func Config(_ context.Context, o Options) (aws.Config, error) {
	region, err := regionOf(o.Getenv)
	if err != nil {
		return aws.Config{}, blame.On(err, blame.Region)
	}
	client := o.HTTPClient
	if client == nil {
		client = awshttp.NewBuildableClient().WithTimeout(callTimeout)
	}
	cfg := aws.Config{
		Region: region, HTTPClient: client, APIOptions: o.APIOptions, ConfigSources: []any{endpoints{o.Getenv}},
	}
	if base := o.Getenv("AWS_ENDPOINT_URL"); base != "" {
		if err := checkURL("AWS_ENDPOINT_URL", base); err != nil {
			return aws.Config{}, blame.On(err, blame.Network)
		}
		cfg.BaseEndpoint = &base
	}
	provider, f, err := choose(cfg, o)
	if err != nil {
		return aws.Config{}, blame.On(err, blame.Identity)
	}
	cfg.Credentials = hold(provider)
	return withFacts(cfg, f), nil
}

// regionOf finds the region. What is no region would become part of a host name, and the failure would blame another.
func regionOf(getenv func(string) string) (string, error) {
	name := "AWS_REGION"
	if getenv(name) == "" {
		name = "AWS_DEFAULT_REGION"
	}
	region := getenv(name)
	if region == "" {
		return "", problem.New(problem.Usage, "set AWS_REGION, or let EKS's pod identity webhook set it",
			"no region: AWS_REGION and AWS_DEFAULT_REGION are not set")
	}
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	if strings.ContainsFunc(region, other) || strings.Trim(region, "-") != region {
		return "", problem.New(problem.Usage, "write it as eu-west-1", "%s is not a region: %q", name, region)
	}
	return region, nil
}

// sessionName is AWS_ROLE_SESSION_NAME, else the name of the pod as far as STS takes it: 2 to 64 letters, digits or any
// of _+=,.@-. The SDK chooses one for "".
func sessionName(getenv func(string) string) string {
	if name := getenv("AWS_ROLE_SESSION_NAME"); name != "" {
		return name
	}
	const most = 64
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_+=,.@-", r):
			return r
		}
		return '-'
	}, getenv("HOSTNAME"))
	if len(name) < 2 {
		return ""
	}
	return name[:min(len(name), most)]
}

// endpoints lets the service clients find AWS_ENDPOINT_URL_<SERVICE> in the injected environment.
type endpoints struct{ getenv func(string) string }

// GetServiceBaseEndpoint is what the clients call; sdkID is a service's name in the SDK, such as "Secrets Manager".
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	name := "AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(sdkID, " ", "_"))
	value := e.getenv(name)
	if value == "" {
		return "", false, nil
	}
	return value, true, checkURL(name, value)
}

func checkURL(name, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return problem.New(problem.Usage, "write it as https://host or http://127.0.0.1:4566", "%s is not a URL", name)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return problem.New(problem.Usage, "write it as https://"+u.Host+"; http is for 127.0.0.1 and localhost",
			"%s would send the token and what is read in clear to %s", name, u.Host)
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
