package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/localaws"
)

// overriding are the variables of an AWS client that would win over, or contradict, those of localaws.
var overriding = []string{"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"}

func (a *app) localawsCommand() *cobra.Command {
	var cfg localaws.Config
	var quotas bool
	cmd := &cobra.Command{
		Use:   "localaws [-- COMMAND [ARG...]]",
		Short: "Run S3, STS, IAM, Secrets Manager and AppConfig on one loopback port",
		Long: "Run the part of AWS that pinnace touches on one loopback port: for as long as COMMAND runs, with an\n" +
			"environment that points any AWS client at it as the account's root user; or without a COMMAND until\n" +
			"interrupted, printing that environment for a shell.\n\n" +
			"Everything is in memory. Signatures are checked and policies are enforced. It is for tests, not for\n" +
			"serving anybody. With a COMMAND the exit status is that of the COMMAND.",
		Example: "  pinnace localaws -- bash\n  pinnace localaws -- aws s3 mb s3://charts",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Log = a.log()
			if quotas {
				cfg.Quotas = localaws.AWSQuotas()
			}
			server, err := localaws.Start(cfg)
			if err != nil {
				return problem.New(problem.Usage, "--addr takes a free loopback port, 127.0.0.1:0 any; --account twelve digits",
					"%w", err)
			}
			if len(args) > 0 {
				return errors.Join(runWith(cmd.Context(), a.Streams, server.Environ(), args), server.Close())
			}
			if err := a.printEnvironment(server.Environ()); err != nil {
				return errors.Join(err, server.Close())
			}
			<-cmd.Context().Done()
			return server.Close()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Addr, "addr", "127.0.0.1:4566", "loopback address to listen on; port 0 takes a free one")
	flags.StringVar(&cfg.Account, "account", "123456789012", "the account's number")
	flags.StringVar(&cfg.Region, "region", "eu-west-1", "the region")
	flags.StringVar(&cfg.AccessKeyID, "access-key-id", "", "the root user's key id (default random)")
	flags.StringVar(&cfg.SecretAccessKey, "secret-access-key", "", "the root user's secret key (default random)")
	flags.BoolVar(&cfg.LenientTokens, "lenient-tokens", false, "accept a configuration token twice, as AppConfig does")
	flags.BoolVar(&quotas, "quotas", false, "throttle calls that come more often than AWS allows")
	return cmd
}

// printEnvironment prints lines for a POSIX shell.
func (a *app) printEnvironment(environ []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "unset %s\n", strings.Join(overriding, " "))
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		fmt.Fprintf(&text, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	if _, err := fmt.Fprint(a.Out, text.String()); err != nil {
		return fmt.Errorf("printing the environment: %w", err)
	}
	return nil
}

// exitError carries the exit status of a command that pinnace ran; the command has said what is wrong itself.
type exitError int

func (e exitError) Error() string {
	return fmt.Sprintf("the command ended with exit status %d", int(e))
}

// runWith runs a command to its end, its environment changed by environ.
func runWith(ctx context.Context, streams Streams, environ, args []string) error {
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, streams.Out, streams.Err
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "AWS_") {
			command.Env = append(command.Env, pair)
		}
	}
	command.Env = append(command.Env, environ...)
	err := command.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exitError(exit.ExitCode())
	}
	if err != nil {
		return problem.New(problem.Usage, "give the command as you would type it: pinnace localaws -- aws s3 ls",
			"running %s: %w", args[0], err)
	}
	return nil
}
