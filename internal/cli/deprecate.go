package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

type deprecateOptions struct {
	repositoryFlags
	undo bool
}

func (a *app) deprecateCommand() *cobra.Command {
	var o deprecateOptions
	cmd := &cobra.Command{
		Use:   "deprecate NAME [VERSION] --repo REPO",
		Short: "Mark a chart, or one version of it, as deprecated",
		Long: "Mark one version, or without VERSION all versions of a chart, as deprecated in the index, as Helm shows\n" +
			"it. They can still be installed, and their archives do not change; --undo takes the mark away.\n\n" +
			"Exit status 2: the repository does not have the chart or the version.",
		Example: "  pinnace deprecate web --repo prod\n" +
			"  pinnace deprecate web 1.4.0 --repo prod --undo",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.deprecate(cmd.Context(), args[0], strings.Join(args[1:], ""), o)
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&o.undo, "undo", false, "take the mark away")
	return cmd
}

func (a *app) deprecate(ctx context.Context, name, version string, o deprecateOptions) error {
	r, err := a.open(ctx, o.repositoryFlags)
	if err != nil {
		return err
	}
	if err := r.Deprecate(ctx, name, version, o.undo); err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(map[string]any{
			"name": name, "version": version, "repository": o.ref, "deprecated": !o.undo,
		})
	}
	what, verb := strings.TrimSpace(name+" "+version), "deprecated"
	if o.undo {
		verb = "no longer deprecated:"
	}
	_, err = fmt.Fprintf(a.Out, "%s %s in %s\n", verb, what, o.ref)
	return err
}
