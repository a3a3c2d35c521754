package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/localaws"
)

func (a *app) localawsCommand() *cobra.Command {
	var cfg localaws.Config
	cmd := &cobra.Command{
		Use:   "localaws",
		Short: "Run S3, STS, IAM, Secrets Manager and AppConfig on one loopback port",
		Long: "Run the part of AWS that pinnace touches on one loopback port, until interrupted. It prints the\n" +
			"environment that points any AWS client at it as the account's root user:\n\n" +
			"  pinnace localaws > env.sh &\n  . ./env.sh\n  aws s3 mb s3://charts\n\n" +
			"Everything is in memory. Signatures are checked and policies are enforced. It is for tests, not for\n" +
			"serving anybody.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Log = a.log()
			server, err := localaws.Start(cfg)
			if err != nil {
				return problem.New(problem.Usage, "give a free loopback address, such as --addr 127.0.0.1:4566", "%w", err)
			}
			for _, pair := range server.Environ() {
				name, value, _ := strings.Cut(pair, "=")
				if _, err := fmt.Fprintf(a.Out, "export %s=%s\n", name, value); err != nil {
					return fmt.Errorf("printing the environment: %w", err)
				}
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
	return cmd
}
