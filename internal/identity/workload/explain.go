package workload

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Explain gives an error that an AWS call met because of the caller's identity the kind Denied and a hint: expired or
// unknown credentials, a clock that is wrong. Other errors, and those that are explained already, stay as they are.
func Explain(err error) error {
	if err == nil || problem.HintOf(err) != "" {
		return err
	}
	if hint := sessionHint(err); hint != "" {
		return problem.New(problem.Denied, hint, "%w", awserr.Short(err))
	}
	return err
}

// sessionHint is for credentials that a service refused.
func sessionHint(err error) string {
	text := awserr.Short(err).Error()
	switch awserr.Code(err) {
	case "RequestTimeTooSkewed", "RequestExpired":
		return "set this machine's clock; AWS accepts 5 minutes of difference"
	case "InvalidSignatureException", "SignatureDoesNotMatch":
		if strings.Contains(text, "expired") || strings.Contains(text, "not yet current") {
			return "set this machine's clock; AWS accepts 5 minutes of difference"
		}
		return "the secret key does not belong to the access key; get new credentials"
	case "ExpiredToken", "ExpiredTokenException":
		return "the credentials have expired; get new ones, and check this machine's clock"
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId":
		return "the credentials are not known at this endpoint; check AWS_ENDPOINT_URL, or get new ones"
	}
	return ""
}

// explainWebIdentity names what a failed AssumeRoleWithWebIdentity means. It reads the token's claims, unverified, for
// the message alone; the token itself is never shown.
func (f facts) explainWebIdentity(err error) error {
	if e, ok := errors.AsType[*tokenError](err); ok {
		return problem.New(problem.Denied, e.hint, "reading the web identity token of role %s: %w", f.role, e)
	}
	kind, hint := problem.Denied, ""
	if host, ok := awserr.Unreachable(err); ok {
		kind, hint = problem.Failed, awserr.ReachHint("sts", f.region, host)
	} else {
		hint = f.webIdentityHint(err, f.token.claims())
	}
	return problem.New(kind, hint, "assuming role %s: %w", f.role, awserr.Short(err))
}

func (f facts) webIdentityHint(err error, c claims) string {
	provider := fmt.Sprintf("the IAM OIDC provider of issuer %s in the account of %s", c.issuer(), f.role)
	if c.broken {
		return f.token.noToken()
	}
	switch awserr.Code(err) {
	case "AccessDenied", "AccessDeniedException":
		return fmt.Sprintf("trust policy of %s must allow sub %s and aud %s of issuer %s", f.role, c.subject(),
			c.audience(), c.issuer())
	case "ExpiredTokenException", "ExpiredToken":
		return fmt.Sprintf("the token in %s expired at %s; mount it as a projected volume, which the kubelet renews, and "+
			"check the node's clock", f.token.path, c.expiry())
	case "InvalidIdentityToken":
		if strings.Contains(awserr.Short(err).Error(), "audience") {
			return fmt.Sprintf("the token has aud %s; mount one with the audience that %s and the trust policy of the role "+
				"want, on EKS sts.amazonaws.com, or add this one to both", c.audience(), provider)
		}
		return fmt.Sprintf("create %s, its URL exactly that, or correct its keys; a wrong clock on this node or the "+
			"issuer shows as this, too (sub %s, aud %s, issued at %s)", provider, c.subject(), c.audience(), c.issued())
	case "IDPRejectedClaim":
		return fmt.Sprintf("add aud %s to the audiences of %s", c.audience(), provider)
	case "IDPCommunicationError":
		return fmt.Sprintf("STS must reach %s/.well-known/openid-configuration and the keys that it names", c.issuer())
	case "RegionDisabledException":
		return fmt.Sprintf("activate STS in region %s, or choose another AWS_REGION", f.region)
	case "ValidationError":
		return "check that AWS_ROLE_ARN is the ARN of a role, and that AWS_ROLE_SESSION_NAME has 2 to 64 letters, digits " +
			"or any of _+=,.@-"
	}
	if hint := sessionHint(err); hint != "" {
		return hint
	}
	return fmt.Sprintf("the token has sub %s and aud %s of issuer %s; compare with the trust policy of %s", c.subject(),
		c.audience(), c.issuer(), f.role)
}

func when(seconds float64) string {
	if !plausible(seconds) {
		return unknown
	}
	return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339)
}

// plausible says whether a claim can be a time.
func plausible(seconds float64) bool { return seconds > 0 && seconds <= 1<<40 }
