package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/agent"
	"github.com/pinnace-dev/pinnace/internal/demo"
)

var update = flag.Bool("update", false, "rewrite the generated documents")

const repository = "../.."

// docs/cli.md is generated from the commands themselves.
func TestReferenceIsCurrent(t *testing.T) {
	path := filepath.Join(repository, "docs", "cli.md")
	want := reference(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/cli.md is stale: run `make golden`")
	}
}

func reference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# The command line\n\nGenerated from the commands by `make golden`.\n")
	started := false
	root := (&app{getenv: func(string) string { return "" }}).root(&started)
	describe(&b, root)
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			describe(&b, c)
			for _, verb := range c.Commands() {
				describe(&b, verb)
			}
		}
	}
	var help bytes.Buffer
	program := agent.Program{Getenv: func(string) string { return "" }, Stdout: &help, Stderr: io.Discard}
	if code := program.Main(t.Context(), []string{"help"}); code != 0 {
		t.Fatalf("pinnace-agent help exits with %d", code)
	}
	fmt.Fprintf(&b, "\n## pinnace-agent\n\n```text\n%s\n```\n", strings.TrimSpace(help.String()))
	return b.String()
}

func describe(b *strings.Builder, c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	c.InitDefaultHelpFlag()
	fmt.Fprintf(b, "\n## %s\n\n```text\n%s\n\n%s\n```\n", c.CommandPath(), text, strings.TrimSpace(c.UsageString()))
}

// The README's demo is the demo's own list of steps.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	rest := string(readme)
	for name, promise := range demo.Promises() {
		line := regexp.MustCompile(`(?m)^  ✓ ` + regexp.QuoteMeta(name) + ` +` + regexp.QuoteMeta(promise) + `\b`)
		at := line.FindStringIndex(rest)
		if at == nil {
			t.Fatalf("the README does not show the step %s (%s), or not in its place", name, promise)
		}
		rest = rest[at[1]:]
	}
	for _, command := range []string{"go run ./cmd/pinnace demo", "go test ./..."} {
		head, _, _ := strings.Cut(string(readme), "## Install")
		if !strings.Contains(head, "$ "+command+"\n") {
			t.Errorf("the README's first screen lacks %q", command)
		}
	}
}

// Every test that docs/design.md names in its failure table exists.
func TestDesignNamesRealTests(t *testing.T) {
	design, err := os.ReadFile(filepath.Join(repository, "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(design), -1)
	if len(named) < 10 {
		t.Fatalf("the failure table names %d tests", len(named))
	}
	all := testNames(t)
	for _, match := range named {
		if !all[match[1]] {
			t.Errorf("docs/design.md names %s, which does not exist", match[1])
		}
	}
}

func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	err := filepath.WalkDir(repository, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range function.FindAllStringSubmatch(string(source), -1) {
			names[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
