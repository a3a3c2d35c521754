// Package agent is the process beside a workload: it follows a configuration in AppConfig, with the pod's own identity,
// and keeps the items that the workload needs in files.
package agent

import (
	"context"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/file"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/appconfig"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/secretsmanager"
	"github.com/pinnace-dev/pinnace/internal/identity/workload"
)

// FileTarget puts one item into one file.
type FileTarget struct {
	Item  string // field of the document: the name of a member or, starting with a slash, a JSON pointer
	Path  string // its folder exists
	Token bool   // the value must be a bearer token: see file.Target
}

// Config is what an agent needs. The names, a file and Getenv must be there; the rest has defaults.
type Config struct {
	Application, Environment, Profile string // of AppConfig, ids or names

	Files        []FileTarget
	Mode         fs.FileMode   // of the files; 0440 when zero
	Once         bool          // deliver once and end, as an init container does
	PollInterval time.Duration // 15 s to 24 h; 30 s when zero
	AllowStatic  bool          // static keys count as an identity; else only a web identity does

	Getenv     func(string) string // the whole environment: see workload.Config
	HTTPClient aws.HTTPClient      // nil is the SDK's own
	Log        *slog.Logger        // nil discards
	OnChange   func(delivery.Change)

	Wait func(ctx context.Context, d time.Duration) error // nil is a timer
	Rand func() float64                                   // for jitter; nil is the global generator
	Now  func() time.Time                                 // nil is time.Now; it should go with Wait
}

// Agent is ready to deliver.
type Agent struct {
	engine *delivery.Engine
	once   bool
}

// New checks the configuration and the environment. It makes no call.
func New(ctx context.Context, c Config) (*Agent, error) {
	cfg, err := workload.Config(ctx,
		workload.Options{Getenv: c.Getenv, HTTPClient: c.HTTPClient, AllowStatic: c.AllowStatic})
	if err != nil {
		return nil, err
	}
	var items []appconfig.Item
	var targets []file.Target
	for _, f := range c.Files {
		if item := (appconfig.Item{Name: f.Item, Field: f.Item}); !slices.Contains(items, item) {
			items = append(items, item)
		}
		targets = append(targets, file.Target{Item: f.Item, Path: f.Path, Token: f.Token})
	}
	source, err := appconfig.New(cfg, appconfig.Config{
		Application: c.Application, Environment: c.Environment, Profile: c.Profile,
		Items: items, PollInterval: c.PollInterval, Resolver: secretsmanager.New(cfg, c.Now), Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	mode := c.Mode
	if mode == 0 {
		mode = file.DefaultMode
	}
	sink, err := file.New(targets, file.Mode(mode))
	if err != nil {
		return nil, err
	}
	return &Agent{once: c.Once, engine: &delivery.Engine{
		Feeds: []delivery.Feed{{
			Name:   "appconfig " + c.Application + "/" + c.Environment + "/" + c.Profile,
			Source: &explained{Source: source, cfg: cfg}, Interval: c.PollInterval,
		}}, Sinks: []delivery.Sink{sink},
		Log: c.Log, OnChange: c.OnChange, Wait: c.Wait, Rand: c.Rand, Now: c.Now,
	}}, nil
}

// Run delivers until ctx is done, then returns nil; or once, and returns what failed.
func (a *Agent) Run(ctx context.Context) error {
	if a.once {
		return a.engine.Once(ctx)
	}
	return a.engine.Run(ctx)
}

// Status is what the agent holds and how it fares; safe at any time.
func (a *Agent) Status() delivery.Status { return a.engine.Status() }

// Run is New and Run.
func Run(ctx context.Context, c Config) error {
	a, err := New(ctx, c)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// explained is a source whose failures say what is wrong with the identity, where that is the cause, and which gets a
// new one where the old one is dead.
type explained struct {
	delivery.Source
	cfg     aws.Config
	renewal workload.Renewal
}

func (e *explained) Fetch(ctx context.Context) (delivery.Answer, error) {
	answer, err := e.Source.Fetch(ctx)
	e.renewal.After(e.cfg, err)
	return answer, workload.Explain(err)
}
