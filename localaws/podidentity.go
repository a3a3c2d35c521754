package localaws

import "github.com/pinnace-dev/pinnace/localaws/internal/podidentity"

// PodIdentityAssociation gives the pods of one service account of a cluster a role, as an association of EKS Pod
// Identity does. The role's trust policy must allow sts:AssumeRole and sts:TagSession to pods.eks.amazonaws.com.
type PodIdentityAssociation struct {
	Cluster        string // the cluster's name
	Issuer         string // the URL of the cluster's token issuer, such as Issuer.URL
	Namespace      string
	ServiceAccount string
	RoleARN        string
}

// PodIdentityURL is where the agent of EKS Pod Identity answers, for AWS_CONTAINER_CREDENTIALS_FULL_URI; empty for a
// Server that does not listen. On a node of EKS it would be http://169.254.170.23/v1/credentials.
func (s *Server) PodIdentityURL() string {
	if s.URL() == "" {
		return ""
	}
	return s.URL() + podidentity.Path
}

// AssociatePodIdentity makes an association, or replaces the one that the same service account has. It fails when a
// field is missing, and as RegisterCluster does. That the role exists and trusts EKS shows when a pod asks for
// credentials, as it does on AWS.
func (s *Server) AssociatePodIdentity(a PodIdentityAssociation) error {
	return s.pods.Associate(podidentity.Association(a))
}

// DissociatePodIdentity removes the association of a service account; the role does not matter. Sessions that pods have
// already live on.
func (s *Server) DissociatePodIdentity(a PodIdentityAssociation) {
	s.pods.Dissociate(podidentity.Association(a))
}

// RegisterCluster says which issuer the tokens of a cluster come from, such as Issuer.URL. Associations that were made
// by the API of EKS, which knows clusters by name alone, hold for its pods from then on. It fails when the issuer's URL
// is none that localaws would ask, or is that of another cluster.
func (s *Server) RegisterCluster(name, issuer string) error { return s.pods.Register(name, issuer) }
