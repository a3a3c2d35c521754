package loopback

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const current = "AWSCURRENT"

// held is a secret as Secrets Manager's clients see it: the versions of it that are exposed. It has none when its item
// is optional and the snapshot lacks it.
type held struct {
	item        string // the first one, for the log
	arn, name   string
	versions    []version
	description []byte // the answer to DescribeSecret
}

// version is one version of a secret, ready to be sent.
type version struct {
	item, id string
	print    string // fingerprint of the value
	pinned   bool   // read once, so its stages are those of then
	stages   []string
	created  time.Time
	agent    hidden // as the Secrets Manager Agent writes it
	service  hidden // as Secrets Manager does
}

// pick finds the version that is asked for, by its id, a staging label, both or neither.
func (h *held) pick(id, stage string) (version, bool) {
	if id == "" && stage == "" {
		if v, ok := h.pick("", current); ok {
			return v, true
		}
		return h.versions[0], true // the one that the configuration pins
	}
	for _, v := range h.versions {
		if (id == "" || v.id == id) && (stage == "" || slices.Contains(v.stages, stage)) {
			return v, true
		}
	}
	return version{}, false
}

// shelf gathers secrets and the ids that they answer to.
type shelf struct {
	all        []*held
	configured map[string]*held
	derived    map[string]*held // nil for an id that two secrets have
}

// put adds an exposed item. Two items that are one version of a secret, or that are two secrets by one id, are refused.
func (s *shelf) put(e Exposed, item delivery.Item, had bool) error {
	if s.configured == nil {
		s.configured, s.derived = map[string]*held{}, map[string]*held{}
	}
	h := s.find(e.Secret, item.About.ARN)
	if h == nil {
		h = &held{item: e.Item, name: nameIn(e.Secret)}
		s.all = append(s.all, h)
	}
	h.know(e.Secret, item.About)
	if other := s.configured[e.Secret]; other != nil && other != h {
		return problem.New(problem.Refused, "expose one of them by its ARN",
			"items %s and %s are two secrets, and both are exposed as %s", other.item, e.Item, e.Secret)
	}
	s.configured[e.Secret] = h
	for _, id := range []string{item.About.ID, h.arn, partial(h.arn)} {
		if other, taken := s.derived[id]; taken && other != h {
			s.derived[id] = nil
		} else if id != "" {
			s.derived[id] = h
		}
	}
	if !had {
		return nil
	}
	return h.add(e, item)
}

// know takes the secret's own names from the source, or else from the configuration.
func (h *held) know(configured string, about delivery.About) {
	if about.ID != "" {
		h.name = about.ID
	}
	if about.ARN != "" {
		h.arn = about.ARN
	} else if h.arn == "" && strings.HasPrefix(configured, "arn:") {
		h.arn = configured
	}
}

// find is the secret that an exposed item is a version of.
func (s *shelf) find(configured, arn string) *held {
	for _, h := range s.all {
		if arn != "" && h.arn == arn {
			return h
		}
	}
	if h := s.configured[configured]; h != nil && (arn == "" || h.arn == "" || h.arn == arn) {
		return h
	}
	return nil
}

// byID is every secret by what it answers to: what the configuration says before what follows from the secret, and
// nothing that would mean two secrets.
func (s *shelf) byID() map[string]*held {
	ids := map[string]*held{}
	for id, h := range s.derived {
		if h != nil {
			ids[id] = h
		}
	}
	for id, h := range s.configured {
		ids[id] = h
	}
	for _, h := range s.all {
		h.description = describe(h)
	}
	return ids
}

// add keeps the versions that are followed before those that are pinned, whose stages may be old. A version that is
// both, as one is when a rotation reaches or leaves what is pinned, is kept once.
func (h *held) add(e Exposed, item delivery.Item) error {
	name := e.Item
	v := version{
		item: name, id: versionID(item), print: item.Value.Fingerprint(), pinned: e.Pinned,
		stages: item.About.Stages, created: item.About.Created,
	}
	if len(v.stages) == 0 {
		v.stages = []string{current} // the source knows of no stages: what it gives is what is to be used
	}
	for i, other := range h.versions {
		if other.item == name {
			return nil // exposed under several ids
		}
		if other.id == v.id && other.print == v.print {
			if v.pinned || !other.pinned {
				return nil
			}
			h.versions = slices.Delete(h.versions, i, i+1)
			break
		}
		if other.id == v.id {
			return problem.New(problem.Refused, "expose only one of them under this secret",
				"items %s and %s are one version of secret %s and differ", other.item, name, h.name)
		}
	}
	data := item.Value.Reveal()
	if !item.About.Binary && !utf8.Valid(data) {
		return problem.New(problem.Refused, "store it as SecretBinary",
			"item %s is exposed as a secret's string and is not UTF-8", name)
	}
	var err error
	if v.agent, v.service, err = h.render(v, data, item.About.Binary); err != nil {
		return fmt.Errorf("item %s: %w", name, err)
	}
	at := slices.IndexFunc(h.versions, func(o version) bool { return o.pinned })
	if v.pinned || at < 0 {
		at = len(h.versions)
	}
	h.versions = slices.Insert(h.versions, at, v)
	return nil
}

// versionID is the source's, where it is one that clients may ask for; else one that is the same for the same value.
func versionID(item delivery.Item) string {
	if n := len(item.Version); 32 <= n && n <= 64 {
		return item.Version
	}
	p := printOf("version", item.Version, item.Value.Fingerprint())
	return strings.Join([]string{p[:8], p[8:12], p[12:16], p[16:20], p[20:]}, "-")
}

// render is the answer to GetSecretValue in both dialects. They differ in the date and in what is not known: null and a
// decimal number in a string from the agent, nothing and a number from the service.
func (h *held) render(v version, data []byte, binary bool) (agent, service hidden, err error) {
	var text *string
	var blob *[]byte
	if binary {
		blob = &data
	} else {
		s := string(data)
		text = &s
	}
	date := epoch(v.created)
	a, err := encode(struct {
		ARN           *string
		Name          *string
		VersionId     string  //nolint:revive,staticcheck // the name on the wire
		SecretString  *string `json:",omitempty"`
		SecretBinary  *[]byte `json:",omitempty"`
		VersionStages []string
		CreatedDate   *string
	}{known(h.arn), known(h.name), v.id, text, blob, v.stages, known(date)})
	if err != nil {
		return nil, nil, err
	}
	b, err := encode(struct {
		ARN           string      `json:",omitempty"`
		CreatedDate   json.Number `json:",omitempty"`
		Name          string      `json:",omitempty"`
		SecretBinary  *[]byte     `json:",omitempty"`
		SecretString  *string     `json:",omitempty"`
		VersionId     string      //nolint:revive,staticcheck // the name on the wire
		VersionStages []string
	}{h.arn, json.Number(date), h.name, blob, text, v.id, v.stages})
	return hide(a), hide(b), err
}

// describe is the answer to DescribeSecret.
func describe(h *held) []byte {
	stages := map[string][]string{}
	var changed time.Time
	for _, v := range h.versions {
		stages[v.id] = v.stages
		if v.created.After(changed) {
			changed = v.created
		}
	}
	body, _ := encode(struct { // texts always encode
		ARN                string              `json:",omitempty"`
		LastChangedDate    json.Number         `json:",omitempty"`
		Name               string              `json:",omitempty"`
		VersionIdsToStages map[string][]string //nolint:revive,staticcheck // the name on the wire
	}{h.arn, json.Number(epoch(changed)), h.name, stages})
	return body
}

// encode is JSON without the escapes that only a web page needs, and without a line end.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// epoch is a time as AWS writes it: seconds since 1970, to the millisecond. Empty for the zero time.
func epoch(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64)
}

func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// fullARN is the ARN of a secret with the six characters that Secrets Manager adds to its name.
var fullARN = regexp.MustCompile(`^(arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+))-[A-Za-z0-9]{6}$`)

// partial is an ARN without those characters; empty for anything else.
func partial(arn string) string {
	if m := fullARN.FindStringSubmatch(arn); m != nil {
		return m[1]
	}
	return ""
}

// nameIn is the name of a secret in its ARN, or the id itself when it is none.
func nameIn(id string) string {
	if m := fullARN.FindStringSubmatch(id); m != nil {
		return m[2]
	}
	if _, name, ok := strings.Cut(id, ":secret:"); ok && strings.HasPrefix(id, "arn:") {
		return name
	}
	return id
}
