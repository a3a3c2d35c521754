package infralint

import (
	"slices"
	"strings"
)

// kind is what is known of a value.
type kind uint8

const (
	absent  kind = iota // not written
	unknown             // written, and known only when Terraform runs
	null
	scalar // text, a number or a boolean, as text; parts of it may be unknown
	list   // a list, a set, a tuple, or blocks of one type
	object // an object, a map, or a block
)

// position is where something is written. In plans and states the line is 0.
type position struct {
	file string
	line int
}

// reference names what an expression takes a value from.
type reference struct {
	address string // global, without indexes: module.charts.aws_s3_bucket.this
	name    string // the first attribute, such as arn; may be empty
}

func (r reference) String() string {
	if r.name == "" {
		return r.address
	}
	return r.address + "." + r.name
}

// Within text, what is unknown stands between these two, which no configuration has.
const (
	opening = "\ue000"
	closing = "\ue001"
)

// value is a value as far as it is known without running Terraform. The zero value is absent.
type value struct {
	kind    kind
	text    string // of a scalar
	items   []value
	names   []string // of an object's fields, as written; a name may have unknown parts
	refs    []reference
	derived bool // it is not written where it is used: it comes from a variable, a local or an index
	size    int  // nodes below this one, itself included
	at      position
}

// What is larger is not looked at: a few lines of HCL can describe a value that no memory holds.
const (
	maxNodes = 50_000
	maxText  = 256 << 10

	maxReferences = 200
)

func unknownAt(at position, refs ...reference) value {
	return value{kind: unknown, refs: union(nil, refs), derived: true, at: at}
}

// union is a new list of the references of both, each once.
func union(a, b []reference) []reference {
	all := slices.Clone(a)
	for _, ref := range b {
		if len(all) < maxReferences && !slices.Contains(all, ref) {
			all = append(all, ref)
		}
	}
	return all
}

func textAt(at position, text string) value { return value{kind: scalar, text: text, at: at} }

func listAt(at position, items []value) value {
	return value{kind: list, items: items, at: at}.measured()
}

func objectAt(at position, names []string, items []value) value {
	return value{kind: object, names: names, items: items, at: at}.measured()
}

// measured gives a composed value its size, or makes it unknown when it is too large.
func (v value) measured() value {
	v.size = 1
	for _, item := range v.items {
		v.size += max(item.size, 1)
		v.derived = v.derived || item.derived
	}
	if v.size > maxNodes {
		return unknownAt(v.at)
	}
	return v
}

// at gives a value that came from elsewhere the place where it is used.
func (v value) usedAt(at position) value {
	if len(v.items) == 0 {
		v.at = at
	}
	return v
}

// mark is what stands for a value within text.
func (v value) mark() string {
	if v.kind == scalar {
		return v.text
	}
	if len(v.refs) == 0 {
		return opening + "?" + closing
	}
	return opening + v.refs[0].String() + closing
}

// known answers the text of a scalar of which every part is known.
func (v value) known() (string, bool) {
	return v.text, v.kind == scalar && !strings.Contains(v.text, opening)
}

func (v value) is(text string) bool {
	t, ok := v.known()
	return ok && t == text
}

// literal is the text of a scalar with its unknown parts left out.
func (v value) literal() string {
	if v.kind != scalar {
		return ""
	}
	return withoutMarks(v.text)
}

func withoutMarks(text string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, opening)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, text, _ = strings.Cut(rest, closing)
	}
}

// unset tells whether nothing is written there.
func (v value) unset() bool { return v.kind == absent || v.kind == null }

// blank tells whether it is known that there is nothing: not written, null, "", [] or {}.
func (v value) blank() bool {
	switch v.kind {
	case scalar:
		return v.text == ""
	case list:
		return len(v.items) == 0
	case object:
		return len(v.names) == 0
	}
	return v.unset()
}

// all answers what stands under a path of names; lists on the way are entered, with each of their items. What leads
// through something unknown is one unknown value.
func (v value) all(path ...string) []value {
	switch v.kind {
	case absent, null:
		return nil
	case unknown:
		return []value{v}
	case list:
		var found []value
		for _, item := range v.items {
			found = append(found, item.all(path...)...)
		}
		return found
	}
	if len(path) == 0 {
		return []value{v}
	}
	if v.kind != object {
		return nil
	}
	var found []value
	for i, name := range v.names {
		if name == path[0] {
			found = append(found, v.items[i].all(path[1:]...)...)
		}
	}
	return found
}

// get is the first value under a path, or absent. A list at its end is answered whole.
func (v value) get(path ...string) value {
	if len(path) == 0 {
		return v
	}
	switch v.kind {
	case unknown:
		return v
	case list:
		for _, item := range v.items {
			if found := item.get(path...); found.kind != absent {
				return found
			}
		}
	case object:
		for i, name := range v.names {
			if name == path[0] {
				return v.items[i].get(path[1:]...)
			}
		}
	}
	return value{}
}

// each answers the items of a list, or the value as the only one: IAM writes both.
func (v value) each() []value {
	if v.kind == list {
		return v.items
	}
	if v.unset() {
		return nil
	}
	return []value{v}
}

// references answers all references in a value.
func (v value) references() []reference {
	found := slices.Clone(v.refs)
	for _, item := range v.items {
		found = append(found, item.references()...)
	}
	return found
}

// refersTo tells whether a value takes anything from the resource.
func (v value) refersTo(address string) bool {
	return slices.ContainsFunc(v.references(), func(r reference) bool { return r.address == address })
}

// hasUnknown tells whether anything in the value is not known.
func (v value) hasUnknown() bool {
	return v.kind == unknown || strings.Contains(v.text, opening) || slices.ContainsFunc(v.items, value.hasUnknown)
}
