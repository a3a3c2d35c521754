package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"github.com/pinnace-dev/pinnace/internal/agent/observe"
	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/identity/workload"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// check says who the pod is, fetches every item once, looks whether it could be delivered, and explains what fails. It
// writes nothing and starts nothing. Its kind of failure is that of the first item which is needed and cannot be had.
func check(ctx context.Context, p Program, args []string) error {
	set := flag.NewFlagSet("check", flag.ContinueOnError)
	output := set.String("output", "table", "")
	rest, err := own(set, args)
	if err != nil {
		return err
	}
	if *output != "table" && *output != "json" {
		return problem.New(problem.Usage, "write --output table or --output json", "no such output: %q", *output)
	}
	s, err := settings.Parse("check", rest, p.Getenv)
	if err != nil {
		return err
	}
	c := p.config(s)
	c.Log = slog.New(slog.DiscardHandler)
	findings, err := Check(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(printFindings(p.Stdout, *output, findings), verdict(findings))
}

// Check makes an agent, as New does, and tries each part of it once: first who the pod is, then all sources at the same
// time, then every sink. Without an identity nothing else is tried.
func Check(ctx context.Context, c Config) ([]Finding, error) {
	who := checkIdentity(ctx, c)
	if failed([]Finding{who}) {
		return append([]Finding{who}, untried(c.Settings)...), nil
	}
	a, err := New(ctx, c)
	if err != nil {
		return nil, err
	}
	items, snapshot := a.checkFeeds(ctx)
	findings := append([]Finding{who}, items...)
	for _, sink := range a.engine.Sinks {
		findings = append(findings, checkSink(ctx, sink, snapshot, failed(items)))
	}
	return append(findings, a.checkAddresses(ctx)...), nil
}

// checkIdentity asks AWS who the pod is. Where STS gives no answer, credentials that were had without it will do.
func checkIdentity(ctx context.Context, c Config) Finding {
	f := Finding{What: "identity"}
	cfg, err := workload.Config(ctx, workload.Options{
		Getenv: c.Getenv, HTTPClient: c.HTTPClient, AllowStatic: c.Settings.AllowStaticCredentials,
	})
	if err != nil {
		return finding(f, err)
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return finding(f, awserr.Short(err))
	}
	who, err := workload.WhoAmI(ctx, cfg)
	if _, unreachable := awserr.Unreachable(err); unreachable {
		f.Note = "credentials are there; STS does not say whose: " + err.Error()
		return f
	}
	if err == nil {
		f.Caller = &who
	}
	return finding(f, err)
}

// untried is what an agent would have tried.
func untried(s settings.Settings) []Finding {
	var findings []Finding
	add := func(what, source string, optional bool) {
		f := Finding{What: what, Source: source, Optional: optional, NotTried: true}
		if !slices.ContainsFunc(findings, func(o Finding) bool { return o.What == what }) {
			findings = append(findings, f)
		}
	}
	for _, g := range s.Groups() {
		for _, item := range g.Items {
			add("item "+item.Name, g.Name(), item.Optional)
		}
	}
	for _, f := range s.Files {
		add("file "+filepath.Dir(f.Path), "", false)
	}
	if s.Loopback != nil {
		add("loopback", "", false)
	}
	if s.Process != nil {
		add("process", "", false)
	}
	if s.OnChange != nil {
		add("hook", "", false)
	}
	if s.Loopback != nil {
		for _, address := range s.Loopback.Addresses() {
			add("loopback address "+address, "", false)
		}
	}
	if s.Status != nil {
		add("status address "+s.Status.Address, "", false)
	}
	return findings
}

// checkFeeds asks every source once, all at the same time.
func (a *Agent) checkFeeds(ctx context.Context) ([]Finding, delivery.Snapshot) {
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
		findings = append(findings, finding(Finding{What: "items"}, err))
	}
	return findings, all
}

// checkFeed asks a source.
func checkFeed(ctx context.Context, f delivery.Feed) ([]Finding, delivery.Snapshot) {
	answer, err := f.Source.Fetch(ctx)
	var findings []Finding
	for _, want := range f.Items {
		found := Finding{What: "item " + want.Item, Source: f.Name, Optional: want.Optional}
		why := answer.Failed[want.Item]
		if why == nil {
			why = err
		}
		item, ok := answer.Snapshot.Get(want.Item)
		switch {
		case ok:
			found.Version, found.Fingerprint = item.Version, item.Value.Fingerprint()
		case why == nil && want.Optional:
			found.Note = "there is none"
		case why == nil:
			why = blame.On(fmt.Errorf("%s does not give it", f.Name), blame.Document)
		}
		findings = append(findings, finding(found, why))
	}
	return findings, answer.Snapshot
}

// checkSink looks at what a sink needs beside the items, and tries it with them when they are all there.
func checkSink(ctx context.Context, sink delivery.Sink, s delivery.Snapshot, lacking bool) Finding {
	f := Finding{What: sink.Name()}
	if looker, ok := sink.(interface{ Look() error }); ok {
		if err := looker.Look(); err != nil {
			return finding(f, blame.On(err, blame.Sink))
		}
	}
	trier, ok := sink.(interface {
		Try(ctx context.Context, s delivery.Snapshot) error
	})
	switch {
	case ok && lacking:
		f.NotTried = true
		return f
	case ok:
		return finding(f, blame.On(trier.Try(ctx, s), blame.Sink))
	}
	return f
}

// checkAddresses takes each address and gives it back at once.
func (a *Agent) checkAddresses(ctx context.Context) []Finding {
	var findings []Finding
	try := func(what, address string, open opener) {
		l, err := open(ctx, address)
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			err = problem.New(problem.KindOf(err), problem.HintOf(err)+"; where the agent runs already, it is the one that "+
				"has it", "%w", err)
		}
		findings = append(findings, finding(Finding{What: what + " address " + address}, blame.On(err, blame.Sink)))
	}
	if s := a.settings.Loopback; s != nil {
		for _, address := range s.Addresses() {
			try("loopback", address, a.openOr(loopback.Listen))
		}
	}
	if s := a.settings.Status; s != nil {
		try("status", s.Address, a.openOr(observe.Listen))
	}
	return findings
}
