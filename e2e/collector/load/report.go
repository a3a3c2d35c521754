package load

import (
	"context"
	"maps"

	"google.golang.org/grpc/codes"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
)

// Report is what became of the records of a run.
type Report struct {
	Sent         int // records
	Acknowledged int // by the collector
	Lost         int // acknowledged, and never accepted by the ingress
	Duplicated   int // accepted more than once
	Resent       int // of the duplicated, those that the generator itself sent more than once
	Refused      int // refused by the ingress for their key, at least once
	Retries      int // attempts beyond the first of a record
	Errors       map[codes.Code]int
}

// Report compares the run with what the ingress counted. While records are on their way it calls them lost: Stop and
// Settle first.
func (g *Generator) Report(ledger *ingress.Ledger) Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := Report{Sent: len(g.records), Errors: maps.Clone(g.errors)}
	for n, own := range g.records {
		seen := ledger.Record(g.ID(n))
		r.Retries += max(0, own.attempts-1)
		if own.acknowledged {
			r.Acknowledged++
			r.Lost += count(seen.Accepted == 0)
		}
		r.Duplicated += count(seen.Accepted > 1)
		r.Resent += count(seen.Accepted > 1 && own.attempts > 1)
		r.Refused += count(seen.Refused > 0)
	}
	return r
}

// Settle returns when the ingress has accepted or refused each acknowledged record, or with the context's error.
func (g *Generator) Settle(ctx context.Context, ledger *ingress.Ledger) error {
	var ids []string
	g.mu.Lock()
	for n, own := range g.records {
		if own.acknowledged {
			ids = append(ids, g.ID(n))
		}
	}
	g.mu.Unlock()
	return ledger.WaitRecords(ctx, ids, func(r ingress.Record) bool { return r.Accepted > 0 || r.Refused > 0 })
}

// Acknowledged is how many records the collector has taken so far.
func (g *Generator) Acknowledged() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := 0
	for _, own := range g.records {
		all += count(own.acknowledged)
	}
	return all
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
