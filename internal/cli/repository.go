package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// repositoryFlags name the one repository that a verb works on.
type repositoryFlags struct{ ref, region string }

func (f *repositoryFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.ref, "repo", "",
		"the repository: s3://bucket/prefix, file:///folder, or a name of pinnace.yaml")
	cmd.Flags().StringVar(&f.region, "region", "", "the bucket's region (default: that of the AWS configuration)")
}

func (a *app) open(ctx context.Context, f repositoryFlags) (*chartrepo.Repository, error) {
	if f.ref == "" {
		return nil, problem.New(problem.Usage, "add --repo s3://BUCKET/PREFIX, or --repo file:///FOLDER for a local one",
			"no repository given")
	}
	return a.openRepository(ctx, f.ref, f.region)
}

// openKeyring opens the keyring at path, or none if path is empty.
func openKeyring(path string) (*chartrepo.Keyring, error) {
	if path == "" {
		return nil, nil
	}
	return chartrepo.OpenKeyring(path)
}

// printJSON prints one document on one line.
func (a *app) printJSON(v any) error {
	if err := json.NewEncoder(a.Out).Encode(v); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return nil
}

// printTable prints rows in columns. What charts say of themselves cannot steer the terminal.
func (a *app) printTable(rows [][]string) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return nil
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return -1
	}, s)
}

// date is a time as tables show it: the day in UTC, or nothing for no time.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// age reads a duration that may count days or weeks: 90d, 2w, 36h. It is a flag's value.
type age time.Duration

func (d *age) String() string { return time.Duration(*d).String() }

func (d *age) Type() string { return "age" }

// Set implements pflag.Value.
func (d *age) Set(s string) error {
	units := map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	for unit, length := range units {
		if count, ok := strings.CutSuffix(s, unit); ok {
			n, err := strconv.ParseUint(count, 10, 16)
			*d = age(time.Duration(n) * length)
			return err
		}
	}
	parsed, err := time.ParseDuration(s)
	if err == nil && parsed < 0 {
		err = fmt.Errorf("%s is before now", s)
	}
	*d = age(parsed)
	return err
}
