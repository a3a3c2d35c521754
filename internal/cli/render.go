package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func (a *app) renderCommand() *cobra.Command {
	var options chartrepo.RenderOptions
	var files []string
	cmd := &cobra.Command{
		Use:   "render CHART [--values FILE]...",
		Short: "Print the manifests that a chart makes for an environment",
		Long: "Render a chart folder, or a packaged chart, with Helm's engine and without a cluster, and print its\n" +
			"manifests. A folder is linted and packaged first, exactly as publish does it, so what is rendered is what\n" +
			"would be published. Values that the chart's schema refuses end it with exit status 4; the message says\n" +
			"where they stand and not what they are.",
		Example: "  pinnace render ./charts/opentelemetry -f ./charts/opentelemetry/values-prod.yaml --kube-version 1.33",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.render(args[0], files, options)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&files, "values", "f", nil, "a YAML file of values; may be repeated, later files win")
	flags.StringVar(&options.Release, "release", "", "name of the release (default: the chart's name)")
	flags.StringVarP(&options.Namespace, "namespace", "n", "default", "namespace of the release")
	flags.StringVar(&options.KubeVersion, "kube-version", "", "the cluster's Kubernetes version (default: that of Helm's libraries)")
	return cmd
}

func (a *app) render(path string, files []string, options chartrepo.RenderOptions) error {
	for _, file := range files {
		document, err := os.ReadFile(file)
		if err != nil {
			return problem.New(problem.Usage, "name a YAML file of values", "reading values: %w", err)
		}
		options.Values = append(options.Values, document)
	}
	chart, err := chartrepo.Pack(path)
	if err != nil {
		return err
	}
	manifests, err := chartrepo.Render(chart.Archive, options)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return json.NewEncoder(a.Out).Encode(map[string]any{
			"name": chart.Name, "version": chart.Version, "digest": "sha256:" + chart.Digest,
			"release":   cmp.Or(options.Release, chart.Name),
			"namespace": options.Namespace, "manifests": manifests,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(manifests)) {
		_, err := fmt.Fprintf(a.Out, "---\n# Source: %s\n%s\n", name, strings.Trim(manifests[name], "\n"))
		if err != nil {
			return fmt.Errorf("printing the manifests: %w", err)
		}
	}
	return nil
}
