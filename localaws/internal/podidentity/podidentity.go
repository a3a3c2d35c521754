// Package podidentity emulates what a pod meets of EKS Pod Identity: the agent that answers on every node of a cluster,
// with EKS Auth behind it. A pod sends the token that the kubelet has projected for pods.eks.amazonaws.com; it is
// verified against the keys that the cluster's issuer publishes, the association of its service account names a role,
// the role's trust policy is asked, and the session has the tags that EKS sets, all of them transitive.
//
// EKS is the API by which Terraform and others make associations.
//
// Where it differs from AWS, on purpose: the agent answers on the loopback instead of 169.254.170.23, for several
// clusters at once, and holds no credentials back in a cache; target roles and session policies of associations are not
// there. The texts of EKS Auth's refusals are ours, its codes and statuses are those of its model.
package podidentity

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
	"github.com/pinnace-dev/pinnace/localaws/internal/oidc"
)

const (
	// Path is where the agent answers. No bucket has so short a name as its first part, so S3 loses nothing.
	Path = "/v1/credentials"
	// Principal is the service that trust policies name.
	Principal = "pods.eks.amazonaws.com"
	// Audience is that of the tokens.
	Audience = "pods.eks.amazonaws.com"

	action      = "eks-auth:AssumeRoleForPodIdentity"
	sessionTime = 6 * time.Hour // whatever the role's own limit is
	maxName     = 64            // characters of a session's name
)

// Config is what a Service needs. Clock and Directory are required.
type Config struct {
	Clock      api.Clock
	Directory  *iam.Service // roles, decisions, and the sessions that are made
	HTTPClient *http.Client // asks issuers for their keys; nil means a client of its own
	Account    string
	Region     string
	Log        *slog.Logger // nil discards
}

// Service is the agent and EKS Auth in one. It is safe for concurrent use.
type Service struct {
	cfg  Config
	keys *oidc.Keyring

	mu           sync.RWMutex
	associations map[place]*association
	clusters     map[string]string // their names by issuer
}

var _ api.Handler = (*Service)(nil)

// New makes a Service without associations.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		cfg: cfg, keys: oidc.NewKeyring(cfg.HTTPClient, cfg.Clock), associations: map[place]*association{},
		clusters: map[string]string{},
	}
}

// Asked says whether a request is for the agent: by its path, and because it is not signed as one for S3 would be.
func Asked(r *http.Request) bool {
	return r.URL.Path == Path && !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-")
}

// Action implements api.Handler.
func (s *Service) Action(*api.Call) string { return action }

// credentials is the agent's answer.
type credentials struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	AccountID       string `json:"AccountId"`
	Expiration      time.Time
}

// Serve implements api.Handler.
func (s *Service) Serve(w http.ResponseWriter, c *api.Call) {
	session, err := s.assume(c)
	if err != nil {
		s.Refuse(w, c, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(credentials{ // the caller is gone when this fails
		AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey, Token: session.SessionToken,
		AccountID: s.cfg.Account, Expiration: session.Expires,
	})
}

// Refuse implements api.Handler. The agent answers plain text: its own refusals, which have no code here, as they are,
// and those of EKS Auth with request id, code and fault.
func (s *Service) Refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	s.cfg.Log.DebugContext(c.Request.Context(), "pod identity refused", slog.String("code", err.Code),
		slog.String("reason", err.Message))
	text := err.Message
	if err.Code != "" {
		fault := "client"
		if err.Status >= http.StatusInternalServerError {
			fault = "server"
		}
		text = fmt.Sprintf("[%s]: (%s): %s, fault: %s", c.RequestID, err.Code, err.Message, fault)
	}
	http.Error(w, text, err.Status)
}

func (s *Service) assume(c *api.Call) (iam.Credential, *api.Error) {
	pod, err := s.verify(c.Request.Context(), c.Request.Header.Get("Authorization"))
	if err != nil {
		return iam.Credential{}, err
	}
	a, ok := s.find(pod)
	if !ok {
		return iam.Credential{}, api.Errorf("ResourceNotFoundException", http.StatusNotFound,
			"No association found for service account %s in namespace %s", pod.serviceAccount, pod.namespace)
	}
	tags := s.tags(a, pod)
	call := &api.Call{
		Request: c.Request, Principal: api.Principal{Kind: api.Service, ARN: Principal}, Region: s.cfg.Region,
	}
	role, ok := s.cfg.Directory.Role(a.RoleARN)
	if !ok || s.cfg.Directory.AllowAssume(call, role, tags, s.conditions(a)) != nil {
		return iam.Credential{}, api.Errorf("AccessDeniedException", http.StatusBadRequest,
			"Unauthorized Exception! EKS does not have permissions to assume the associated role.")
	}
	return s.cfg.Directory.IssueTransitive(role, sessionName(a.Cluster, pod.name), sessionTime, nil, tags, ""), nil
}

func (s *Service) clusterARN(a Association) string {
	return fmt.Sprintf("arn:aws:eks:%s:%s:cluster/%s", s.cfg.Region, s.cfg.Account, a.Cluster)
}

// conditions are what a trust policy may ask of EKS beside the tags.
func (s *Service) conditions(a Association) map[string][]string {
	return map[string][]string{"aws:SourceAccount": {s.cfg.Account}, "aws:SourceArn": {s.clusterARN(a)}}
}

// tags are those that EKS gives a session.
func (s *Service) tags(a Association, p pod) map[string]string {
	return map[string]string{
		"eks-cluster-arn": s.clusterARN(a), "eks-cluster-name": a.Cluster,
		"kubernetes-namespace": p.namespace, "kubernetes-service-account": p.serviceAccount,
		"kubernetes-pod-name": p.name, "kubernetes-pod-uid": p.uid,
	}
}

// sessionName is unique, and says where the session comes from as far as there is room.
func sessionName(cluster, pod string) string {
	unique := "-" + strings.ToLower(rand.Text())
	name := "eks-" + cluster + "-" + pod
	return name[:min(len(name), maxName-len(unique))] + unique
}
