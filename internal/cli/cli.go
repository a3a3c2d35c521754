// Package cli is the pinnace command: one file a verb, each a constructor, its options and a run. It turns errors into
// two lines and an exit code; the work is done in the packages below it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// interrupted is the exit code after SIGINT or SIGTERM.
const interrupted = 130

// Streams are where a command writes: results to Out, everything else to Err.
type Streams struct{ Out, Err io.Writer }

// app is what every verb gets.
type app struct {
	Streams
	getenv  func(string) string
	verbose bool
	output  string // table or json

	configPath string // of pinnace.yaml; empty: the nearest one
}

const exitCodes = `Exit status:
  0 done · 1 failed · 2 wrong usage or input · 3 conflict (an immutable version, a lost race)
  4 refused by policy (lint, a secret, an invalid document) · 5 access denied · 130 interrupted`

// Main runs one command line and answers its exit code. The environment is read through getenv alone, except by the AWS
// SDK, which reads its own variables.
func Main(ctx context.Context, args []string, streams Streams, getenv func(string) string) int {
	a := &app{Streams: streams, getenv: getenv}
	started := false
	root := a.root(&started)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		_, _ = fmt.Fprintln(streams.Err, "pinnace: interrupted")
		return interrupted
	}
	if exit, ok := errors.AsType[exitError](err); ok {
		return int(exit)
	}
	if !started { // cobra refused the command line before any verb ran
		err = problem.New(problem.Usage, "run `"+cmd.CommandPath()+" --help` to see what it takes", "%w", err)
	}
	printError(streams.Err, err)
	return int(problem.KindOf(err))
}

func printError(w io.Writer, err error) {
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	_, _ = fmt.Fprintf(w, "pinnace: error: %s\n", text)
	if hint := problem.HintOf(err); hint != "" {
		_, _ = fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

func (a *app) root(started *bool) *cobra.Command {
	root := &cobra.Command{
		Use:   "pinnace",
		Short: "Helm charts in your own S3 bucket; keys nowhere but where they are needed",
		Long: "Pinnace keeps Helm charts in your own S3 bucket and keeps keys out of everything else.\n\n" +
			"Every flag can also be given as PINNACE_<FLAG>, for example PINNACE_REPO for --repo.\n\n" + exitCodes,
		SilenceErrors: true, SilenceUsage: true, DisableAutoGenTag: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.fillFromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if a.output != "table" && a.output != "json" {
				return fmt.Errorf("--output is table or json, not %q", a.output)
			}
			slog.SetDefault(a.log()) // Helm's code logs to the default
			*started = true
			return nil
		},
	}
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "log each step on standard error")
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "table", "how to print results: table or json")
	root.PersistentFlags().StringVar(&a.configPath, "config", "",
		"the pinnace.yaml to use (default: the one in this folder or the nearest above)")
	root.AddCommand(a.publishCommand(), a.scanCommand(), a.renderCommand(), a.demoCommand(), a.localawsCommand(),
		a.versionCommand())
	root.AddCommand(a.promoteCommand(), a.mirrorCommand(), a.yankCommand(), a.deprecateCommand(), a.pruneCommand(),
		a.lsCommand(), a.showCommand(), a.verifyCommand(), a.reindexCommand(), a.pluginCommand(), a.infraCommand(),
		a.overlayCommand())
	return root
}

// fillFromEnvironment sets each flag that the command line left alone from PINNACE_<FLAG>.
func (a *app) fillFromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "PINNACE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := a.getenv(name)
		if f.Changed || value == "" || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", name, err)
		}
	})
	return failed
}

// log writes to standard error when --verbose is on, as text; else nowhere.
func (a *app) log() *slog.Logger {
	if !a.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// isTerminal tells whether w is a terminal that shows colours and cursor movements.
func (a *app) isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && a.getenv("TERM") != "dumb" && isTerminal(int(f.Fd()))
}
