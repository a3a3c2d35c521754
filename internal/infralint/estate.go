package infralint

import (
	"cmp"
	"slices"
	"strings"
)

// origin is the kind of input.
type origin uint8

const (
	fromFiles origin = iota // the configuration itself
	fromPlan
	fromState
)

// resource is one resource or data block with its arguments; in plans and states one instance, with its attributes.
type resource struct {
	address string // as Terraform prints it
	base    string // address without indexes: what references name
	kind    string // aws_s3_bucket
	name    string
	data    bool
	body    value // an object; blocks are lists of objects
	at      position
	module  *module // nil in plans and states
}

func (r *resource) get(path ...string) value   { return r.body.get(path...) }
func (r *resource) all(path ...string) []value { return r.body.all(path...) }

// output is an output of the root module.
type output struct {
	name      string
	value     value
	sensitive bool
	at        position
}

// estate is everything that one input describes.
type estate struct {
	origin    origin
	modules   []*module // of a configuration, the root first
	resources []*resource
	off       []*resource // what count or for_each leaves out
	outputs   []output
	variables []output // of a plan
	notes     []string // what was not looked at, for people
	at        position // of the input as a whole
}

// root tells whether the estate is a configuration that is applied as it stands, and no module for others to call.
func (e *estate) root() bool { return e.origin == fromFiles && e.modules[0].isRoot() }

// of answers the managed resources of some types.
func (e *estate) of(kinds ...string) []*resource {
	var found []*resource
	for _, r := range e.resources {
		if !r.data && slices.Contains(kinds, r.kind) {
			found = append(found, r)
		}
	}
	return found
}

// identities are the attributes by whose values other resources name one.
var identities = []string{"id", "arn", "name", "bucket", "configuration_profile_id", "environment_id", "key_id", "url"}

// names tells whether v is of r: a reference to it, or the text of one of its identities.
func (v value) isOf(r *resource) bool {
	if v.refersTo(r.base) {
		return true
	}
	text, ok := v.known()
	return ok && text != "" && slices.ContainsFunc(identities, func(name string) bool { return r.get(name).is(text) })
}

// belonging answers the resources of a type whose attribute names r, and whether there may be others that do: of these
// resources, some have an attribute of which nothing is known.
func (e *estate) belonging(r *resource, kind, attribute string) (found []*resource, mayBeMore bool) {
	for _, other := range e.of(kind) {
		v := other.get(attribute)
		switch {
		case v.isOf(r):
			found = append(found, other)
		case v.kind == unknown && !slices.ContainsFunc(v.references(), e.isDeclared):
			mayBeMore = true
		}
	}
	return found, mayBeMore
}

// leftOut tells whether the configuration has a resource that belongs to r, and leaves it out by count or for_each:
// that is somebody's decision.
func (e *estate) leftOut(r *resource, kind, attribute string) bool {
	return slices.ContainsFunc(e.off, func(other *resource) bool {
		return other.kind == kind && other.get(attribute).isOf(r)
	})
}

// isDeclared tells whether a reference leads to a resource of the estate, and so to no other.
func (e *estate) isDeclared(ref reference) bool {
	return slices.ContainsFunc(e.resources, func(r *resource) bool { return r.base == ref.address })
}

// withoutIndexes is an address as references have it.
func withoutIndexes(address string) string {
	var b strings.Builder
	depth := 0
	for _, c := range address {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth <= 0:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// production tells what is known of the environment that a resource is for.
type stage uint8

const (
	unknownStage stage = iota
	production
	rehearsal // uat, test, development, …
)

var stages = map[string]stage{
	"prod": production, "production": production, "prd": production, "live": production,
	"uat": rehearsal, "dev": rehearsal, "development": rehearsal, "test": rehearsal, "testing": rehearsal,
	"stage": rehearsal, "staging": rehearsal, "qa": rehearsal, "sandbox": rehearsal, "demo": rehearsal,
	"preprod": rehearsal, "nonprod": rehearsal, "int": rehearsal, "ci": rehearsal,
}

// stageOf reads a stage from the words of a name.
func stageOf(text string) stage {
	words := strings.FieldsFunc(strings.ToLower(text), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})
	for _, word := range words {
		if s := stages[word]; s != unknownStage {
			return s
		}
	}
	return unknownStage
}

// stage is that which the names and tags of a resource say, or the variable environment of its module.
func (r *resource) stage() stage {
	for _, path := range [][]string{{"tags", "Environment"}, {"tags", "environment"}, {"bucket"}, {"name"}} {
		if s := stageOf(r.get(path...).literal()); s != unknownStage {
			return s
		}
	}
	if r.module != nil {
		return stageOf(r.module.variable("environment").literal())
	}
	return unknownStage
}

func byPlace(a, b position) int {
	return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
}
