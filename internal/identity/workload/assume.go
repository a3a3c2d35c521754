package workload

import (
	"cmp"
	"errors"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

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
