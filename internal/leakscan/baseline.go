package leakscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// BaselineName is what a chart's baseline is called.
const BaselineName = ".pinnace-scan.json"

// Baseline is the findings that somebody has looked at and accepted. Its zero value accepts nothing.
type Baseline struct {
	Accepted []Accepted `json:"accepted"`
}

// Accepted is one finding that may stay. File and Rule are for people; the fingerprint decides.
type Accepted struct {
	Fingerprint string `json:"fingerprint"`
	File        string `json:"file"`
	Rule        string `json:"rule"`
	Reason      string `json:"reason"`
}

var fingerprintForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// ParseBaseline reads a baseline. What is none, or accepts without a reason, is a problem.Usage.
func ParseBaseline(name string, body []byte) (Baseline, error) {
	bad := func(format string, args ...any) (Baseline, error) {
		return Baseline{}, problem.New(problem.Usage,
			`write it with: pinnace scan PATH --write-baseline --reason "WHY"`, "reading "+name+": "+format, args...)
	}
	var b Baseline
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return bad("%w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return bad("something follows the baseline")
	}
	for _, a := range b.Accepted {
		if !fingerprintForm.MatchString(a.Fingerprint) {
			return bad("fingerprint %q is not 16 hexadecimal digits", a.Fingerprint)
		}
		if strings.TrimSpace(a.Reason) == "" {
			return bad("fingerprint %s is accepted without a reason", a.Fingerprint)
		}
	}
	return b, nil
}

// Split divides findings into those that the baseline does not accept and the number of those that it does.
func (b Baseline) Split(all []Finding) (open []Finding, accepted int) {
	for _, f := range all {
		if b.index(f) < 0 {
			open = append(open, f)
		}
	}
	return open, len(all) - len(open)
}

// Accept is a baseline of exactly these findings: the reasons that were given before stay, the others get this one.
func (b Baseline) Accept(all []Finding, reason string) Baseline {
	var next Baseline
	for _, f := range all {
		a := Accepted{f.Fingerprint, f.File, f.Rule, reason}
		if i := b.index(f); i >= 0 {
			a.Reason = b.Accepted[i].Reason
		}
		if next.index(f) < 0 {
			next.Accepted = append(next.Accepted, a)
		}
	}
	return next
}

// Add is the baseline with those of the findings too that it did not accept before, for this reason.
func (b Baseline) Add(all []Finding, reason string) Baseline {
	next := Baseline{slices.Clone(b.Accepted)}
	for _, f := range all {
		if next.index(f) < 0 {
			next.Accepted = append(next.Accepted, Accepted{f.Fingerprint, f.File, f.Rule, reason})
		}
	}
	return next
}

func (b Baseline) index(f Finding) int {
	return slices.IndexFunc(b.Accepted, func(a Accepted) bool { return a.Fingerprint == f.Fingerprint })
}

// Marshal is the baseline as a file.
func (b Baseline) Marshal() ([]byte, error) {
	if b.Accepted == nil {
		b.Accepted = []Accepted{}
	}
	body, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing a baseline: %w", err)
	}
	return append(body, '\n'), nil
}
