package secretsmanager

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	maxValue       = 65536 // bytes
	maxName        = 512
	maxDescription = 2048
	maxSecretID    = 2048
	suffixLength   = 6 // random characters at the end of an ARN, after a hyphen
)

var (
	validName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)
	// suffixed tells a full ARN from a partial one. A name that itself ends so is taken for suffixed, as AWS warns.
	suffixed = regexp.MustCompile(`^(.+)-[A-Za-z0-9]{6}$`)
)

// secret is one secret; its versions are in the order of their creation.
type secret struct {
	arn, name   string
	description string
	kmsKeyID    string
	tags        []tag
	policy      string // resource policy document; empty is none
	created     time.Time
	changed     time.Time
	accessed    time.Time // start of the day of the last read; zero is never
	deleteAt    time.Time // end of the recovery window; zero is not deleted
	versions    []*version
}

type tag struct {
	Key   string
	Value string
}

func (s *secret) deleted() bool { return !s.deleteAt.IsZero() }

func (s *secret) byID(id string) *version {
	return find(s.versions, func(v *version) bool { return v.id == id })
}

func (s *secret) byStage(stage string) *version {
	return find(s.versions, func(v *version) bool { return slices.Contains(v.stages, stage) })
}

func find(versions []*version, match func(*version) bool) *version {
	if i := slices.IndexFunc(versions, match); i >= 0 {
		return versions[i]
	}
	return nil
}

// stages is the map of DescribeSecret: versions without a label are deprecated and left out.
func (s *secret) stages() map[string][]string {
	out := map[string][]string{}
	for _, v := range s.versions {
		if len(v.stages) > 0 {
			out[v.id] = slices.Clone(v.stages)
		}
	}
	return out
}

// version is one immutable value and the labels that point at it.
type version struct {
	id       string
	created  time.Time
	accessed time.Time
	value    value
	kmsKeyID string // of the secret when it was encrypted
	stages   []string
}

// value is a secret's content: text or bytes, never both. It has no String method and is never formatted.
type value struct {
	SecretString *string `json:",omitempty"`
	SecretBinary []byte  `json:",omitempty"`
}

func (v value) empty() bool { return v.SecretString == nil && v.SecretBinary == nil }

func (v value) bytes() []byte {
	if v.SecretString != nil {
		return []byte(*v.SecretString)
	}
	return bytes.Clone(v.SecretBinary)
}

func (v value) equal(w value) bool {
	return (v.SecretString == nil) == (w.SecretString == nil) && bytes.Equal(v.bytes(), w.bytes())
}

func (v value) check() *api.Error {
	switch {
	case v.SecretString != nil && v.SecretBinary != nil:
		return invalidParameter("You can't specify both a binary secret value and a string secret value " +
			"in the same secret.")
	case len(v.bytes()) == 0:
		return validation("1 validation error detected: the secret value failed to satisfy constraint: " +
			"Member must have length greater than or equal to 1")
	case v.SecretString != nil && len(*v.SecretString) > maxValue:
		return tooLong("secretString", maxValue)
	case len(v.SecretBinary) > maxValue:
		return tooLong("secretBinary", maxValue)
	}
	return nil
}

// lookup resolves a name, a full ARN or an ARN without its suffix. The ARN to authorise against comes with it; for an
// unknown name it is the ARN without a suffix, so that a caller learns of a name's absence only with permission on it.
func (s *Service) lookup(id string) (sec *secret, resource string) {
	name, ours := strings.CutPrefix(id, s.arnPrefix)
	if !ours && strings.HasPrefix(id, "arn:") {
		return nil, id
	}
	if m := suffixed.FindStringSubmatch(name); ours && m != nil {
		if sec := s.secrets[m[1]]; sec != nil && sec.arn == id {
			return sec, id
		}
		return nil, id
	}
	if sec := s.secrets[name]; sec != nil {
		return sec, sec.arn
	}
	return nil, s.arnPrefix + name
}
