package infralint

import (
	"slices"
	"strings"
)

// anybody tells whether a statement is certainly for every caller.
func (s statement) anybody() bool {
	return slices.ContainsFunc(s.principals, func(p principal) bool {
		return p.kind == "*" || p.kind == "AWS" && p.id.is("*")
	})
}

// narrowing are the keys of conditions that leave a part of all callers: who they are, or where they come from.
var narrowing = []string{
	"aws:principalorgid", "aws:principalorgpaths", "aws:principalarn", "aws:principalaccount", "aws:principaltag/",
	"aws:userid", "aws:username", "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths",
	"aws:sourcevpc", "aws:sourcevpce", "aws:sourceip", "aws:vpcsourceip", "aws:principalisawsservice",
	"aws:principalservicename", "s3:dataaccesspointaccount", "s3:dataaccesspointarn", "kms:calleraccount",
}

// narrowed tells whether a condition leaves not everybody, or may do so.
func (s statement) narrowed() bool {
	return s.unclear || slices.ContainsFunc(s.conditions, func(c condition) bool {
		if strings.Contains(c.key, opening) {
			return true
		}
		known := slices.ContainsFunc(narrowing, func(key string) bool {
			return c.key == key || strings.HasSuffix(key, "/") && strings.HasPrefix(c.key, key)
		})
		return known && c.holds() && !slices.ContainsFunc(c.values, value.isEverything)
	})
}

// holds tells whether a condition can only be met by a request that has its key.
func (c condition) holds() bool {
	return !strings.HasSuffix(c.operator, "ifexists") && !strings.HasPrefix(c.operator, "forallvalues:") &&
		!strings.Contains(c.operator, "not") && c.operator != "null"
}

// isEverything tells whether a pattern certainly leaves nothing out.
func (v value) isEverything() bool {
	text, ok := v.known()
	return ok && (strings.Trim(text, "*") == "" || text == "0.0.0.0/0" || text == "::/0")
}

// grants tells whether a statement certainly allows an action, by name or by pattern.
func (s statement) grants(action string) bool {
	return s.allows() && slices.ContainsFunc(s.actions, func(v value) bool {
		pattern, ok := v.known()
		return ok && matches(strings.ToLower(pattern), strings.ToLower(action))
	})
}

// mayGrant tells whether a statement allows an action, as far as is known.
func (s statement) mayGrant(action string) bool {
	if s.effect.is("Deny") {
		return false
	}
	return s.grants(action) || slices.ContainsFunc(s.actions, value.hasUnknown) || len(s.actions) == 0
}

// names tells whether a statement allows an action by its own name.
func (s statement) named(action string) (value, bool) {
	for _, v := range s.actions {
		if text, ok := v.known(); ok && s.allows() && strings.EqualFold(text, action) {
			return v, true
		}
	}
	return value{}, false
}

// matches compares text with a pattern of * and ?.
func matches(pattern, text string) bool {
	star, mark, p, t := -1, 0, 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// held is a policy document with the resource that holds it.
type held struct {
	document
	resource *resource
	known    bool
}

// identityPolicies are the documents that say what a role, a user or a group may do.
func (e *estate) identityPolicies() []held {
	found := e.held("policy", "aws_iam_policy", "aws_iam_role_policy", "aws_iam_user_policy", "aws_iam_group_policy")
	for _, r := range e.of("aws_iam_role") {
		for _, v := range r.all("inline_policy", "policy") {
			found = append(found, hold(r, v))
		}
	}
	return found
}

// trusts are the documents that say who may take a role.
func (e *estate) trusts() []held { return e.held("assume_role_policy", "aws_iam_role") }

// held answers the documents in one attribute of some types of resources.
func (e *estate) held(attribute string, kinds ...string) []held {
	var found []held
	for _, r := range e.of(kinds...) {
		if v := r.get(attribute); !v.blank() {
			found = append(found, hold(r, v))
		}
	}
	return found
}

func hold(r *resource, v value) held {
	d, ok := documentOf(v)
	return held{d, r, ok}
}

// grantSomewhere tells whether any policy of an identity allows an action, or may do so.
func (e *estate) grantSomewhere(action string) bool {
	return slices.ContainsFunc(e.identityPolicies(), func(h held) bool {
		return !h.known || h.open ||
			slices.ContainsFunc(h.statements, func(s statement) bool { return s.mayGrant(action) })
	})
}
