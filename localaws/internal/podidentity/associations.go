package podidentity

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
)

// Association gives the pods of one service account a role.
type Association struct {
	Cluster        string // its name
	Issuer         string // URL of the cluster's token issuer
	Namespace      string
	ServiceAccount string
	RoleARN        string
}

// place is where an association holds; there is one at most.
type place struct{ cluster, namespace, serviceAccount string }

// association is one as EKS keeps it.
type association struct {
	place
	id       string
	role     string // its ARN
	tags     map[string]string
	created  time.Time
	modified time.Time
}

// Register says which issuer the tokens of a cluster come from, and makes the cluster known or changes its issuer.
// Clusters that EKS's API names need not be known; their pods are, once they are registered.
func (s *Service) Register(cluster, issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil {
		return fmt.Errorf("the issuer of cluster %s: %w", cluster, err)
	}
	if err := iam.CheckIssuer(u); err != nil {
		return fmt.Errorf("the issuer of cluster %s: %w", cluster, err)
	}
	if cluster == "" {
		return errors.New("a cluster needs a name")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.clusters[issuer]; ok && other != cluster {
		return fmt.Errorf("the issuer %s is that of cluster %s", issuer, other)
	}
	maps.DeleteFunc(s.clusters, func(_, name string) bool { return name == cluster })
	s.clusters[issuer] = cluster
	return nil
}

// Associate registers the cluster and makes an association, or replaces the one of the same service account. That the
// role exists and trusts EKS shows when a pod asks, as it does on AWS.
func (s *Service) Associate(a Association) error {
	if a.Cluster == "" || a.Namespace == "" || a.ServiceAccount == "" || a.RoleARN == "" {
		return errors.New("an association needs a cluster, a namespace, a service account and a role")
	}
	if err := s.Register(a.Cluster, a.Issuer); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if existing := s.associations[a.place()]; existing != nil {
		existing.role, existing.modified = a.RoleARN, s.cfg.Clock()
		return nil
	}
	s.add(a.place(), a.RoleARN, nil)
	return nil
}

// add makes an association. The caller holds the lock.
func (s *Service) add(p place, role string, tags map[string]string) *association {
	now := s.cfg.Clock()
	a := &association{place: p, id: newID(), role: role, tags: maps.Clone(tags), created: now, modified: now}
	if a.tags == nil {
		a.tags = map[string]string{}
	}
	s.associations[p] = a
	return a
}

// Dissociate removes the association of a service account. Sessions that were made live on.
func (s *Service) Dissociate(a Association) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.associations, a.place())
}

func (a Association) place() place {
	return place{cluster: a.Cluster, namespace: a.Namespace, serviceAccount: a.ServiceAccount}
}

// find gives the association of a verified pod.
func (s *Service) find(p pod) (Association, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	cluster, ok := s.clusters[p.issuer]
	a := s.associations[place{cluster, p.namespace, p.serviceAccount}]
	if !ok || a == nil {
		return Association{}, false
	}
	return Association{
		Cluster: cluster, Issuer: p.issuer, Namespace: p.namespace, ServiceAccount: p.serviceAccount, RoleARN: a.role,
	}, true
}

// knows says whether an issuer is that of a cluster.
func (s *Service) knows(issuer string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.clusters[issuer]
	return ok
}
