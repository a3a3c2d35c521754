package leakscan

import (
	"context"
	"regexp"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/logging"
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

// ownRules are run by gitleaks too. The first group is the secret.
var ownRules = []config.Rule{
	{
		RuleID:   RuleCoralogixKey,
		Regex:    regexp.MustCompile(`\b(cx(?:tp|ut|up)_[A-Za-z0-9_-]{16,})`),
		Entropy:  2.5, // of the documentation's cxtp_xxxxxxxx it is less
		Keywords: []string{"cxtp_", "cxut_", "cxup_"},
	},
	{
		RuleID: RuleCoralogixPrivateKey,
		Regex: regexp.MustCompile(`(?i)(?:coralogix|private[_.-]?key|send[_-]?your[_-]?data)[\w.-]{0,40}["']?[ \t]*` +
			`(?:=>|:=|[:=])?[ \t]*(?:\r?\n[ \t-]*value:[ \t]*)?["']?(` + uuid + `)\b`),
		Keywords: []string{
			"coralogix", "privatekey", "private_key", "private-key", "private.key", "yourdata", "your_data", "your-data",
		},
	},
}

// decodings is how often what is encoded (base64, hexadecimal, percent) is decoded and looked through again.
const decodings = 2

// patterns finds what can be told by its text.
type patterns struct{ detector *detect.Detector }

// gitleaks reads its rules through variables of its packages, one reader at a time.
var reading sync.Mutex

func newPatterns() (patterns, error) {
	reading.Lock()
	defer reading.Unlock()
	// gitleaks logs what it drops, secret and all, at its finest levels.
	logging.Logger = zerolog.Nop()
	defaults, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		return patterns{}, err
	}
	cfg := defaults.Config
	for _, rule := range ownRules {
		cfg.Rules[rule.RuleID] = rule
		for _, word := range rule.Keywords {
			cfg.Keywords[word] = struct{}{}
		}
	}
	d := detect.NewDetector(cfg)
	d.MaxDecodeDepth = decodings
	d.IgnoreGitleaksAllow = true // what is accepted stands in the baseline, with a reason
	return patterns{d}, nil
}

func (p patterns) find(ctx context.Context, file File, rendered bool) []hit {
	var hits []hit
	fragment := sources.Fragment{Raw: string(file.Body), FilePath: file.Path, StartLine: 1}
	for _, f := range p.detector.DetectContext(ctx, detect.Fragment(fragment)) { //nolint:staticcheck // no other way in
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
	return hits
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
