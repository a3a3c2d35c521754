package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/config"
	"github.com/pinnace-dev/pinnace/internal/durable"
	"github.com/pinnace-dev/pinnace/internal/leakscan"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

type scanOptions struct {
	skipDependencies, write bool
	baseline, reason        string
}

func (a *app) scanCommand() *cobra.Command {
	var o scanOptions
	cmd := &cobra.Command{
		Use:   "scan PATH...",
		Short: "Find secrets in charts, as publish does before it uploads anything",
		Long: "Search chart folders and packaged charts for secrets: all their files, those of the charts below them,\n" +
			"and the manifests that they make with their default values, with each values-*.yaml beside them, and with\n" +
			"the values of each environment of pinnace.yaml. Findings name file, line, rule and a fingerprint, never\n" +
			"the secret. docs/secret-scan.md says what counts as one.\n\n" +
			"A finding that is none is accepted by its fingerprint, with a reason, in a baseline: the file\n" +
			leakscan.BaselineName + " beside the chart, which is not packaged. A changed secret is a new finding.\n\n" +
			"Exit status 4: there are findings that no baseline accepts.",
		Example: "  pinnace scan ./charts/*\n" +
			"  pinnace scan ./charts/web --write-baseline --reason \"public key of the demo\"",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.scan(cmd.Context(), args, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.baseline, "baseline", "", "accepted secrets (default: "+leakscan.BaselineName+" beside the chart)")
	flags.BoolVar(&o.write, "write-baseline", false, "accept what is found from now on; needs --reason")
	flags.StringVar(&o.reason, "reason", "", "why these findings may stay")
	flags.BoolVar(&o.skipDependencies, "skip-dependencies", false, "fetch no charts; those below charts/ must do")
	return cmd
}

func (a *app) scan(ctx context.Context, paths []string, o scanOptions) error {
	if err := checkReason(o.write, o.reason); err != nil {
		return err
	}
	publish := publishOptions{skipDependencies: o.skipDependencies, baseline: o.baseline}
	if o.write {
		return a.writeBaselines(ctx, paths, o)
	}
	charts, err := a.prepare(ctx, paths, publish)
	if err != nil {
		return err
	}
	return a.printScanned(charts)
}

// checkReason refuses a baseline without a reason, and a reason without a baseline.
func checkReason(write bool, reason string) error {
	if write != (strings.TrimSpace(reason) != "") {
		return problem.New(problem.Usage, `use --write-baseline --reason "WHY"`, "a baseline is written with a reason")
	}
	return nil
}

// writeBaselines accepts what is found: in the file that is named, or in that of each chart.
func (a *app) writeBaselines(ctx context.Context, paths []string, o scanOptions) error {
	builder := a.newBuilder(ctx, o.skipDependencies)
	named := scan{app: a, always: &leakscan.Baseline{}} // nothing is accepted while looking
	var err error
	if named.scanner, err = leakscan.New(); err != nil {
		return err
	}
	found := map[string][]leakscan.Finding{}
	for _, path := range paths {
		p, err := builder.Build(ctx, path)
		if err != nil {
			return err
		}
		result, err := named.chart(ctx, path, p)
		if err != nil {
			return err
		}
		file := baselineOf(path, o.baseline)
		found[file] = append(found[file], result.open...)
	}
	for _, file := range slices.Sorted(maps.Keys(found)) {
		before, err := readBaseline(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		body, err := before.Accept(found[file], strings.TrimSpace(o.reason)).Marshal()
		if err != nil {
			return err
		}
		if err := durable.WriteFile(file, body, 0o644); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(a.Out, "accepted %s in %s\n", count(len(found[file]), "finding"), file); err != nil {
			return fmt.Errorf("printing the result: %w", err)
		}
	}
	return nil
}

// scan looks for secrets in packages.
type scan struct {
	*app
	scanner *leakscan.Scanner
	config  config.Config
	always  *leakscan.Baseline // nil: the one beside each chart
}

// newScan reads the baseline for all charts, if one is named.
func (a *app) newScan(baseline string) (*scan, error) {
	scanner, err := leakscan.New()
	if err != nil {
		return nil, err
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	s := &scan{app: a, scanner: scanner, config: c}
	if baseline != "" {
		b, err := readBaseline(baseline)
		if err != nil {
			return nil, err
		}
		s.always = &b
	}
	return s, nil
}

// scanned is what was found in a package.
type scanned struct {
	open       []leakscan.Finding
	accepted   int
	unrendered []string // values with which the chart makes no manifests
}

// refusal is the error of a chart with secrets in it.
func (s scanned) refusal(path, hint string) error {
	if len(s.open) == 0 {
		return nil
	}
	const shown = 5
	var places []string
	for _, f := range s.open[:min(shown, len(s.open))] {
		places = append(places, fmt.Sprintf("%s:%d (%s, %s)", f.File, f.Line, f.Rule, f.Fingerprint))
	}
	if more := len(s.open) - shown; more > 0 {
		places = append(places, fmt.Sprintf("%d more", more))
	}
	return problem.New(problem.Refused, hint, "chart %s has %s in it: %s",
		path, count(len(s.open), "secret"), strings.Join(places, ", "))
}

// acceptHint is how what is found in the chart of a path may stay.
func acceptHint(path string) string {
	return "take them out and revoke them, or accept them: pinnace scan " + path + ` --write-baseline --reason "WHY"`
}

// chart scans the package that was made of a path, with what lies beside it.
func (s *scan) chart(ctx context.Context, path string, p chartrepo.Package) (scanned, error) {
	baseline := s.always
	if baseline == nil {
		b, err := readBaseline(baselineOf(path, ""))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return scanned{}, err
		}
		baseline = &b
	}
	return s.archive(ctx, path, folderOf(path), *baseline, p)
}

// archive scans a package, with the values files of the folder that it is from; of what is from elsewhere it is empty.
func (s *scan) archive(
	ctx context.Context, path, folder string, baseline leakscan.Baseline, p chartrepo.Package,
) (scanned, error) {
	files, err := p.Files()
	if err != nil {
		return scanned{}, err
	}
	r := renderings{Package: p}
	if err := r.find(folder, files, s.config); err != nil {
		return scanned{}, err
	}
	in := leakscan.Input{Render: r.render}
	for _, f := range files {
		in.Files = append(in.Files, leakscan.File(f))
	}
	in.Files = append(in.Files, r.unpackaged...)
	found, err := s.scanner.Scan(ctx, in)
	if err != nil {
		return scanned{}, fmt.Errorf("scanning %s for secrets: %w", path, err)
	}
	var result scanned
	result.open, result.accepted = baseline.Split(found)
	result.unrendered = slices.Sorted(maps.Keys(r.failed))
	return result, nil
}

// renderings are the sets of values that a chart is rendered with to be scanned.
type renderings struct {
	chartrepo.Package
	sets       map[string][][]byte // by the names of their files
	unpackaged []leakscan.File     // values files that lie beside the chart and stay there
	failed     map[string]bool     // sets that do not render
}

// find collects the default values, each values-*.yaml beside the chart or in its archive, and the values of each
// environment.
func (r *renderings) find(folder string, files []chartrepo.File, c config.Config) error {
	values := map[string][]byte{}
	for _, f := range files {
		values[f.Path] = f.Body
	}
	if folder != "" {
		if err := r.beside(folder, values, c); err != nil {
			return err
		}
	}
	r.sets = map[string][][]byte{"values.yaml": nil}
	for name, body := range values {
		if isValues(name) {
			r.sets[name] = [][]byte{body}
		}
	}
	for _, e := range c.Environments {
		var set [][]byte
		var names []string
		for _, name := range e.Values {
			if body, ok := values[name]; ok {
				set, names = append(set, body), append(names, name)
			}
		}
		if len(set) > 0 {
			r.sets[strings.Join(names, "+")] = set
		}
	}
	return nil
}

// beside adds the values files that are not in the archive.
func (r *renderings) beside(folder string, values map[string][]byte, c config.Config) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("looking for values files: %w", err)
	}
	var names []string
	for _, e := range entries {
		if isValues(e.Name()) {
			names = append(names, e.Name())
		}
	}
	for _, e := range c.Environments {
		names = append(names, e.Values...)
	}
	for _, name := range names {
		if _, known := values[name]; known {
			continue
		}
		body, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading values: %w", err)
		}
		values[name] = body
		r.unpackaged = append(r.unpackaged, leakscan.File{Path: filepath.ToSlash(name), Body: body})
	}
	return nil
}

var valuesFile = regexp.MustCompile(`^values-[^/]*\.ya?ml$`)

func isValues(name string) bool { return valuesFile.MatchString(name) }

// render makes the manifests of all sets. A chart need not render with every one: its defaults may lack what must be
// given.
func (r *renderings) render(ctx context.Context) ([]leakscan.File, error) {
	r.failed = map[string]bool{}
	var all []leakscan.File
	for _, name := range slices.Sorted(maps.Keys(r.sets)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		manifests, err := chartrepo.Render(r.Archive, chartrepo.RenderOptions{
			Values: r.sets[name], KubeVersion: r.SomeKubeVersion(),
		})
		if err != nil {
			r.failed[name] = true
			continue
		}
		for _, path := range slices.Sorted(maps.Keys(manifests)) {
			_, within, _ := strings.Cut(path, "/")
			all = append(all, leakscan.File{Path: within, Body: []byte(manifests[path])})
		}
	}
	return all, nil
}

// folderOf is where the files beside a chart are: in its folder, or in that of its archive.
func folderOf(path string) string {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return filepath.Dir(path)
	}
	return path
}

func baselineOf(path, named string) string {
	if named != "" {
		return named
	}
	return filepath.Join(folderOf(path), leakscan.BaselineName)
}

func readBaseline(file string) (leakscan.Baseline, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return leakscan.Baseline{}, problem.New(problem.Usage, "name an existing baseline", "reading baseline: %w", err)
	}
	return leakscan.ParseBaseline(file, body)
}

// scannedChart is a chart as JSON has it.
type scannedChart struct {
	Path       string             `json:"path"`
	Name       string             `json:"name,omitempty"`
	Version    string             `json:"version,omitempty"`
	Findings   []leakscan.Finding `json:"findings"`
	Accepted   int                `json:"acceptedFindings"`
	Unrendered []string           `json:"unrendered,omitempty"`
	Error      string             `json:"error,omitempty"`
}

func scannedCharts(charts []*candidate) []scannedChart {
	list := make([]scannedChart, len(charts))
	for i, c := range charts {
		list[i] = scannedChart{
			Path: c.path, Name: c.Name, Version: c.Version, Findings: append([]leakscan.Finding{}, c.open...),
			Accepted: c.accepted, Unrendered: c.unrendered,
		}
		if c.err != nil {
			list[i].Error = c.err.Error()
		}
	}
	return list
}

func (a *app) printScanned(charts []*candidate) error {
	if a.output == "json" {
		if err := a.printJSON(scannedCharts(charts)); err != nil {
			return err
		}
		return failures(charts)
	}
	if err := a.printFindingsOf(charts); err != nil {
		return err
	}
	for _, c := range charts {
		if c.err != nil {
			continue
		}
		_, err := fmt.Fprintf(a.Out, "no secrets in %s %s (%s), %d accepted\n", c.Name, c.Version, c.path, c.accepted)
		if err != nil {
			return fmt.Errorf("printing the result: %w", err)
		}
	}
	return failures(charts)
}

// printFindingsOf prints the secrets of all charts, and what could not be looked at.
func (a *app) printFindingsOf(charts []*candidate) error {
	rows := [][]string{{"CHART", "FILE", "LINE", "RULE", "FINGERPRINT"}}
	for _, c := range charts {
		for _, f := range c.open {
			file := f.File
			if f.Rendered {
				file += " (rendered)"
			}
			rows = append(rows, []string{c.path, file, strconv.Itoa(f.Line), f.Rule, f.Fingerprint})
		}
		if len(c.unrendered) > 0 {
			_, _ = fmt.Fprintf(a.Err, "pinnace: note: chart %s is not scanned as rendered with %s: it does not render\n",
				c.path, strings.Join(c.unrendered, ", "))
		}
	}
	if len(rows) == 1 {
		return nil
	}
	return a.printTable(rows)
}
