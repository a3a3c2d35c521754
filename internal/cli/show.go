package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

func (a *app) showCommand() *cobra.Command {
	var f repositoryFlags
	cmd := &cobra.Command{
		Use:   "show NAME [VERSION] --repo REPO",
		Short: "Show what a repository knows of one version",
		Long: "Show a version of a chart: its digest, URLs, size and state. Without VERSION it is the latest one, the\n" +
			"newest that is no prerelease. Yanked versions are shown too, with the reason.\n\n" +
			"Exit status 2: there is no such repository, chart or version.",
		Example: "  pinnace show web --repo prod\n  pinnace show web 1.4.0 --repo prod --output json",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.show(cmd.Context(), args[0], strings.Join(args[1:], ""), f)
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) show(ctx context.Context, name, version string, f repositoryFlags) error {
	r, err := a.open(ctx, f)
	if err != nil {
		return err
	}
	ix, err := r.Index(ctx)
	if err != nil {
		return err
	}
	list, err := versionsOf(ix, name, f.ref)
	if err != nil {
		return err
	}
	if version == "" {
		latest, _ := ix.Latest(name)
		version = latest.Version
	}
	i := slices.IndexFunc(list, func(v listedVersion) bool { return v.Version == version })
	if i < 0 {
		return problem.New(problem.Usage, "run: pinnace ls "+name+" --repo "+f.ref,
			"repository %s has no version %q of chart %s", f.ref, version, name)
	}
	v := list[i]
	if e, ok := ix.Find(name, version); ok {
		if v.Size, _, err = r.ArchiveSize(ctx, e); err != nil {
			return err
		}
	}
	if a.output == "json" {
		return a.printJSON(v)
	}
	size := ""
	if v.Size > 0 {
		size = strconv.FormatInt(v.Size, 10) + " bytes"
	}
	var rows [][]string
	for _, row := range [][]string{
		{"name", v.Name},
		{"version", v.Version},
		{"app version", v.AppVersion},
		{"description", v.Description},
		{"created", v.Created},
		{"digest", v.Digest},
		{"url", strings.Join(v.URLs, " ")},
		{"size", size},
		{"state", v.state()},
	} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	return a.printTable(rows)
}
