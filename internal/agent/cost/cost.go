// Package cost tells what a fleet of agents costs in a month, from their configuration alone.
package cost

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/pinnace-dev/pinnace/internal/agent/settings"
)

// Prices in dollars, us-east-1, as of November 2026: https://aws.amazon.com/systems-manager/pricing (AppConfig) and
// https://aws.amazon.com/secrets-manager/pricing. STS is free.
const (
	perAppConfigRequest  = 0.0000002
	perAppConfigReceived = 0.0008
	perSecretsCall       = 0.05 / 10_000
	perSecretMonth       = 0.40
)

// hours of a month, as AWS counts them.
const hours = 730

// batch is how many secrets one BatchGetSecretValue reads.
const batch = 20

// Fleet is how many pods there are and what happens to them.
type Fleet struct {
	Pods      int // at any time
	Starts    int // of each pod in a month: each opens a session and receives its configuration
	Rotations int // changes of each configuration in a month
}

// Line is what one source costs.
type Line struct {
	Source   string  `json:"source"`
	Calls    float64 `json:"callsPerMonth"`
	Received float64 `json:"configurationsReceived,omitempty"`
	Dollars  float64 `json:"dollarsPerMonth"`
}

// Bill is what all cost.
type Bill struct {
	Lines   []Line  `json:"sources"`
	Secrets float64 `json:"dollarsForKeepingSecrets"` // once, whatever the number of pods
	Calls   float64 `json:"callsPerMonth"`
	Dollars float64 `json:"dollarsPerMonth"`
}

// Of computes the bill of a month. References in documents are taken to be pinned, one secret for each field, and read
// once for each start and change; a batch counts as one call.
func Of(s settings.Settings, f Fleet) Bill {
	polls := float64(f.Pods) * hours * float64(time.Hour) / float64(s.PollInterval)
	starts := float64(f.Pods * f.Starts)
	changes := float64(f.Pods * f.Rotations)
	var b Bill
	kept := map[string]bool{}
	for _, g := range s.Groups() {
		line := Line{Source: g.Name()}
		if g.AppConfig != "" {
			reads := (starts + changes) * float64(len(g.Items))
			requests := polls + starts
			line.Calls, line.Received = requests+reads, starts+changes
			line.Dollars = requests*perAppConfigRequest + line.Received*perAppConfigReceived + reads*perSecretsCall
		} else {
			followed, pinned := g.Secrets()
			line.Calls = polls*float64(calls(len(followed))) + starts*float64(len(pinned))
			line.Dollars = line.Calls * perSecretsCall
			for _, item := range g.Items {
				kept[item.Secret] = true
			}
		}
		b.Lines = append(b.Lines, line)
		b.Calls += line.Calls
		b.Dollars += line.Dollars
	}
	b.Secrets = float64(len(kept)) * perSecretMonth
	b.Dollars += b.Secrets
	return b
}

// calls is how many calls read so many secrets.
func calls(secrets int) int { return (secrets + batch - 1) / batch }

// Print writes the bill as a table.
func (b Bill) Print(w io.Writer, f Fleet) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "SOURCE\tCALLS A MONTH\tDOLLARS A MONTH\n")
	for _, l := range b.Lines {
		_, _ = fmt.Fprintf(table, "%s\t%.0f\t%.2f\n", l.Source, l.Calls, l.Dollars)
	}
	if b.Secrets > 0 {
		_, _ = fmt.Fprintf(table, "keeping the secrets\t\t%.2f\n", b.Secrets)
	}
	_, _ = fmt.Fprintf(table, "all, for %d pods\t%.0f\t%.2f\n", f.Pods, b.Calls, b.Dollars)
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "Each pod starts %d times and follows %d changes a month. References in documents are\n"+
		"taken to be pinned; one that is not costs a read at every poll. Prices of us-east-1, November 2026.\n",
		f.Starts, f.Rotations)
	return err
}
