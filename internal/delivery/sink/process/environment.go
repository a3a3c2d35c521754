package process

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// maxString is the longest NAME=VALUE that Linux takes, with the NUL at its end.
const maxString = 128 << 10

// environment is what the items make of the variables, in the order of the configuration.
type environment []setting

type setting struct {
	name  string
	value secret.Value
}

func (e environment) equal(other environment) bool {
	return slices.EqualFunc(e, other, func(a, b setting) bool { return a.name == b.name && a.value.Equal(b.value) })
}

// names is for the log.
func (e environment) names() []string {
	names := make([]string, len(e))
	for i, s := range e {
		names[i] = s.name
	}
	return names
}

// over is base with the variables set, for the kernel's eyes only.
func (e environment) over(base []string) []string {
	list := make([]string, 0, len(base)+len(e))
	for _, b := range base {
		name, _, _ := strings.Cut(b, "=")
		if !slices.ContainsFunc(e, func(s setting) bool { return s.name == name }) {
			list = append(list, b)
		}
	}
	for _, s := range e {
		list = append(list, s.name+"="+string(s.value.Reveal()))
	}
	return list
}

// environment takes what the variables need from a snapshot, or refuses it.
func (s *Sink) environment(snapshot delivery.Snapshot) (environment, error) {
	var env environment
	for _, v := range s.c.Variables {
		item, there := snapshot.Get(v.Item)
		if !there && v.Optional {
			continue
		}
		if !there {
			return nil, problem.New(problem.Refused, "check the name of the item", "item %s for %s is not in the snapshot",
				v.Item, v.Name)
		}
		value := trimmed(item.Value.Reveal())
		switch {
		case len(value) == 0 && !v.Optional:
			return nil, problem.New(problem.Refused, "give the item a value, or make it optional",
				"item %s for %s is empty", v.Item, v.Name)
		case bytes.IndexByte(value, 0) >= 0:
			return nil, problem.New(problem.Refused, "deliver it to a file",
				"item %s for %s has a NUL byte, and a variable cannot", v.Item, v.Name)
		case len(v.Name)+len("=\x00")+len(value) > maxString:
			return nil, problem.New(problem.Refused, "deliver it to a file",
				"item %s for %s has %d bytes, and a variable has room for %d",
				v.Item, v.Name, len(value), maxString-len("=\x00")-len(v.Name))
		}
		env = append(env, setting{name: v.Name, value: secret.New(value)})
	}
	return env, nil
}

// trimmed takes one line end off the end: a key must not have one, and editors add it.
func trimmed(value []byte) []byte {
	if cut, ok := bytes.CutSuffix(value, []byte("\n")); ok {
		return bytes.TrimSuffix(cut, []byte("\r"))
	}
	return value
}

// isName says whether a shell could read the variable.
func isName(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// identity are the variables by which the AWS SDKs find credentials, directly or in a file.
var identity = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
}

// inherited is base without what the child is not to have.
func inherited(base []string, hideIdentity bool) []string {
	return slices.DeleteFunc(slices.Clone(base), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "PINNACE_") || hideIdentity && slices.Contains(identity, name)
	})
}
