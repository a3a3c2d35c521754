package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func (a *app) publishCommand() *cobra.Command {
	var repo, region string
	cmd := &cobra.Command{
		Use:   "publish CHART_DIR --repo s3://BUCKET/PREFIX | file:///FOLDER",
		Short: "Publish a chart; published versions never change",
		Long: "Lint a chart folder, package it reproducibly (the same tree gives the same digest on any machine) and\n" +
			"publish it: the archive first, only if its version is new, then the index, only if nobody changed it\n" +
			"meanwhile. Publishing the same bytes again succeeds and changes nothing; other bytes under a published\n" +
			"version are refused with exit status 3. A publish that was killed is mended by repeating it.\n\n" +
			"The AWS identity is the one that the AWS command line would use.",
		Example: "  pinnace publish ./charts/opentelemetry --repo s3://acme-charts/stable\n" +
			"  pinnace publish ./charts/opentelemetry --repo file:///srv/charts",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.publish(cmd.Context(), args[0], repo, region)
		},
	}
	cmd.Flags().StringVar(&repo, "repo", "", "the repository: s3://bucket/prefix, file:///folder, or a name of pinnace.yaml")
	cmd.Flags().StringVar(&region, "region", "", "the bucket's region (default: that of the AWS configuration)")
	return cmd
}

func (a *app) publish(ctx context.Context, dir, repo, region string) error {
	if repo == "" {
		return problem.New(problem.Usage, "add --repo s3://BUCKET/PREFIX, or --repo file:///FOLDER for a local one",
			"publishing %s: no repository given", dir)
	}
	repository, err := a.openRepository(ctx, repo, region)
	if err != nil {
		return err
	}
	chart, err := chartrepo.Pack(dir)
	if err != nil {
		return err
	}
	done, err := repository.Publish(ctx, chart)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return json.NewEncoder(a.Out).Encode(map[string]any{
			"name": done.Name, "version": done.Version, "digest": "sha256:" + done.Digest, "url": done.URL,
			"repository": repo, "alreadyPublished": done.Already, "attempts": done.Attempts,
		})
	}
	verb := "published"
	if done.Already {
		verb = "already published"
	}
	_, err = fmt.Fprintf(a.Out, "%s %s %s to %s (sha256:%s)\n", verb, done.Name, done.Version, repo, done.Digest)
	return err
}
