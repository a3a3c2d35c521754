package agent

import (
	"context"
	"encoding/json"
	"flag"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/agent/cost"
	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// costs tells what a fleet with these settings costs. Its own flags are taken out first; the others are those of run.
func costs(_ context.Context, p Program, args []string) error {
	fleet := cost.Fleet{Pods: 100, Starts: 30, Rotations: 4}
	set := flag.NewFlagSet("cost", flag.ContinueOnError)
	set.IntVar(&fleet.Pods, "pods", fleet.Pods, "")
	set.IntVar(&fleet.Starts, "starts", fleet.Starts, "")
	set.IntVar(&fleet.Rotations, "rotations", fleet.Rotations, "")
	output := set.String("output", "table", "")
	rest, err := own(set, args)
	if err != nil {
		return err
	}
	if *output != "table" && *output != "json" {
		return problem.New(problem.Usage, "write --output table or --output json", "no such output: %q", *output)
	}
	if min(fleet.Pods, fleet.Starts, fleet.Rotations) < 0 {
		return problem.New(problem.Usage, "choose 0 or more", "--pods, --starts or --rotations is negative")
	}
	s, err := settings.Parse("cost", rest, p.Getenv)
	if err != nil {
		return err
	}
	bill := cost.Of(s, fleet)
	if *output == "json" {
		encoder := json.NewEncoder(p.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(bill)
	}
	return bill.Print(p.Stdout, fleet)
}

// own sets a verb's own flags, written as --name=value or --name value, and gives back the other arguments.
func own(set *flag.FlagSet, args []string) (rest []string, err error) {
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(rest, args[i:]...), nil
		}
		name, value, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if set.Lookup(name) == nil || !strings.HasPrefix(args[i], "-") {
			rest = append(rest, args[i])
			continue
		}
		if !joined && i+1 < len(args) {
			i++
			value = args[i]
		}
		if err := set.Set(name, value); err != nil {
			return nil, problem.New(problem.Usage, "see: pinnace-agent help", "--%s: %w", name, err)
		}
	}
	return rest, nil
}
