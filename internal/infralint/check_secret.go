package infralint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/leakscan"
)

// secretArguments are arguments that Terraform keeps in its plan and its state.
var secretArguments = map[string][]string{
	"aws_secretsmanager_secret_version": {"secret_string", "secret_binary"},
	"aws_db_instance":                   {"password"},
	"aws_rds_cluster":                   {"master_password"},
	"aws_redshift_cluster":              {"master_password"},
	"aws_elasticache_replication_group": {"auth_token"},
	"aws_ssm_parameter":                 {"value"},
}

// secretResults are attributes that are secrets although nobody writes them.
var secretResults = map[string][]string{
	"aws_iam_access_key":                     {"secret", "ses_smtp_password_v4"},
	"random_password":                        {"result"},
	"tls_private_key":                        {"private_key_pem", "private_key_openssh", "private_key_pem_pkcs8"},
	"data.aws_secretsmanager_secret_version": {"secret_string", "secret_binary"},
}

func checkSecretInState(j *judge) error {
	for _, r := range j.resources {
		if r.data {
			if names := secretResults["data."+r.kind]; names != nil && !strings.Contains(r.address, "ephemeral.") {
				j.find(r, r.at, "the data source reads the secret into the state")
			}
			continue
		}
		if r.kind == "aws_ssm_parameter" && !r.get("type").is("SecureString") {
			continue
		}
		for _, name := range secretArguments[r.kind] {
			v := r.get(name)
			mayBe := v.kind == null && v.derived && r.module != nil && !r.module.top().isRoot() // a module's default
			if !v.blank() || mayBe {
				j.find(r, v.at, "%s is written, and kept in plan and state", name)
			}
		}
		if secretResults[r.kind] != nil && r.kind != "aws_iam_access_key" {
			j.find(r, r.at, "the secret that it makes is kept in the state")
		}
	}
	return nil
}

// isSecret tells whether a reference is to the secret itself.
func isSecret(ref reference) bool {
	address := ref.address
	if at := strings.LastIndex(address, "module."); at >= 0 {
		parts := strings.SplitN(address[at:], ".", 3)
		address = parts[len(parts)-1]
	}
	for kind, names := range secretResults {
		if strings.HasPrefix(address, kind+".") && slices.Contains(names, ref.name) {
			return true
		}
	}
	for kind, names := range secretArguments {
		if strings.HasPrefix(address, kind+".") && slices.Contains(names, ref.name) {
			return true
		}
	}
	return false
}

func checkSecretOutput(j *judge) error {
	for _, o := range j.outputs {
		if !o.sensitive && slices.ContainsFunc(o.value.references(), isSecret) {
			j.findAt(o.at, "the output %s is a secret and not sensitive", o.name)
		}
	}
	return nil
}

// writeOnly are the arguments of which a variable has to keep as quiet as the secret.
var writeOnly = []string{"secret_string", "secret_string_wo", "password", "password_wo", "value_wo"}

func checkSecretVariable(j *judge) error {
	for _, m := range j.modules {
		if m.checked {
			continue
		}
		for _, name := range sortedNames(m.resources) {
			b := m.resources[name]
			for _, argument := range writeOnly {
				e := b.expression(argument)
				if e == nil || !strings.HasPrefix(b.Labels[0], "aws_") {
					continue
				}
				for _, traversal := range e.Variables() {
					given, _ := firstName(traversal[1:])
					v, ok := m.variables[given]
					if traversal.RootName() == "var" && ok && !m.quiet(v) {
						j.findAt(v.at(), "the variable %s becomes a secret, and is neither ephemeral nor sensitive", given)
					}
				}
			}
		}
	}
	return nil
}

func (m *module) quiet(variable *block) bool {
	s := m.scope(variable.file)
	return s.attribute(variable, "ephemeral").is("true") || s.attribute(variable, "sensitive").is("true")
}

func checkRecoveryWindow(j *judge) error {
	for _, r := range j.of("aws_secretsmanager_secret") {
		v := r.get("recovery_window_in_days")
		switch {
		case v.unset() && j.origin == fromFiles:
			j.find(r, r.at, "recovery_window_in_days is not written")
		case v.is("0") && r.stage() == production:
			j.find(r, v.at, "recovery_window_in_days is 0 in production")
		}
	}
	return nil
}

// text is what is scanned for secrets, with the place of each of its lines.
type text struct {
	leakscan.File
	lines    []position // nil: those of the file named source
	source   string
	resource *resource // may be nil
}

// checkSecretLiteral looks for the shapes of keys, and for literals under names that mean a secret.
func checkSecretLiteral(j *judge) error {
	texts := j.texts()
	files := make([]leakscan.File, len(texts))
	byName := map[string]text{}
	for i, t := range texts {
		files[i] = t.File
		byName[t.Path] = t
	}
	found, err := j.scanner.Scan(j.ctx, leakscan.Input{Files: files})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, leak := range found {
		if strings.HasPrefix(leak.Rule, "generic-") {
			continue // a guess
		}
		t := byName[leak.File]
		at := t.place(leak.Line)
		key := fmt.Sprint(at, t.address())
		if seen[key] {
			continue
		}
		seen[key] = true
		if t.resource != nil {
			j.find(t.resource, at, "it has the shape of a secret (%s)", leak.Rule)
		} else {
			j.findAt(at, "it has the shape of a secret (%s)", leak.Rule)
		}
	}
	return nil
}

func (t text) place(line int) position {
	switch {
	case t.lines == nil:
		return position{t.source, line}
	case line >= 1 && line <= len(t.lines):
		return t.lines[line-1]
	}
	return t.lines[0]
}

// address tells apart what has no lines.
func (t text) address() string {
	if t.resource == nil || t.resource.at.line > 0 {
		return ""
	}
	return t.resource.address
}

// texts are the files as they are, and what was evaluated as YAML: names with their values, and texts on their own.
func (e *estate) texts() []text {
	var all []text
	add := func(r *resource, name string, v value) {
		w := &leafWriter{seen: map[[2]string]bool{}}
		w.write(name, v)
		prefix := fmt.Sprintf("%d", len(all))
		if len(w.lines) > 0 {
			all = append(all, text{leakscan.File{Path: prefix + ".yaml", Body: []byte(w.body.String())}, w.lines, "", r})
		}
		for i, leaf := range w.texts {
			path := fmt.Sprintf("%s-%d.yaml", prefix, i)
			all = append(all, text{leakscan.File{Path: path, Body: []byte(leaf.text)}, []position{leaf.at}, "", r})
		}
	}
	for _, m := range e.modules {
		if m.checked {
			continue
		}
		for _, f := range m.files {
			// Not by its own name: rules for Terraform only guess, and what they look for is evaluated below.
			file := leakscan.File{Path: fmt.Sprintf("%d.txt", len(all)), Body: f.body}
			all = append(all, text{File: file, source: f.name})
		}
		for _, name := range sortedNames(m.locals) {
			add(nil, name, m.scope(m.fileOf(m.locals[name])).eval(m.locals[name]))
		}
		for _, name := range sortedNames(m.variables) {
			b := m.variables[name]
			add(nil, name, m.scope(b.file).attribute(b, "default"))
		}
		for _, name := range sortedNames(m.given) {
			add(nil, name, m.given[name])
		}
	}
	for _, r := range e.resources {
		add(r, "", r.body)
	}
	if e.origin != fromFiles {
		for _, o := range append(slices.Clone(e.outputs), e.variables...) {
			add(nil, o.name, o.value)
		}
	}
	return all
}

// leafWriter writes the scalars of a value as lines of YAML, name: "value".
type leafWriter struct {
	body  strings.Builder
	lines []position
	texts []value // documents in themselves
	seen  map[[2]string]bool
}

func (w *leafWriter) write(name string, v value) {
	switch v.kind {
	case list:
		for _, item := range v.items {
			w.write(name, item)
		}
	case object:
		for i, item := range v.items {
			w.write(withoutMarks(v.names[i]), item)
		}
	case scalar:
		if strings.Contains(v.text, opening) && v.literal() == "" {
			return
		}
		plain := value{text: v.literal(), at: v.at}
		if w.seen[[2]string{name, plain.text}] {
			return
		}
		w.seen[[2]string{name, plain.text}] = true
		fmt.Fprintf(&w.body, "- {%s: %s}\n", quoted(name), quoted(plain.text))
		w.lines = append(w.lines, v.at)
		if strings.ContainsAny(plain.text, "\n{") {
			w.texts = append(w.texts, plain)
		}
	}
}
