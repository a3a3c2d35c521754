package infralint

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// maxJSON bounds plans and states, in bytes.
const maxJSON = 64 << 20

// shownJSON is what terraform show -json prints of a plan or a state, and what a state file holds: as much as is used.
type shownJSON struct {
	Format        string                `json:"format_version"`
	Planned       *valuesJSON           `json:"planned_values"`
	Values        *valuesJSON           `json:"values"`
	Variables     map[string]outputJSON `json:"variables"`
	Configuration *struct {
		Root moduleJSON `json:"root_module"`
	} `json:"configuration"`

	Version   int                   `json:"version"` // of a state file
	Resources []stateResourceJSON   `json:"resources"`
	Outputs   map[string]outputJSON `json:"outputs"`
}

type valuesJSON struct {
	Outputs map[string]outputJSON `json:"outputs"`
	Root    valuesModuleJSON      `json:"root_module"`
}

type outputJSON struct {
	Sensitive bool `json:"sensitive"`
	Value     any  `json:"value"`
}

type valuesModuleJSON struct {
	Resources []struct {
		Address string         `json:"address"`
		Mode    string         `json:"mode"`
		Type    string         `json:"type"`
		Name    string         `json:"name"`
		Values  map[string]any `json:"values"`
	} `json:"resources"`
	Children []valuesModuleJSON `json:"child_modules"`
}

type moduleJSON struct {
	Resources []struct {
		Address     string         `json:"address"`
		Expressions map[string]any `json:"expressions"`
		Count       any            `json:"count_expression"`
		Each        any            `json:"for_each_expression"`
	} `json:"resources"`
	Calls map[string]struct {
		Expressions map[string]any `json:"expressions"`
		Module      moduleJSON     `json:"module"`
	} `json:"module_calls"`
	Outputs map[string]struct {
		Expression map[string]any `json:"expression"`
	} `json:"outputs"`
}

type stateResourceJSON struct {
	Module    string `json:"module"`
	Mode      string `json:"mode"`
	Type      string `json:"type"`
	Name      string `json:"name"`
	Instances []struct {
		Key        any            `json:"index_key"`
		Attributes map[string]any `json:"attributes"`
	} `json:"instances"`
}

// readJSON reads a plan or a state.
func readJSON(name string, body []byte) (*estate, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var in shownJSON
	if err := decoder.Decode(&in); err != nil {
		// The decoder's own words may quote what it read.
		return nil, problem.New(problem.Usage, "make it with: terraform show -json PLANFILE > plan.json",
			"reading %s: it is no JSON of a plan or a state (byte %d)", name, decoder.InputOffset())
	}
	e := &estate{at: position{file: name}}
	switch {
	case in.Planned != nil:
		e.origin = fromPlan
		p := planReader{estate: e, config: &moduleJSON{}}
		if in.Configuration != nil {
			p.config = &in.Configuration.Root
		}
		p.modules(in.Planned.Root, 0)
		p.leftOut(p.config, nil)
		e.addOutputs(in.Planned.Outputs)
		e.addVariables(in.Variables)
	case in.Version == 4:
		e.origin = fromState
		e.addState(in.Resources)
		e.addOutputs(in.Outputs)
	case in.Format != "":
		e.origin = fromState
		p := planReader{estate: e, config: &moduleJSON{}}
		if in.Values != nil {
			p.modules(in.Values.Root, 0)
			e.addOutputs(in.Values.Outputs)
		}
	default:
		return nil, problem.New(problem.Usage, "make it with: terraform show -json PLANFILE > plan.json",
			"reading %s: it is neither a plan nor a state", name)
	}
	return e, nil
}

func (e *estate) addOutputs(outputs map[string]outputJSON) {
	for _, name := range sortedNames(outputs) {
		o := outputs[name]
		e.outputs = append(e.outputs, output{name, fromJSON(o.Value, e.at), o.Sensitive, e.at})
	}
}

// addVariables keeps the variables of a plan, for they are written into it.
func (e *estate) addVariables(variables map[string]outputJSON) {
	for _, name := range sortedNames(variables) {
		e.variables = append(e.variables, output{name: name, value: fromJSON(variables[name].Value, e.at), at: e.at})
	}
}

func (e *estate) addState(resources []stateResourceJSON) {
	for _, r := range resources {
		address := r.Type + "." + r.Name
		if r.Mode == "data" {
			address = "data." + address
		}
		if r.Module != "" {
			address = r.Module + "." + address
		}
		for _, instance := range r.Instances {
			indexed := address
			if instance.Key != nil {
				key, _ := json.Marshal(instance.Key)
				indexed += "[" + string(key) + "]"
			}
			e.resources = append(e.resources, &resource{
				address: indexed, base: withoutIndexes(address), kind: r.Type, name: r.Name, data: r.Mode == "data",
				body: fromJSON(instance.Attributes, e.at), at: e.at,
			})
		}
	}
}

// planReader makes resources of planned values, and of the expressions behind those that are not known yet.
type planReader struct {
	estate *estate
	config *moduleJSON
}

func (p *planReader) modules(m valuesModuleJSON, depth int) {
	for _, r := range m.Resources {
		base := withoutIndexes(r.Address)
		path, expressions := p.expressions(base, r.Mode == "data")
		p.estate.resources = append(p.estate.resources, &resource{
			address: r.Address, base: base, kind: r.Type, name: r.Name, data: r.Mode == "data",
			body: p.object(r.Values, expressions, path), at: p.estate.at,
		})
	}
	for _, child := range m.Children {
		if depth < maxNesting {
			p.modules(child, depth+1)
		}
	}
}

// leftOut keeps the resources of the configuration of which nothing is planned.
func (p *planReader) leftOut(m *moduleJSON, path []string) {
	prefix := ""
	for _, name := range path {
		prefix += "module." + name + "."
	}
	for _, r := range m.Resources {
		kind, name, _ := strings.Cut(r.Address, ".")
		base := prefix + r.Address
		if r.Count == nil && r.Each == nil || p.estate.isDeclared(reference{address: base}) {
			continue
		}
		p.estate.off = append(p.estate.off, &resource{
			address: base, base: base, kind: kind, name: name, body: p.object(nil, r.Expressions, path), at: p.estate.at,
		})
	}
	for _, name := range sortedNames(m.Calls) {
		call := m.Calls[name]
		if len(path) < maxNesting {
			p.leftOut(&call.Module, append(slices.Clone(path), name))
		}
	}
}

// expressions finds what the configuration says of a resource, and the path of its module.
func (p *planReader) expressions(base string, data bool) ([]string, map[string]any) {
	parts := strings.Split(base, ".")
	own := 2
	if data {
		own = 3
	}
	path := []string{}
	for len(parts) > own && parts[0] == "module" {
		path, parts = append(path, parts[1]), parts[2:]
	}
	m := p.module(path)
	if m == nil {
		return path, nil
	}
	for _, r := range m.Resources {
		if r.Address == strings.Join(parts, ".") {
			return path, r.Expressions
		}
	}
	return path, nil
}

func (p *planReader) module(path []string) *moduleJSON {
	m := p.config
	for _, name := range path {
		call, ok := m.Calls[name]
		if !ok {
			return nil
		}
		m = &call.Module
	}
	return m
}

// object joins what is planned with the expressions it comes from.
func (p *planReader) object(known, expressions map[string]any, path []string) value {
	all := maps.Clone(known)
	if all == nil {
		all = map[string]any{}
	}
	for name, e := range expressions {
		if _, ok := all[name]; !ok {
			all[name] = e
		}
	}
	names := sortedNames(all)
	items := make([]value, len(names))
	for i, name := range names {
		planned, has := known[name]
		items[i] = p.joined(planned, has, expressions[name], path)
	}
	return objectAt(p.estate.at, names, items)
}

func (p *planReader) joined(planned any, has bool, expression any, path []string) value {
	at := p.estate.at
	switch e := expression.(type) {
	case map[string]any:
		if nested, ok := planned.(map[string]any); ok && e["references"] == nil {
			return p.object(nested, e, path)
		}
		refs := p.references(e, path, 0)
		if !has {
			return unknownAt(at, refs...)
		}
		v := fromJSON(planned, at)
		texts, _ := e["references"].([]any) // a variable that ends at a constant leads to no resource
		v.refs, v.derived = union(v.refs, refs), len(texts) > 0
		return v
	case []any:
		blocks, ok := planned.([]any)
		if has && (!ok || len(blocks) != len(e)) {
			break
		}
		items := make([]value, len(e))
		for i := range e {
			var block any
			if has {
				block = blocks[i]
			}
			items[i] = p.joined(block, has, e[i], path)
		}
		return listAt(at, items)
	}
	return fromJSON(planned, at)
}

// references follows the references of an expression to resources, through variables and outputs of modules.
func (p *planReader) references(expression map[string]any, path []string, depth int) []reference {
	texts, _ := expression["references"].([]any)
	var refs []reference
	for _, item := range texts {
		text, _ := item.(string)
		refs = union(refs, p.follow(text, path, depth))
	}
	return refs
}

func (p *planReader) follow(text string, path []string, depth int) []reference {
	parts := strings.Split(withoutIndexes(text), ".")
	m := p.module(path)
	if len(parts) < 2 || m == nil || depth > maxNesting {
		return nil
	}
	prefix := ""
	for _, name := range path {
		prefix += "module." + name + "."
	}
	switch {
	case parts[0] == "var" && len(path) > 0:
		outer := path[:len(path)-1]
		if e, ok := p.module(outer).Calls[path[len(path)-1]].Expressions[parts[1]].(map[string]any); ok {
			return p.references(e, outer, depth+1)
		}
	case parts[0] == "module" && len(parts) > 2:
		inner := append(slices.Clone(path), parts[1])
		if child := p.module(inner); child != nil {
			return p.references(child.Outputs[parts[2]].Expression, inner, depth+1)
		}
	case parts[0] == "data" && len(parts) > 2:
		return []reference{{prefix + strings.Join(parts[:3], "."), firstOr(parts[3:])}}
	}
	return []reference{{prefix + strings.Join(parts[:2], "."), firstOr(parts[2:])}}
}

// firstOr is the first of the attributes that follow an address, or the mark for the whole.
func firstOr(attributes []string) string {
	if len(attributes) == 0 {
		return "*"
	}
	return attributes[0]
}
