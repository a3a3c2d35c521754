// Package leakscan finds secrets in a chart before it leaves the machine: by gitleaks' rules, by the shapes of
// Coralogix keys, and by names such as privateKey or password beside a literal value. It says where a secret stands,
// never what it is.
//
// It is the only importer of gitleaks.
package leakscan

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// File is a text to look through.
type File struct {
	Path string // slash-separated, relative to the chart
	Body []byte
}

// Input is what a chart consists of.
type Input struct {
	Files []File
	// Render makes the chart's manifests; nil makes none. It is called again when the first result has secrets in it:
	// what is not in both was made up by the templates, as random passwords and certificates are, and is in no file.
	Render func(context.Context) ([]File, error)
}

// Finding says where a secret stands.
type Finding struct {
	File     string `json:"file"`
	Line     int    `json:"line"` // from 1; 0 is the file as a whole
	Rule     string `json:"rule"`
	Rendered bool   `json:"rendered"` // in a manifest that the templates make, and in no file of the chart
	// Fingerprint stands for this secret in this file under this rule, wherever in the file it is: 16 hexadecimal digits
	// of a SHA-256. A password that is short or well known could be guessed from it.
	Fingerprint string `json:"fingerprint"`
}

// Scanner looks for secrets. It is safe for concurrent use.
type Scanner struct{ patterns patterns }

// New makes a scanner. It compiles a rule when a text first has one of its keywords: use one scanner for many charts,
// and let it go.
func New() (*Scanner, error) {
	p, err := newPatterns()
	if err != nil {
		return nil, fmt.Errorf("reading the rules of the secret scan: %w", err)
	}
	return &Scanner{p}, nil
}

// Scan answers the secrets of a chart in the order of files and lines. Its errors are those of Render, and of ctx.
func (s *Scanner) Scan(ctx context.Context, in Input) ([]Finding, error) {
	hits, err := s.scanAll(ctx, in.Files, false)
	if err != nil || in.Render == nil {
		return findings(hits), err
	}
	rendered, err := s.scanRendered(ctx, in.Render)
	if err == nil && len(rendered) > 0 {
		var again []hit
		again, err = s.scanRendered(ctx, in.Render)
		rendered = slices.DeleteFunc(rendered, func(h hit) bool { return !h.isAmong(again) })
	}
	for _, h := range rendered {
		if !slices.ContainsFunc(hits, func(known hit) bool { return known.overlaps(h) }) {
			hits = append(hits, h)
		}
	}
	return findings(hits), err
}

func (s *Scanner) scanRendered(ctx context.Context, render func(context.Context) ([]File, error)) ([]hit, error) {
	manifests, err := render(ctx)
	if err != nil {
		return nil, err
	}
	return s.scanAll(ctx, manifests, true)
}

// scanAll looks through the files, as many at a time as there are processors.
func (s *Scanner) scanAll(ctx context.Context, files []File, rendered bool) ([]hit, error) {
	found := make([][]hit, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range files {
		group.Go(func() error {
			var err error
			found[i], err = s.scanFile(ctx, file, rendered)
			return cmp.Or(err, ctx.Err())
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}

// binarySniff is how much of a file shows whether it is text.
const binarySniff = 8000

func (s *Scanner) scanFile(ctx context.Context, file File, rendered bool) ([]hit, error) {
	if bytes.IndexByte(file.Body[:min(len(file.Body), binarySniff)], 0) >= 0 {
		return nil, nil
	}
	hits, err := s.patterns.find(ctx, file, rendered)
	hits = append(hits, walkFile(file, rendered)...)
	for i := range hits {
		hits[i].file, hits[i].rendered = file.Path, rendered
	}
	return collapse(hits), err
}

// hit is a finding with its secret, which never leaves the package.
type hit struct {
	file     string
	line     int
	rule     string
	rendered bool
	secret   string
}

// collapse keeps one hit, by the most telling rule, of those that mean the same secret on the same line.
func collapse(hits []hit) []hit {
	slices.SortStableFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(rank(a.rule), rank(b.rule)), cmp.Compare(a.rule, b.rule),
			cmp.Compare(a.secret, b.secret))
	})
	var kept []hit
	for _, h := range hits {
		if !slices.ContainsFunc(kept, func(k hit) bool { return k.line == h.line && k.overlaps(h) }) {
			kept = append(kept, h)
		}
	}
	return kept
}

// overlaps tells whether two hits mean the same secret: rules differ in how much of it they take.
func (h hit) overlaps(other hit) bool {
	a, b := decoded(h.secret), decoded(other.secret)
	return strings.Contains(a, b) || strings.Contains(b, a)
}

// decoded is the text that s is the base64 of, as in the data of a Secret, or s.
func decoded(s string) string {
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || !utf8.Valid(plain) || bytes.ContainsFunc(plain, unicode.IsControl) {
		return s
	}
	return string(plain)
}

func (h hit) isAmong(others []hit) bool {
	return slices.ContainsFunc(others, func(o hit) bool {
		return o.file == h.file && o.rule == h.rule && o.secret == h.secret
	})
}

// rank orders rules from those that know what they found to those that guess.
func rank(rule string) int {
	switch {
	case strings.HasPrefix(rule, "coralogix-"):
		return 0
	case rule == RuleNamedSecret, rule == RuleKubernetesSecret:
		return 2
	case strings.HasPrefix(rule, "generic-"), rule == kubernetesSecretYAML:
		return 3
	}
	return 1
}

func findings(hits []hit) []Finding {
	all := make([]Finding, len(hits))
	for i, h := range hits {
		all[i] = Finding{h.file, h.line, h.rule, h.rendered, h.fingerprint()}
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule))
	})
	return all
}

func (h hit) fingerprint() string {
	sum := sha256.New()
	for _, part := range []string{"pinnace/leakscan/v1", h.rule, h.file, h.secret} {
		_, _ = fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}
