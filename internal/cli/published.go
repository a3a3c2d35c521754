package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/leakscan"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// published is a chart as JSON has it.
type published struct {
	Path       string             `json:"path"`
	Name       string             `json:"name,omitempty"`
	Version    string             `json:"version,omitempty"`
	Digest     string             `json:"digest,omitempty"`
	URL        string             `json:"url,omitempty"`
	Repository string             `json:"repository"`
	Status     string             `json:"status"` // published, already published, new, failed, withheld
	Already    bool               `json:"alreadyPublished"`
	Signed     bool               `json:"signed"`
	Attempts   int                `json:"attempts,omitempty"` // at the index
	Findings   []leakscan.Finding `json:"findings,omitempty"`
	Accepted   int                `json:"acceptedFindings,omitempty"`
	Error      string             `json:"error,omitempty"`
	Hint       string             `json:"hint,omitempty"`
}

// status says what became of a chart. One that is withheld was fine, but others were not and nothing was uploaded.
func (c *candidate) status(dryRun bool) string {
	switch {
	case c.err != nil:
		return "failed"
	case c.result.Already:
		return "already published"
	case c.result.Name == "":
		return "withheld"
	case dryRun:
		return "new"
	}
	return "published"
}

// printPublished prints what became of each chart and answers the error of those that failed.
func (a *app) printPublished(charts []*candidate, o publishOptions) error {
	list := make([]published, len(charts))
	for i, c := range charts {
		list[i] = published{
			Path: c.path, Name: c.Name, Version: c.Version, URL: c.result.URL, Repository: o.ref, Status: c.status(o.dryRun),
			Already: c.result.Already, Signed: c.Provenance != nil, Attempts: c.result.Attempts,
			Findings: c.open, Accepted: c.accepted, Hint: problem.HintOf(c.err),
		}
		if c.Digest != "" {
			list[i].Digest = "sha256:" + c.Digest
		}
		if c.err != nil {
			list[i].Error = c.err.Error()
		}
	}
	if a.output == "json" {
		if err := a.printJSON(list); err != nil {
			return err
		}
		return failures(charts)
	}
	if err := a.printFindingsOf(charts); err != nil {
		return err
	}
	for _, p := range list {
		if p.Status == "failed" || p.Status == "withheld" {
			continue
		}
		if _, err := fmt.Fprintf(a.Out, "%s %s %s to %s (%s)\n", p.verb(), p.Name, p.Version, o.ref, p.Digest); err != nil {
			return fmt.Errorf("printing the result: %w", err)
		}
	}
	return failures(charts)
}

func (p published) verb() string {
	if p.Status == "new" {
		return "would publish"
	}
	return p.Status
}

// failures is the error of all that failed: of the one, or with the kind and the hint of the most serious.
func failures(charts []*candidate) error {
	var all []error
	count := 0
	for _, c := range charts {
		if c.err == nil {
			continue
		}
		count++
		if !sameCause(all, c.err) {
			all = append(all, c.err)
		}
	}
	if len(all) == 0 || len(charts) == 1 {
		return errors.Join(all...)
	}
	worst := all[0]
	for _, err := range all {
		if problem.KindOf(err) > problem.KindOf(worst) {
			worst = err
		}
	}
	return problem.New(problem.KindOf(worst), problem.HintOf(worst), "%d of %d charts: %w",
		count, len(charts), severalErrors(all))
}

// sameCause tells whether an error is there already for another chart: the index could not be written for all of them.
func sameCause(all []error, err error) bool {
	for _, known := range all {
		if cause := errors.Unwrap(err); cause != nil && errors.Is(known, cause) {
			return true
		}
	}
	return false
}

// severalErrors are told in one line.
type severalErrors []error

func (all severalErrors) Error() string {
	texts := make([]string, len(all))
	for i, err := range all {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (all severalErrors) Unwrap() []error { return all }
