package identity

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// atEndpoint lets the chain's calls of STS go where all other calls go: to AWS_ENDPOINT_URL, or the profile's
// endpoint_url. The SDK makes its STS client before it reads that setting, so its own would go to AWS all the same,
// unless AWS_ENDPOINT_URL_STS is set. Whole is the configuration that the load ends with.
func atEndpoint(whole *aws.Config) []func(*config.LoadOptions) error {
	return []func(*config.LoadOptions) error{
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			o.Client = tokenClient{whole}
		}),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			if o.Client != nil {
				o.Client = roleClient{o.Client, whole}
			}
		}),
	}
}

// tokenClient exchanges web identity tokens, for which it takes no credentials.
type tokenClient struct{ whole *aws.Config }

// AssumeRoleWithWebIdentity implements stscreds.AssumeRoleWithWebIdentityAPIClient.
func (c tokenClient) AssumeRoleWithWebIdentity(
	ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput, options ...func(*sts.Options),
) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	return sts.NewFromConfig(*c.whole).AssumeRoleWithWebIdentity(ctx, in, options...)
}

// roleClient assumes roles with the credentials of the client that the SDK made.
type roleClient struct {
	stscreds.AssumeRoleAPIClient
	whole *aws.Config
}

// AssumeRole implements stscreds.AssumeRoleAPIClient.
func (c roleClient) AssumeRole(
	ctx context.Context, in *sts.AssumeRoleInput, options ...func(*sts.Options),
) (*sts.AssumeRoleOutput, error) {
	return c.AssumeRoleAPIClient.AssumeRole(ctx, in, append(options, func(o *sts.Options) {
		if o.BaseEndpoint == nil {
			o.BaseEndpoint = c.whole.BaseEndpoint
		}
	})...)
}
