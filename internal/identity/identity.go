// Package identity makes AWS configurations: for a workload strictly from the web identity of its pod, for a person
// from the SDK's own chain. Its packages are the only ones that import the STS client and the SDK's config package.
package identity

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/identity/workload"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Options say whose configuration is wanted.
type Options struct {
	HTTPClient aws.HTTPClient // for every call; nil is the SDK's own

	// Getenv is the whole environment of a workload. A Person's is that of the process: the SDK reads it.
	Getenv func(string) string
	// AllowStatic lets a workload use AWS_ACCESS_KEY_ID and its kin when it has no web identity.
	AllowStatic bool

	Region  string // of a Person; empty leaves it to the SDK
	Profile string // of a Person; empty leaves it to the SDK
	// AllowIMDS lets a Person be an EC2 instance, such as a build machine with an instance profile.
	AllowIMDS bool
}

// Caller is who AWS takes us for.
type Caller = workload.Caller

// Workload is workload.Config.
func Workload(ctx context.Context, o Options) (aws.Config, error) {
	return workload.Config(ctx, workload.Options{Getenv: o.Getenv, HTTPClient: o.HTTPClient, AllowStatic: o.AllowStatic})
}

// WhoAmI asks sts:GetCallerIdentity, which needs no permission.
func WhoAmI(ctx context.Context, cfg aws.Config) (Caller, error) { return workload.WhoAmI(ctx, cfg) }

// Explain gives an error that an AWS call met because of the caller's identity the kind Denied and a hint.
func Explain(err error) error { return workload.Explain(err) }

// Person makes the configuration of a person or a pipeline by the SDK's own chain: environment, shared files, SSO, web
// identity, container. EC2 instance metadata is asked only when allowed. A chain that gives nothing is an error of kind
// Denied when the credentials are first used.
func Person(ctx context.Context, o Options) (aws.Config, error) {
	load := []func(*config.LoadOptions) error{config.WithEC2IMDSClientEnableState(imds.ClientDisabled)}
	if o.AllowIMDS {
		load[0] = config.WithEC2IMDSClientEnableState(imds.ClientEnabled)
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(o.Profile))
	}
	if o.HTTPClient != nil {
		load = append(load, config.WithHTTPClient(o.HTTPClient))
	}
	whole := new(aws.Config)
	cfg, err := config.LoadDefaultConfig(ctx, append(load, atEndpoint(whole)...)...)
	*whole = cfg
	if err != nil {
		return aws.Config{}, problem.New(problem.Denied, "check the profile with: aws configure list",
			"loading the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{}, problem.New(problem.Usage, "name it, for example with AWS_REGION=eu-west-1",
			"no AWS region is set")
	}
	cfg.Credentials = workload.Cache(explained{cfg.Credentials})
	return cfg, nil
}

// explained are a person's credentials, whose failures say what to do.
type explained struct{ aws.CredentialsProvider }

// Retrieve makes errors of kind Denied, or Failed when no answer came, unless ctx is done.
func (e explained) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := e.CredentialsProvider.Retrieve(ctx)
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	if host, ok := awserr.Unreachable(err); ok {
		return c, problem.New(problem.Failed,
			"let this machine reach "+cmp.Or(host, "AWS")+", through HTTPS_PROXY if need be",
			"finding AWS credentials: %w", awserr.Short(err))
	}
	return c, problem.New(problem.Denied,
		"sign in (aws sso login), set AWS_PROFILE, or give the pipeline a role; check with: aws sts get-caller-identity",
		"finding AWS credentials: %w", awserr.Short(err))
}
