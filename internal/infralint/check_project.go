package infralint

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// folders answers the modules of a configuration, each folder once.
func (e *estate) folders() []*module {
	return slices.DeleteFunc(slices.Clone(e.modules), func(m *module) bool { return m.checked })
}

func checkUndeclared(j *judge) error {
	for _, m := range j.folders() {
		for _, f := range m.files {
			for _, b := range f.syntax.Blocks {
				if b.Type != "moved" && b.Type != "removed" && b.Type != "import" {
					u := undeclared{judge: j, module: m, block: &block{b, f}}
					u.body(b.Body, map[string]bool{})
				}
			}
		}
	}
	return nil
}

// undeclared finds names without a declaration in one block.
type undeclared struct {
	*judge
	module *module
	block  *block
}

func (u *undeclared) body(b *hclsyntax.Body, iterators map[string]bool) {
	for _, name := range sortedNames(b.Attributes) {
		if name == "provider" || name == "providers" {
			continue
		}
		for _, traversal := range b.Attributes[name].Expr.Variables() {
			if missing := u.module.missing(traversal, iterators); missing != "" {
				u.report(traversal.SourceRange(), missing)
			}
		}
	}
	for _, inner := range b.Blocks {
		if inner.Type == "lifecycle" {
			continue
		}
		within := iterators
		if inner.Type == "dynamic" && len(inner.Labels) == 1 {
			within = maps.Clone(iterators)
			within[inner.Labels[0]] = true
			if attribute, ok := inner.Body.Attributes["iterator"]; ok {
				within[hcl.ExprAsKeyword(attribute.Expr)] = true
			}
		}
		u.body(inner.Body, within)
	}
}

func (u *undeclared) report(at hcl.Range, missing string) {
	f := u.finding(position{u.block.file.name, at.Start.Line}, "%s is declared nowhere in the module", missing)
	f.block = u.block.at()
	if len(u.block.Labels) == 2 {
		f.Address = u.module.global(strings.Join(u.block.Labels, "."))
		if u.block.Type == "data" {
			f.Address = u.module.global("data." + strings.Join(u.block.Labels, "."))
		}
	}
	u.findings = append(u.findings, f)
}

func checkTerraformVersion(j *judge) error {
	for _, m := range j.folders() {
		if !slices.ContainsFunc(m.settings, func(b *block) bool { return b.expression("required_version") != nil }) {
			j.findAt(m.start(), "%s has no required_version", m.label())
		}
	}
	return nil
}

func (m *module) label() string {
	if m.parent == nil {
		return "the configuration"
	}
	return "the module"
}

func checkProviderVersion(j *judge) error {
	for _, m := range j.folders() {
		constrained := map[string]bool{"terraform": true}
		for _, b := range m.settingBlocks("required_providers") {
			for name, attribute := range b.Body.Attributes {
				v := m.scope(b.file).eval(attribute.Expr)
				constrained[name] = v.kind == scalar || !v.get("version").unset()
			}
		}
		for _, name := range sortedNames(m.resources) {
			provider, _, _ := strings.Cut(m.resources[name].Labels[0], "_")
			if named := m.resources[name].expression("provider"); named == nil && !constrained[provider] {
				j.findAt(m.start(), "%s has no version of the provider %s", m.label(), provider)
				constrained[provider] = true
			}
		}
	}
	return nil
}

func checkBackend(j *judge) error {
	if j.root() && len(j.modules[0].settingBlocks("backend", "cloud")) == 0 {
		j.findAt(j.at, "the configuration has no backend")
	}
	return nil
}

func checkRegion(j *judge) error {
	if !j.root() {
		return nil
	}
	configured := false
	for _, p := range j.modules[0].providers {
		if p.Labels[0] != "aws" {
			continue
		}
		configured = true
		if p.expression("region") == nil {
			j.findAt(p.at(), "the provider aws has no region")
		}
	}
	isAWS := func(r *resource) bool { return strings.HasPrefix(r.kind, "aws_") }
	if !configured && slices.ContainsFunc(j.resources, isAWS) {
		j.findAt(j.at, "the configuration has no provider aws with a region")
	}
	return nil
}

var accountInARN = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:[0-9]{12}:`)
})

// hasAccount tells whether text has an ARN with an account's number. That of zeros is nobody's.
func hasAccount(text string) bool {
	return slices.ContainsFunc(accountInARN().FindAllString(text, -1), func(arn string) bool {
		return !strings.HasSuffix(arn, ":000000000000:")
	})
}

func checkAccount(j *judge) error {
	for _, m := range j.folders() {
		for _, f := range m.files {
			for _, b := range f.syntax.Blocks {
				if b.Type == "variable" {
					continue // it can be given another one
				}
				_ = hclsyntax.VisitAll(b, func(n hclsyntax.Node) hcl.Diagnostics {
					e, ok := n.(*hclsyntax.LiteralValueExpr)
					if ok && isText(e.Val) && hasAccount(e.Val.AsString()) {
						u := undeclared{judge: j, module: m, block: &block{b, f}}
						u.account(e.Range())
					}
					return nil
				})
			}
		}
	}
	return nil
}

func (u *undeclared) account(at hcl.Range) {
	u.report(at, "")
	u.findings[len(u.findings)-1].Fault = "an ARN with the number of an account is written out"
}

// named are the types whose names may be taken once in an account, or once in the world.
var named = map[string]string{
	"aws_s3_bucket": "bucket", "aws_secretsmanager_secret": "name", "aws_iam_role": "name", "aws_iam_policy": "name",
	"aws_iam_user": "name", "aws_appconfig_application": "name", "aws_appconfig_deployment_strategy": "name",
	"aws_kms_alias": "name", "aws_cloudwatch_metric_alarm": "alarm_name",
}

// writtenName answers the name of a resource when it is the same wherever the configuration is applied.
func (j *judge) writtenName(r *resource, attribute string) (value, bool) {
	v := r.get(attribute)
	_, known := v.known()
	return v, known && j.origin != fromState && !v.derived && len(v.refs) == 0 && !v.blank()
}

func checkFixedName(j *judge) error {
	for _, r := range j.of(sortedNames(named)...) {
		if v, ok := j.writtenName(r, named[r.kind]); ok && stageOf(v.text) == unknownStage {
			j.find(r, v.at, "the name says nothing of the environment")
		}
	}
	return nil
}

func checkFixedEnvironment(j *judge) error {
	kinds := append(sortedNames(named), "aws_appconfig_environment")
	for _, r := range j.of(kinds...) {
		attribute := "name"
		if a, ok := named[r.kind]; ok {
			attribute = a
		}
		if v, ok := j.writtenName(r, attribute); ok && stageOf(v.text) != unknownStage {
			j.find(r, v.at, "the environment is written out in the name")
		}
	}
	return nil
}

// tagged are the types of ours that take tags.
var tagged = []string{
	"aws_s3_bucket", "aws_secretsmanager_secret", "aws_iam_role", "aws_iam_policy", "aws_kms_key",
	"aws_appconfig_application", "aws_appconfig_environment", "aws_appconfig_configuration_profile",
	"aws_appconfig_deployment", "aws_appconfig_deployment_strategy", "aws_iam_openid_connect_provider",
}

func checkTags(j *judge) error {
	if !j.root() {
		return nil
	}
	for _, p := range j.modules[0].providers {
		for _, b := range p.Body.Blocks {
			if b.Type == "default_tags" {
				return nil
			}
		}
	}
	var bare []*resource
	for _, r := range j.of(tagged...) {
		if r.get("tags").blank() {
			bare = append(bare, r)
		}
	}
	if len(bare) == 0 {
		return nil
	}
	slices.SortStableFunc(bare, func(a, b *resource) int { return byPlace(a.at, b.at) })
	at := j.at
	for _, p := range j.modules[0].providers {
		at = p.at()
	}
	others := ""
	if len(bare) > 1 {
		others = fmt.Sprintf(" and %d others", len(bare)-1)
	}
	j.findAt(at, "no tags on %s%s", bare[0].address, others)
	return nil
}

func checkOutputs(j *judge) error {
	if j.root() && len(j.outputs) == 0 && len(j.of("aws_iam_role", "aws_s3_bucket")) > 0 {
		j.findAt(j.at, "the configuration has no outputs")
	}
	return nil
}
