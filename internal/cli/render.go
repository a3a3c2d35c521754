package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/config"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

type renderOptions struct {
	chartrepo.RenderOptions
	environment      string
	files            []string
	skipDependencies bool
}

func (a *app) renderCommand() *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render CHART [--environment NAME] [--values FILE]...",
		Short: "Print the manifests that a chart makes for an environment",
		Long: "Render a chart folder, or a packaged chart, with Helm's engine and without a cluster, and print its\n" +
			"manifests. A folder is completed with the charts that it depends on, linted and packaged first, exactly as\n" +
			"publish does it, so what is rendered is what would be published. Values that the chart's schema refuses\n" +
			"end it with exit status 4; the message says where they stand and not what they are.\n\n" +
			"An environment's values files are named in pinnace.yaml; those that the chart's folder has are used, then\n" +
			"those of --values.",
		Example: "  pinnace render ./charts/opentelemetry --environment prod --kube-version 1.33\n" +
			"  pinnace render ./charts/opentelemetry -f my-values.yaml",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.render(cmd.Context(), args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.environment, "environment", "e", "", "an environment of pinnace.yaml, for its values files")
	flags.StringArrayVarP(&o.files, "values", "f", nil, "a YAML file of values; may be repeated, later files win")
	flags.StringVar(&o.Release, "release", "", "name of the release (default: the chart's name)")
	flags.StringVarP(&o.Namespace, "namespace", "n", "default", "namespace of the release")
	flags.StringVar(&o.KubeVersion, "kube-version", "", "the Kubernetes version (default: that of Helm's code)")
	flags.BoolVar(&o.skipDependencies, "skip-dependencies", false, "fetch no charts; those below charts/ must do")
	return cmd
}

func (a *app) render(ctx context.Context, path string, o renderOptions) error {
	files, err := a.valuesFiles(path, o.environment)
	if err != nil {
		return err
	}
	for _, file := range slices.Concat(files, o.files) {
		document, err := os.ReadFile(file)
		if err != nil {
			return problem.New(problem.Usage, "name a YAML file of values", "reading values: %w", err)
		}
		o.Values = append(o.Values, document)
	}
	chart, err := a.newBuilder(ctx, o.skipDependencies).Build(ctx, path)
	if err != nil {
		return err
	}
	manifests, err := chartrepo.Render(chart.Archive, o.RenderOptions)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return json.NewEncoder(a.Out).Encode(map[string]any{
			"name": chart.Name, "version": chart.Version, "digest": "sha256:" + chart.Digest,
			"release":   cmp.Or(o.Release, chart.Name),
			"namespace": o.Namespace, "manifests": manifests,
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

// valuesFiles are the values files of an environment that the chart's folder has.
func (a *app) valuesFiles(path, environment string) ([]string, error) {
	if environment == "" {
		return nil, nil
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	e, ok := c.Environments[environment]
	if !ok {
		return nil, problem.New(problem.Usage, "define it under environments in "+config.Name,
			"environment %q is not in %s", environment, config.Name)
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil, problem.New(problem.Usage, "name the chart's folder, or the values files with --values",
			"an environment's values files are looked for in a folder, and %s is none", path)
	}
	var found []string
	for _, name := range e.Values {
		file := filepath.Join(path, name)
		if _, err := os.Stat(file); err == nil {
			found = append(found, file)
		}
	}
	return found, nil
}
