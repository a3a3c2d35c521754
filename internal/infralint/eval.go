package infralint

import (
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// evaluator knows what was evaluated. Expressions of modules are evaluated once, so its cost is that of reading them.
//
// A for expression costs as often as it runs, and a block may lead to itself through one: both are counted.
type evaluator struct {
	done         map[memo]value
	busy         map[memo]bool
	steps, depth int
}

func newEvaluator() *evaluator { return &evaluator{done: map[memo]value{}, busy: map[memo]bool{}} }

// What takes more is unknown.
const (
	maxSteps     = 2_000_000
	maxRecursion = 2000
)

// memo is an expression in a module, as called at one place.
type memo struct {
	module *module
	expr   hclsyntax.Expression
}

// evaluate fills the estate with the resources and outputs of its modules.
func evaluate(e *estate) {
	ev := newEvaluator()
	for _, m := range e.modules {
		m.eval = ev
	}
	for _, m := range e.modules {
		for _, name := range sortedNames(m.resources) {
			r, there := m.resource(name)
			if there {
				e.resources = append(e.resources, r)
			} else {
				e.off = append(e.off, r)
			}
		}
	}
	root := e.modules[0]
	for _, name := range sortedNames(root.outputs) {
		b := root.outputs[name]
		s := root.scope(b.file)
		o := output{name: name, value: s.attribute(b, "value"), at: b.at()}
		sensitive := s.attribute(b, "sensitive")
		o.sensitive = !sensitive.unset() && !sensitive.is("false")
		e.outputs = append(e.outputs, o)
	}
}

// resource evaluates a block, and tells whether there is any of it, by count and for_each. In a module that is judged
// by itself a variable's default is only one possibility: what it leaves out may be there.
func (m *module) resource(name string) (*resource, bool) {
	b := m.resources[name]
	s := m.scope(b.file)
	count := s.attribute(b, "count")
	callable := !m.top().isRoot()
	there := !count.is("0") || callable && count.derived
	if each := s.attribute(b, "for_each"); each.kind != absent {
		there = there && (!each.blank() || callable && each.derived)
		// Which instance has which item is not told apart: each is of any.
		some := unknownAt(each.at, each.references()...)
		s = s.with(map[string]value{"each": objectAt(each.at, []string{"key", "value"}, []value{some, some})})
	}
	address := m.global(name)
	r := &resource{
		address: address, base: address, kind: b.Labels[0], name: b.Labels[1], data: b.Type != "resource",
		at: b.at(), module: m,
	}
	r.body = s.body(b.Body, r.at)
	return r, there
}

// scope is where an expression is evaluated.
type scope struct {
	module *module // nil in a template and in a file of values
	file   *source
	own    map[string]value // for, dynamic and templatefile
	ev     *evaluator
}

func (m *module) scope(f *source) *scope { return &scope{module: m, file: f, ev: m.eval} }

// with is the scope with more names.
func (s *scope) with(names map[string]value) *scope {
	own := maps.Clone(s.own)
	if own == nil {
		own = map[string]value{}
	}
	maps.Copy(own, names)
	return &scope{s.module, s.file, own, s.ev}
}

func (s *scope) at(r hcl.Range) position { return position{s.file.name, r.Start.Line} }

// attribute evaluates an attribute of a block, or answers absent.
func (s *scope) attribute(b *block, name string) value {
	e := b.expression(name)
	if e == nil {
		return value{}
	}
	return s.eval(e)
}

// body evaluates arguments and blocks.
func (s *scope) body(b *hclsyntax.Body, at position) value {
	var names []string
	var items []value
	for _, name := range sortedNames(b.Attributes) {
		names, items = append(names, name), append(items, s.eval(b.Attributes[name].Expr))
	}
	blocks := map[string][]value{}
	var order []string
	for _, inner := range b.Blocks {
		name, made := inner.Type, []value(nil)
		if name == "dynamic" && len(inner.Labels) == 1 {
			name, made = inner.Labels[0], s.dynamic(inner)
		} else {
			made = []value{s.body(inner.Body, s.at(inner.TypeRange))}
		}
		if _, ok := blocks[name]; !ok {
			order = append(order, name)
		}
		blocks[name] = append(blocks[name], made...)
	}
	for _, name := range order {
		names, items = append(names, name), append(items, listAt(at, blocks[name]))
	}
	return objectAt(at, names, items)
}

// dynamic makes the blocks of a dynamic block. How many there are may be unknown: what each of them has is not.
func (s *scope) dynamic(b *hclsyntax.Block) (made []value) {
	iterator := b.Labels[0]
	if attribute, ok := b.Body.Attributes["iterator"]; ok {
		iterator = hcl.ExprAsKeyword(attribute.Expr)
	}
	collection, ok := b.Body.Attributes["for_each"]
	if !ok {
		return nil
	}
	for _, item := range pairsOf(s.eval(collection.Expr)) {
		for _, inner := range b.Body.Blocks {
			if inner.Type == "content" {
				made = append(made, s.with(map[string]value{iterator: item}).body(inner.Body, s.at(inner.TypeRange)))
			}
		}
	}
	return made
}

// pairsOf answers {key, value} for each item of a collection; of an unknown one, one that stands for all.
func pairsOf(v value) []value {
	pair := func(key, item value) value { return objectAt(v.at, []string{"key", "value"}, []value{key, item}) }
	var pairs []value
	switch v.kind {
	case list:
		for _, item := range v.items { // of a set the key is the item, of a list its number
			pairs = append(pairs, pair(unknownAt(item.at, item.references()...), item))
		}
	case object:
		for i, item := range v.items {
			pairs = append(pairs, pair(textAt(v.at, v.names[i]), item))
		}
	case unknown:
		some := unknownAt(v.at, v.refs...)
		pairs = append(pairs, pair(some, some))
	}
	return pairs
}

// eval answers what an expression is, as far as that is known. It never fails: what is wrong is unknown.
func (s *scope) eval(e hclsyntax.Expression) value {
	if s.module == nil || s.own != nil {
		return s.evalNow(e)
	}
	key, ev := memo{s.module, e}, s.ev
	if v, ok := ev.done[key]; ok {
		return v
	}
	if ev.busy[key] { // it leads to itself
		return unknownAt(s.at(e.Range()))
	}
	ev.busy[key] = true
	v := s.evalNow(e)
	delete(ev.busy, key)
	ev.done[key] = v
	return v
}

func (s *scope) evalNow(e hclsyntax.Expression) value {
	at := s.at(e.Range())
	s.ev.steps++
	s.ev.depth++
	defer func() { s.ev.depth-- }()
	if s.ev.steps > maxSteps || s.ev.depth > maxRecursion {
		return unknownAt(at)
	}
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return fromCty(e.Val, at)
	case *hclsyntax.ParenthesesExpr:
		return s.eval(e.Expression)
	case *hclsyntax.TemplateWrapExpr:
		return s.eval(e.Wrapped)
	case *hclsyntax.TemplateExpr:
		return s.template(e.Parts, at)
	case *hclsyntax.ObjectConsExpr:
		return s.object(e, at)
	case *hclsyntax.ObjectConsKeyExpr:
		if word := hcl.ExprAsKeyword(e.Wrapped); word != "" && !e.ForceNonLiteral {
			return textAt(at, word)
		}
		return s.eval(e.Wrapped)
	case *hclsyntax.TupleConsExpr:
		items := make([]value, len(e.Exprs))
		for i, item := range e.Exprs {
			items[i] = s.eval(item)
		}
		return listAt(at, items)
	case *hclsyntax.ConditionalExpr:
		return s.conditional(e, at)
	case *hclsyntax.FunctionCallExpr:
		return s.call(e, at)
	case *hclsyntax.ScopeTraversalExpr:
		return s.traverse(e.Traversal, at)
	case *hclsyntax.RelativeTraversalExpr:
		return s.steps(s.eval(e.Source), e.Traversal, at)
	case *hclsyntax.IndexExpr:
		return s.index(s.eval(e.Collection), s.eval(e.Key), at)
	case *hclsyntax.ForExpr:
		return s.loop(e, at)
	case *hclsyntax.BinaryOpExpr:
		return operate(e.Op, at, s.eval(e.LHS), s.eval(e.RHS))
	case *hclsyntax.UnaryOpExpr:
		return operate(e.Op, at, s.eval(e.Val))
	}
	return s.opaque(e, at)
}

// opaque is an expression of which only its references are known.
func (s *scope) opaque(e hclsyntax.Expression, at position) value {
	var refs []reference
	for _, traversal := range e.Variables() {
		refs = append(refs, s.traverse(traversal, at).references()...)
	}
	return unknownAt(at, refs...)
}

// template joins the parts of a string.
func (s *scope) template(parts []hclsyntax.Expression, at position) value {
	v := textAt(at, "")
	var b strings.Builder
	for _, part := range parts {
		p := s.eval(part)
		text := p.mark()
		if p.kind == list || p.kind == object { // by jsonencode: nothing else of that kind can stand there
			text = toJSON(p)
		}
		if b.Len()+len(text) > maxText {
			return unknownAt(at)
		}
		b.WriteString(text)
		v.refs = union(v.refs, p.references())
		v.derived = v.derived || p.derived
	}
	v.text = b.String()
	return v
}

func (s *scope) object(e *hclsyntax.ObjectConsExpr, at position) value {
	var names []string
	var items []value
	for _, item := range e.Items {
		names = append(names, s.eval(item.KeyExpr).mark())
		items = append(items, s.eval(item.ValueExpr))
	}
	return objectAt(at, names, items)
}

func (s *scope) conditional(e *hclsyntax.ConditionalExpr, at position) value {
	condition := s.eval(e.Condition)
	switch {
	case condition.is("true"):
		return s.derivedFrom(condition, s.eval(e.TrueResult))
	case condition.is("false"):
		return s.derivedFrom(condition, s.eval(e.FalseResult))
	}
	refs := append(s.eval(e.TrueResult).references(), s.eval(e.FalseResult).references()...)
	return unknownAt(at, refs...)
}

func (s *scope) derivedFrom(from, v value) value {
	v.derived = v.derived || from.derived
	return v
}

// loop evaluates a for expression; over an unknown collection once, for all its items.
func (s *scope) loop(e *hclsyntax.ForExpr, at position) value {
	var names []string
	var items []value
	for _, pair := range pairsOf(s.eval(e.CollExpr)) {
		own := map[string]value{e.ValVar: pair.get("value")}
		if e.KeyVar != "" {
			own[e.KeyVar] = pair.get("key")
		}
		inner := s.with(own)
		if e.CondExpr != nil && inner.eval(e.CondExpr).is("false") {
			continue
		}
		if e.KeyExpr != nil {
			names = append(names, inner.eval(e.KeyExpr).mark())
		}
		items = append(items, inner.eval(e.ValExpr))
	}
	if e.Group {
		return s.opaque(e, at)
	}
	if e.KeyExpr != nil {
		return objectAt(at, names, items)
	}
	return listAt(at, items)
}

// operate applies an operator to what is known.
func operate(op *hclsyntax.Operation, at position, operands ...value) value {
	args := make([]cty.Value, len(operands))
	var refs []reference
	derived := false
	for i, v := range operands {
		refs = append(refs, v.references()...)
		derived = derived || v.derived
		if v.hasUnknown() || v.kind == absent {
			return unknownAt(at, refs...)
		}
		arg, err := convert.Convert(toCty(v), op.Impl.Params()[i].Type)
		if err != nil {
			return unknownAt(at, refs...)
		}
		args[i] = arg
	}
	result, err := op.Impl.Call(args)
	if err != nil {
		return unknownAt(at, refs...)
	}
	v := fromCty(result, at)
	v.derived = derived
	return v
}
