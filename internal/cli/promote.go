package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

type promoteOptions struct {
	from, to, region, keyring string
}

func (a *app) promoteCommand() *cobra.Command {
	var o promoteOptions
	cmd := &cobra.Command{
		Use:   "promote NAME VERSION --from REPO --to REPO",
		Short: "Publish a version of one repository in another: the same bytes, never a rebuild",
		Long: "Copy a version from one repository to another, for example from uat to prod: the same bytes, under the\n" +
			"digest that the index of the source has for them, with their provenance. Both are read back from the target\n" +
			"before its index names them. With --keyring the provenance must be there and is verified in both.\n\n" +
			"Promoting a version again succeeds and changes nothing. Exit status 2: the source does not have it; 3: the\n" +
			"target has that version with other bytes; 4: it is yanked at the source, its bytes are not those of the\n" +
			"index, or its provenance does not verify.",
		Example: "  pinnace promote web 1.4.0 --from uat --to prod\n" +
			"  pinnace promote web 1.4.0 --from s3://acme-uat/charts --to s3://acme-prod/charts --keyring release.gpg",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.promote(cmd.Context(), args[0], args[1], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.from, "from", "", "the repository that has the version: a URL or a name of pinnace.yaml")
	flags.StringVar(&o.to, "to", "", "the repository to publish it in: a URL or a name of pinnace.yaml")
	flags.StringVar(&o.region, "region", "", "the region of both buckets (default: that of the AWS configuration)")
	flags.StringVar(&o.keyring, "keyring", "", "verify provenance with these public keys (a file by gpg --export)")
	return cmd
}

func (a *app) promote(ctx context.Context, name, version string, o promoteOptions) error {
	if o.from == "" || o.to == "" {
		return problem.New(problem.Usage, "add --from REPO and --to REPO", "promoting %s %s: no repositories given",
			name, version)
	}
	keyring, err := openKeyring(o.keyring)
	if err != nil {
		return err
	}
	from, err := a.openRepository(ctx, o.from, o.region)
	if err != nil {
		return err
	}
	to, err := a.openRepository(ctx, o.to, o.region)
	if err != nil {
		return err
	}
	done, err := chartrepo.Promote(ctx, from, to, name, version, chartrepo.PromoteOptions{Keyring: keyring})
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(map[string]any{
			"name": done.Name, "version": done.Version, "digest": "sha256:" + done.Digest, "url": done.URL,
			"from": o.from, "to": o.to, "alreadyPublished": done.Already, "provenance": done.Provenance,
			"signer": done.Signer,
		})
	}
	verb := "promoted"
	if done.Already {
		verb = "already there:"
	}
	signed := ""
	if done.Signer != "" {
		signed = ", signed by " + printable(done.Signer)
	}
	_, err = fmt.Fprintf(a.Out, "%s %s %s from %s to %s (sha256:%s%s)\n", verb, done.Name, done.Version, o.from, o.to,
		done.Digest, signed)
	return err
}
