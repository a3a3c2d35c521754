package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/infralint"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func (a *app) infraCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "infra",
		Short: "Judge the Terraform around charts and keys",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.infraLintCommand())
	return cmd
}

func (a *app) infraLintCommand() *cobra.Command {
	var accepted []string
	cmd := &cobra.Command{
		Use:   "lint DIR|PLAN.json|STATE.json...",
		Short: "Find faults in Terraform: public buckets, wide trust, keys in state",
		Long: "Find faults in any Terraform that makes chart buckets, secrets, AppConfig and roles, and say for each\n" +
			"what comes of it and what to write instead. docs/infra-lint.md lists the rules.\n\n" +
			"DIR is a folder with .tf files; the local modules that it calls are followed. A folder without any stands\n" +
			"for the configurations below it. PLAN.json and STATE.json are what `terraform show -json` prints; a state\n" +
			"file itself will do. Nothing is run and nobody is called; what is known only when Terraform runs is not\n" +
			"accused. Findings never show what the configuration holds.\n\n" +
			"A finding may stay by a comment, on its line, above it or above its block:\n" +
			"  # pinnace:accept RULE why it may stay\n\n" +
			"Exit status 4: there are findings; 2: an input cannot be read.",
		Example: "  pinnace infra lint terraform/environments/prod\n" +
			"  terraform show -json plan.out > plan.json && pinnace infra lint plan.json\n" +
			"  pinnace infra lint . --accept bucket-logging --accept static-keys:aws_iam_user.break_glass",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.infraLint(cmd.Context(), args, accepted)
		},
	}
	cmd.Flags().StringArrayVar(&accepted, "accept", nil, "let findings be: RULE or RULE:ADDRESS; may be repeated")
	return cmd
}

// lintedInput is an input as JSON has it.
type lintedInput struct {
	Path string `json:"path"`
	infralint.Report
}

func (a *app) infraLint(ctx context.Context, paths, accepted []string) error {
	var accept []infralint.Accept
	for _, text := range accepted {
		one, err := infralint.ParseAccept(text)
		if err != nil {
			return err
		}
		accept = append(accept, one)
	}
	linter, err := infralint.New(accept)
	if err != nil {
		return err
	}
	inputs := make([]lintedInput, len(paths))
	findings := 0
	for i, path := range paths {
		report, err := linter.Lint(ctx, path)
		if err != nil {
			return err
		}
		inputs[i] = lintedInput{path, report}
		findings += len(report.Findings)
	}
	if err := a.printLinted(inputs); err != nil {
		return err
	}
	if findings == 0 {
		return nil
	}
	return problem.New(problem.Refused, "write each correction, or accept it: # pinnace:accept RULE REASON",
		"%s: %s", strings.Join(paths, ", "), count(findings, "finding"))
}

func (a *app) printLinted(inputs []lintedInput) error {
	if a.output == "json" {
		return a.printJSON(inputs)
	}
	var b strings.Builder
	for _, in := range inputs {
		for _, note := range in.Notes {
			_, _ = fmt.Fprintf(a.Err, "pinnace: note: %s\n", printable(note))
		}
		for _, f := range in.Findings {
			fmt.Fprintf(&b, "%s  %s\n    %s.\n    %s\n    → %s\n\n", printable(place(f)), f.Rule, printable(f.Fault),
				f.Consequence, f.Correction)
		}
		fmt.Fprintf(&b, "%s: %s, %d accepted\n", printable(in.Path), count(len(in.Findings), "finding"), in.Accepted)
	}
	if _, err := fmt.Fprint(a.Out, b.String()); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return nil
}

// place is FILE:LINE and the address, as far as there are any.
func place(f infralint.Finding) string {
	text := f.File
	if f.Line > 0 {
		text = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	if f.Address != "" {
		text += "  " + f.Address
	}
	return text
}
