package infralint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// What is larger or deeper is refused, for nobody wrote it by hand.
const (
	maxFile    = 1 << 20 // bytes of a file of configuration
	maxFiles   = 2000    // of a folder
	maxDepth   = 200     // brackets and quotes within each other
	maxCalls   = 500     // modules of a configuration
	maxNesting = 20      // modules within modules
)

// reader reads a configuration with its local modules.
type reader struct {
	ctx    context.Context
	parsed map[string]*source // by path, as many calls share a folder
	estate *estate
	seen   map[string]bool // folders
}

// readFolder reads the configuration in dir, which has .tf files.
func readFolder(ctx context.Context, dir string) (*estate, error) {
	r := &reader{ctx: ctx, parsed: map[string]*source{}, estate: &estate{}, seen: map[string]bool{}}
	root, err := r.module(dir, filepath.Clean(dir), "", nil, nil)
	if err != nil {
		return nil, err
	}
	if err := root.readGiven(r); err != nil {
		return nil, err
	}
	r.estate.at = root.start()
	evaluate(r.estate)
	return r.estate, nil
}

// module reads one folder and what it calls.
func (r *reader) module(dir, shown, path string, parent *module, call *block) (*module, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	m := &module{
		path: path, dir: dir, shown: shown, parent: parent, call: call,
		resources: map[string]*block{}, variables: map[string]*block{}, locals: map[string]hclsyntax.Expression{},
		outputs: map[string]*block{}, calls: map[string]*block{}, called: map[string]*module{},
	}
	names, err := configurationFiles(dir, shown)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".json") {
			if !r.seen[dir] {
				r.note("%s is not read: lint its plan instead", filepath.Join(shown, name))
			}
			continue
		}
		f, err := r.file(filepath.Join(dir, name), filepath.Join(shown, name))
		if err != nil {
			return nil, err
		}
		m.files = append(m.files, f)
		m.add(f)
	}
	if len(m.files) == 0 {
		return nil, problem.New(problem.Usage, "name a folder with .tf files, or the JSON of a plan or a state",
			"reading %s: it has no .tf files", shown)
	}
	m.checked = r.seen[dir]
	r.seen[dir] = true
	r.estate.modules = append(r.estate.modules, m)
	return m, r.follow(m)
}

func (r *reader) note(format string, args ...any) {
	r.estate.notes = append(r.estate.notes, fmt.Sprintf(format, args...))
}

// configurationFiles lists the .tf and .tf.json files of a folder in order.
func configurationFiles(dir, shown string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, problem.New(problem.Usage, "", "reading %s: %w", shown, cause(err))
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() && !strings.HasPrefix(name, ".") &&
			(strings.HasSuffix(name, ".tf") || strings.HasSuffix(name, ".tf.json")) {
			names = append(names, name)
		}
	}
	if len(names) > maxFiles {
		return nil, problem.New(problem.Usage, "", "reading %s: it has more than %d files", shown, maxFiles)
	}
	return names, nil
}

// follow reads the local modules that m calls.
func (r *reader) follow(m *module) error {
	for _, name := range sortedNames(m.calls) {
		call := m.calls[name]
		source := ""
		if e := call.expression("source"); e != nil {
			if v, diagnostics := e.Value(nil); !diagnostics.HasErrors() && isText(v) {
				source = v.AsString()
			}
		}
		if !strings.HasPrefix(source, "./") && !strings.HasPrefix(source, "../") {
			r.note("%s:%d: module %s is not local and not followed", call.at().file, call.at().line, name)
			continue
		}
		dir := filepath.Join(m.dir, source)
		depth := 0
		for p := m; p != nil; p = p.parent {
			if depth++; depth > maxNesting || filepath.Clean(p.dir) == dir || sameFolder(p.dir, dir) {
				return problem.New(problem.Usage, "let no module call one that it is called from",
					"%s:%d: module %s is within itself", call.at().file, call.at().line, name)
			}
		}
		if len(r.estate.modules) >= maxCalls {
			return problem.New(problem.Usage, "lint its parts one by one",
				"reading %s: more than %d modules", m.shown, maxCalls)
		}
		child, err := r.module(dir, filepath.Join(m.shown, source), m.global("module."+name), m, call)
		if err != nil {
			return fmt.Errorf("%s:%d: module %s: %w", call.at().file, call.at().line, name, err)
		}
		m.called[name] = child
	}
	return nil
}

func sameFolder(a, b string) bool {
	one, err1 := os.Stat(a)
	two, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, two)
}

// file reads and parses one file.
func (r *reader) file(path, shown string) (*source, error) {
	if f, ok := r.parsed[path]; ok {
		return f, nil
	}
	body, err := readWithin(path, shown, maxFile)
	if err != nil {
		return nil, err
	}
	f, err := parse(shown, body)
	if err != nil {
		return nil, err
	}
	r.parsed[path] = f
	return f, nil
}

// parse reads a file of configuration. What is wrong in it is told with its line and without its text.
func parse(shown string, body []byte) (*source, error) {
	if err := bounded(shown, body); err != nil {
		return nil, err
	}
	parsed, diagnostics := hclsyntax.ParseConfig(body, shown, hcl.InitialPos)
	for _, d := range diagnostics {
		if d.Severity == hcl.DiagError {
			line := 1
			if d.Subject != nil {
				line = d.Subject.Start.Line
			}
			return nil, problem.New(problem.Usage, "terraform validate tells more", "%s:%d: %s", shown, line, d.Summary)
		}
	}
	f := &source{name: shown, body: body, syntax: parsed.Body.(*hclsyntax.Body)}
	var err error
	f.accepts, err = acceptances(f)
	return f, err
}

// bounded refuses what would take the parser, which calls itself, too deep.
func bounded(shown string, body []byte) error {
	tokens, _ := hclsyntax.LexConfig(body, shown, hcl.InitialPos)
	depth, signs, questions := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenQuestion:
			questions++
		}
		if t.Type == hclsyntax.TokenBang || t.Type == hclsyntax.TokenMinus {
			signs++
		} else {
			signs = 0
		}
		if depth > maxDepth || signs > maxDepth || questions > 10*maxDepth {
			return problem.New(problem.Usage, "", "%s:%d: nested too deep", shown, t.Range.Start.Line)
		}
	}
	return nil
}

// readWithin reads a regular file of at most limit bytes that is really where its path says: a link that leads out of
// its folder is not followed.
func readWithin(path, shown string, limit int64) ([]byte, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, problem.New(problem.Usage, "", "reading %s: %w", shown, cause(err))
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return nil, problem.New(problem.Usage, "", "reading %s: %w", shown, cause(err))
	}
	if within, err := filepath.Rel(folder, real); err != nil || !filepath.IsLocal(within) {
		return nil, problem.New(problem.Usage, "put the file there in place of the link",
			"reading %s: it is a link that leads out of its folder", shown)
	}
	return readRegular(real, shown, limit)
}

func readRegular(path, shown string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, problem.New(problem.Usage, "", "reading %s: %w", shown, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, problem.New(problem.Usage, "", "reading %s: it is no regular file", shown)
	}
	if info.Size() > limit {
		return nil, problem.New(problem.Usage, "", "reading %s: it is larger than %d bytes", shown, limit)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, problem.New(problem.Usage, "", "reading %s: %w", shown, cause(err))
	}
	return body, nil
}

// cause is what a file operation failed of, without the path.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// readGiven reads the values that Terraform takes by itself: terraform.tfvars and *.auto.tfvars, in its order.
func (m *module) readGiven(r *reader) error {
	m.given = map[string]value{}
	automatic, _ := filepath.Glob(filepath.Join(m.dir, "*.auto.tfvars"))
	slices.Sort(automatic)
	for _, path := range append([]string{filepath.Join(m.dir, "terraform.tfvars")}, automatic...) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		f, err := r.file(path, filepath.Join(m.shown, filepath.Base(path)))
		if err != nil {
			return err
		}
		m.files = append(m.files, f)
		for name, attribute := range f.syntax.Attributes {
			m.given[name] = (&scope{file: f, ev: newEvaluator()}).eval(attribute.Expr)
		}
	}
	return nil
}
