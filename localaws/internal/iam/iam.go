// Package iam emulates AWS Identity and Access Management: the directory of roles, policies and OIDC providers with its
// Query API (2010-05-08), every authorisation decision of localaws, and the credentials behind signatures.
//
// Decisions are made by github.com/versity/versitygw/iamapi/policy, an evaluator that is not ours; this package gathers
// the documents that apply to a caller and combines the verdicts as AWS does within one account.
//
// Where it differs from AWS, on purpose:
//   - the issuer of an OIDC provider may be http on a loopback host, which is how a local issuer is served;
//   - a call over the loopback counts as made over TLS (aws:SecureTransport is "true") unless Config says otherwise:
//     the loopback stands in for AWS's TLS endpoints, and policies that demand TLS can be tried unchanged;
//   - there are no users, groups, instance profiles and AWS managed policies;
//   - the root user may assume a role whose trust policy names the account, since it is the only long-term identity;
//   - policy variables with a slash, a default or an escape (${aws:PrincipalTag/team}, ${*}) are refused, for the
//     evaluator takes them for plain text;
//   - a session policy and a permissions boundary narrow grants of resource policies too, even of one that names the
//     very session.
package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

const (
	namespace = "https://iam.amazonaws.com/doc/2010-05-08/"
	version   = "2010-05-08"
)

// Config is what a Service needs. Clock, Account, RootKey and RootSecret are required.
type Config struct {
	Clock   api.Clock
	Account string // twelve digits
	Region  string // aws:RequestedRegion of calls without a region of their own
	// Rand is where ids, keys and tokens come from; nil means crypto/rand. One that fails makes the Service panic:
	// a credential that could be guessed must not exist.
	Rand       io.Reader
	RootKey    string // access key id of the root user
	RootSecret string
	// InsecureTransport makes aws:SecureTransport "false", as a plain-HTTP endpoint of AWS would have it.
	InsecureTransport bool
	Log               *slog.Logger // nil discards
}

// Service is the directory, the judge and the issuer of credentials. It is safe for concurrent use.
type Service struct {
	cfg Config
	log *slog.Logger

	randMu sync.Mutex // Config.Rand need not be safe for concurrent use

	mu        sync.RWMutex
	roles     map[string]*role          // by name
	policies  map[string]*managedPolicy // by ARN
	providers map[string]*provider      // by ARN
	sessions  map[string]session        // by access key id
}

var (
	_ api.Handler = (*Service)(nil)
	_ api.Access  = (*Service)(nil)
)

// New makes an empty directory.
func New(cfg Config) *Service {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		cfg:       cfg,
		log:       cfg.Log,
		roles:     map[string]*role{},
		policies:  map[string]*managedPolicy{},
		providers: map[string]*provider{},
		sessions:  map[string]session{},
	}
}

// operation is one action of the Query API. on names the resource whose permission is asked, do performs the action
// with Service.mu held.
type operation struct {
	on func(*Service, url.Values) string
	do func(*Service, url.Values) (any, *api.Error)
}

var operations = map[string]operation{
	"CreateRole":                  {onRole, (*Service).createRole},
	"GetRole":                     {onRole, (*Service).getRole},
	"UpdateRole":                  {onRole, (*Service).updateRole},
	"DeleteRole":                  {onRole, (*Service).deleteRole},
	"ListRoles":                   {onAny, (*Service).listRoles},
	"UpdateAssumeRolePolicy":      {onRole, (*Service).updateAssumeRolePolicy},
	"ListInstanceProfilesForRole": {onRole, (*Service).listInstanceProfilesForRole},
	"TagRole":                     {onRole, (*Service).tagRole},
	"UntagRole":                   {onRole, (*Service).untagRole},
	"ListRoleTags":                {onRole, (*Service).listRoleTags},

	"PutRolePermissionsBoundary":    {onRole, (*Service).putRolePermissionsBoundary},
	"DeleteRolePermissionsBoundary": {onRole, (*Service).deleteRolePermissionsBoundary},

	"PutRolePolicy":            {onRole, (*Service).putRolePolicy},
	"GetRolePolicy":            {onRole, (*Service).getRolePolicy},
	"DeleteRolePolicy":         {onRole, (*Service).deleteRolePolicy},
	"ListRolePolicies":         {onRole, (*Service).listRolePolicies},
	"AttachRolePolicy":         {onRole, (*Service).attachRolePolicy},
	"DetachRolePolicy":         {onRole, (*Service).detachRolePolicy},
	"ListAttachedRolePolicies": {onRole, (*Service).listAttachedRolePolicies},

	"CreatePolicy":            {onPolicy, (*Service).createPolicy},
	"GetPolicy":               {onPolicy, (*Service).getPolicy},
	"DeletePolicy":            {onPolicy, (*Service).deletePolicy},
	"ListPolicies":            {onAny, (*Service).listPolicies},
	"ListEntitiesForPolicy":   {onPolicy, (*Service).listEntitiesForPolicy},
	"CreatePolicyVersion":     {onPolicy, (*Service).createPolicyVersion},
	"GetPolicyVersion":        {onPolicy, (*Service).getPolicyVersion},
	"ListPolicyVersions":      {onPolicy, (*Service).listPolicyVersions},
	"DeletePolicyVersion":     {onPolicy, (*Service).deletePolicyVersion},
	"SetDefaultPolicyVersion": {onPolicy, (*Service).setDefaultPolicyVersion},
	"TagPolicy":               {onPolicy, (*Service).tagPolicy},
	"UntagPolicy":             {onPolicy, (*Service).untagPolicy},
	"ListPolicyTags":          {onPolicy, (*Service).listPolicyTags},

	"CreateOpenIDConnectProvider":             {onProvider, (*Service).createProvider},
	"GetOpenIDConnectProvider":                {onProvider, (*Service).getProvider},
	"DeleteOpenIDConnectProvider":             {onProvider, (*Service).deleteProvider},
	"ListOpenIDConnectProviders":              {onAny, (*Service).listProviders},
	"AddClientIDToOpenIDConnectProvider":      {onProvider, (*Service).addClientID},
	"RemoveClientIDFromOpenIDConnectProvider": {onProvider, (*Service).removeClientID},
	"UpdateOpenIDConnectProviderThumbprint":   {onProvider, (*Service).updateThumbprints},
	"TagOpenIDConnectProvider":                {onProvider, (*Service).tagProvider},
	"UntagOpenIDConnectProvider":              {onProvider, (*Service).untagProvider},
	"ListOpenIDConnectProviderTags":           {onProvider, (*Service).listProviderTags},
}

// Action implements api.Handler.
func (s *Service) Action(c *api.Call) string {
	form := awsquery.Form(c)
	if _, ok := operations[form.Get("Action")]; !ok || form.Get("Version") != version {
		return ""
	}
	return "iam:" + form.Get("Action")
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
	op := operations[name]
	result, err := s.perform(c, "iam:"+name, op, form)
	if err != nil {
		s.Refuse(w, c, err)
		return
	}
	awsquery.Write(w, namespace, name, c.RequestID, result)
}

func (s *Service) perform(c *api.Call, action string, op operation, form url.Values) (any, *api.Error) {
	s.mu.RLock()
	question := api.Question{Action: action, Resource: op.on(s, form), Condition: map[string][]string{}}
	if arn := s.boundaryOf(form); arn != "" {
		question.Condition["iam:PermissionsBoundary"] = []string{arn}
	}
	s.mu.RUnlock()
	if arn := form.Get("PolicyArn"); arn != "" {
		question.Condition["iam:PolicyARN"] = []string{arn}
	}
	if err := s.Allow(c, question); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return op.do(s, form)
}

// Refuse implements api.Handler.
func (s *Service) Refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	awsquery.WriteError(w, namespace, c.RequestID, err)
}

// contextOf is the context of the request behind a call; a service that acts for itself has none.
func contextOf(c *api.Call) context.Context {
	if c.Request == nil {
		return context.Background()
	}
	return c.Request.Context()
}

// now is the time on the clock as the wire shows it: UTC, whole seconds.
func (s *Service) now() time.Time { return s.cfg.Clock().UTC().Truncate(time.Second) }

func (s *Service) arn(kind, path, name string) string {
	return fmt.Sprintf("arn:aws:iam::%s:%s%s%s", s.cfg.Account, kind, path, name)
}

func (s *Service) random(n int) []byte {
	b := make([]byte, n)
	s.randMu.Lock()
	defer s.randMu.Unlock()
	if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
		panic(fmt.Sprintf("iam: reading randomness: %v", err))
	}
	return b
}

// id makes a unique id of AWS's form: a prefix that names the kind of thing, then n capitals and digits.
func (s *Service) id(prefix string, n int) string {
	return prefix + base32.StdEncoding.EncodeToString(s.random(n))[:n]
}

func (s *Service) token(bytes int) string { return base64.StdEncoding.EncodeToString(s.random(bytes)) }
