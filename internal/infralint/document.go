package infralint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// document is an IAM policy document as far as it is known.
type document struct {
	statements []statement
	open       bool // there may be statements that are not known
	at         position
}

// statement is one statement of a document.
type statement struct {
	effect      value
	actions     []value // empty with NotAction
	resources   []value
	principals  []principal
	conditions  []condition
	notResource bool
	unclear     bool // it has NotPrincipal, or a condition that is not known
	at          position
}

// principal is one member of Principal: ("AWS", "*"), ("Service", "appconfig.amazonaws.com").
type principal struct {
	kind string // "*" for Principal: "*"
	id   value
}

// condition is one key under one operator.
type condition struct {
	operator, key string // in lower case; the key may have unknown parts
	values        []value
}

func (s statement) allows() bool { return s.effect.is("Allow") }
func (s statement) denies() bool { return s.effect.is("Deny") }

// documentOf reads a policy: an object, or JSON as text. It is not ok when nothing is known of it.
func documentOf(v value) (document, bool) {
	if v.kind == scalar {
		v = jsonValue(v)
	}
	if v.kind != object {
		return document{}, false
	}
	d := document{at: v.at}
	statements := v.get("Statement")
	if statements.kind == unknown {
		d.open = true
	}
	for _, s := range statements.each() {
		if s.kind != object {
			d.open = true
			continue
		}
		d.statements = append(d.statements, statementOf(s))
	}
	return d, true
}

func statementOf(v value) statement {
	s := statement{
		effect: v.get("Effect"), actions: v.get("Action").each(), resources: v.get("Resource").each(), at: v.at,
		notResource: !v.get("NotResource").unset(), unclear: !v.get("NotPrincipal").unset(),
	}
	switch p := v.get("Principal"); p.kind {
	case object:
		for i, name := range p.names {
			for _, id := range p.items[i].each() {
				s.principals = append(s.principals, principal{name, id})
			}
		}
	case scalar:
		s.principals = []principal{{p.text, p}}
	case unknown:
		s.unclear = true
	}
	conditions := v.get("Condition")
	s.unclear = s.unclear || conditions.kind == unknown
	for i, operator := range conditions.names {
		if keys := conditions.items[i]; keys.kind == object {
			for k, key := range keys.names {
				s.conditions = append(s.conditions,
					condition{strings.ToLower(operator), strings.ToLower(key), keys.items[k].each()})
			}
		} else {
			s.unclear = true
		}
	}
	return s
}

// statementBlocks makes the document of a data source aws_iam_policy_document.
func statementBlocks(body value) value {
	var statements []value
	for _, block := range body.get("statement").each() {
		if block.kind != object {
			statements = append(statements, block)
			continue
		}
		statements = append(statements, statementBlock(block))
	}
	for _, name := range []string{"source_policy_documents", "override_policy_documents", "source_json"} {
		if extra := body.get(name); !extra.unset() {
			statements = append(statements, unknownAt(extra.at, extra.references()...))
		}
	}
	return objectAt(body.at, []string{"Statement"}, []value{listAt(body.at, statements)})
}

func statementBlock(block value) value {
	var names []string
	var items []value
	set := func(name string, v value) {
		if v.kind != absent {
			names, items = append(names, name), append(items, v)
		}
	}
	effect := block.get("effect")
	if effect.unset() {
		effect = textAt(block.at, "Allow")
	}
	set("Effect", effect)
	set("Action", block.get("actions"))
	set("NotAction", block.get("not_actions"))
	set("Resource", block.get("resources"))
	set("NotResource", block.get("not_resources"))
	set("NotPrincipal", block.get("not_principals"))
	set("Principal", grouped(block, "principals", "type", "identifiers"))
	set("Condition", conditionBlocks(block))
	return objectAt(block.at, names, items)
}

// grouped makes an object of blocks: the value of one attribute under the name that another gives.
func grouped(block value, blocks, key, of string) value {
	all := block.get(blocks)
	if all.kind == absent || all.kind == unknown {
		return all
	}
	var names []string
	var items []value
	for _, b := range all.each() {
		name, ok := b.get(key).known()
		if !ok {
			return unknownAt(b.at)
		}
		names, items = append(names, name), append(items, b.get(of))
	}
	return objectAt(all.at, names, items)
}

func conditionBlocks(block value) value {
	all := block.get("condition")
	if all.kind == absent || all.kind == unknown {
		return all
	}
	var names []string
	var items []value
	for _, b := range all.each() {
		operator, ok := b.get("test").known()
		if !ok {
			return unknownAt(b.at)
		}
		key := objectAt(b.at, []string{b.get("variable").mark()}, []value{b.get("values")})
		names, items = append(names, operator), append(items, key)
	}
	return objectAt(all.at, names, items)
}

// jsonValue reads JSON whose unknown parts are marked; what is no JSON is unknown.
func jsonValue(v value) value {
	decoder := json.NewDecoder(strings.NewReader(quoteMarks(v.text)))
	decoder.UseNumber()
	var parsed any
	if err := decoder.Decode(&parsed); err != nil || decoder.More() {
		return unknownAt(v.at, v.refs...)
	}
	return fromJSON(parsed, v.at)
}

// quoteMarks makes strings of the unknown parts that stand where JSON wants a value, and not within a string.
func quoteMarks(text string) string {
	var b strings.Builder
	within, escaped := false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case within && c == '\\':
			escaped = true
		case c == '"':
			within = !within
		}
		switch {
		case within || string(c) != opening && string(c) != closing:
			b.WriteRune(c)
		case string(c) == opening:
			b.WriteString(`"` + opening)
		default:
			b.WriteString(closing + `"`)
		}
	}
	return b.String()
}

// fromJSON makes a value of decoded JSON, in the order of names. Text that is one unknown part is unknown.
func fromJSON(parsed any, at position) value {
	switch p := parsed.(type) {
	case nil:
		return value{kind: null, at: at}
	case map[string]any:
		names := make([]string, 0, len(p))
		for name := range p {
			names = append(names, name)
		}
		slices.Sort(names)
		items := make([]value, len(names))
		for i, name := range names {
			items[i] = fromJSON(p[name], at)
		}
		return objectAt(at, names, items)
	case []any:
		items := make([]value, len(p))
		for i, item := range p {
			items[i] = fromJSON(item, at)
		}
		return listAt(at, items)
	case string:
		v := textAt(at, p)
		v.refs = marked(p)
		if strings.HasPrefix(p, opening) && withoutMarks(p) == "" {
			v = unknownAt(at, v.refs...)
		}
		return v
	}
	return textAt(at, fmt.Sprint(parsed))
}

// marked answers the references in text.
func marked(text string) (refs []reference) {
	for {
		_, rest, ok := strings.Cut(text, opening)
		if !ok {
			return refs
		}
		var name string
		name, text, _ = strings.Cut(rest, closing)
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			refs = append(refs, reference{name[:dot], name[dot+1:]})
		}
	}
}
