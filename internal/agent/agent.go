// Package agent is the process beside a workload: it follows configurations and secrets with the pod's own identity,
// and keeps what the workload needs in files, in its environment, or on a loopback address.
package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/pinnace-dev/pinnace/internal/agent/observe"
	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/callmeter"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/process"
)

// Config is what an agent needs. Settings and Getenv must be there; the rest has defaults.
type Config struct {
	Settings settings.Settings // filled and checked, as settings.Decode and settings.Parse give them

	Getenv     func(string) string // the whole environment: see workload.Config
	HTTPClient aws.HTTPClient      // nil is the SDK's own
	Log        *slog.Logger        // nil discards
	OnChange   func(delivery.Change)
	// Listen opens the addresses of the loopback sink and of the status; nil is TCP. The loopback sink serves on loopback
	// addresses alone, whoever opened them.
	Listen opener

	Environ               []string // for the workload that the agent runs, as os.Environ gives it
	Stdin, Stdout, Stderr *os.File // of that workload

	Wait func(ctx context.Context, d time.Duration) error // nil is a timer
	Rand func() float64                                   // for jitter, to any goroutine; nil is the global generator
	Now  func() time.Time                                 // nil is time.Now; it should go with Wait
}

// Format shows what is configured and never the environment, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "agent.Config{%+v}", c.Settings) }

type opener = func(ctx context.Context, address string) (net.Listener, error)

// Agent is ready to deliver.
type Agent struct {
	settings settings.Settings
	engine   *delivery.Engine
	meter    *callmeter.Meter
	loopback *loopback.Sink // nil when nothing is served
	process  *starter       // nil when there is none
	open     opener         // nil is TCP
	now      func() time.Time
}

// Format shows what is configured and nothing of what is held, whatever the verb.
func (a *Agent) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "agent.Agent{%+v}", a.settings) }

// New checks the settings against the environment, reads the templates and makes the sources and the sinks. It calls
// nobody and starts nothing.
func New(ctx context.Context, c Config) (*Agent, error) {
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the default of the injected clock
	}
	a := &Agent{settings: c.Settings, meter: callmeter.New(c.Now), open: c.Listen, now: c.Now}
	feeds, err := newFeeds(ctx, c, a.meter)
	if err != nil {
		return nil, err
	}
	a.engine = &delivery.Engine{
		Feeds: feeds, Log: c.Log, OnChange: c.OnChange, Wait: c.Wait, Rand: c.Rand, Now: c.Now,
	}
	if a.engine.Sinks, err = a.sinks(c); err != nil {
		return nil, err
	}
	return a, nil
}

// Exited is the error of Run when the workload that the agent ran has ended. The agent ends as the workload did.
type Exited struct{ process.Exit }

func (e Exited) Error() string { return "the workload ended: " + e.String() }

// Run delivers, serves and runs the workload until ctx is done, then returns nil; an Exited when the workload has
// ended; what process.ExitCode knows when the workload cannot be started at all; or, with Once, delivers once and
// returns what failed.
func (a *Agent) Run(ctx context.Context) error {
	if a.settings.Once {
		return a.engine.Once(ctx)
	}
	serve, err := a.listen(ctx)
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	serving := running
	if a.process != nil { // a workload that takes its time to end still asks, and is still looked at
		var stop context.CancelFunc
		serving, stop = context.WithCancel(context.WithoutCancel(running))
		group.Go(func() error { return a.process.unstartable(running) })
		group.Go(func() error {
			defer stop()
			return Exited{a.process.Supervise(running)}
		})
	}
	for _, s := range serve {
		group.Go(func() error { return s(serving) })
	}
	group.Go(func() error { return a.engine.Run(running) })
	return group.Wait()
}

// listen takes the addresses, so that one which is taken is known before anything starts, and says how to serve them.
func (a *Agent) listen(ctx context.Context) ([]func(context.Context) error, error) {
	var serve []func(context.Context) error
	var listeners []net.Listener
	fail := func(err error) ([]func(context.Context) error, error) {
		for _, l := range listeners {
			_ = l.Close()
		}
		return nil, err
	}
	if s := a.settings.Status; s != nil {
		l, err := a.openOr(observe.Listen)(ctx, s.Address)
		if err != nil {
			return fail(err)
		}
		listeners = append(listeners, l)
		serve = append(serve, func(ctx context.Context) error { return observe.Serve(ctx, l, a.Handler()) })
	}
	if s := a.settings.Loopback; s != nil {
		for _, address := range s.Addresses() {
			l, err := a.openOr(loopback.Listen)(ctx, address)
			if err != nil {
				return fail(err)
			}
			listeners = append(listeners, l)
			serve = append(serve, func(ctx context.Context) error { return a.loopback.Serve(ctx, l) })
		}
	}
	return serve, nil
}

func (a *Agent) openOr(own opener) opener {
	if a.open != nil {
		return a.open
	}
	return own
}

// Handler answers /healthz, /readyz, /status and /metrics: see observe.Handler.
func (a *Agent) Handler() http.Handler {
	collectors := []prometheus.Collector{observe.Collector(version(), a.engine.Status, a.meter.Counts)}
	if a.loopback != nil {
		collectors = append(collectors, observe.Requests(a.requests))
	}
	return observe.Handler(a.engine.Status, a.now, collectors...)
}

// requests counts what the loopback sink answered.
func (a *Agent) requests() []observe.Request {
	var list []observe.Request
	for _, n := range a.loopback.Counts() {
		list = append(list, observe.Request{Service: n.Service, Status: fmt.Sprint(n.Status), Total: n.Total})
	}
	return list
}

// Status is what the agent holds and how it fares; safe at any time.
func (a *Agent) Status() delivery.Status { return a.engine.Status() }

// Calls are those to AWS since the start; safe at any time.
func (a *Agent) Calls() []callmeter.Count { return a.meter.Counts() }

// Run is New and Run.
func Run(ctx context.Context, c Config) error {
	a, err := New(ctx, c)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}
