// Package infralint finds faults in Terraform that deliver charts and keys to the wrong people, or to nobody: in a
// folder of configuration, in the JSON of a plan, or in a state. It reads and evaluates as much as is known without
// running Terraform, and accuses nothing that is not known.
//
// It never shows what a configuration holds: findings name places, addresses and attributes.
package infralint

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/leakscan"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Finding is one fault at one place.
type Finding struct {
	Rule        string `json:"rule"`
	File        string `json:"file"`
	Line        int    `json:"line"`              // from 1; 0 in plans and states
	Address     string `json:"address,omitempty"` // of the resource, as Terraform prints it
	Fault       string `json:"fault"`
	Consequence string `json:"consequence"`
	Correction  string `json:"correction"`

	block position // the first line of the block that it is in
}

// Report is what was found in one input.
type Report struct {
	Findings []Finding `json:"findings"` // in the order of files and lines; never nil
	Accepted int       `json:"accepted"` // findings that a comment or an option lets be
	Notes    []string  `json:"notes"`    // what was not looked at; never nil
}

// Linter judges inputs. It is safe for concurrent use.
type Linter struct {
	accept  []Accept
	scanner *leakscan.Scanner
}

// New makes a linter that lets some findings be.
func New(accept []Accept) (*Linter, error) {
	scanner, err := leakscan.New()
	return &Linter{accept, scanner}, err
}

// Lint judges the folder or the JSON file at path. A folder without .tf files stands for the configurations below it
// that no other one there calls. Errors are of kind problem.Usage: the input cannot be read.
func (l *Linter) Lint(ctx context.Context, path string) (Report, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Report{}, problem.New(problem.Usage, "name a folder with .tf files, or the JSON of a plan or a state",
			"reading %s: %w", path, cause(err))
	}
	if info.IsDir() {
		return l.lintFolder(ctx, path)
	}
	if strings.HasSuffix(path, ".tf") {
		return Report{}, problem.New(problem.Usage, "name its folder", "reading %s: a file of a configuration", path)
	}
	body, err := readRegular(path, path, maxJSON)
	if err != nil {
		return Report{}, err
	}
	return l.LintJSON(ctx, path, body)
}

// LintJSON judges a plan or a state; name is what findings call it.
func (l *Linter) LintJSON(ctx context.Context, name string, body []byte) (Report, error) {
	e, err := readJSON(name, body)
	if err != nil {
		return Report{}, err
	}
	findings, err := l.judge(ctx, e)
	if err != nil {
		return Report{}, err
	}
	var report Report
	report.add(findings, nil, l.accept)
	return report.done(), nil
}

func (l *Linter) lintFolder(ctx context.Context, dir string) (Report, error) {
	folders, err := configurations(dir)
	if err != nil {
		return Report{}, err
	}
	var report Report
	called := map[string]bool{}
	var estates []*estate
	for _, folder := range folders {
		e, err := readFolder(ctx, folder)
		if err != nil {
			return Report{}, err
		}
		estates = append(estates, e)
		for _, m := range e.modules[1:] {
			called[filepath.Clean(m.dir)] = true
		}
	}
	for i, e := range estates {
		if called[filepath.Clean(folders[i])] {
			continue
		}
		findings, err := l.judge(ctx, e)
		if err != nil {
			return Report{}, err
		}
		report.add(findings, e.acceptances(), l.accept)
		report.Notes = append(report.Notes, e.notes...)
	}
	return report.done(), nil
}

// configurations answers dir when it has .tf files, or else the folders below it that do.
func configurations(dir string) ([]string, error) {
	var folders []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != dir && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !entry.IsDir() && strings.HasSuffix(path, ".tf") && !strings.HasPrefix(entry.Name(), "."):
			if folder := filepath.Dir(path); !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		}
		return nil
	})
	if err != nil {
		return nil, problem.New(problem.Usage, "", "reading %s: %w", dir, cause(err))
	}
	if slices.Contains(folders, filepath.Clean(dir)) {
		return []string{dir}, nil
	}
	if len(folders) == 0 {
		return nil, problem.New(problem.Usage, "name a folder with .tf files, or the JSON of a plan or a state",
			"reading %s: it has no .tf files", dir)
	}
	slices.Sort(folders)
	return folders, nil
}

// add counts findings that are accepted and keeps the others.
func (r *Report) add(findings []Finding, comments map[string][]acceptance, accept []Accept) {
	for _, f := range findings {
		byComment := func(a acceptance) bool {
			return a.rule == f.Rule && (a.line == f.Line || a.line == f.block.line || a.own == f.Line)
		}
		switch {
		case slices.ContainsFunc(accept, func(a Accept) bool { return a.covers(f) }),
			slices.ContainsFunc(comments[f.File], byComment):
			r.Accepted++
		default:
			r.Findings = append(r.Findings, f)
		}
	}
}

// done orders the findings and leaves out what several configurations that share a module have in common.
func (r *Report) done() Report {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Address, b.Address),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Fault, b.Fault))
	})
	r.Findings = append([]Finding{}, slices.CompactFunc(r.Findings, func(a, b Finding) bool {
		return a.Rule == b.Rule && a.File == b.File && a.Line == b.Line && a.Line > 0 && a.Fault == b.Fault
	})...)
	slices.Sort(r.Notes)
	r.Notes = append([]string{}, slices.Compact(r.Notes)...)
	return *r
}

// acceptances answers the comments of all files, by their names.
func (e *estate) acceptances() map[string][]acceptance {
	all := map[string][]acceptance{}
	for _, m := range e.modules {
		for _, f := range m.files {
			all[f.name] = f.accepts
		}
	}
	return all
}

// judge runs one rule over an estate.
type judge struct {
	*estate
	ctx      context.Context
	scanner  *leakscan.Scanner
	rule     Rule
	findings []Finding
}

func (l *Linter) judge(ctx context.Context, e *estate) ([]Finding, error) {
	var all []Finding
	for _, rule := range rules() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		j := &judge{estate: e, ctx: ctx, scanner: l.scanner, rule: rule.Rule}
		if err := rule.check(j); err != nil {
			return nil, fmt.Errorf("rule %s: %w", rule.ID, err)
		}
		all = append(all, j.findings...)
	}
	return all, nil
}

// find reports a fault of a resource, at the place where it is written. The fault is told without values.
func (j *judge) find(r *resource, at position, format string, args ...any) {
	f := j.finding(at, format, args...)
	f.Address, f.block = r.address, r.at
	if at.file == "" || at.line == 0 && r.at.line > 0 {
		f.File, f.Line = r.at.file, r.at.line
	}
	j.findings = append(j.findings, f)
}

// findAt reports a fault of no resource.
func (j *judge) findAt(at position, format string, args ...any) {
	j.findings = append(j.findings, j.finding(at, format, args...))
}

func (j *judge) finding(at position, format string, args ...any) Finding {
	return Finding{
		Rule: j.rule.ID, File: at.file, Line: at.line, Fault: fmt.Sprintf(format, args...),
		Consequence: j.rule.Consequence, Correction: j.rule.Correction, block: at,
	}
}
