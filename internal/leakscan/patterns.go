package leakscan

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/detect/codec"
	"github.com/zricethezav/gitleaks/v8/report"
	"github.com/zricethezav/gitleaks/v8/sources"
)

// The rules that are not gitleaks' own.
const (
	RuleCoralogixKey        = "coralogix-key"         // a key by its prefix: Send-Your-Data, personal, team
	RuleCoralogixPrivateKey = "coralogix-private-key" // a UUID beside a name such as coralogix or privateKey
	RuleNamedSecret         = "named-secret"          // a literal value under a name such as password or apiKey
	RuleKubernetesSecret    = "kubernetes-secret"     // a literal value in a rendered Secret
)

const kubernetesSecretYAML = "kubernetes-secret-yaml" // gitleaks' rule for Secrets in files

const uuid = `[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`

// ownRules are run by gitleaks too. The first group is the secret. The entropy of the documentation's cxtp_xxxxxxxx is
// less than 2.5.
const ownRules = `
[[rules]]
id = "` + RuleCoralogixKey + `"
regex = '''\b(cx(?:tp|ut|up)_[A-Za-z0-9_-]{16,})'''
entropy = 2.5
keywords = ["cxtp_", "cxut_", "cxup_"]

[[rules]]
id = "` + RuleCoralogixPrivateKey + `"
regex = '''(?i)(?:coralogix|private[_.-]?key|send[_-]?your[_-]?data)[\w.-]{0,40}["']?[ \t]*` +
	`(?:=>|:=|[:=])?[ \t]*(?:\r?\n[ \t-]*value:[ \t]*)?["']?(` + uuid + `)\b'''
keywords = [
	"coralogix", "privatekey", "private_key", "private-key", "private.key", "yourdata", "your_data", "your-data",
]
`

// decodings is how often what is encoded (base64, hexadecimal, percent) is decoded and looked through again.
const decodings = 2

// patterns finds what can be told by its text.
//
// It lets gitleaks have only the rules whose keywords a text has, for gitleaks would not run the others; and those
// first without what they let pass, for in most texts they find nothing at all. To read all rules takes 25 ms and
// 20 MB, which is most of what a small chart costs; for a large one it is little, and looking ahead would cost more.
type patterns struct {
	rules       []rule
	all         []int // the numbers of the rules
	always      []int // those of the rules that are for every text
	words       words
	bare, whole *detector
	seen        *atomic.Int64 // bytes
}

// plenty is how many bytes are looked through before all rules are read.
const plenty = 128 << 10

func newPatterns() (patterns, error) {
	head, rules, err := splitRules(config.DefaultConfig + ownRules)
	if err != nil {
		return patterns{}, err
	}
	p := patterns{
		rules: rules, words: words{}, seen: new(atomic.Int64),
		bare:  &detector{textOf: rule.bare, has: map[int]bool{}},
		whole: &detector{head: head, textOf: func(r rule) string { return r.text }, has: map[int]bool{}},
	}
	for n, r := range rules {
		p.all = append(p.all, n)
		if len(r.keywords) == 0 {
			p.always = append(p.always, n)
		}
		for _, word := range r.keywords {
			p.words.add(word, n)
		}
	}
	return p, nil
}

func (p patterns) find(ctx context.Context, file File, rendered bool) ([]hit, error) {
	var hits []hit
	findings, err := p.detect(ctx, sources.Fragment{Raw: string(file.Body), FilePath: file.Path, StartLine: 1})
	for _, f := range findings {
		if f.RuleID == kubernetesSecretYAML {
			if rendered {
				continue // those are read as the objects that they are
			}
			f.Secret = decodeEntry(f.Secret)
		}
		if !harmless(f.Secret) {
			hits = append(hits, hit{line: lineOf(f), rule: f.RuleID, secret: f.Secret})
		}
	}
	return hits, err
}

func (p patterns) detect(ctx context.Context, fragment sources.Fragment) (found []report.Finding, err error) {
	suspects, detectors := p.all, []*detector{p.whole}
	if p.seen.Add(int64(len(fragment.Raw))) <= plenty {
		if suspects = p.suspects(fragment.Raw); !p.whole.hasAll(suspects) {
			detectors = []*detector{p.bare, p.whole}
		}
	}
	for _, d := range detectors {
		made, err := d.with(p.rules, suspects)
		if err != nil {
			return nil, err
		}
		found = made.DetectContext(ctx, detect.Fragment(fragment)) //nolint:staticcheck // no other way in
		if len(found) == 0 {
			return nil, nil
		}
	}
	return found, nil
}

// suspects are the rules, by number, that gitleaks would run on the text and on what is encoded in it.
func (p patterns) suspects(text string) []int {
	found := map[int]bool{}
	decoder, segments := codec.NewDecoder(), []*codec.EncodedSegment{}
	for depth := 0; ; depth++ {
		p.words.find(strings.ToLower(text), found)
		if depth == decodings {
			break
		}
		if text, segments = decoder.Decode(text, segments); len(segments) == 0 {
			break
		}
	}
	numbers := p.always[:len(p.always):len(p.always)]
	for n := range found {
		numbers = append(numbers, n)
	}
	return numbers
}

// words are keywords by their first two bytes, each with the numbers of the rules that it belongs to.
type words map[[2]byte]map[string][]int

func (w words) add(word string, rule int) {
	first := [2]byte{word[0]}
	copy(first[:], word)
	if w[first] == nil {
		w[first] = map[string][]int{}
	}
	w[first][word] = append(w[first][word], rule)
}

// find adds the rules of all words that are in the text.
func (w words) find(text string, found map[int]bool) {
	for i := range len(text) - 1 {
		for word, rules := range w[[2]byte{text[i], text[i+1]}] {
			if !strings.HasPrefix(text[i:], word) {
				continue
			}
			for _, n := range rules {
				found[n] = true
			}
		}
	}
}

// lineOf is the line of the secret, where gitleaks tells that of the name before it.
func lineOf(f report.Finding) int {
	before, _, ok := strings.Cut(f.Match, f.Secret)
	if !ok || len(f.Tags) > 0 { // a tag says that the match was decoded first
		return f.StartLine
	}
	return f.StartLine + strings.Count(before, "\n")
}

// decodeEntry is the value in NAME: BASE64, or what it was given.
func decodeEntry(entry string) string {
	_, value, ok := strings.Cut(entry, ":")
	if !ok {
		return entry
	}
	return decoded(strings.Trim(strings.TrimSpace(value), `"'`))
}
