package workload

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
)

// Caller is who AWS takes us for, and what made it think so. It has nothing secret.
type Caller struct {
	Account string `json:"account"` // twelve digits
	ARN     string `json:"arn"`     // of the session or the user
	UserID  string `json:"userId"`

	Region   string `json:"region"`
	Endpoint string `json:"endpoint"` // of STS, a URL

	// The rest is known of the configurations of this package alone.

	Mechanism Mechanism `json:"mechanism,omitempty"` // by which the pod has its own credentials
	Role      string    `json:"role,omitempty"`      // ARN; without its path where only the session's ARN tells it
	From      string    `json:"from,omitempty"`      // the role that assumed Role; empty when it is the pod's own
	Token     *Token    `json:"token,omitempty"`     // of the pod; nil for static keys
}

// Token is what a service account token says of itself, which nobody has verified here. A claim that cannot be read is
// empty.
type Token struct {
	File     string     `json:"file"`
	Subject  string     `json:"sub,omitempty"`
	Audience []string   `json:"aud,omitempty"`
	Issuer   string     `json:"iss,omitempty"`
	Expires  *time.Time `json:"exp,omitempty"`
}

// WhoAmI asks sts:GetCallerIdentity, which needs no permission.
func WhoAmI(ctx context.Context, cfg aws.Config) (Caller, error) {
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Caller{}, fmt.Errorf("asking AWS who we are: %w", awserr.Short(Explain(err)))
	}
	c := Caller{
		Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), UserID: aws.ToString(out.UserId),
		Region: cfg.Region, Endpoint: stsEndpoint(ctx, cfg),
	}
	f, ok := factsOf(cfg)
	if !ok {
		return c, nil
	}
	c.Mechanism, c.Role = f.mechanism, f.role
	if c.Role == "" {
		c.Role = roleOf(c.ARN)
	}
	if f.from != nil {
		c.From = f.from.name()
	}
	c.Token = f.token.describe()
	return c, nil
}

// stsEndpoint is where STS is asked; empty when it cannot be told.
func stsEndpoint(ctx context.Context, cfg aws.Config) string {
	params := sts.EndpointParameters{
		Region: &cfg.Region, Endpoint: cfg.BaseEndpoint, UseDualStack: aws.Bool(false), UseFIPS: aws.Bool(false),
		UseGlobalEndpoint: aws.Bool(false),
	}
	for _, source := range cfg.ConfigSources {
		if e, ok := source.(endpoints); ok {
			if own, ok, err := e.GetServiceBaseEndpoint(ctx, sts.ServiceID); ok && err == nil {
				params.Endpoint = &own
			}
		}
	}
	endpoint, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, params)
	if err != nil {
		return ""
	}
	return endpoint.URI.String()
}

// roleOf is the role of a session, as far as the session's ARN tells; empty when it is none.
func roleOf(session string) string {
	a, err := arn.Parse(session)
	parts := strings.Split(a.Resource, "/")
	if err != nil || a.Service != "sts" || len(parts) != 3 || parts[0] != "assumed-role" {
		return ""
	}
	return arn.ARN{Partition: a.Partition, Service: "iam", AccountID: a.AccountID, Resource: "role/" + parts[1]}.String()
}

// describe says what the token is now; nil when there is none to have.
func (t tokenFile) describe() *Token {
	if t.path == "" {
		return nil
	}
	c := t.claims()
	token := &Token{File: t.path, Subject: c.Sub, Audience: c.Aud, Issuer: c.Iss}
	if plausible(c.Exp) {
		expires := time.Unix(int64(c.Exp), 0).UTC()
		token.Expires = &expires
	}
	return token
}
