package leakscan

import (
	"regexp"
	"strings"
	"sync"
)

// harmless tells what stands where a secret could stand and is none: nothing, a template, a reference to where the
// secret is, the path of its file, a blacked-out value, or a word that asks to be replaced. docs/secret-scan.md lists
// them for people.
func harmless(value string) bool {
	value = strings.TrimSpace(value)
	if len(distinct(value)) <= 2 { // empty, or xxxx, ****, 0000-0000
		return true
	}
	for _, mark := range []string{"{{", "${", "$(", "<%", "ENC[", "xxxxxxxx", "XXXXXXXX", "****"} {
		if strings.Contains(value, mark) {
			return true
		}
	}
	return variable.MatchString(value) || reference.MatchString(value) || file.MatchString(value) ||
		placeholder().MatchString(value)
}

var (
	// $NAME, %NAME%, <name>
	variable = regexp.MustCompile(`^(?:\$[A-Za-z_][A-Za-z0-9_]*|%[A-Za-z_][A-Za-z0-9_]*%|<[^<>]*>|\[[A-Za-z _-]*\])$`)
	// What names a secret in a store: vault:…, ref+awssecrets://…, arn:aws:secretsmanager:…, op://…, file:…
	reference = regexp.MustCompile(`^(?i:vault|ref\+\w+|secretref\+\w+|arn|op|env|file|ssm|secretsmanager|awssm|awsps|` +
		`gcpsm|azkv|sops|kms|k8s|secret):\S+$`)
	// A file below one of the places where secrets are mounted.
	file = regexp.MustCompile(`^(?:~|\.{1,2}|/(?:var|etc|run|mnt|opt|tmp|home|usr|secrets?|vault|dev))/[\w./@-]*$`)
	// A word that says itself that it is no secret. It is large, and compiled when the first value is looked at.
	placeholder = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(placeholders) })
)

const placeholders = `(?i)^(?:` +
	`(?:please[ _-]?)?(?:change|replace|fill|insert|enter|provide|set|put|override)` +
	`[ _-]?(?:me|it|this|with|in|here|your|the|a|an|by)?(?:[ _.!-][\w ._!-]{0,60})?|` +
	`(?:your|some|any|the)[ _-][\w ._-]{1,60}|` +
	`(?:example|dummy|fake|sample|placeholder|redacted|masked|todo|tbd|fixme)(?:[ _.-][\w ._-]{0,60})?|` +
	`[\w-]{0,30}[_-](?:here|placeholder|example)|` +
	`none|null|nil|n/a|na|unset|undefined|default|optional|required|empty|secret|true|false` +
	`)$`

// isItsName tells whether a value only repeats the name that it stands under, as in "password: password".
func isItsName(value string, words []string) bool {
	joined := strings.Join(splitWords(value), "")
	return joined != "" && strings.HasSuffix(strings.Join(words, ""), joined)
}

func distinct(s string) map[rune]bool {
	runes := map[rune]bool{}
	for _, r := range s {
		runes[r] = true
	}
	return runes
}
