package iam

import (
	"log/slog"
	"maps"
	"net/http"
	"strings"

	"github.com/versity/versitygw/iamapi/policy"
	"github.com/versity/versitygw/iamapi/types"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const assumeRole = "sts:AssumeRole"

// subject is a caller with everything that bears on what it may do, gathered at one moment.
type subject struct {
	principal     api.Principal
	gone          bool                // the role or the session is no more
	identity      []types.PolicyEntry // the role's inline and attached policies
	sessionPolicy string
	boundary      string            // document
	tags          map[string]string // of the role, overlaid by those of the session
	names         caller
}

// verdicts is what each kind of policy says about one question.
type verdicts struct{ granted, delegated, identity, session, boundary policy.Decision }

// subject gathers the policies and names of whoever makes a call.
func (s *Service) subject(c *api.Call) subject {
	p := c.Principal
	who := subject{principal: p, tags: map[string]string{}}
	account := []string{s.cfg.Account, s.arn("root", "", "")}
	switch p.Kind {
	case api.Root:
		who.names = caller{account: account}
	case api.Service:
		who.names = caller{service: p.ARN}
	case api.Session:
		who.names = caller{self: []string{p.Role, p.ARN}, account: account}
		s.addSession(&who)
	}
	return who
}

func (s *Service) addSession(who *subject) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.roleByARN(who.principal.Role)
	id, _, _ := strings.Cut(who.principal.UserID, ":")
	key := who.principal.AccessKeyID
	live := s.sessions[key]
	if !ok || r.ID != id || key != "" && live.credential.Principal != who.principal {
		who.gone = true
		return
	}
	for name, document := range r.inline {
		who.identity = append(who.identity, types.PolicyEntry{PolicyName: name, PolicyDocument: document})
	}
	for _, arn := range r.attached {
		p := s.policies[arn]
		v, _ := p.version(p.defaultVersion)
		who.identity = append(who.identity, types.PolicyEntry{PolicyName: p.name, PolicyDocument: v.document})
	}
	if p, ok := s.policies[r.boundary]; ok {
		v, _ := p.version(p.defaultVersion)
		who.boundary = v.document
	}
	maps.Copy(who.tags, r.Tags)
	who.sessionPolicy = live.policy
	maps.Copy(who.tags, live.tags)
}

// Allow implements api.Access with AWS's precedence within one account: an explicit deny anywhere wins; then an allow
// of the caller's own policies or of the resource's is enough, within the role's boundary and the session policy where
// there are such. The root user needs no allow; an anonymous caller has only the resource's. A resource policy that
// names the account, rather than the role, delegates: it grants nothing by itself. Where the resource's policy governs,
// it must do one or the other.
func (s *Service) Allow(c *api.Call, q api.Question) *api.Error {
	who := s.subject(c)
	decide := s.refuse
	if q.Governed {
		decide = s.refuseGoverned
	}
	return s.verdict(c, q, decide(who, q, s.judge(c, who, q, false)))
}

func (s *Service) verdict(c *api.Call, q api.Question, reason string) *api.Error {
	if reason == "" {
		return nil
	}
	name := c.Principal.ARN
	if name == "" {
		name = "anonymous"
	}
	s.log.LogAttrs(contextOf(c), slog.LevelDebug, "access denied",
		slog.String("principal", name), slog.String("action", q.Action),
		slog.String("resource", q.Resource), slog.String("reason", reason))
	return api.Errorf("AccessDenied", http.StatusForbidden,
		"User: %s is not authorized to perform: %s on resource: %s %s", name, q.Action, q.Resource, reason)
}

// judge asks the evaluator about every document. A resource policy that cannot be read denies.
func (s *Service) judge(c *api.Call, who subject, q api.Question, trust bool) verdicts {
	ctx := policy.RequestContext{Action: q.Action, Resource: q.Resource, Condition: s.conditions(c, who, q.Condition)}
	v := verdicts{
		identity: policy.EvaluateIdentityPolicies(who.identity, ctx),
		session:  policy.DecisionAllow,
		boundary: policy.DecisionAllow,
	}
	if who.boundary != "" {
		v.boundary = evaluate(who.boundary, ctx)
	}
	if who.sessionPolicy != "" {
		v.session = evaluate(who.sessionPolicy, ctx)
	}
	if q.Policy == "" {
		return v
	}
	resource, err := applicable(q.Policy, trust, who.names)
	if err != nil {
		s.log.LogAttrs(contextOf(c), slog.LevelDebug, "resource policy is malformed and denies",
			slog.String("resource", q.Resource), slog.String("error", err.Error()))
		v.granted, v.delegated = policy.DecisionDeny, policy.DecisionDeny
		return v
	}
	v.granted, v.delegated = evaluate(resource.granted, ctx), evaluate(resource.delegated, ctx)
	return v
}

// denial says which policy denies explicitly, empty when none does.
func (v verdicts) denial() string {
	switch policy.DecisionDeny {
	case v.granted:
		return "with an explicit deny in a resource-based policy"
	case v.identity:
		return "with an explicit deny in an identity-based policy"
	case v.boundary:
		return "with an explicit deny in a permissions boundary"
	case v.session:
		return "with an explicit deny in a session policy"
	}
	return ""
}

// refuse gives the reason to refuse, in AWS's words, empty to allow.
func (s *Service) refuse(who subject, q api.Question, v verdicts) string {
	missing := func(kind string) string { return "because no " + kind + " allows the " + q.Action + " action" }
	granted := v.granted == policy.DecisionAllow
	switch kind := who.principal.Kind; {
	case v.denial() != "":
		return v.denial()
	case kind == api.Root:
		return ""
	case kind == api.Session && (who.gone || !granted && v.identity != policy.DecisionAllow):
		return missing("identity-based policy")
	case kind != api.Session && !granted:
		return missing("resource-based policy")
	case v.boundary != policy.DecisionAllow:
		return missing("permissions boundary")
	case v.session != policy.DecisionAllow:
		return missing("session policy")
	}
	return ""
}

// AssumeService implements api.Access. The trust policy sees aws:SourceAccount, and no aws:SourceArn.
func (s *Service) AssumeService(roleARN, service string) (api.Principal, *api.Error) {
	call := &api.Call{Principal: api.Principal{Kind: api.Service, ARN: service}}
	q := api.Question{Action: assumeRole, Resource: roleARN, Condition: map[string][]string{
		"aws:SourceAccount": {s.cfg.Account},
	}}
	r, ok := s.Role(roleARN)
	if !ok {
		return api.Principal{}, s.verdict(call, q, "because the role does not exist")
	}
	q.Policy = r.Trust
	who := s.subject(call)
	v := s.judge(call, who, q, true)
	if reason := s.refuse(who, q, v); reason != "" {
		return api.Principal{}, s.verdict(call, q, reason)
	}
	name, _, _ := strings.Cut(service, ".")
	return s.sessionPrincipal(r, name), nil
}

// AllowAssume decides whether the caller may assume a role by sts:AssumeRole. The trust policy must allow it; when that
// names the caller by its account alone, the caller's own policies must allow it too. With tags, the same is asked for
// sts:TagSession. Condition holds the keys of the request (sts:ExternalId, sts:RoleSessionName).
func (s *Service) AllowAssume(c *api.Call, r Role, tags map[string]string, condition map[string][]string) *api.Error {
	q := api.Question{Resource: r.ARN, Policy: r.Trust, Condition: maps.Clone(condition)}
	actions := []string{assumeRole}
	if len(tags) > 0 {
		actions = append(actions, "sts:TagSession")
		q.Condition = withRequestTags(condition, tags)
	}
	who := s.subject(c)
	for _, q.Action = range actions {
		if err := s.verdict(c, q, s.refuseGoverned(who, q, s.judge(c, who, q, true))); err != nil {
			return err
		}
	}
	return nil
}

// refuseGoverned is refuse for a role and a KMS key, whose own policy must allow the action, if only to the account.
func (s *Service) refuseGoverned(who subject, q api.Question, v verdicts) string {
	if reason := v.denial(); reason != "" {
		return reason
	}
	if v.granted != policy.DecisionAllow && v.delegated != policy.DecisionAllow {
		return "because no resource-based policy allows the " + q.Action + " action"
	}
	return s.refuse(who, q, v)
}

// AllowWebIdentity decides whether a verified web identity may assume a role and names the provider that the trust
// policy trusts. The caller fills in the token's part of identity and the session's name; the request's part is added.
func (s *Service) AllowWebIdentity(c *api.Call, r Role, identity policy.WebIdentityContext) (provider string, ok bool) {
	identity.SourceIP = sourceIP(c.Request)
	identity.Secure = !s.cfg.InsecureTransport
	identity.Now = s.cfg.Clock()
	lookup := func(arn string) (string, bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		p, ok := s.providers[arn]
		if !ok {
			return "", false
		}
		return p.url(), true
	}
	match, provider := policy.EvaluateWebIdentityTrust(withKnownServices(r.Trust), lookup, identity)
	if match != policy.Allowed {
		s.log.LogAttrs(contextOf(c), slog.LevelDebug, "web identity denied",
			slog.String("role", r.ARN), slog.String("subject", identity.Subject),
			slog.String("audience", identity.Audience), slog.String("issuer", identity.ProviderURL))
		return "", false
	}
	return provider, true
}
