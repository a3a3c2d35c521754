package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

type yankOptions struct {
	repositoryFlags
	reason string
	undo   bool
}

func (a *app) yankCommand() *cobra.Command {
	var o yankOptions
	cmd := &cobra.Command{
		Use:   "yank NAME VERSION --repo REPO",
		Short: "Take a version out of the index; its archive stays",
		Long: "Take a version out of the index, so that no Helm finds it any more, and remember that it was there:\n" +
			"nobody can publish it again, with these bytes or with others. Its archive stays for whoever knows its URL,\n" +
			"and --undo puts the entry back as it was. Yanking a version again changes nothing.\n\n" +
			"Exit status 2: the repository does not have the version; 3: the yank cannot be taken back, for the version\n" +
			"was pruned; 4: its archive is no longer the one that was yanked.",
		Example: "  pinnace yank web 1.4.0 --repo prod --reason \"loses requests under load\"\n" +
			"  pinnace yank web 1.4.0 --repo prod --undo",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.yank(cmd.Context(), args[0], args[1], o)
		},
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for whoever looks for it later")
	cmd.Flags().BoolVar(&o.undo, "undo", false, "put a yanked version back")
	return cmd
}

func (a *app) yank(ctx context.Context, name, version string, o yankOptions) error {
	r, err := a.open(ctx, o.repositoryFlags)
	if err != nil {
		return err
	}
	verb, preposition := "yanked", "from"
	if o.undo {
		verb, preposition = "put back", "in"
		err = r.Unyank(ctx, name, version)
	} else {
		err = r.Yank(ctx, name, version, o.reason)
	}
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(map[string]any{"name": name, "version": version, "repository": o.ref, "yanked": !o.undo})
	}
	_, err = fmt.Fprintf(a.Out, "%s %s %s %s %s\n", verb, name, version, preposition, o.ref)
	return err
}
