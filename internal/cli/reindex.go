package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

type reindexOptions struct {
	repositoryFlags
	parallel int
	dryRun   bool
}

func (a *app) reindexCommand() *cobra.Command {
	var o reindexOptions
	cmd := &cobra.Command{
		Use:   "reindex --repo REPO",
		Short: "Give every archive its entry in the index",
		Long: "Read the archives whose entry is missing, has no digest or leads nowhere, many at a time, and merge what\n" +
			"they say into the index of that moment: nothing that others publish meanwhile is lost. Entries that are\n" +
			"right are not read and stay as they are, yanked versions stay away, and no digest is ever changed. A\n" +
			"reindex that was interrupted goes on when it is run again.\n\n" +
			"Exit status 0: every archive has its entry; 1: something stays wrong that needs a decision, printed on\n" +
			"standard output.",
		Example: "  pinnace reindex --repo prod\n  pinnace reindex --repo prod --dry-run --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reindex(cmd.Context(), o)
		},
	}
	o.add(cmd)
	cmd.Flags().IntVar(&o.parallel, "parallel", 16, "how many archives to read at once")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "read, and write nothing")
	return cmd
}

func (a *app) reindex(ctx context.Context, o reindexOptions) error {
	if o.parallel < 1 {
		return problem.New(problem.Usage, "use --parallel 16", "reindexing: --parallel is %d", o.parallel)
	}
	r, err := a.open(ctx, o.repositoryFlags)
	if err != nil {
		return err
	}
	done, err := r.Reindex(ctx, chartrepo.ReindexOptions{Parallel: o.parallel, DryRun: o.dryRun})
	if err != nil {
		return err
	}
	if err := a.printReindexed(done, o); err != nil {
		return err
	}
	return wrong(done.Findings, o.ref)
}

func (a *app) printReindexed(done chartrepo.Reindexed, o reindexOptions) error {
	if a.output == "json" {
		done.Added, done.Mended = append([]string{}, done.Added...), append([]string{}, done.Mended...) // [], not null
		done.Findings = append([]chartrepo.Finding{}, done.Findings...)
		return a.printJSON(struct {
			Repository string `json:"repository"`
			DryRun     bool   `json:"dryRun"`
			chartrepo.Reindexed
		}{o.ref, o.dryRun, done})
	}
	verbs := [2]string{"added", "mended"}
	if o.dryRun {
		verbs = [2]string{"would add", "would mend"}
	}
	for i, list := range [2][]string{done.Added, done.Mended} {
		for _, version := range list {
			if _, err := fmt.Fprintf(a.Out, "%s %s\n", verbs[i], printable(version)); err != nil {
				return err
			}
		}
	}
	if err := a.printFindings(done.Findings); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.Out, "%s: %s, %d read, %d %s, %d %s\n", o.ref, count(done.Archives, "archive"), done.Read,
		len(done.Added), verbs[0], len(done.Mended), verbs[1])
	return err
}
