package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

type pruneOptions struct {
	repositoryFlags
	keep      int
	olderThan age
	apply     string
}

func (a *app) pruneCommand() *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune [NAME]... --keep N | --older-than AGE --repo REPO",
		Short: "Delete versions that are no longer needed, by a plan that you see first",
		Long: "Print which versions the rules let go, and a token. The same command with --apply TOKEN deletes exactly\n" +
			"these: first their entries, then their archives. If the plan would be another one by then, nothing is\n" +
			"deleted. A version goes only if every given rule lets it go. Never deleted are the newest version of a\n" +
			"chart that is no prerelease, versions that are not semantic, and archives that this program did not name.\n\n" +
			"A pruned version stays taken: it cannot be published again. A prune that was interrupted goes on when it is\n" +
			"applied again with its token.\n\n" +
			"Exit status 2: no rule, or no such chart; 3: the token is not that of the plan of now.",
		Example: "  pinnace prune --keep 10 --older-than 90d --repo uat\n" +
			"  pinnace prune --keep 10 --older-than 90d --repo uat --apply 5f1c09a2b3d4",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.prune(cmd.Context(), args, o)
		},
	}
	o.add(cmd)
	cmd.Flags().IntVar(&o.keep, "keep", 0, "keep this many of the newest versions of each chart")
	cmd.Flags().Var(&o.olderThan, "older-than", "keep versions that are younger than this, such as 90d or 36h")
	cmd.Flags().StringVar(&o.apply, "apply", "", "delete what the plan with this token says")
	return cmd
}

func (a *app) prune(ctx context.Context, names []string, o pruneOptions) error {
	r, err := a.open(ctx, o.repositoryFlags)
	if err != nil {
		return err
	}
	rules := chartrepo.PruneOptions{Keep: o.keep, OlderThan: time.Duration(o.olderThan), Names: names}
	if o.apply != "" {
		done, err := r.ApplyPrune(ctx, rules, o.apply)
		if err != nil {
			return err
		}
		return a.printPruned(done, o)
	}
	plan, err := r.PlanPrune(ctx, rules)
	if err != nil {
		return err
	}
	return a.printPlan(plan, o)
}

// pruned is a version as JSON has it.
type pruned struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  string `json:"digest"`
	Created string `json:"created,omitempty"` // RFC 3339
}

func (a *app) printPlan(plan chartrepo.PrunePlan, o pruneOptions) error {
	if a.output == "json" {
		list := []pruned{}
		for _, e := range plan.Delete {
			v := ofEntry(e)
			list = append(list, pruned{v.Name, v.Version, v.Digest, v.Created})
		}
		return a.printJSON(map[string]any{"repository": o.ref, "token": plan.Token, "delete": list})
	}
	if plan.Token == "" {
		_, err := fmt.Fprintf(a.Out, "nothing to delete in %s\n", o.ref)
		return err
	}
	rows := [][]string{{"NAME", "VERSION", "CREATED"}}
	for _, e := range plan.Delete {
		rows = append(rows, []string{e.Name, e.Version, date(e.Created)})
	}
	if err := a.printTable(rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.Out, "\n%s to delete in %s; to do it add: --apply %s\n", count(len(plan.Delete), "version"),
		o.ref, plan.Token)
	return err
}

func (a *app) printPruned(done chartrepo.Pruned, o pruneOptions) error {
	if a.output == "json" {
		list := []pruned{}
		for _, t := range done.Versions {
			list = append(list, pruned{Name: t.Name, Version: t.Version, Digest: digestText(t.Digest)})
		}
		return a.printJSON(map[string]any{
			"repository": o.ref, "token": o.apply, "deleted": list, "archives": done.Archives,
		})
	}
	_, err := fmt.Fprintf(a.Out, "deleted %s and %s from %s\n", count(len(done.Versions), "version"),
		count(done.Archives, "archive"), o.ref)
	return err
}

// count is a number of things in English.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
