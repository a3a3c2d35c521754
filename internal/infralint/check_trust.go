package infralint

import (
	"slices"
	"strings"
)

// federated answers the statements by which tokens of an OIDC provider take a role.
func (h held) federated() []statement {
	var found []statement
	for _, s := range h.statements {
		isFederated := slices.ContainsFunc(s.principals, func(p principal) bool {
			return p.kind == "Federated" && !strings.Contains(p.id.text, ":saml-provider/") &&
				!slices.ContainsFunc(p.id.references(), func(ref reference) bool {
					return strings.Contains(ref.address, "aws_iam_saml_provider.")
				})
		})
		if isFederated && s.grants("sts:AssumeRoleWithWebIdentity") {
			found = append(found, s)
		}
	}
	return found
}

// claims answers the conditions on a claim of the token that hold; unclear when there may be one.
func (s statement) claims(name string) (found []condition, unclear bool) {
	unclear = s.unclear
	for _, c := range s.conditions {
		key := withoutMarks(c.key)
		switch {
		case strings.HasSuffix(key, ":"+name) && c.holds():
			found = append(found, c)
		case strings.HasSuffix(c.key, closing): // the claim itself is not known
			unclear = true
		}
	}
	return found, unclear
}

// checkClaim makes a check for trust that does not ask for a claim.
func checkClaim(name, what string) func(*judge) error {
	return func(j *judge) error {
		for _, h := range j.trusts() {
			for _, s := range h.federated() {
				if found, unclear := s.claims(name); len(found) == 0 && !unclear {
					j.find(h.resource, s.at, "%s", what)
				}
			}
		}
		return nil
	}
}

var (
	checkSub = checkClaim("sub", "the trust names no subject (sub)")
	checkAud = checkClaim("aud", "the trust names no audience (aud)")
)

// ofPipeline tells whether a condition is on the tokens of a CI system.
func (c condition) ofPipeline() bool {
	if strings.Contains(c.key, "githubusercontent.com") || strings.Contains(c.key, "gitlab") {
		return true
	}
	return slices.ContainsFunc(c.values, func(v value) bool {
		return strings.HasPrefix(v.text, "repo:") || strings.HasPrefix(v.text, "project_path:")
	})
}

// checkWildcard makes a check for subjects and audiences with wildcards, of pods or of pipelines.
func checkWildcard(pipeline bool) func(*judge) error {
	return func(j *judge) error {
		for _, h := range j.trusts() {
			for _, s := range h.federated() {
				subjects, _ := s.claims("sub")
				audiences, _ := s.claims("aud")
				isPipeline := slices.ContainsFunc(subjects, condition.ofPipeline) ||
					slices.ContainsFunc(audiences, condition.ofPipeline)
				if isPipeline != pipeline {
					continue
				}
				for _, c := range append(subjects, audiences...) {
					j.wildcards(h.resource, c)
				}
			}
		}
		return nil
	}
}

func (j *judge) wildcards(r *resource, c condition) {
	for _, v := range c.values {
		if !strings.ContainsAny(v.literal(), "*?") {
			continue
		}
		claim := c.key[strings.LastIndexByte(c.key, ':')+1:]
		if strings.Contains(c.operator, "like") {
			j.find(r, v.at, "the trust takes any %s that matches a pattern", claim)
		} else {
			j.find(r, v.at, "the trust compares %s with a pattern as if it were plain text: nobody matches", claim)
		}
	}
}

var (
	checkPodWildcard      = checkWildcard(false)
	checkPipelineWildcard = checkWildcard(true)
)

// checkRetrievalTrust looks at roles that AppConfig takes.
func checkRetrievalTrust(j *judge) error {
	for _, h := range j.trusts() {
		for _, s := range h.statements {
			isAppConfig := slices.ContainsFunc(s.principals, func(p principal) bool {
				return p.kind == "Service" && p.id.is("appconfig.amazonaws.com")
			})
			bound := s.unclear || slices.ContainsFunc(s.conditions, func(c condition) bool {
				return c.key == "aws:sourceaccount" || c.key == "aws:sourcearn" || strings.Contains(c.key, opening)
			})
			if s.allows() && isAppConfig && !bound {
				j.find(h.resource, s.at, "AppConfig may take the role for any account")
			}
		}
	}
	return nil
}

func checkIssuer(j *judge) error {
	for _, r := range j.of("aws_iam_openid_connect_provider") {
		if v := r.get("url"); strings.HasPrefix(strings.ToLower(v.text), "http://") {
			j.find(r, v.at, "the issuer is reached over http")
		}
	}
	return nil
}

func checkStaticKeys(j *judge) error {
	for _, r := range j.of("aws_iam_user", "aws_iam_access_key") {
		j.find(r, r.at, "it makes a user, or keys that do not expire")
	}
	for _, m := range j.modules {
		for _, p := range m.providers {
			for _, name := range []string{"access_key", "secret_key"} {
				if e := p.expression(name); e != nil && p.Labels[0] == "aws" {
					j.findAt(position{p.file.name, e.Range().Start.Line}, "the provider has an argument %s", name)
				}
			}
		}
	}
	return nil
}

// checkPublisher looks at configurations that let somebody read charts.
func checkPublisher(j *judge) error {
	if !j.root() || j.grantSomewhere("s3:PutObject") {
		return nil
	}
	for _, bucket := range j.of("aws_s3_bucket") {
		documents, unclear := j.policiesOf(bucket)
		reads, writes := false, unclear
		for _, d := range documents {
			for _, s := range d.statements {
				reads = reads || s.grants("s3:GetObject")
				writes = writes || s.allows() && s.mayGrant("s3:PutObject")
			}
		}
		if reads && !writes {
			j.find(bucket, bucket.at, "objects may be read, and nobody may write them")
		}
	}
	return nil
}
