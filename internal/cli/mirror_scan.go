package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/durable"
	"github.com/pinnace-dev/pinnace/internal/leakscan"
)

// mirrorScan looks for secrets in what is to be mirrored. All charts have one baseline, for none has a folder here.
type mirrorScan struct {
	*app
	mirrorOptions
	charts []*candidate // what was looked at
}

// inspect scans all packages, as many at a time as there are processors, and refuses them if one has secrets that are
// not accepted.
func (m *mirrorScan) inspect(ctx context.Context, packages []chartrepo.Package) error {
	s, err := m.open()
	if err != nil {
		return err
	}
	const hint = "tell those who publish the chart, or accept what is no secret: add " +
		`--write-baseline --reason "WHY", and mirror again without`
	m.charts = make([]*candidate, len(packages))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range packages {
		c := &candidate{path: p.Filename(), Package: p}
		m.charts[i] = c
		group.Go(func() error {
			c.scanned, c.err = s.archive(ctx, c.path, "", *s.always, p)
			if c.err == nil && !m.writeBaseline {
				c.err = c.refusal(c.path, hint)
			}
			return nil
		})
	}
	_ = group.Wait()     // errors are in the candidates
	debug.FreeOSMemory() // the rules of the scan are not needed any more, and a large index needs the room
	if err := failures(m.charts); err != nil {
		return errors.Join(m.printRefused(), err)
	}
	return nil
}

// open makes the scan. While a baseline is written, nothing is accepted.
func (m *mirrorScan) open() (*scan, error) {
	if m.writeBaseline {
		s, err := m.newScan("")
		if err == nil {
			s.always = &leakscan.Baseline{}
		}
		return s, err
	}
	s, err := m.newScan(m.baseline)
	if err != nil || s.always != nil {
		return s, err
	}
	b, err := m.readBaseline()
	s.always = &b
	return s, err
}

func (m *mirrorScan) file() string {
	if m.baseline != "" {
		return m.baseline
	}
	return filepath.Join(filepath.Dir(m.lock), leakscan.BaselineName)
}

// readBaseline reads the file, which need not be there.
func (m *mirrorScan) readBaseline() (leakscan.Baseline, error) {
	b, err := readBaseline(m.file())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return b, err
}

// accept adds what was found to the baseline. What was accepted before stays, for it may be of other charts.
func (m *mirrorScan) accept() error {
	b, err := m.readBaseline()
	if err != nil {
		return err
	}
	found := 0
	for _, c := range m.charts {
		b = b.Add(c.open, strings.TrimSpace(m.reason))
		found += len(c.open)
	}
	body, err := b.Marshal()
	if err != nil {
		return err
	}
	if err := durable.WriteFile(m.file(), body, 0o644); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(m.Out, "accepted %s in %s\n", count(found, "finding"), m.file()); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return nil
}

// printRefused prints what was found where.
func (m *mirrorScan) printRefused() error {
	if m.output == "json" {
		return m.printJSON(map[string]any{
			"to": m.to, "dryRun": m.plan, "charts": []chartrepo.Mirrored{}, "scanned": scannedCharts(m.charts),
		})
	}
	return m.printFindingsOf(m.charts)
}
