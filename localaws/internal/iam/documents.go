package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/versity/versitygw/iamapi/policy"
	"github.com/versity/versitygw/iamapi/types"
)

// statement is policy.Statement in a form that can be written again: what is absent stays absent, which the evaluator
// tells from null.
type statement struct {
	Sid          string               `json:",omitempty"`
	Effect       string               `json:",omitempty"`
	Action       policy.StringOrSlice `json:",omitempty"`
	NotAction    policy.StringOrSlice `json:",omitempty"`
	Resource     policy.StringOrSlice `json:",omitempty"`
	NotResource  policy.StringOrSlice `json:",omitempty"`
	Principal    json.RawMessage      `json:",omitempty"`
	NotPrincipal json.RawMessage      `json:",omitempty"`
	Condition    json.RawMessage      `json:",omitempty"`
}

type document struct {
	Version   string `json:",omitempty"`
	Statement []statement
}

func readDocument(text string) (document, error) {
	var read policy.Document
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		return document{}, fmt.Errorf("parsing a policy document: %w", err)
	}
	d := document{Version: read.Version}
	for _, st := range read.Statement {
		d.Statement = append(d.Statement, statement(st))
	}
	return d, nil
}

func (d document) text() (string, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("writing a policy document: %w", err)
	}
	return string(b), nil
}

// principals is a Principal or NotPrincipal element.
type principals struct {
	all           bool // "*" or {"AWS": "*"}
	aws, services []string
}

var errPrincipal = errors.New("a statement of a resource policy names no principal in a form that IAM knows")

func readPrincipals(raw json.RawMessage) (principals, error) {
	var word string
	if json.Unmarshal(raw, &word) == nil && word == "*" {
		return principals{all: true}, nil
	}
	var named map[string]policy.StringOrSlice
	if err := json.Unmarshal(raw, &named); err != nil || len(named) == 0 {
		return principals{}, errPrincipal
	}
	var p principals
	for kind, names := range named {
		if len(names) == 0 || slices.ContainsFunc(names, malformedName) {
			return principals{}, errPrincipal
		}
		switch kind {
		case "AWS":
			p.aws = names
			p.all = slices.Contains(names, "*")
		case "Service":
			p.services = names
		case "Federated", "CanonicalUser": // never a caller of localaws
		default:
			return principals{}, errPrincipal
		}
	}
	return p, nil
}

// malformedName refuses a wildcard as a part of a name, which IAM refuses too: a Deny with one would deny nobody.
func malformedName(name string) bool {
	return name == "" || name != "*" && strings.ContainsAny(name, "*?")
}

// caller is the names under which a principal element may mean one caller. Its zero value is the anonymous one.
type caller struct {
	self    []string // ARNs of the role and of the session
	account []string // spellings of the account, to which a grant delegates
	service string
}

type match int

const (
	unnamed   match = iota
	delegated       // named by its account alone: the caller's own policies must allow as well
	direct
)

func (p principals) match(c caller) match {
	switch {
	case p.all, slices.ContainsFunc(c.self, p.lists), slices.Contains(p.services, c.service):
		return direct
	case !slices.ContainsFunc(c.account, p.lists):
		return unnamed
	}
	return delegated
}

func (p principals) lists(arn string) bool { return slices.Contains(p.aws, arn) }

// spares says whether NotPrincipal takes the caller out of a Deny: as AWS demands, its account must be listed and
// every name of its own.
func (p principals) spares(c caller) bool {
	if p.all || slices.Contains(p.services, c.service) {
		return true
	}
	unlisted := func(arn string) bool { return !p.lists(arn) }
	return slices.ContainsFunc(c.account, p.lists) && !slices.ContainsFunc(c.self, unlisted)
}

// reach says how a statement reaches the caller.
func (st statement) reach(c caller) (match, error) {
	switch {
	case len(st.Principal) > 0 && len(st.NotPrincipal) == 0:
		p, err := readPrincipals(st.Principal)
		return p.match(c), err
	case len(st.NotPrincipal) > 0 && len(st.Principal) == 0:
		p, err := readPrincipals(st.NotPrincipal)
		out := p.match(c) != unnamed
		if st.Effect == "Deny" {
			out = p.spares(c)
		}
		if out {
			return unnamed, err
		}
		return direct, err
	}
	return unnamed, errPrincipal
}

// without takes the principal off a statement; in a trust policy the role itself is the resource, so any will do.
func (st statement) without(trust bool) statement {
	st.Principal, st.NotPrincipal = nil, nil
	if trust {
		st.Resource = policy.StringOrSlice{"*"}
	}
	return st
}

// resourcePolicy is a bucket policy, a secret's policy or the trust policy of a role, as one caller meets it.
type resourcePolicy struct {
	granted   string // the statements that reach the caller by name, and every Deny; empty when there is none
	delegated string // the same, with those that name only its account
}

// applicable keeps the statements of text that reach the caller and writes them as identity policies. It decides
// nothing else: actions, resources and conditions are left to the evaluator. The whole document must be well formed,
// the statements about others too.
func applicable(text string, trust bool, c caller) (resourcePolicy, error) {
	d, err := readDocument(text)
	if err != nil {
		return resourcePolicy{}, err
	}
	whole := document{Version: d.Version}
	granted, widened := whole, whole
	for _, st := range d.Statement {
		how, err := st.reach(c)
		if err != nil {
			return resourcePolicy{}, err
		}
		if trust && (len(st.Resource) > 0 || len(st.NotResource) > 0) {
			return resourcePolicy{}, errors.New("a trust policy must not name resources")
		}
		st = st.without(trust)
		whole.Statement = append(whole.Statement, st)
		if how == direct || how == delegated && st.Effect == "Deny" {
			granted.Statement = append(granted.Statement, st)
		}
		if how != unnamed {
			widened.Statement = append(widened.Statement, st)
		}
	}
	all, err := whole.text()
	if err != nil {
		return resourcePolicy{}, err
	}
	if err := errors.Join(policy.Parse(all), checkVariables(text)); err != nil {
		return resourcePolicy{}, fmt.Errorf("validating a policy document: %w", err)
	}
	return writePolicies(granted, widened)
}

func writePolicies(granted, widened document) (p resourcePolicy, err error) {
	if len(granted.Statement) > 0 {
		if p.granted, err = granted.text(); err != nil {
			return resourcePolicy{}, err
		}
	}
	if len(widened.Statement) > 0 {
		if p.delegated, err = widened.text(); err != nil {
			return resourcePolicy{}, err
		}
	}
	return p, nil
}

// strangeVariable is a policy variable that the evaluator takes for plain text: it knows names without a slash alone.
var strangeVariable = regexp.MustCompile(`\$\{[A-Za-z0-9_:.-]*[^A-Za-z0-9_:.}-]`)

// checkVariables refuses policy variables such as ${aws:PrincipalTag/team}, defaults and the escapes ${*}, ${?} and
// ${$}: a Deny that relies on one would never match. In conditions, the keys themselves may be used.
func checkVariables(text string) error {
	var decoded any
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		return fmt.Errorf("parsing a policy document: %w", err)
	}
	plain, err := json.Marshal(decoded) // undoes \u escapes, which could hide one
	if err != nil {
		return fmt.Errorf("writing a policy document: %w", err)
	}
	if found := strangeVariable.Find(plain); found != nil {
		return fmt.Errorf("localaws cannot evaluate the policy variable that begins with %s", found)
	}
	return nil
}

// evaluate is the evaluator on one document; no document decides nothing.
func evaluate(text string, ctx policy.RequestContext) policy.Decision {
	if text == "" {
		return policy.DecisionNoMatch
	}
	return policy.EvaluateIdentityPolicies([]types.PolicyEntry{{PolicyDocument: text}}, ctx)
}

// servicePattern is the shape of a service principal.
var servicePattern = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?$`)

// knownService is a service principal that the evaluator's validation knows.
const knownService = "sts.amazonaws.com"

// withKnownServices replaces the service principals of a trust policy by one that policy.ParseTrust knows: its list has
// three names, while AWS's has hundreds, appconfig.amazonaws.com and pods.eks.amazonaws.com among them. Only names of
// the right shape are replaced, so nonsense is still refused; a document that does not parse is returned unchanged. The
// result is for validation and for web identities, which no service principal touches, and is never stored.
func withKnownServices(text string) string {
	d, err := readDocument(text)
	if err != nil {
		return text
	}
	for i, st := range d.Statement {
		var named map[string]policy.StringOrSlice
		if json.Unmarshal(st.Principal, &named) != nil || len(named["Service"]) == 0 {
			continue
		}
		for j, name := range named["Service"] {
			if servicePattern.MatchString(name) {
				named["Service"][j] = knownService
			}
		}
		if d.Statement[i].Principal, err = json.Marshal(named); err != nil {
			return text
		}
	}
	replaced, err := d.text()
	if err != nil {
		return text
	}
	return replaced
}
