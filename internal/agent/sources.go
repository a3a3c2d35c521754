package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"

	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/callmeter"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/appconfig"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/secretsmanager"
	"github.com/pinnace-dev/pinnace/internal/identity/workload"
)

// budgetFactor is how many times what polling needs an item may call AWS when the settings name no budget; leastBudget
// is enough for starts and for a few refreshes, however seldom it polls.
const (
	budgetFactor = 8
	leastBudget  = 60
)

// spreadPart is the part of the poll interval, as its divisor, over which the polls of a fleet that was started at once
// are spread. AppConfig is asked to allow for it.
const spreadPart = 2

// newFeeds makes a feed of each group of items.
func newFeeds(ctx context.Context, c Config, meter *callmeter.Meter) ([]delivery.Feed, error) {
	own, err := workload.Config(ctx, workload.Options{
		Getenv: c.Getenv, HTTPClient: c.HTTPClient, AllowStatic: c.Settings.AllowStaticCredentials,
		APIOptions: []func(*middleware.Stack) error{meter.Counting()},
	})
	if err != nil {
		return nil, err
	}
	roles := map[workload.Role]aws.Config{}
	var feeds []delivery.Feed
	for _, g := range c.Settings.Groups() {
		cfg, err := as(own, g, roles)
		if err != nil {
			return nil, err
		}
		source, err := newSource(meter.Bound(cfg, g.Name(), budget(c.Settings)*len(g.Items)), c, g)
		if err != nil {
			return nil, err
		}
		feed := delivery.Feed{
			Name: g.Name(), Source: &explained{Source: source, cfg: cfg},
			Interval: c.Settings.PollInterval, Spread: c.Settings.PollInterval / spreadPart,
		}
		for _, item := range g.Items {
			feed.Items = append(feed.Items, delivery.Want{Item: item.Name, Optional: item.Optional, MaxAge: item.MaxAge})
		}
		feeds = append(feeds, feed)
	}
	return feeds, nil
}

// as is the configuration of the role and the region that a group wants. Each role is assumed once for all.
func as(own aws.Config, g settings.Group, roles map[workload.Role]aws.Config) (aws.Config, error) {
	cfg := own
	if g.Role != "" {
		role := workload.Role{ARN: g.Role, ExternalID: g.ExternalID}
		assumed, ok := roles[role]
		if !ok {
			var err error
			if assumed, err = workload.Assume(own, role); err != nil {
				return cfg, err
			}
			roles[role] = assumed
		}
		cfg = assumed
	}
	if g.Region != "" {
		cfg = cfg.Copy()
		cfg.Region = g.Region
	}
	return cfg, nil
}

// budget is how many calls an hour an item may make.
func budget(s settings.Settings) int {
	if s.CallsPerHour > 0 {
		return s.CallsPerHour
	}
	return max(leastBudget, int(budgetFactor*time.Hour/s.PollInterval))
}

func newSource(cfg aws.Config, c Config, g settings.Group) (delivery.Source, error) {
	if g.AppConfig == "" {
		var items []secretsmanager.Item
		for _, i := range g.Items {
			items = append(items, secretsmanager.Item{
				Name: i.Name, SecretID: i.Secret, Key: i.Key, Stage: i.VersionStage, VersionID: i.VersionID,
				Optional: i.Optional,
			})
		}
		return secretsmanager.NewSource(cfg, secretsmanager.Config{Items: items, Now: c.Now})
	}
	names, err := settings.SplitAppConfig(g.AppConfig)
	if err != nil {
		return nil, err
	}
	var items []appconfig.Item
	for _, i := range g.Items {
		items = append(items, appconfig.Item{Name: i.Name, Field: i.Field, Optional: i.Optional})
	}
	return appconfig.New(cfg, appconfig.Config{
		Application: names[0], Environment: names[1], Profile: names[2], Items: items,
		PollInterval: max(appconfig.MinPollInterval, c.Settings.PollInterval/spreadPart),
		Resolver:     secretsmanager.New(cfg, c.Now), Now: c.Now,
		Verbatim: g.Verbatim,
	})
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
	failures := []error{err}
	answer.Failed = maps.Clone(answer.Failed) // the source may keep its own
	for _, name := range slices.Sorted(maps.Keys(answer.Failed)) {
		failures = append(failures, answer.Failed[name])
		answer.Failed[name] = workload.Explain(answer.Failed[name])
	}
	// A dead session may show in single items, beside others that are held from before.
	e.renewal.After(e.cfg, errors.Join(failures...))
	return answer, workload.Explain(err)
}
