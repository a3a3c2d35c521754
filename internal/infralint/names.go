package infralint

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// traverse follows a name and what stands behind it.
func (s *scope) traverse(t hcl.Traversal, at position) value {
	root := t.RootName()
	if v, ok := s.own[root]; ok {
		return s.steps(v, t[1:], at)
	}
	name, rest := firstName(t[1:])
	m := s.module
	if m == nil {
		return unknownAt(at)
	}
	switch root {
	case "var":
		return s.steps(m.eval.variable(m, name), rest, at)
	case "local":
		if e, ok := m.locals[name]; ok {
			v := s.steps(m.scope(m.fileOf(e)).eval(e), rest, at)
			v.derived = true // one place to change it
			return v
		}
	case "module":
		return m.outputOf(name, rest, at)
	case "path":
		for name == "root" && m.parent != nil {
			m = m.parent
		}
		return textAt(at, m.dir)
	case "data", "ephemeral":
		kind := name
		name, rest = firstName(rest)
		return m.attributeOf(root+"."+kind+"."+name, rest, at)
	case "each", "count", "self", "terraform":
	default:
		return m.attributeOf(root+"."+name, rest, at)
	}
	return unknownAt(at)
}

// firstName answers the first attribute of a traversal and what follows; indexes before it are left out.
func firstName(t hcl.Traversal) (string, hcl.Traversal) {
	for i, step := range t {
		if attribute, ok := step.(hcl.TraverseAttr); ok {
			return attribute.Name, t[i+1:]
		}
	}
	return "", nil
}

func (m *module) fileOf(e hclsyntax.Expression) *source {
	for _, f := range m.files {
		if f.name == e.Range().Filename {
			return f
		}
	}
	return m.files[0]
}

// attributeOf is an attribute of a resource, where its block writes it; else a reference to it.
func (m *module) attributeOf(address string, rest hcl.Traversal, at position) value {
	name, rest := firstName(rest)
	ref := reference{m.global(address), cmp.Or(name, "*")}
	b, ok := m.resources[address]
	if !ok || name == "" {
		return unknownAt(at, ref)
	}
	s := m.scope(b.file)
	if name == "json" && strings.HasPrefix(address, "data.aws_iam_policy_document.") {
		v := statementBlocks(s.body(b.Body, b.at()))
		v.refs = union(v.refs, []reference{ref})
		return v
	}
	if b.Type != "resource" || b.expression(name) == nil {
		return unknownAt(at, ref)
	}
	v := s.steps(s.eval(b.expression(name)), rest, at)
	v.refs = union(v.refs, []reference{ref})
	return v
}

// outputOf is an output of a module that m calls.
func (m *module) outputOf(call string, rest hcl.Traversal, at position) value {
	name, rest := firstName(rest)
	child, ok := m.called[call]
	if !ok || child.outputs[name] == nil {
		return unknownAt(at, reference{m.global("module." + call), cmp.Or(name, "*")})
	}
	b := child.outputs[name]
	s := child.scope(b.file)
	return s.steps(s.attribute(b, "value"), rest, at)
}

// variable is what a variable has: what the caller gives, or the file of values, or its default.
func (ev *evaluator) variable(m *module, name string) value {
	b, ok := m.variables[name]
	if !ok {
		return unknownAt(m.start())
	}
	var v value
	switch {
	case m.call != nil && m.call.expression(name) != nil:
		v = m.parent.scope(m.call.file).eval(m.call.expression(name))
	case m.given[name].kind != absent:
		v = m.given[name]
	default:
		v = m.scope(b.file).attribute(b, "default")
	}
	if v.kind == absent {
		v = unknownAt(b.at())
	}
	v.derived = true
	return v
}

// steps follows attributes and indexes into a value.
func (s *scope) steps(v value, t hcl.Traversal, at position) value {
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			v = s.index(v, textAt(at, step.Name), at)
		case hcl.TraverseIndex:
			v = s.index(v, fromCty(step.Key, at), at)
		default:
			v = unknownAt(at, v.references()...)
		}
	}
	return v.usedAt(at)
}

// index is an item of v; absent when it is known that there is none, which only try lets pass.
func (s *scope) index(v, key value, at position) value {
	text, ok := key.known()
	switch {
	case v.unset():
		return value{}
	case ok && v.kind == object:
		for i, name := range v.names {
			if name == text {
				return s.derivedFrom(v, v.items[i])
			}
		}
		if !slices.ContainsFunc(v.names, func(name string) bool { return strings.Contains(name, opening) }) {
			return value{}
		}
	case ok && v.kind == list:
		for i, item := range v.items {
			if text == itoa(i) {
				return s.derivedFrom(v, item)
			}
		}
	case ok && v.kind == unknown && len(v.refs) == 1 && v.refs[0].name == "*":
		return unknownAt(at, reference{v.refs[0].address, text})
	}
	return unknownAt(at, v.references()...)
}

// under joins a relative path to the folder of a module.
func (m *module) under(path string) (string, bool) {
	if filepath.IsAbs(path) && !strings.HasPrefix(path, m.dir) {
		return "", false
	}
	if !strings.HasPrefix(path, m.dir) {
		path = filepath.Join(m.dir, path)
	}
	return filepath.Clean(path), true
}
