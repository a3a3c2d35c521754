package leakscan

import (
	"bytes"
	"encoding/base64"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNesting is how deep YAML within strings of YAML is followed: the configuration of a collector in a ConfigMap.
const maxNesting = 3

// walkFile reads a file as YAML and finds literal values under names that mean a secret. Templates are no YAML; what
// they make is. Custom resource definitions only describe.
func walkFile(file File, rendered bool) []hit {
	extension := path.Ext(file.Path)
	inFolder := func(name string) bool { return strings.Contains("/"+file.Path, "/"+name+"/") }
	if extension != ".yaml" && extension != ".yml" || inFolder("crds") || !rendered && inFolder("templates") {
		return nil
	}
	w := walker{rendered: rendered}
	w.documents(string(file.Body), 0)
	return w.hits
}

type walker struct {
	rendered bool
	hits     []hit
	nesting  int
}

// documents walks all documents of a text whose first line is line offset+1 of the file. What cannot be read is left
// to the patterns.
func (w *walker) documents(text string, offset int) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); err != nil {
			return
		}
		for _, root := range document.Content {
			if w.rendered && w.nesting == 0 && scalar(member(root, "kind")) == "Secret" {
				w.secret(root)
			} else {
				w.node(root, nil, offset)
			}
		}
	}
}

// secret looks through an object of kind Secret. Whatever it holds is secret, except for text of several words or
// lines: that is a configuration, in which names tell.
func (w *walker) secret(root *yaml.Node) {
	for _, field := range []string{"data", "stringData"} {
		data := member(root, field)
		if data == nil || data.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(data.Content); i += 2 {
			name, value := data.Content[i].Value, *data.Content[i+1]
			if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value.Value)); field == "data" && err == nil {
				value.Value = string(plain)
			}
			if bytes.ContainsRune([]byte(value.Value), 0) || certificate.MatchString(value.Value) {
				continue
			}
			before := len(w.hits)
			w.node(&value, []string{name}, 0)
			token := strings.TrimSpace(value.Value)
			if len(w.hits) == before && len(token) >= 8 && !strings.ContainsAny(token, " \t\n") && w.literal(token, name) {
				w.hits = append(w.hits, hit{line: value.Line, rule: RuleKubernetesSecret, secret: token})
			}
		}
	}
}

// certificate is public; the key that belongs to it is found by gitleaks.
var certificate = regexp.MustCompile(`^\s*-----BEGIN CERTIFICATE-----`)

func (w *walker) literal(value, name string) bool {
	return !harmless(value) && !isItsName(value, splitWords(name))
}

// node walks a node that stands under the names of above, outermost first.
func (w *walker) node(n *yaml.Node, above []string, offset int) {
	switch n.Kind {
	case yaml.MappingNode:
		w.pair(n, above, offset)
		for i := 0; i+1 < len(n.Content); i += 2 {
			w.node(n.Content[i+1], append(slices.Clip(above), n.Content[i].Value), offset)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			w.node(item, above, offset)
		}
	case yaml.AliasNode:
		if n.Alias.Kind == yaml.ScalarNode {
			value := *n.Alias
			value.Line = n.Line
			w.scalar(&value, above, offset)
		}
	case yaml.ScalarNode:
		w.scalar(n, above, offset)
	}
}

// pair looks at {name: NAME, value: VALUE}, as environment variables are written.
func (w *walker) pair(n *yaml.Node, above []string, offset int) {
	name, value := member(n, "name"), member(n, "value")
	if name != nil && value != nil && value.Kind == yaml.ScalarNode {
		w.scalar(value, append(slices.Clip(above), name.Value), offset)
	}
}

func (w *walker) scalar(n *yaml.Node, above []string, offset int) {
	if len(above) == 0 {
		return
	}
	name := above[len(above)-1]
	words := splitWords(name)
	switch {
	case n.Tag == "!!str" && strings.Contains(n.Value, "\n") && w.nesting < maxNesting:
		w.text(n, offset)
	case n.Tag != "!!str" && !isNumber(n) || isNumber(n) && !meansPassword(words):
		return
	case uuidOnly.MatchString(n.Value) && isCoralogix(above) && w.literal(n.Value, name):
		w.hits = append(w.hits, hit{line: offset + n.Line, rule: RuleCoralogixPrivateKey, secret: n.Value})
	case meansSecret(words) && len(n.Value) >= 4 && w.literal(n.Value, name):
		w.hits = append(w.hits, hit{line: offset + n.Line, rule: RuleNamedSecret, secret: n.Value})
	}
}

// text looks through YAML within a string. Only in a literal block are its lines those of the file.
func (w *walker) text(n *yaml.Node, offset int) {
	before := len(w.hits)
	w.nesting++
	w.documents(n.Value, offset+n.Line)
	w.nesting--
	if n.Style&yaml.LiteralStyle == 0 {
		for i := range w.hits[before:] {
			w.hits[before+i].line = offset + n.Line
		}
	}
}

func isNumber(n *yaml.Node) bool { return n.Tag == "!!int" || n.Tag == "!!float" }

var uuidOnly = regexp.MustCompile(`^` + uuid + `$`)

// isCoralogix tells whether a UUID under these names is a key: somewhere below coralogix, at a name that ends in key,
// token or secret, or at a private key of whatever it be.
func isCoralogix(above []string) bool {
	words := splitWords(above[len(above)-1])
	if len(words) == 0 {
		return false
	}
	joined := strings.ToLower(strings.Join(above, "/"))
	if strings.HasSuffix(strings.Join(words, ""), "privatekey") {
		return true
	}
	ends := []string{"key", "token", "secret"}
	return strings.Contains(joined, "coralogix") && slices.Contains(ends, words[len(words)-1])
}

// member is the value of a mapping under a name; nil if there is none.
func member(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func scalar(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return n.Value
}
