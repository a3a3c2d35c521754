package workload

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Explain gives an error that an AWS call met because of the caller's identity the kind Denied and a hint: expired or
// unknown credentials, a clock that is wrong. Other errors, and those that are explained already, stay as they are.
func Explain(err error) error {
	if err == nil || problem.HintOf(err) != "" {
		return err
	}
	if hint, cause := sessionHint(err); hint != "" {
		return blame.On(problem.New(problem.Denied, hint, "%w", awserr.Short(err)), cause)
	}
	return err
}

// sessionHint is for credentials that a service refused.
func sessionHint(err error) (hint string, cause blame.Cause) {
	text := awserr.Short(err).Error()
	switch awserr.Code(err) {
	case "RequestTimeTooSkewed", "RequestExpired":
		return setClock, blame.Clock
	case "InvalidSignatureException", "SignatureDoesNotMatch":
		switch {
		case strings.Contains(text, "expired"), strings.Contains(text, "not yet current"):
			return setClock, blame.Clock
		case strings.Contains(text, "valid region"):
			return "the endpoint is of another region; set AWS_REGION, or the item's region, to that of the endpoint",
				blame.Region
		}
		return "the secret key does not belong to the access key; get new credentials", blame.Identity
	case "ExpiredToken", "ExpiredTokenException":
		return "the credentials have expired; get new ones, and check this machine's clock", blame.Identity
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId":
		return "the credentials are not known at this endpoint; check AWS_ENDPOINT_URL, or get new ones", blame.Identity
	}
	return "", ""
}

const setClock = "set this machine's clock; AWS accepts 5 minutes of difference"

// explainWebIdentity names what a failed AssumeRoleWithWebIdentity means. It reads the token's claims, unverified, for
// the message alone; the token itself is never shown.
func (f facts) explainWebIdentity(err error) error {
	if e, ok := errors.AsType[*tokenError](err); ok {
		return blame.On(problem.New(problem.Denied, e.hint, "reading the web identity token of role %s: %w", f.role, e),
			blame.Token)
	}
	if host, ok := awserr.Unreachable(err); ok {
		return blame.On(problem.New(problem.Failed, awserr.ReachHint("sts", f.region, host), "assuming role %s: %w", f.role,
			awserr.Short(err)), blame.Network)
	}
	c := f.token.claims()
	hint, causes := f.webIdentityHint(err, c)
	var fixes []blame.Fix
	if strings.HasPrefix(awserr.Code(err), "AccessDenied") {
		fixes = f.webIdentityTrust(c)
	}
	return blame.With(problem.New(problem.Denied, hint, "assuming role %s: %w", f.role, awserr.Short(err)), fixes,
		causes...)
}

// webIdentityTrust is the statement by which the role trusts the token as it is; none when that cannot be told.
func (f facts) webIdentityTrust(c claims) []blame.Fix {
	role, err := arn.Parse(f.role)
	_, host, ok := strings.Cut(c.Iss, "://")
	if err != nil || !ok || len(c.Aud) != 1 || c.Sub == "" {
		return nil
	}
	role.Service, role.Resource = "iam", "oidc-provider/"+host
	s := blame.Allow("", "sts:AssumeRoleWithWebIdentity")
	s.Principal = map[string]string{"Federated": role.String()}
	s.Condition = map[string]map[string]string{"StringEquals": {host + ":sub": c.Sub, host + ":aud": c.Aud[0]}}
	return []blame.Fix{{In: "the trust policy of " + f.role, Statement: s}}
}

// blamed is a hint with its causes.
func blamed(hint string, causes ...blame.Cause) (string, []blame.Cause) { return hint, causes }

func (f facts) webIdentityHint(err error, c claims) (string, []blame.Cause) {
	provider := fmt.Sprintf("the IAM OIDC provider of issuer %s in the account of %s", c.issuer(), f.role)
	if c.broken {
		return blamed(f.token.noToken(), blame.Token)
	}
	switch awserr.Code(err) {
	case "AccessDenied", "AccessDeniedException":
		// The provider has taken the audience by now, and AWS says the same of a role that does not exist.
		causes := []blame.Cause{blame.Subject, blame.Role}
		if c.audience() != stsAudience {
			causes = append([]blame.Cause{blame.Audience}, causes...)
		}
		return blamed(fmt.Sprintf("trust policy of %s must allow sub %s and aud %s of issuer %s, or the pod be of the "+
			"service account that it allows; AWS says the same of a role that does not exist, so check the ARN",
			f.role, c.subject(), c.audience(), c.issuer()), causes...)
	case "ExpiredTokenException", "ExpiredToken":
		return blamed(fmt.Sprintf("the token in %s expired at %s; mount it as a projected volume, which the kubelet "+
			"renews, and check the node's clock", f.token.path, c.expiry()), blame.Token, blame.Clock)
	case "InvalidIdentityToken":
		if strings.Contains(awserr.Short(err).Error(), "audience") {
			return blamed(fmt.Sprintf("the token has aud %s; mount one with the audience that %s and the trust policy of "+
				"the role want, on EKS %s, or add this one to both", c.audience(), provider, stsAudience), blame.Audience)
		}
		return blamed(fmt.Sprintf("create %s, its URL exactly that, or correct its keys; a wrong clock on this node or "+
			"the issuer shows as this, too (sub %s, aud %s, issued at %s)", provider, c.subject(), c.audience(), c.issued()),
			blame.Issuer)
	case "IDPRejectedClaim":
		if strings.Contains(awserr.Short(err).Error(), "not valid yet") {
			return blamed(fmt.Sprintf("set the clock of the issuer: the token was issued at %s, which is to come",
				c.issued()), blame.Clock)
		}
		return blamed(fmt.Sprintf("add aud %s to the audiences of %s", c.audience(), provider), blame.Audience)
	case "IDPCommunicationError":
		return blamed(fmt.Sprintf("STS must reach %s/.well-known/openid-configuration and the keys that it names",
			c.issuer()), blame.Issuer)
	case "RegionDisabledException":
		return blamed(fmt.Sprintf("activate STS in region %s, or choose another AWS_REGION", f.region), blame.Region)
	case "ValidationError":
		return blamed("check that AWS_ROLE_ARN is the ARN of a role, and that AWS_ROLE_SESSION_NAME has 2 to 64 letters, "+
			"digits or any of _+=,.@-", blame.Role)
	}
	if hint, cause := sessionHint(err); hint != "" {
		return blamed(hint, cause)
	}
	return blamed(fmt.Sprintf("the token has sub %s and aud %s of issuer %s; compare with the trust policy of %s",
		c.subject(), c.audience(), c.issuer(), f.role))
}

// stsAudience is that of the tokens which EKS's webhook mounts for STS.
const stsAudience = "sts.amazonaws.com"

func when(seconds float64) string {
	if !plausible(seconds) {
		return unknown
	}
	return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339)
}

// plausible says whether a claim can be a time.
func plausible(seconds float64) bool { return seconds > 0 && seconds <= 1<<40 }
