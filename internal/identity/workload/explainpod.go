package workload

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// podAudience is that of the tokens of EKS Pod Identity.
const podAudience = "pods.eks.amazonaws.com"

// explainPodIdentity names what a failed exchange with the agent means. Like explainWebIdentity it reads the token's
// claims for the message alone.
func (f facts) explainPodIdentity(err error) error {
	if e, ok := errors.AsType[*tokenError](err); ok {
		return blame.On(problem.New(problem.Denied, e.hint, "reading the pod identity token: %w", e), blame.Token)
	}
	kind, hint := problem.Failed, ""
	var fixes []blame.Fix
	var causes []blame.Cause
	if _, ok := awserr.Unreachable(err); ok {
		hint, causes = fmt.Sprintf("is the EKS Pod Identity Agent running on this node (kubectl -n kube-system get ds "+
			"eks-pod-identity-agent)? Fargate has none; let the pod reach %s", f.agent), []blame.Cause{blame.Network}
	} else if _, ok := errors.AsType[*answerError](err); ok {
		kind, causes = problem.Denied, []blame.Cause{blame.Identity}
		hint = fmt.Sprintf("what answers at %s is not the EKS Pod Identity Agent; check "+agentVariable, f.agent)
	} else if e, ok := errors.AsType[*agentError](err); ok {
		if !passing(err) {
			kind = problem.Denied
		}
		hint, causes = f.podHint(e, f.token.claims())
		if slices.Contains(causes, blame.Role) {
			fixes = podTrust(f.token.claims())
		}
	}
	return blame.With(problem.New(kind, hint, "asking the pod identity agent at %s for credentials: %w", f.agent,
		awserr.Short(err)), fixes, causes...)
}

// podTrust is the statement by which a role trusts EKS for one service account, in any cluster of its account.
func podTrust(c claims) []blame.Fix {
	s := blame.Allow("", "sts:AssumeRole", "sts:TagSession")
	s.Principal = map[string]string{"Service": podAudience}
	if namespace, name, ok := c.serviceAccount(); ok {
		s.Condition = map[string]map[string]string{"StringEquals": {
			"aws:RequestTag/kubernetes-namespace": namespace, "aws:RequestTag/kubernetes-service-account": name,
		}}
	}
	return []blame.Fix{{
		In: "the trust policy of the role that is associated with " + c.account(), Statement: s,
		LookUp: "which role that is: aws eks list-pod-identity-associations --cluster-name NAME",
	}}
}

func (f facts) podHint(e *agentError, c claims) (string, []blame.Cause) {
	account := c.account()
	switch {
	case passing(e):
		return blamed("nothing is wrong with this pod: the agent or EKS Auth behind it fails or throttles, and is asked "+
			"again; look at the agent's log on this node if it goes on", blame.Service)
	case e.code == "ResourceNotFoundException":
		return blamed(fmt.Sprintf("associate a role with %s in this cluster (aws eks create-pod-identity-association), or "+
			"wait a minute where that has just been done", account), blame.Identity)
	case e.code == "AccessDeniedException" && strings.Contains(e.text, "eks-auth:"):
		return blamed("the node's role needs eks-auth:AssumeRoleForPodIdentity, as in AmazonEKSWorkerNodePolicy",
			blame.Permission)
	case e.code == "AccessDeniedException":
		return blamed(fmt.Sprintf("trust policy of the role that is associated with %s must allow both sts:AssumeRole and "+
			"sts:TagSession to the service %s, and its conditions must fit; the role must exist", account, podAudience),
			blame.Role)
	case strings.HasPrefix(e.code, "ExpiredToken"), strings.Contains(e.text, "expired"):
		return blamed(fmt.Sprintf("the token in %s expired at %s; mount it as a projected volume, which the kubelet "+
			"renews, and check the node's clock", f.token.path, c.expiry()), blame.Token, blame.Clock)
	case strings.Contains(e.text, "not valid yet"), strings.Contains(e.text, "before issued"):
		return blamed(fmt.Sprintf("set the node's clock: the token was issued at %s", c.issued()), blame.Clock)
	case e.code == "InvalidTokenException" && c.audience() != podAudience:
		return blamed(fmt.Sprintf("the token has aud %s; mount one with the audience %s, as EKS's webhook does",
			c.audience(), podAudience), blame.Audience)
	case e.code == "InvalidTokenException":
		return blamed(fmt.Sprintf("the token (sub %s, issuer %s) must be one that this node's cluster issued for this "+
			"pod; look at "+podTokenVariable, c.subject(), c.issuer()), blame.Issuer)
	case e.status == http.StatusForbidden:
		return blamed(agentVariable+" must have the agent's own address, as EKS's webhook sets it", blame.Identity)
	}
	return blamed(fmt.Sprintf("the token has sub %s and aud %s of issuer %s; look at the agent's log on this node",
		c.subject(), c.audience(), c.issuer()))
}

// serviceAccount is whom a token is of.
func (c claims) serviceAccount() (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(c.Sub, "system:serviceaccount:")
	namespace, name, both := strings.Cut(rest, ":")
	return namespace, name, ok && both
}

// account is the service account that a token is of, in words.
func (c claims) account() string {
	namespace, name, ok := c.serviceAccount()
	if !ok {
		return "the service account " + c.subject()
	}
	return fmt.Sprintf("service account %s in namespace %s", shown(name), shown(namespace))
}
