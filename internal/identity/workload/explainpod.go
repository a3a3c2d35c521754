package workload

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// podAudience is that of the tokens of EKS Pod Identity.
const podAudience = "pods.eks.amazonaws.com"

// explainPodIdentity names what a failed exchange with the agent means. Like explainWebIdentity it reads the token's
// claims for the message alone.
func (f facts) explainPodIdentity(err error) error {
	if e, ok := errors.AsType[*tokenError](err); ok {
		return problem.New(problem.Denied, e.hint, "reading the pod identity token: %w", e)
	}
	kind, hint := problem.Failed, ""
	if _, ok := awserr.Unreachable(err); ok {
		hint = fmt.Sprintf("is the EKS Pod Identity Agent running on this node (kubectl -n kube-system get ds "+
			"eks-pod-identity-agent)? Fargate has none; let the pod reach %s", f.agent)
	} else if e, ok := errors.AsType[*answerError](err); ok {
		hint = fmt.Sprintf("what answers at %s is not the EKS Pod Identity Agent; check "+agentVariable, f.agent)
		return problem.New(problem.Denied, hint, "asking the pod identity agent at %s for credentials: %w", f.agent, e)
	} else if e, ok := errors.AsType[*agentError](err); ok {
		if !passing(err) {
			kind = problem.Denied
		}
		hint = f.podHint(e, f.token.claims())
	}
	return problem.New(kind, hint, "asking the pod identity agent at %s for credentials: %w", f.agent, awserr.Short(err))
}

func (f facts) podHint(e *agentError, c claims) string {
	account := c.account()
	switch {
	case passing(e):
		return "nothing is wrong with this pod: the agent or EKS Auth behind it fails or throttles, and is asked again; " +
			"look at the agent's log on this node if it goes on"
	case e.code == "ResourceNotFoundException":
		return fmt.Sprintf("associate a role with %s in this cluster (aws eks create-pod-identity-association), or wait "+
			"a minute where that has just been done", account)
	case e.code == "AccessDeniedException" && strings.Contains(e.text, "eks-auth:"):
		return "the node's role needs eks-auth:AssumeRoleForPodIdentity, as in AmazonEKSWorkerNodePolicy"
	case e.code == "AccessDeniedException":
		return fmt.Sprintf("trust policy of the role that is associated with %s must allow both sts:AssumeRole and "+
			"sts:TagSession to the service %s, and its conditions must fit; the role must exist", account, podAudience)
	case strings.HasPrefix(e.code, "ExpiredToken"), strings.Contains(e.text, "expired"):
		return fmt.Sprintf("the token in %s expired at %s; mount it as a projected volume, which the kubelet renews, and "+
			"check the node's clock", f.token.path, c.expiry())
	case strings.Contains(e.text, "not valid yet"), strings.Contains(e.text, "before issued"):
		return fmt.Sprintf("set the node's clock: the token was issued at %s", c.issued())
	case e.code == "InvalidTokenException" && c.audience() != podAudience:
		return fmt.Sprintf("the token has aud %s; mount one with the audience %s, as EKS's webhook does", c.audience(),
			podAudience)
	case e.code == "InvalidTokenException":
		return fmt.Sprintf("the token (sub %s, issuer %s) must be one that this node's cluster issued for this pod; look "+
			"at "+podTokenVariable, c.subject(), c.issuer())
	case e.status == http.StatusForbidden:
		return agentVariable + " must have the agent's own address, as EKS's webhook sets it"
	}
	return fmt.Sprintf("the token has sub %s and aud %s of issuer %s; look at the agent's log on this node", c.subject(),
		c.audience(), c.issuer())
}

// account is the service account that a token is of, in words.
func (c claims) account() string {
	rest, ok := strings.CutPrefix(c.Sub, "system:serviceaccount:")
	namespace, name, both := strings.Cut(rest, ":")
	if !ok || !both {
		return "the service account " + c.subject()
	}
	return fmt.Sprintf("service account %s in namespace %s", shown(name), shown(namespace))
}
