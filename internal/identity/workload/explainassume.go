package workload

import (
	"fmt"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// explainAssume names what a failed AssumeRole means. What went wrong before it, with the pod's own credentials, is
// explained already and only gets its place.
func (f facts) explainAssume(err error) error {
	if hint := problem.HintOf(err); hint != "" {
		return fmt.Errorf("assuming role %s: %w", f.role, awserr.Short(err))
	}
	kind, hint := problem.Failed, ""
	var fixes []blame.Fix
	var causes []blame.Cause
	code := awserr.Code(err)
	if host, ok := awserr.Unreachable(err); ok {
		hint, causes = awserr.ReachHint("sts", f.region, host), []blame.Cause{blame.Network}
	} else if code == "" {
		causes = []blame.Cause{blame.Network}
		hint = "what answers may not be STS; look at AWS_ENDPOINT_URL_STS and AWS_ENDPOINT_URL"
	} else if denial, ok := awserr.DenialOf(err); ok {
		kind, hint, fixes, causes = problem.Denied, f.deniedHint(denial), f.assumeFixes(denial), []blame.Cause{blame.Role}
	} else {
		kind = problem.Denied
		hint, causes = f.assumeHint(code, awserr.Short(err).Error())
	}
	return blame.With(problem.New(kind, hint, "assuming role %s: %w", f.role, awserr.Short(err)), fixes, causes...)
}

func (f facts) assumeHint(code, text string) (string, []blame.Cause) {
	switch {
	case code == "ValidationError" && strings.Contains(text, "DurationSeconds"):
		return blamed(fmt.Sprintf("ask for a shorter session, or raise MaxSessionDuration of %s; 1h is the most for a "+
			"role that a role assumes", f.role), blame.Role)
	case code == "ValidationError":
		return blamed("check the role's ARN, the external id and the session name", blame.Role)
	case code == "RegionDisabledException":
		return blamed(fmt.Sprintf("activate STS in region %s, or choose another AWS_REGION", f.region), blame.Region)
	case strings.HasPrefix(code, "ExpiredToken"), code == "InvalidClientTokenId":
		return blamed(fmt.Sprintf("the session of %s has ended; it is renewed at the next try; check the node's clock if "+
			"it goes on", f.from.name()), blame.Clock)
	case code == "SignatureDoesNotMatch", code == "RequestExpired":
		return blamed(setClock, blame.Clock)
	}
	return blamed(fmt.Sprintf("compare the trust policy of %s with %s", f.role, f.from.name()))
}

// deniedHint tells apart whose policy is at fault as far as STS says so. Where it does not, it names all that must be
// there, for STS says the same of a role that does not exist.
func (f facts) deniedHint(d awserr.Denial) string {
	permit := fmt.Sprintf("the policy of %s must allow sts:AssumeRole on %s", f.from.name(), f.role)
	trust := fmt.Sprintf("the trust policy of %s must allow sts:AssumeRole to %s", f.role, f.from.name())
	external := "; if it asks for sts:ExternalId, give the external id, for none is given"
	if f.externalID {
		external = "; if it asks for sts:ExternalId, that must be the external id that is given"
	}
	switch {
	case d.Action == tagSession:
		return fmt.Sprintf("the trust policy of %s must allow sts:TagSession beside sts:AssumeRole to %s: sessions of pod "+
			"identity hand on their tags", f.role, f.from.name())
	case d.Denying == "resource-based policy":
		return "a Deny in the trust policy of " + f.role + " hits " + f.from.name()
	case d.Denying == "identity-based policy":
		return "a Deny in the policy of " + f.from.name() + " hits sts:AssumeRole on " + f.role
	case d.Denying != "":
		return "a Deny of the organisation, a boundary or a session policy hits sts:AssumeRole of " + f.from.name()
	case d.Lacking == "identity-based policy":
		return permit
	case d.Lacking == "resource-based policy":
		return trust + external
	}
	return permit + ", and " + trust + external + "; AWS says the same of a role that does not exist, so check the ARN"
}

const (
	assumeRole = "sts:AssumeRole"
	tagSession = "sts:TagSession"
)

// assumeFixes are the statements of both sides, or of the one that STS names.
func (f facts) assumeFixes(d awserr.Denial) []blame.Fix {
	if d.Denying != "" {
		return nil
	}
	from := f.from.role
	if from == "" {
		from = d.Role() // which has no path, as a session does not tell it
	}
	permit := blame.Fix{In: "the policy of " + from, Statement: blame.Allow(f.role, assumeRole)}
	trust := blame.Fix{In: "the trust policy of " + f.role, Statement: blame.Allow("", assumeRole)}
	trust.Statement.Principal = map[string]string{"AWS": from}
	if d.Action == tagSession || f.mechanism == PodIdentity {
		trust.Statement.Action = append(trust.Statement.Action, tagSession)
	}
	if f.externalID {
		trust.LookUp = "which sts:ExternalId it shall ask for, and add that as a condition (StringEquals)"
	}
	switch {
	case from == "":
		return nil
	case d.Action == tagSession, d.Lacking == "resource-based policy":
		return []blame.Fix{trust}
	case d.Lacking == "identity-based policy":
		return []blame.Fix{permit}
	}
	return []blame.Fix{permit, trust}
}
