package infralint

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// acceptMark begins a comment that lets a finding be: "# pinnace:accept RULE reason".
const acceptMark = "pinnace:accept"

// acceptance is such a comment. It is for the line that it ends, or else for the first line below it that is no
// comment; on the first line of a block it is for the whole block.
type acceptance struct {
	rule string
	line int // that it is for
	own  int // that it stands on
}

// acceptances reads the comments of a file.
func acceptances(f *source) ([]acceptance, error) {
	if !strings.Contains(string(f.body), acceptMark) {
		return nil, nil
	}
	tokens, _ := hclsyntax.LexConfig(f.body, f.name, hcl.InitialPos)
	var found []acceptance
	pending, last := 0, 0 // the first of found without a line; the line of the last token that is no comment
	for _, t := range tokens {
		line := t.Range.Start.Line
		if t.Type != hclsyntax.TokenComment {
			if t.Type != hclsyntax.TokenNewline {
				last = line
				for ; pending < len(found); pending++ {
					found[pending].line = line
				}
			}
			continue
		}
		a, ok, err := acceptanceOf(string(t.Bytes), f.name, line)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, a)
			if last == line {
				found[pending].line = line
				pending++
			}
		}
	}
	return found, nil
}

func acceptanceOf(comment, file string, line int) (acceptance, bool, error) {
	_, rest, ok := strings.Cut(comment, acceptMark)
	if !ok {
		return acceptance{}, false, nil
	}
	words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(rest), "*/"))
	if len(words) < 2 {
		return acceptance{}, false, problem.New(problem.Usage, "write: # "+acceptMark+" RULE REASON",
			"%s:%d: a finding is accepted by its rule, with a reason", file, line)
	}
	if _, known := ruleByID(words[0]); !known {
		return acceptance{}, false, problem.New(problem.Usage, "docs/infra-lint.md lists the rules",
			"%s:%d: there is no rule %q to accept", file, line, words[0])
	}
	return acceptance{rule: words[0], own: line}, true, nil
}

// ParseAccept reads RULE or RULE:ADDRESS, as --accept has it.
func ParseAccept(text string) (Accept, error) {
	id, address, _ := strings.Cut(text, ":")
	if _, ok := ruleByID(id); !ok {
		return Accept{}, problem.New(problem.Usage, "docs/infra-lint.md lists the rules",
			"accepting %q: there is no rule %q", text, id)
	}
	return Accept{Rule: id, Address: address}, nil
}

// Accept lets findings of a rule be: all, or those at one address, with or without its indexes.
type Accept struct{ Rule, Address string }

func (a Accept) covers(f Finding) bool {
	return a.Rule == f.Rule && (a.Address == "" || a.Address == f.Address || a.Address == withoutIndexes(f.Address))
}
