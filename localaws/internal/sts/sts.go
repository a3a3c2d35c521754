// Package sts emulates AWS Security Token Service: the Query API (2011-06-15) with AssumeRoleWithWebIdentity,
// AssumeRole and GetCallerIdentity. Web identity tokens are verified for real: the issuer's discovery document and keys
// are fetched, and signature, issuer, audience and times checked, before the role's trust policy is asked.
//
// Where it differs from AWS, on purpose: an issuer on a loopback host may be served over http, and parameters that
// would change what a session may do, but that localaws does not implement (PolicyArns, MFA, source identity,
// requested transitive tags), are refused instead of ignored. Tags that are transitive already, as those of EKS Pod
// Identity are, go on to the next session.
package sts

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
	"github.com/pinnace-dev/pinnace/localaws/internal/oidc"
)

const (
	namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
	version   = "2011-06-15"
)

// Config is what a Service needs. Clock and Directory are required.
type Config struct {
	Clock     api.Clock
	Directory *iam.Service // roles, providers, decisions, and the sessions that are made
	// HTTPClient asks identity providers for their keys; nil means a client of its own. Redirects are followed only to
	// URLs that an issuer may have.
	HTTPClient *http.Client
	Account    string
	Log        *slog.Logger // nil discards
}

// Service is the emulated STS. It is safe for concurrent use.
type Service struct {
	clock     api.Clock
	directory *iam.Service
	account   string
	keys      *oidc.Keyring
	log       *slog.Logger
}

var _ api.Handler = (*Service)(nil)

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		clock:     cfg.Clock,
		directory: cfg.Directory,
		account:   cfg.Account,
		keys:      oidc.NewKeyring(cfg.HTTPClient, cfg.Clock),
		log:       cfg.Log,
	}
}

var operations = map[string]func(*Service, *api.Call, url.Values) (any, *api.Error){
	"AssumeRole":                (*Service).assumeRole,
	"AssumeRoleWithWebIdentity": (*Service).assumeRoleWithWebIdentity,
	"GetCallerIdentity":         (*Service).getCallerIdentity,
}

// Action implements api.Handler.
func (s *Service) Action(c *api.Call) string {
	form := awsquery.Form(c)
	if _, ok := operations[form.Get("Action")]; !ok || form.Get("Version") != version {
		return ""
	}
	return "sts:" + form.Get("Action")
}

// Serve implements api.Handler.
func (s *Service) Serve(w http.ResponseWriter, c *api.Call) {
	form := awsquery.Form(c)
	name := form.Get("Action")
	if s.Action(c) == "" {
		s.Refuse(w, c, api.Errorf("InvalidAction", http.StatusBadRequest,
			"Could not find operation %s for version %s", name, form.Get("Version")))
		return
	}
	result, err := operations[name](s, c, form)
	if err != nil {
		s.log.DebugContext(c.Request.Context(), "sts call refused", slog.String("action", name),
			slog.String("code", err.Code), slog.String("role", form.Get("RoleArn")))
		s.Refuse(w, c, err)
		return
	}
	awsquery.Write(w, namespace, name, c.RequestID, result)
}

// Refuse implements api.Handler.
func (s *Service) Refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	awsquery.WriteError(w, namespace, c.RequestID, err)
}

func (s *Service) getCallerIdentity(c *api.Call, _ url.Values) (any, *api.Error) {
	if c.Principal.Kind == api.Anonymous {
		return nil, missingToken()
	}
	return struct {
		Arn     string
		UserID  string `xml:"UserId"`
		Account string
	}{c.Principal.ARN, c.Principal.UserID, s.account}, nil
}

func missingToken() *api.Error {
	return api.Errorf("MissingAuthenticationToken", http.StatusForbidden, "Request is missing Authentication Token")
}
