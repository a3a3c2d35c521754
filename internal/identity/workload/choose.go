package workload

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// The variables of the two identities.
const (
	roleVariable       = "AWS_ROLE_ARN"
	webTokenVariable   = "AWS_WEB_IDENTITY_TOKEN_FILE"
	agentVariable      = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	podTokenVariable   = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	fixedTokenVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
	ecsVariable        = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
)

// The next steps of who has no identity.
const (
	annotate = "annotate the service account with eks.amazonaws.com/role-arn and start the pod again, so that EKS's " +
		"webhook sets both"
	associate = "associate a role with the service account (aws eks create-pod-identity-association) and start the pod " +
		"again, so that EKS's webhook sets both"
	eitherWay = "give the service account a role and start the pod again: either annotate it with " +
		"eks.amazonaws.com/role-arn, or make a pod identity association (aws eks create-pod-identity-association)"
)

// choose decides where the credentials come from, in the SDK's own order; there is no fallback from one to the next.
func choose(cfg aws.Config, o Options) (aws.CredentialsProvider, facts, error) {
	is := func(variable string) bool { return o.Getenv(variable) != "" }
	switch {
	case is(webTokenVariable) && is(roleVariable):
		provider, f := webIdentity(cfg, o)
		return provider, f, nil
	case is(webTokenVariable):
		return nil, facts{}, problem.New(problem.Denied, annotate, webTokenVariable+" is set but "+roleVariable+" is not")
	case is(ecsVariable):
		return nil, facts{}, problem.New(problem.Denied, eitherWay,
			ecsVariable+" is refused: it is for tasks of ECS, and what answers there on a node of EKS is not the pod's own")
	case is(agentVariable) || is(podTokenVariable):
		return podIdentity(cfg, o)
	case is(roleVariable):
		return nil, facts{}, problem.New(problem.Denied, annotate,
			roleVariable+" is set (%s) but "+webTokenVariable+" is not", o.Getenv(roleVariable))
	case is("AWS_ACCESS_KEY_ID") && o.AllowStatic:
		provider := credentials.NewStaticCredentialsProvider(o.Getenv("AWS_ACCESS_KEY_ID"),
			o.Getenv("AWS_SECRET_ACCESS_KEY"), o.Getenv("AWS_SESSION_TOKEN"))
		return provider, facts{mechanism: Static, region: cfg.Region, session: sessionName(o.Getenv)}, nil
	case is("AWS_ACCESS_KEY_ID"):
		return nil, facts{}, problem.New(problem.Denied, "use the pod's own identity: "+eitherWay,
			"static keys in AWS_ACCESS_KEY_ID are refused for a workload")
	}
	return nil, facts{}, noIdentity(is)
}

// noIdentity is the error of a pod that has none. Where it names a profile, somebody expects that to count.
func noIdentity(is func(variable string) bool) error {
	for _, variable := range []string{"AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"} {
		if is(variable) {
			return problem.New(problem.Denied, eitherWay, "no identity: neither web identity ("+roleVariable+", "+
				webTokenVariable+") nor pod identity ("+agentVariable+", "+podTokenVariable+
				") is set, and %s is not used for a workload", variable)
		}
	}
	return problem.New(problem.Denied, eitherWay, "no identity: neither web identity ("+roleVariable+", "+
		webTokenVariable+") nor pod identity ("+agentVariable+", "+podTokenVariable+") is set")
}

func webIdentity(cfg aws.Config, o Options) (aws.CredentialsProvider, facts) {
	f := facts{
		mechanism: WebIdentity, role: o.Getenv(roleVariable), region: cfg.Region, session: sessionName(o.Getenv),
		token: tokenFile{path: o.Getenv(webTokenVariable), variable: webTokenVariable},
	}
	provider := stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(cfg), f.role, f.token,
		func(w *stscreds.WebIdentityRoleOptions) { w.RoleSessionName = f.session })
	return &explained{provider: provider, explain: f.explainWebIdentity}, f
}
