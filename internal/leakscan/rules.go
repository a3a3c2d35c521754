package leakscan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"github.com/spf13/viper"
	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/logging"
)

// ruleTable is how a rule begins in gitleaks' configuration.
const ruleTable = "\n[[rules]]\n"

// allowlistTable is how a list of what a rule lets pass begins.
const allowlistTable = "\n[[rules.allowlists]]\n"

// rule is one rule as it stands in gitleaks' configuration. Most charts need few of the two hundred: what is not read
// costs nothing.
type rule struct {
	text     string   // TOML
	keywords []string // in lower case, of which a text must have one; none: the rule is for every text
}

// bare is the rule without what it lets pass, which makes up most of it. It finds at least as much.
func (r rule) bare() string {
	text, _, _ := strings.Cut(r.text, allowlistTable)
	return text
}

// splitRules takes a configuration apart: what stands before the rules, and the rules.
func splitRules(configuration string) (head string, rules []rule, err error) {
	texts := strings.Split(configuration, ruleTable)
	for _, text := range texts[1:] {
		r := rule{text: ruleTable + text}
		if r.keywords, err = keywordsOf(r.bare()); err != nil {
			return "", nil, fmt.Errorf("keywords of %.40q: %w", text, err)
		}
		rules = append(rules, r)
	}
	return texts[0], rules, nil
}

// keywordsOf reads a list of strings.
func keywordsOf(text string) (words []string, err error) {
	_, list, ok := strings.Cut(text, "\nkeywords = [")
	for ok {
		if list = strings.TrimLeft(list, " \t\r\n,"); strings.HasPrefix(list, "]") {
			return words, nil
		}
		quoted, err := strconv.QuotedPrefix(list)
		if err != nil {
			return nil, err
		}
		word, err := strconv.Unquote(quoted)
		if err != nil || len(word) < 2 {
			return nil, errors.Join(errors.New("no keyword: "+quoted), err)
		}
		words, list = append(words, strings.ToLower(word)), list[len(quoted):]
	}
	return nil, nil
}

// detector is gitleaks with as many rules as were needed until now. It is safe for concurrent use.
type detector struct {
	head   string            // of its configuration
	textOf func(rule) string // as much of a rule as it reads

	mu   sync.Mutex
	has  map[int]bool // by number
	made *detect.Detector
}

// hasAll tells whether the rules of these numbers were read already.
func (d *detector) hasAll(numbers []int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !slices.ContainsFunc(numbers, func(n int) bool { return !d.has[n] })
}

// with answers a detector that has these rules, by number, among others.
func (d *detector) with(rules []rule, numbers []int) (*detect.Detector, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := d.head
	for _, n := range numbers {
		if !d.has[n] {
			text += d.textOf(rules[n])
		}
	}
	if d.made != nil && text == d.head {
		return d.made, nil
	}
	cfg, err := readConfiguration(text)
	if err != nil {
		return nil, fmt.Errorf("reading the rules of the secret scan: %w", err)
	}
	if d.made != nil {
		maps.Copy(cfg.Rules, d.made.Config.Rules)
		maps.Copy(cfg.Keywords, d.made.Config.Keywords)
	}
	for _, n := range numbers {
		d.has[n] = true
	}
	d.made = detect.NewDetector(cfg)
	d.made.MaxDecodeDepth = decodings
	d.made.IgnoreGitleaksAllow = true // what is accepted stands in the baseline, with a reason
	return d.made, nil
}

// gitleaks reads its rules through variables of its packages, one reader at a time.
var reading sync.Mutex

func readConfiguration(text string) (config.Config, error) {
	reading.Lock()
	defer reading.Unlock()
	// gitleaks logs what it drops, secret and all, at its finest levels.
	logging.Logger = zerolog.Nop()
	viper.SetConfigType("toml")
	if err := viper.ReadConfig(strings.NewReader(text)); err != nil {
		return config.Config{}, err
	}
	var raw config.ViperConfig
	if err := viper.Unmarshal(&raw); err != nil {
		return config.Config{}, err
	}
	return raw.Translate()
}
