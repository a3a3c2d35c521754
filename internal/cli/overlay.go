package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/leakscan"
	"github.com/pinnace-dev/pinnace/internal/overlay"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

type overlayOptions struct {
	overlay.Options
	mode, release string
	files         []string
}

func (a *app) overlayCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "overlay",
		Short: "Put the agent into a chart of others, by values alone",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.overlayIntegrationCommand(), a.overlayCheckCommand())
	return cmd
}

func (a *app) overlayIntegrationCommand() *cobra.Command {
	var o overlayOptions
	cmd := &cobra.Command{
		Use:   "otel-integration CHART --mode file|process --appconfig APP/ENV/PROFILE --agent-image IMAGE",
		Short: "Print values that put the agent into Coralogix's otel-integration chart",
		Long: "Print a values file that puts pinnace-agent into the collectors of Coralogix's otel-integration chart,\n" +
			"as it is: helm upgrade ... -f YOURS -f OVERLAY. CHART is the packaged chart (.tgz), as `helm pull` brings\n" +
			"it. Give your own values files too: Helm replaces lists, so the overlay has yours in it.\n\n" +
			"--mode file: a native sidecar keeps the key in a file in memory, and the collectors read it again after each\n" +
			"rotation. What takes the key by variable alone is turned off, and named. --mode process: the agent starts\n" +
			"the image's own program with the variable, and starts it again after a rotation; nothing is lost.\n\n" +
			"The chart is rendered before and after, and the overlay printed only when every pod passes `overlay check`.\n" +
			"docs/overlay.md has the steps, and what each mode costs.\n\n" +
			"Exit status 4: your values and the mode do not go together, a key is in them, or the chart takes the overlay\n" +
			"no more.",
		Example: "  pinnace overlay otel-integration otel-integration-0.0.344.tgz -f values-prod.yaml --mode file \\\n" +
			"    --appconfig opentelemetry/prod/collector --role-arn arn:aws:iam::111122223333:role/opentelemetry \\\n" +
			"    --agent-image registry.example.com/pinnace-agent@sha256:… > overlay-prod.yaml",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.overlayIntegration(cmd.Context(), args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.mode, "mode", "", "file or process")
	flags.StringVar(&o.AppConfig, "appconfig", "", "APPLICATION/ENVIRONMENT/PROFILE; its field private_key is the key")
	flags.StringVar(&o.Image, "agent-image", "", "the agent's image, best with its digest")
	flags.StringArrayVarP(&o.files, "values", "f", nil, "your values for the chart; may be repeated, later files win")
	flags.StringArrayVar(&o.Roles, "role-arn", nil,
		"role of the service accounts, or ALIAS=ARN for that of one; may be repeated")
	flags.BoolVar(&o.PodIdentity, "pod-identity", false, "associations of EKS Pod Identity name the roles")
	flags.BoolVar(&o.ProjectToken, "project-token", false, "mount the token here: the cluster has no webhook of EKS")
	flags.StringVar(&o.Region, "region", "", "AWS region (default: what EKS's webhook sets)")
	flags.StringVar(&o.Domain, "domain", "", "Coralogix domain, such as eu2.coralogix.com (default: global.domain)")
	flags.BoolVar(&o.AllowUnknownDomain, "allow-unknown-domain", false, "take a domain that is new, or an older alias")
	flags.StringVar(&o.ClusterName, "cluster-name", "", "name of the cluster (default: global.clusterName)")
	flags.StringVar(&o.Application, "application-name", "", "default application (default: that of the values)")
	flags.StringVar(&o.Subsystem, "subsystem-name", "", "default subsystem (default: that of the values)")
	flags.StringArrayVar(&o.Leave, "leave", nil, "a collector that keeps the Secret, such as agent-windows")
	flags.StringVar(&o.CollectorVersion, "collector-version", "", "for images whose tag does not tell")
	flags.StringVar(&o.release, "release", "", "name of the release (default: the chart's name)")
	flags.StringVarP(&o.Namespace, "namespace", "n", "", "namespace of the release, for the subjects of the role's trust")
	flags.StringVar(&o.KubeVersion, "kube-version", "", "the Kubernetes version (default: that of Helm's code)")
	return cmd
}

func (a *app) overlayIntegration(ctx context.Context, path string, o overlayOptions) error {
	o.Mode = overlay.Mode(o.mode)
	archive, err := os.ReadFile(path)
	if err != nil {
		return problem.New(problem.Usage, "name a packaged chart: helm pull REPO/otel-integration, or helm package FOLDER",
			"reading chart: %w", err)
	}
	chart, err := chartrepo.Open(archive)
	if err != nil {
		return err
	}
	team, err := teamValues(ctx, o.files)
	if err != nil {
		return err
	}
	subject := overlay.Chart{
		Name: chart.Name + " " + chart.Version,
		Render: func(document []byte) (map[string]string, error) {
			return chartrepo.Render(archive, chartrepo.RenderOptions{
				Release: o.release, Namespace: o.Namespace, KubeVersion: o.KubeVersion,
				Values: slices.Concat(team, [][]byte{document}),
			})
		},
	}
	if subject.Values, err = chartrepo.Values(archive, team...); err != nil {
		return err
	}
	if subject.Team, err = chartrepo.MergeValues(team...); err != nil {
		return err
	}
	made, err := overlay.Make(o.Options, subject)
	if err != nil {
		return err
	}
	return a.printOverlay(made)
}

// teamValues reads values files, and refuses those that have a key in them: what they say comes into the overlay.
func teamValues(ctx context.Context, files []string) ([][]byte, error) {
	var documents [][]byte
	var in leakscan.Input
	for _, file := range files {
		document, err := os.ReadFile(file)
		if err != nil {
			return nil, problem.New(problem.Usage, "name a YAML file of values", "reading values: %w", err)
		}
		documents = append(documents, document)
		in.Files = append(in.Files, leakscan.File{Path: filepath.ToSlash(file), Body: document})
	}
	if len(files) == 0 {
		return nil, nil
	}
	scanner, err := leakscan.New()
	if err != nil {
		return nil, err
	}
	found, err := scanner.Scan(ctx, in)
	if err != nil || len(found) == 0 {
		return documents, err
	}
	var places []string
	for _, f := range found {
		places = append(places, fmt.Sprintf("%s:%d (%s)", f.File, f.Line, f.Rule))
	}
	return nil, problem.New(problem.Refused,
		"take it out: the key belongs in AWS Secrets Manager, and reaches the collectors by the agent",
		"the values have secrets in them: %s", strings.Join(places, ", "))
}

func (a *app) printOverlay(made overlay.Overlay) error {
	if a.output == "json" {
		return a.printJSON(made)
	}
	document, err := made.YAML()
	if err != nil {
		return err
	}
	if _, err := a.Out.Write(document); err != nil {
		return fmt.Errorf("printing the overlay: %w", err)
	}
	for _, note := range made.Notes {
		_, _ = fmt.Fprintf(a.Err, "pinnace: note: %s\n", printable(note))
	}
	for _, subject := range made.Subjects {
		_, _ = fmt.Fprintf(a.Err, "pinnace: note: the role's trust policy must allow %s\n", printable(subject))
	}
	return nil
}

func (a *app) overlayCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check MANIFESTS.yaml",
		Short: "Judge rendered manifests: who reads the key from where",
		Long: "Read what `helm template` or `helm get manifest` prints and find pods that read the key from the Secret,\n" +
			"that lack the agent, whose two sides mean different files, that have a list twice, or whose collector would\n" +
			"not start or would send two Authorizations. Run it after each upgrade of the chart.\n\n" +
			"Exit status 4: there are findings; 2: the file cannot be read.",
		Example: "  helm template otel prod/otel-integration -f values-prod.yaml -f overlay-prod.yaml > all.yaml\n" +
			"  pinnace overlay check all.yaml",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.overlayCheck(args[0]) },
	}
}

func (a *app) overlayCheck(file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return problem.New(problem.Usage, "name a file of what `helm template` prints", "reading manifests: %w", err)
	}
	report := overlay.Check(map[string]string{file: string(body)})
	if err := a.printChecked(file, report); err != nil {
		return err
	}
	if len(report.Findings) == 0 {
		return nil
	}
	return problem.New(problem.Refused, "make the overlay anew for this version of the chart, or correct the values",
		"%s: %s", file, count(len(report.Findings), "finding"))
}

func (a *app) printChecked(file string, report overlay.Report) error {
	if a.output == "json" {
		return a.printJSON(report)
	}
	var b strings.Builder
	for _, f := range report.Findings {
		fmt.Fprintf(&b, "%s\n", printable(f.String()))
	}
	fmt.Fprintf(&b, "%s: %d by file, %d by process, %d without a key, %s\n", file, report.Files, report.Processes,
		report.Keyless, count(len(report.Findings), "finding"))
	if _, err := fmt.Fprint(a.Out, b.String()); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return nil
}
