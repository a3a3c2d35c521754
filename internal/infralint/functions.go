package infralint

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func itoa(n int) string { return strconv.Itoa(n) }

func isText(v cty.Value) bool { return v.Type() == cty.String && v.IsKnown() && !v.IsNull() }

// functions are those of Terraform that make values of whole values: they need all of their arguments.
var functions = map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "contains": stdlib.ContainsFunc, "element": stdlib.ElementFunc,
	"floor": stdlib.FloorFunc, "format": stdlib.FormatFunc, "join": stdlib.JoinFunc, "keys": stdlib.KeysFunc,
	"length": stdlib.LengthFunc, "lower": stdlib.LowerFunc, "max": stdlib.MaxFunc, "min": stdlib.MinFunc,
	"range": stdlib.RangeFunc, "replace": stdlib.ReplaceFunc, "reverse": stdlib.ReverseListFunc,
	"setproduct": stdlib.SetProductFunc, "split": stdlib.SplitFunc, "substr": stdlib.SubstrFunc,
	"title": stdlib.TitleFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc,
	"trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc, "values": stdlib.ValuesFunc,
	"startswith": startsWith, "endswith": endsWith,
}

var (
	startsWith = affix(strings.HasPrefix)
	endsWith   = affix(strings.HasSuffix)
)

func affix(has func(text, affix string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "affix", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(has(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// call evaluates a function. Those that only pass on or gather their arguments work on unknown ones as well.
func (s *scope) call(e *hclsyntax.FunctionCallExpr, at position) value {
	args := make([]value, len(e.Args))
	for i, arg := range e.Args {
		args[i] = s.eval(arg)
	}
	if e.ExpandFinal && len(args) > 0 && args[len(args)-1].kind == list {
		last := args[len(args)-1].items
		args = append(args[:len(args)-1], last...)
	} else if e.ExpandFinal {
		return s.opaque(e, at)
	}
	switch {
	case len(args) == 0:
	case e.Name == "try":
		return firstOf(args, at, func(v value) bool { return v.kind == absent })
	case e.Name == "coalesce":
		return firstOf(args, at, func(v value) bool { return v.unset() || v.is("") })
	case e.Name == "concat" || e.Name == "flatten" || e.Name == "setunion" || e.Name == "distinct":
		return gathered(args, e.Name == "flatten", at)
	case e.Name == "merge":
		return merged(args, at)
	case e.Name == "compact":
		return compact(args[0], at)
	case e.Name == "templatefile" && len(args) == 2:
		return s.templateFile(args[0], args[1], at)
	case e.Name == "file":
		return s.fileText(args[0], at)
	case e.Name == "jsondecode" && args[0].kind == scalar:
		return jsonValue(args[0])
	case e.Name == "one" && args[0].kind == list && len(args[0].items) == 1:
		return args[0].items[0]
	case slices.Contains(passing, e.Name):
		return args[0]
	}
	f, ok := functions[e.Name]
	if !ok {
		return s.opaque(e, at)
	}
	return apply(f, args, at, e.Name == "format" || e.Name == "join")
}

// passing are the functions of which only the type differs: a policy is the same as an object and as JSON.
var passing = []string{
	"jsonencode", "jsondecode", "tolist", "toset", "tomap", "tostring", "tobool", "tonumber", "sensitive", "nonsensitive",
	"ephemeralasnull",
}

// apply calls a function on known arguments; with whole, text may have unknown parts that stay as they are.
func apply(f function.Function, args []value, at position, whole bool) value {
	converted := make([]cty.Value, len(args))
	var refs []reference
	derived := false
	for i, arg := range args {
		refs = append(refs, arg.references()...)
		derived = derived || arg.derived
		if arg.kind == unknown && whole {
			arg = value{kind: scalar, text: arg.mark()}
		}
		if arg.kind == absent || !whole && arg.hasUnknown() || whole && slices.ContainsFunc(arg.items, isUnknown) {
			return unknownAt(at, refs...)
		}
		converted[i] = toCty(arg)
		if params := f.Params(); i < len(params) {
			if c, err := convert.Convert(converted[i], params[i].Type); err == nil {
				converted[i] = c
			}
		}
	}
	result, err := f.Call(converted)
	if err != nil {
		return unknownAt(at, refs...)
	}
	v := fromCty(result, at)
	v.derived, v.refs = derived, union(nil, refs)
	if len(v.text) > maxText {
		return unknownAt(at)
	}
	return v
}

func isUnknown(v value) bool { return v.kind == unknown }

// firstOf is the first argument that is not passed over.
func firstOf(args []value, at position, passed func(value) bool) value {
	for _, arg := range args {
		if !passed(arg) {
			return arg
		}
	}
	return value{kind: null, at: at}
}

// gathered joins lists. An unknown one is an unknown item.
func gathered(args []value, deep bool, at position) value {
	var items []value
	var add func(v value, depth int)
	add = func(v value, depth int) {
		if v.kind != list || depth == 0 {
			items = append(items, v)
			return
		}
		for _, item := range v.items {
			if len(items) > maxNodes {
				return
			}
			add(item, depth-1)
		}
	}
	depth := 1
	if deep {
		depth = maxDepth
	}
	for _, arg := range args {
		add(arg, depth)
	}
	return listAt(at, items)
}

func merged(args []value, at position) value {
	var names []string
	var items []value
	for _, arg := range args {
		if arg.kind == null {
			continue
		}
		if arg.kind != object {
			return unknownAt(at, objectAt(at, names, items).references()...)
		}
		for i, name := range arg.names {
			if known := slices.Index(names, name); known >= 0 {
				items[known] = arg.items[i]
				continue
			}
			names, items = append(names, name), append(items, arg.items[i])
		}
	}
	return objectAt(at, names, items)
}

func compact(v value, at position) value {
	if v.kind != list {
		return v
	}
	return listAt(at, slices.DeleteFunc(slices.Clone(v.items), value.blank))
}

// fileText is the text of a file of the configuration.
func (s *scope) fileText(path value, at position) value {
	name, ok := path.known()
	if !ok || s.module == nil {
		return unknownAt(at)
	}
	full, ok := s.module.under(name)
	if !ok {
		return unknownAt(at)
	}
	body, err := readWithin(full, filepath.Base(full), maxFile)
	if err != nil {
		return unknownAt(at)
	}
	return textAt(at, string(body))
}

// templateFile renders a template with what is known of its values.
func (s *scope) templateFile(path, values value, at position) value {
	text := s.fileText(path, at)
	if text.kind != scalar || values.kind != object || bounded("", []byte("x = <<E\n"+text.text+"\nE\n")) != nil {
		return unknownAt(at, values.references()...)
	}
	name, _ := path.known()
	e, diagnostics := hclsyntax.ParseTemplate([]byte(text.text), name, hcl.InitialPos)
	if diagnostics.HasErrors() {
		return unknownAt(at, values.references()...)
	}
	own := map[string]value{}
	for i, name := range values.names {
		own[name] = values.items[i]
	}
	inner := &scope{own: own, file: &source{name: at.file}, ev: s.ev}
	v := inner.eval(e)
	v.at = at
	return v
}

// fromCty makes a value of what HCL evaluated.
func fromCty(v cty.Value, at position) value {
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown():
		return unknownAt(at)
	case v.IsNull():
		return value{kind: null, at: at}
	case v.Type().IsPrimitiveType():
		text, err := convert.Convert(v, cty.String)
		if err != nil {
			return unknownAt(at)
		}
		return textAt(at, text.AsString())
	case !v.CanIterateElements() || v.LengthInt() > maxNodes:
		return unknownAt(at)
	}
	var names []string
	var items []value
	for it := v.ElementIterator(); it.Next(); {
		key, item := it.Element()
		if isText(key) {
			names = append(names, key.AsString())
		}
		items = append(items, fromCty(item, at))
	}
	if v.Type().IsObjectType() || v.Type().IsMapType() {
		return objectAt(at, names, items)
	}
	return listAt(at, items)
}

// toCty is the way back, for values of which everything is known. Numbers and booleans are texts, which HCL converts.
func toCty(v value) cty.Value {
	switch v.kind {
	case scalar:
		return cty.StringVal(v.text)
	case list:
		items := make([]cty.Value, len(v.items))
		for i, item := range v.items {
			items[i] = toCty(item)
		}
		return cty.TupleVal(items)
	case object:
		fields := map[string]cty.Value{}
		for i, name := range v.names {
			fields[name] = toCty(v.items[i])
		}
		return cty.ObjectVal(fields)
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

// toJSON writes a value as JSON, with marks for what is unknown.
func toJSON(v value) string {
	var b strings.Builder
	switch v.kind {
	case list:
		for i, item := range v.items {
			b.WriteString(separator(i) + toJSON(item))
		}
		return "[" + b.String() + "]"
	case object:
		for i, item := range v.items {
			b.WriteString(separator(i) + quoted(v.names[i]) + ":" + toJSON(item))
		}
		return "{" + b.String() + "}"
	case scalar:
		return quoted(v.text)
	case null:
		return "null"
	}
	return v.mark()
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

func quoted(text string) string {
	body, _ := json.Marshal(text)
	return string(body)
}
