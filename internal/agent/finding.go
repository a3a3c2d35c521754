package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/identity/workload"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Finding is what check says of the identity, of one item or of one sink.
type Finding struct {
	What        string           `json:"what"` // identity, item private_key, file /run/keys
	Caller      *workload.Caller `json:"caller,omitempty"`
	Source      string           `json:"source,omitempty"`
	Version     string           `json:"version,omitempty"`
	Fingerprint string           `json:"fingerprint,omitempty"`
	Optional    bool             `json:"optional,omitempty"`
	NotTried    bool             `json:"notTried,omitempty"`
	Note        string           `json:"note,omitempty"`
	Error       string           `json:"error,omitempty"`  // empty when it is right
	Causes      []blame.Cause    `json:"causes,omitempty"` // what may be at fault, likeliest first
	Hint        string           `json:"hint,omitempty"`   // what would mend it
	Fixes       []blame.Fix      `json:"fixes,omitempty"`  // statements that would; all are needed
	err         error
}

func finding(f Finding, err error) Finding {
	if f.err = err; err == nil {
		return f
	}
	f.Error, f.Hint = err.Error(), problem.HintOf(err)
	f.Causes, f.Fixes = blame.Of(err)
	if cause := awserr.Trouble(err); f.Causes == nil && cause != "" {
		f.Causes = []blame.Cause{cause}
	}
	return f
}

func failed(findings []Finding) bool {
	for _, f := range findings {
		if f.err != nil && !f.Optional {
			return true
		}
	}
	return false
}

// verdict is the error of the whole: how many failed, of the kind of the first.
func verdict(findings []Finding) error {
	var first error
	n, untried := 0, 0
	for _, f := range findings {
		if f.NotTried {
			untried++
		}
		if f.err != nil && !f.Optional {
			if n++; first == nil {
				first = f.err
			}
		}
	}
	if first == nil {
		return nil
	}
	text := fmt.Sprintf("%d of %d checks failed", n, len(findings))
	if untried > 0 {
		text += fmt.Sprintf(", %d not tried", untried)
	}
	return problem.New(problem.KindOf(first), "", "%s", text)
}

// printFindings writes a line for each finding, and more for what fails; or all as a JSON array.
func printFindings(w io.Writer, output string, findings []Finding) error {
	if output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(findings)
	}
	var b strings.Builder
	for i, f := range findings {
		again := i > 0 && f.Error != "" && f.Error == findings[i-1].Error && f.Source == findings[i-1].Source
		f.print(&b, again)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// print writes a finding; again says that it fails as the one before it.
func (f Finding) print(b *strings.Builder, again bool) {
	mark, text := "✓", f.What
	if f.Source != "" {
		text += " from " + f.Source
	}
	switch {
	case f.NotTried:
		mark, text = "–", text+": not tried"
	case f.err != nil && again:
		mark, text = "✗", text+": the same"
	case f.err != nil && f.Optional:
		mark, text = "!", text+": optional, and not had"
	case f.err != nil:
		mark = "✗"
	case f.Caller != nil:
		text += fmt.Sprintf(": %s by %s in %s", f.Caller.ARN, f.Caller.Mechanism, f.Caller.Region)
	case f.Fingerprint != "":
		text += ": version " + f.Version + ", fingerprint " + f.Fingerprint
	case f.Note != "":
		text += ": " + f.Note
	}
	fmt.Fprintf(b, "%s %s\n", mark, text)
	if f.err != nil && !again {
		f.explain(b)
	}
}

// explain writes what is at fault and what mends it, statements as they are to be copied.
func (f Finding) explain(b *strings.Builder) {
	fmt.Fprintf(b, "    %s\n", strings.ReplaceAll(f.Error, "\n", "; "))
	if len(f.Causes) > 0 {
		causes := make([]string, len(f.Causes))
		for i, c := range f.Causes {
			causes[i] = string(c)
		}
		fmt.Fprintf(b, "    cause: %s\n", strings.Join(causes, " or "))
	}
	if f.Hint != "" {
		fmt.Fprintf(b, "    hint: %s\n", f.Hint)
	}
	for _, fix := range f.Fixes {
		statement, _ := json.MarshalIndent(fix.Statement, "    ", "  ") // it has only texts
		fmt.Fprintf(b, "    add to %s:\n    %s\n", fix.In, statement)
		if fix.LookUp != "" {
			fmt.Fprintf(b, "    look up %s\n", fix.LookUp)
		}
	}
}
