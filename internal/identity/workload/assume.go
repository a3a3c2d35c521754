package workload

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Session lengths that STS gives to a session which assumes another role.
const (
	minSession = 15 * time.Minute
	maxChained = time.Hour

	maxExternalID = 1224 // characters
)

// Role is one that a workload assumes with its own credentials, such as one in another account.
type Role struct {
	ARN         string
	ExternalID  string        // what the role's trust policy asks for as sts:ExternalId; optional
	SessionName string        // what CloudTrail calls the session; empty means the name of the pod's own session
	Duration    time.Duration // 15 min to 1 h; zero means 1 h, which is the most for a role that a role assumes
}

var (
	externalIDs  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
	sessionNames = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	roleNames    = regexp.MustCompile(`^role/[\x21-\x7E]+$`)
)

// check says what STS would not take, with kind Usage.
func (r Role) check() error {
	a, err := arn.Parse(r.ARN)
	if err != nil || a.Service != "iam" || !accountPattern.MatchString(a.AccountID) ||
		!roleNames.MatchString(a.Resource) {
		return problem.New(problem.Usage, "write it as arn:aws:iam::123456789012:role/NAME, with its path if it has one",
			"%s is not the ARN of a role", shown(r.ARN))
	}
	switch {
	case r.ExternalID != "" && (len(r.ExternalID) > maxExternalID || !externalIDs.MatchString(r.ExternalID)):
		return problem.New(problem.Usage, "it has 2 to 1224 letters, digits or any of _+=,.@:/-",
			"the external id for role %s cannot be one", r.ARN)
	case r.SessionName != "" && !sessionNames.MatchString(r.SessionName):
		return problem.New(problem.Usage, "it has 2 to 64 letters, digits or any of _+=,.@-",
			"%s cannot be the session name for role %s", shown(r.SessionName), r.ARN)
	case r.Duration != 0 && (r.Duration < minSession || r.Duration > maxChained):
		return problem.New(problem.Usage, "sessions of roles that a role assumes last from 15m to 1h",
			"a session of role %s cannot last %v", r.ARN, r.Duration)
	}
	return nil
}

// Assume makes the configuration of a role that is assumed by sts:AssumeRole with the credentials of cfg, which Config
// or Assume has made. Its credentials are cached, so one configuration serves all who want the role; they are renewed
// with those of cfg. What cannot be a role is an error of kind Usage; later on the credentials fail with Denied, or
// with Failed when STS cannot be reached. No call is made here.
func Assume(cfg aws.Config, r Role) (aws.Config, error) {
	if err := r.check(); err != nil {
		return aws.Config{}, err
	}
	own, ok := factsOf(cfg)
	base, holds := cfg.Credentials.(*held)
	if !ok || !holds {
		return aws.Config{}, errors.New("the configuration is not one of a workload")
	}
	f := facts{
		mechanism: own.mechanism, role: r.ARN, region: cfg.Region, session: cmp.Or(r.SessionName, own.session),
		token: own.token, agent: own.agent, from: &own, base: base, externalID: r.ExternalID != "",
	}
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.Duration = cmp.Or(r.Duration, maxChained)
		if f.session != "" {
			o.RoleSessionName = f.session
		}
		if r.ExternalID != "" {
			o.ExternalID = &r.ExternalID
		}
	})
	cfg.Credentials = hold(&explained{provider: provider, explain: f.explainAssume})
	return withFacts(cfg, f), nil
}

// name is what the identity is called in a message.
func (f facts) name() string {
	switch {
	case f.role != "":
		return f.role
	case f.mechanism == PodIdentity:
		return "the role of the pod identity association"
	}
	return "the user of the static keys"
}

// explainAssume names what a failed AssumeRole means. What went wrong before it, with the pod's own credentials, is
// explained already and only gets its place.
func (f facts) explainAssume(err error) error {
	if hint := problem.HintOf(err); hint != "" {
		return fmt.Errorf("assuming role %s: %w", f.role, awserr.Short(err))
	}
	kind, hint := problem.Failed, ""
	code := awserr.Code(err)
	if host, ok := awserr.Unreachable(err); ok {
		hint = awserr.ReachHint("sts", f.region, host)
	} else if code == "" {
		hint = "what answers may not be STS; look at AWS_ENDPOINT_URL_STS and AWS_ENDPOINT_URL"
	} else {
		kind, hint = problem.Denied, f.assumeHint(code, awserr.Short(err).Error())
	}
	return problem.New(kind, hint, "assuming role %s: %w", f.role, awserr.Short(err))
}

func (f facts) assumeHint(code, text string) string {
	switch {
	case strings.HasPrefix(code, "AccessDenied"):
		return f.deniedHint(text)
	case code == "ValidationError" && strings.Contains(text, "DurationSeconds"):
		return fmt.Sprintf("ask for a shorter session, or raise MaxSessionDuration of %s; 1h is the most for a role that "+
			"a role assumes", f.role)
	case code == "ValidationError":
		return "check the role's ARN, the external id and the session name"
	case code == "RegionDisabledException":
		return fmt.Sprintf("activate STS in region %s, or choose another AWS_REGION", f.region)
	case strings.HasPrefix(code, "ExpiredToken"), code == "InvalidClientTokenId":
		return fmt.Sprintf("the session of %s has ended; it is renewed at the next try; check the node's clock if it goes "+
			"on", f.from.name())
	case code == "SignatureDoesNotMatch", code == "RequestExpired":
		return "set this machine's clock; AWS accepts 5 minutes of difference"
	}
	return fmt.Sprintf("compare the trust policy of %s with %s", f.role, f.from.name())
}

// deniedHint tells apart whose policy is at fault as far as STS says so. Where it does not, it names all that must be
// there, for STS says the same of a role that does not exist.
func (f facts) deniedHint(text string) string {
	permit := fmt.Sprintf("the policy of %s must allow sts:AssumeRole on %s", f.from.name(), f.role)
	trust := fmt.Sprintf("the trust policy of %s must allow sts:AssumeRole to %s", f.role, f.from.name())
	external := "; if it asks for sts:ExternalId, give the external id, for none is given"
	if f.externalID {
		external = "; if it asks for sts:ExternalId, that must be the external id that is given"
	}
	switch {
	case strings.Contains(text, "sts:TagSession"):
		return fmt.Sprintf("the trust policy of %s must allow sts:TagSession beside sts:AssumeRole to %s: sessions of pod "+
			"identity hand on their tags", f.role, f.from.name())
	case strings.Contains(text, "explicit deny in a resource-based"):
		return "a Deny in the trust policy of " + f.role + " hits " + f.from.name()
	case strings.Contains(text, "explicit deny in an identity-based"):
		return "a Deny in the policy of " + f.from.name() + " hits sts:AssumeRole on " + f.role
	case strings.Contains(text, "explicit deny"):
		return "a Deny of the organisation, a boundary or a session policy hits sts:AssumeRole of " + f.from.name()
	case strings.Contains(text, "no identity-based policy allows"):
		return permit
	case strings.Contains(text, "no resource-based policy allows"):
		return trust + external
	}
	return permit + ", and " + trust + external + "; AWS says the same of a role that does not exist, so check the ARN"
}
