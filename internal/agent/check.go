package agent

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Finding is what check says of one item or one sink.
type Finding struct {
	What        string `json:"what"` // item private_key, file /run/keys
	Source      string `json:"source,omitempty"`
	Version     string `json:"version,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Optional    bool   `json:"optional,omitempty"`
	Error       string `json:"error,omitempty"` // empty when it is right
	Hint        string `json:"hint,omitempty"`  // what would mend it
	err         error
}

// check fetches every item once, looks whether the files could be written, and explains what fails. It writes nothing
// and starts nothing. Its kind of failure is that of the first item which is needed and cannot be had.
func check(ctx context.Context, p Program, args []string) error {
	set := flag.NewFlagSet("check", flag.ContinueOnError)
	output := set.String("output", "table", "")
	rest, err := own(set, args)
	if err != nil {
		return err
	}
	s, err := settings.Parse("check", rest, p.Getenv)
	if err != nil {
		return err
	}
	c := p.config(s)
	c.Log = slog.New(slog.DiscardHandler)
	a, err := New(ctx, c)
	if err != nil {
		return err
	}
	findings := a.Check(ctx)
	if *output == "json" {
		encoder := json.NewEncoder(p.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(findings)
	} else {
		err = printFindings(p.Stdout, findings)
	}
	return errors.Join(err, verdict(findings))
}

// Check asks every source once, all at the same time, and every sink that can say in advance whether it could take the
// answers.
func (a *Agent) Check(ctx context.Context) []Finding {
	perFeed := make([][]Finding, len(a.engine.Feeds))
	snapshots := make([]delivery.Snapshot, len(a.engine.Feeds))
	var group sync.WaitGroup
	for i, f := range a.engine.Feeds {
		group.Go(func() { perFeed[i], snapshots[i] = checkFeed(ctx, f) })
	}
	group.Wait()
	var findings []Finding
	var items []delivery.Item
	for i := range perFeed {
		findings = append(findings, perFeed[i]...)
		for item := range snapshots[i].All() {
			items = append(items, item)
		}
	}
	all, err := delivery.NewSnapshot(items...)
	if err != nil {
		return append(findings, Finding{What: "items", Error: err.Error(), err: err})
	}
	for _, sink := range a.engine.Sinks {
		trier, ok := sink.(interface {
			Try(ctx context.Context, s delivery.Snapshot) error
		})
		if !ok || failed(findings) {
			continue
		}
		findings = append(findings, finding(Finding{What: sink.Name()}, trier.Try(ctx, all)))
	}
	return findings
}

// checkFeed asks a source.
func checkFeed(ctx context.Context, f delivery.Feed) ([]Finding, delivery.Snapshot) {
	answer, err := f.Source.Fetch(ctx)
	var findings []Finding
	for _, want := range f.Items {
		found := Finding{What: "item " + want.Item, Source: f.Name, Optional: want.Optional}
		why := err
		if why == nil {
			why = answer.Failed[want.Item]
		}
		item, ok := answer.Snapshot.Get(want.Item)
		switch {
		case ok:
			found.Version, found.Fingerprint = item.Version, item.Value.Fingerprint()
		case why == nil && !want.Optional:
			why = fmt.Errorf("%s does not give it", f.Name)
		}
		findings = append(findings, finding(found, why))
	}
	return findings, answer.Snapshot
}

func finding(f Finding, err error) Finding {
	if f.err = err; err != nil {
		f.Error, f.Hint = err.Error(), problem.HintOf(err)
	}
	return f
}

func failed(findings []Finding) bool {
	for _, f := range findings {
		if f.err != nil && !f.Optional {
			return true
		}
	}
	return false
}

// verdict is the error of the whole: how many failed, of the kind of the first.
func verdict(findings []Finding) error {
	var first error
	n := 0
	for _, f := range findings {
		if f.err != nil && !f.Optional {
			if n++; first == nil {
				first = f.err
			}
		}
	}
	if first == nil {
		return nil
	}
	return problem.New(problem.KindOf(first), "", "%d of %d checks failed", n, len(findings))
}

// printFindings writes a line for each, and two more for what fails.
func printFindings(w io.Writer, findings []Finding) error {
	for _, f := range findings {
		mark, text := "✓", f.What
		if f.Source != "" {
			text += " from " + f.Source
		}
		if f.Fingerprint != "" {
			text += ": version " + f.Version + ", fingerprint " + f.Fingerprint
		}
		if f.err != nil {
			mark = "✗"
			text += "\n    " + f.Error
			if f.Hint != "" {
				text += "\n    hint: " + f.Hint
			}
		}
		if _, err := fmt.Fprintf(w, "%s %s\n", mark, text); err != nil {
			return err
		}
	}
	return nil
}
