package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/demo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func (a *app) demoCommand() *cobra.Command {
	var asJSON, keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole delivery on this machine: publish, deliver, rotate, and intruders refused",
		Long: "Run the whole delivery on this machine, without AWS and without a cluster. AWS is localaws on a loopback\n" +
			"port, with its real protocols, signatures and policies; publisher, agent, chart and policies are those\n" +
			"that ship. AWS's clock runs 60 times faster. Nothing is written outside a temporary folder.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.demo(cmd.Context(), asJSON || a.output == "json", keep)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object at the end (the same as --output json)")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave everything running afterwards and say what to type next")
	return cmd
}

func (a *app) demo(ctx context.Context, asJSON, keep bool) error {
	terminal := a.isTerminal(a.Out)
	options := demo.Options{Log: a.log(), Report: demo.NewTable(a.Out, terminal, terminal && a.getenv("NO_COLOR") == "")}
	if asJSON {
		options.Report = demo.NewJSON(a.Out)
	}
	if keep {
		options.Keep = func(ctx context.Context, t demo.Tour) error { return a.guide(ctx, t) }
	}
	result, err := demo.Run(ctx, options)
	if err != nil {
		return err
	}
	if result.OK {
		return nil
	}
	var failed []string
	for _, s := range result.Steps {
		if s.Status != demo.OK {
			failed = append(failed, s.Name)
		}
	}
	return problem.New(problem.Failed, "run it with --verbose to see every call",
		"demo: %s did not hold", strings.Join(failed, ", "))
}

// guide prints what to type next and waits to be interrupted. It writes beside the results, which may be JSON.
func (a *app) guide(ctx context.Context, t demo.Tour) error {
	var text strings.Builder
	text.WriteString("\neverything is still running; in another shell:\n\n")
	for _, pair := range t.Environment {
		fmt.Fprintf(&text, "  export %s\n", pair)
	}
	for _, c := range t.Commands {
		fmt.Fprintf(&text, "\n  # %s\n  %s\n", c.Shows, c.Line)
	}
	text.WriteString("\npress Ctrl-C to end it and remove its temporary folder\n")
	if _, err := fmt.Fprint(a.Err, text.String()); err != nil {
		return fmt.Errorf("printing the guide: %w", err)
	}
	<-ctx.Done()
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return ctx.Err()
}
