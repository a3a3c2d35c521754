package infralint

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// module is one folder of configuration, as it is called at one place.
type module struct {
	path      string // module.charts, or "" for the root
	dir       string // of its files
	shown     string // dir as findings have it
	files     []*source
	resources map[string]*block // aws_s3_bucket.this, data.aws_iam_policy_document.trust
	variables map[string]*block
	locals    map[string]hclsyntax.Expression
	outputs   map[string]*block
	calls     map[string]*block
	called    map[string]*module // those of calls that could be followed
	settings  []*block           // terraform blocks
	providers []*block
	given     map[string]value // by terraform.tfvars, in the root

	parent  *module
	call    *block // in parent
	eval    *evaluator
	checked bool // its files were judged where it is called before
}

// source is one file.
type source struct {
	name    string // as findings have it
	body    []byte
	syntax  *hclsyntax.Body
	accepts []acceptance
}

// block is a block with its file.
type block struct {
	*hclsyntax.Block
	file *source
}

func (b *block) at() position { return position{b.file.name, b.TypeRange.Start.Line} }

func (b *block) expression(name string) hclsyntax.Expression {
	if attribute, ok := b.Body.Attributes[name]; ok {
		return attribute.Expr
	}
	return nil
}

// isRoot tells whether the folder is one to apply: it says where its state or its provider is, or it takes and gives
// nothing. What has variables or outputs and neither of these is made to be called.
func (m *module) isRoot() bool {
	if m.parent != nil {
		return false
	}
	return len(m.providers) > 0 || len(m.settingBlocks("backend", "cloud")) > 0 ||
		len(m.variables) == 0 && len(m.outputs) == 0
}

// top is the module that is judged.
func (m *module) top() *module {
	for m.parent != nil {
		m = m.parent
	}
	return m
}

// settingBlocks answers the blocks of some types within the terraform blocks.
func (m *module) settingBlocks(types ...string) []*block {
	var found []*block
	for _, settings := range m.settings {
		for _, b := range settings.Body.Blocks {
			if slices.Contains(types, b.Type) {
				found = append(found, &block{b, settings.file})
			}
		}
	}
	return found
}

// start is where something is reported that is nowhere in the module.
func (m *module) start() position { return position{m.files[0].name, 1} }

func (m *module) variable(name string) value {
	if _, ok := m.variables[name]; !ok {
		return value{}
	}
	return m.eval.variable(m, name)
}

// global is an address within the module as the whole configuration has it.
func (m *module) global(address string) string {
	if m.path == "" {
		return address
	}
	return m.path + "." + address
}

// add files the blocks of a file.
func (m *module) add(f *source) {
	m.addBlocks(f, f.syntax.Blocks)
}

func (m *module) addBlocks(f *source, blocks hclsyntax.Blocks) {
	for _, b := range blocks {
		block := &block{b, f}
		switch {
		case b.Type == "resource" && len(b.Labels) == 2:
			m.resources[b.Labels[0]+"."+b.Labels[1]] = block
		case (b.Type == "data" || b.Type == "ephemeral") && len(b.Labels) == 2:
			m.resources[b.Type+"."+b.Labels[0]+"."+b.Labels[1]] = block
		case b.Type == "variable" && len(b.Labels) == 1:
			m.variables[b.Labels[0]] = block
		case b.Type == "output" && len(b.Labels) == 1:
			m.outputs[b.Labels[0]] = block
		case b.Type == "module" && len(b.Labels) == 1:
			m.calls[b.Labels[0]] = block
		case b.Type == "provider" && len(b.Labels) == 1:
			m.providers = append(m.providers, block)
		case b.Type == "check":
			m.addBlocks(f, b.Body.Blocks) // it may have a data source
		case b.Type == "terraform":
			m.settings = append(m.settings, block)
		case b.Type == "locals":
			for name, attribute := range b.Body.Attributes {
				m.locals[name] = attribute.Expr
			}
		}
	}
}

// missing answers what an expression names and the module does not declare; "" when it is there, or when that is not
// for this module to say.
func (m *module) missing(traversal hcl.Traversal, iterators map[string]bool) string {
	root := traversal.RootName()
	step := func(n int) string {
		if n < len(traversal) {
			if attribute, ok := traversal[n].(hcl.TraverseAttr); ok {
				return attribute.Name
			}
		}
		return ""
	}
	first, second := step(1), step(2)
	has := true
	name := root + "." + first
	switch root {
	case "var":
		_, has = m.variables[first]
	case "local":
		_, has = m.locals[first]
	case "module":
		_, has = m.calls[first]
	case "data", "ephemeral":
		name += "." + second
		_, has = m.resources[name]
		has = has || second == ""
	case "each", "count", "self", "path", "terraform":
	default: // a resource, or the name within a dynamic block
		_, has = m.resources[name]
		has = has || iterators[root] || !strings.Contains(root, "_")
	}
	if has || first == "" {
		return ""
	}
	return name
}
