package infralint

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// needEverything are the actions that AWS grants on everything or not at all.
var needEverything = []string{
	"sts:getcalleridentity", "ecr:getauthorizationtoken", "secretsmanager:listsecrets",
	"secretsmanager:batchgetsecretvalue", "secretsmanager:getrandompassword", "kms:listkeys", "kms:listaliases",
	"kms:createkey", "kms:generaterandom", "s3:listallmybuckets", "s3:getaccountpublicaccessblock",
	"appconfig:listapplications", "appconfig:listdeploymentstrategies", "appconfig:createapplication",
	"appconfig:createdeploymentstrategy", "cloudwatch:putmetricdata", "cloudwatch:listmetrics",
	"cloudwatch:getmetricdata", "cloudwatch:getmetricstatistics", "cloudwatch:describealarms", "logs:describeloggroups",
	"xray:puttracesegments", "xray:puttelemetryrecords",
	"ec2:describe*", "iam:listroles", "iam:listpolicies", "iam:listopenidconnectproviders", "iam:getaccountsummary",
	"tag:getresources", "ssm:describeparameters", "autoscaling:describe*", "elasticloadbalancing:describe*",
}

// isEveryResource tells whether a pattern certainly names all resources, or all of a kind.
func isEveryResource(v value) bool {
	text, ok := v.known()
	parts := strings.SplitN(text, ":", 6)
	switch {
	case !ok || !strings.HasSuffix(text, "*"):
		return false
	case len(parts) < 6:
		return strings.Trim(text, "*") == ""
	}
	kind := strings.TrimRight(parts[5], "*")
	return kind == "" || parts[2] != "s3" && kindPrefix().MatchString(kind)
}

// kindPrefix is what stands before the name of a resource: secret:, role/.
var kindPrefix = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z-]+[:/]$`) })

func checkAnyResource(j *judge) error {
	for _, h := range j.identityPolicies() {
		for _, s := range h.statements {
			wide := slices.IndexFunc(s.resources, isEveryResource)
			if wide < 0 || !s.allows() || s.unclear || s.narrowsResources() || !s.wantsResources() {
				continue
			}
			j.find(h.resource, s.resources[wide].at, "the policy allows %s on every resource", s.some())
		}
	}
	return nil
}

// narrowsResources tells whether a condition leaves a part of all resources.
func (s statement) narrowsResources() bool {
	return slices.ContainsFunc(s.conditions, func(c condition) bool {
		return strings.Contains(c.key, "resource") || strings.Contains(c.key, opening)
	})
}

// wantsResources tells whether one of the actions could be granted on less.
func (s statement) wantsResources() bool {
	return slices.ContainsFunc(s.actions, func(v value) bool {
		action, ok := v.known()
		return ok && !slices.ContainsFunc(needEverything, func(pattern string) bool {
			return matches(pattern, strings.ToLower(action))
		})
	})
}

var actionName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9-]{1,40}:[A-Za-z*]{1,60}$`)
})

// some names the actions of a statement, as many as a line holds; what is no action is not repeated.
func (s statement) some() string {
	var names []string
	for _, v := range s.actions {
		text, ok := v.known()
		switch {
		case text == "*":
			names = append(names, "every action")
		case ok && actionName().MatchString(text) && len(names) < 3:
			names = append(names, text)
		}
	}
	if len(names) < len(s.actions) {
		names = append(names, "others")
	}
	return strings.Join(names, ", ")
}

func checkAnyAction(j *judge) error {
	for _, h := range j.identityPolicies() {
		for _, s := range h.statements {
			for _, v := range s.actions {
				text, ok := v.known()
				_, name, _ := strings.Cut(text, ":")
				if s.allows() && ok && (text == "*" || name == "*") {
					j.find(h.resource, v.at, "the policy allows every action%s", ofService(text))
				}
			}
		}
	}
	return nil
}

func ofService(action string) string {
	service, _, ok := strings.Cut(action, ":")
	if !ok || !actionName().MatchString(action) {
		return ""
	}
	return " of " + service
}

func checkUnattached(j *judge) error {
	for _, policy := range j.of("aws_iam_policy") {
		attached := slices.ContainsFunc(j.resources, func(r *resource) bool { return r != policy && j.attaches(r, policy) })
		exported := slices.ContainsFunc(j.outputs, func(o output) bool { return o.value.refersTo(policy.base) })
		if !attached && !exported && !j.exports(policy) {
			j.find(policy, policy.at, "the policy is attached to nobody")
		}
	}
	return nil
}

// attaches tells whether r gives a policy to somebody, or may do so.
func (j *judge) attaches(r, policy *resource) bool {
	if r.body.refersTo(policy.base) {
		return true
	}
	for _, name := range []string{"policy_arn", "policy_arns", "managed_policy_arns", "permissions_boundary"} {
		for _, v := range r.all(name) {
			if v.isOf(policy) || name == "policy_arn" && isUnclear(j, v) {
				return true
			}
		}
	}
	return false
}

// isUnclear tells whether v may be of a resource that is not known.
func isUnclear(j *judge, v value) bool {
	return v.kind == unknown && !slices.ContainsFunc(v.references(), j.isDeclared)
}

// exports tells whether a state has the resource's ARN among its outputs.
func (j *judge) exports(r *resource) bool {
	arn, ok := r.get("arn").known()
	return ok && slices.ContainsFunc(j.outputs, func(o output) bool {
		return slices.ContainsFunc(leaves(o.value), func(v value) bool { return v.is(arn) })
	})
}

func leaves(v value) []value {
	if v.kind != list && v.kind != object {
		return []value{v}
	}
	var all []value
	for _, item := range v.items {
		all = append(all, leaves(item)...)
	}
	return all
}

func checkDeprecatedAction(j *judge) error {
	for _, h := range j.identityPolicies() {
		for _, s := range h.statements {
			if v, ok := s.named("appconfig:GetConfiguration"); ok {
				j.find(h.resource, v.at, "the policy allows appconfig:GetConfiguration, which no current client calls")
			}
		}
	}
	return nil
}

// sessionActions are what reading a configuration takes.
var sessionActions = []string{"appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration"}

func checkSessionActions(j *judge) error {
	reads := append([]string{"appconfig:GetConfiguration"}, sessionActions...)
	for _, h := range j.identityPolicies() {
		for _, s := range h.statements {
			at := slices.IndexFunc(reads, func(action string) bool { _, ok := s.named(action); return ok })
			if at < 0 {
				continue
			}
			for _, action := range sessionActions {
				if !j.grantSomewhere(action) {
					v, _ := s.named(reads[at])
					j.find(h.resource, v.at, "nothing allows %s", action)
				}
			}
		}
	}
	return nil
}

// checkDecrypt looks at secrets that have a key of the customer's.
func checkDecrypt(j *judge) error {
	if j.grantSomewhere("kms:Decrypt") {
		return nil
	}
	for _, secret := range j.of("aws_secretsmanager_secret") {
		key := secret.get("kms_key_id")
		if key.blank() || strings.Contains(key.text, "alias/aws/") || len(j.of("aws_kms_grant")) > 0 {
			continue
		}
		for _, h := range j.identityPolicies() {
			for _, s := range h.statements {
				if v, ok := s.named("secretsmanager:GetSecretValue"); ok && s.covers(secret) {
					j.find(h.resource, v.at, "the policy reads %s and nothing allows kms:Decrypt on its key", secret.address)
				}
			}
		}
	}
	return nil
}

// covers tells whether a statement certainly speaks of a resource.
func (s statement) covers(r *resource) bool {
	return slices.ContainsFunc(s.resources, func(v value) bool {
		text, ok := v.known()
		arn, has := r.get("arn").known()
		return v.refersTo(r.base) || ok && text == "*" || ok && has && matches(text, arn)
	})
}

// keyUses are the actions on keys that a service does for a caller.
var keyUses = []string{"kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt"}

func checkViaService(j *judge) error {
	for _, h := range j.identityPolicies() {
		for _, s := range h.statements {
			bound := s.unclear || slices.ContainsFunc(s.conditions, func(c condition) bool {
				return c.key == "kms:viaservice" || strings.HasPrefix(c.key, "kms:encryptioncontext") ||
					strings.Contains(c.key, opening)
			})
			for _, action := range keyUses {
				if v, ok := s.named(action); ok && !bound {
					j.find(h.resource, v.at, "%s is allowed to the caller itself, without kms:ViaService", action)
					break
				}
			}
		}
	}
	return nil
}

// checkOpenTo makes a check for policies of resources that allow everybody.
func checkOpenTo(attribute, what string, kinds ...string) func(*judge) error {
	return func(j *judge) error {
		for _, h := range j.held(attribute, kinds...) {
			for _, s := range h.statements {
				if s.allows() && s.anybody() && !s.narrowed() {
					j.find(h.resource, s.at, "%s", what)
				}
			}
		}
		return nil
	}
}

var (
	checkKeyPublic    = checkOpenTo("policy", "the key's policy allows everybody", "aws_kms_key", "aws_kms_key_policy")
	checkSecretPublic = checkOpenTo("policy", "the secret's policy allows everybody",
		"aws_secretsmanager_secret", "aws_secretsmanager_secret_policy")
	checkTrustAnybody = checkOpenTo("assume_role_policy", "the role trusts everybody", "aws_iam_role")
)
