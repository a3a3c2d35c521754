package agent

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/identity/workload"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// whoami asks AWS who this pod is, or becomes with --role, and shows what made AWS think so.
func whoami(ctx context.Context, p Program, args []string) error {
	var role workload.Role
	output, allowStatic := "text", false
	hint := "see: pinnace-agent help"
	set := flag.NewFlagSet("whoami", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&output, "output", output, "")
	set.StringVar(&role.ARN, "role", "", "")
	set.StringVar(&role.ExternalID, "external-id", "", "")
	set.BoolVar(&allowStatic, "allow-static-credentials", false, "")
	if err := set.Parse(args); err != nil {
		return problem.New(problem.Usage, hint, "whoami: %w", err)
	}
	if set.NArg() > 0 {
		return problem.New(problem.Usage, hint, "whoami takes no arguments, but got %q", set.Arg(0))
	}
	if err := settings.FromEnvironment(set, p.Getenv); err != nil {
		return err
	}
	if output != "text" && output != "json" {
		return problem.New(problem.Usage, "write --output text or --output json", "no such output: %q", output)
	}
	cfg, err := workload.Config(ctx, workload.Options{Getenv: p.Getenv, AllowStatic: allowStatic})
	if err != nil {
		return err
	}
	if role.ARN != "" {
		if cfg, err = workload.Assume(cfg, role); err != nil {
			return err
		}
	}
	who, err := workload.WhoAmI(ctx, cfg)
	if err != nil {
		return err
	}
	if output == "json" {
		encoder := json.NewEncoder(p.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(who)
	}
	return printCaller(p.Stdout, who)
}

// printCaller writes one fact a line, leaving out those that there are none of.
func printCaller(w io.Writer, who workload.Caller) error {
	rows := [][2]string{
		{"account", who.Account},
		{"arn", who.ARN},
		{"userid", who.UserID},
		{"role", who.Role},
		{"from", who.From},
		{"by", string(who.Mechanism)},
		{"region", who.Region},
		{"sts", who.Endpoint},
	}
	if t := who.Token; t != nil {
		expires := ""
		if t.Expires != nil {
			expires = t.Expires.Format(time.RFC3339)
		}
		rows = append(rows, [2]string{"token", t.File}, [2]string{"sub", t.Subject},
			[2]string{"aud", strings.Join(t.Audience, ", ")}, [2]string{"iss", t.Issuer}, [2]string{"expires", expires})
	}
	for _, row := range rows {
		if row[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-7s %s\n", row[0], row[1]); err != nil {
			return err
		}
	}
	return nil
}
