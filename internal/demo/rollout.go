package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	appconfigtypes "github.com/aws/aws-sdk-go-v2/service/appconfig/types"
)

// strategy is how a rollout grows.
type strategy struct {
	name    string
	minutes int32   // until all have it
	percent float32 // of the sessions that each step adds
}

var (
	atOnce  = strategy{name: "demo-all-at-once", percent: 100}
	gradual = strategy{name: "demo-linear-25-percent-over-2-minutes", minutes: 2, percent: 25}
)

// provisionStrategies makes the ways in which rollouts may grow.
func (w *World) provisionStrategies(ctx context.Context) error {
	w.strategies = map[strategy]string{}
	for _, s := range []strategy{atOnce, gradual} {
		made, err := w.AppCfg.CreateDeploymentStrategy(ctx, &appconfig.CreateDeploymentStrategyInput{
			Name: &s.name, DeploymentDurationInMinutes: &s.minutes, GrowthFactor: &s.percent,
			GrowthType: appconfigtypes.GrowthTypeLinear, ReplicateTo: appconfigtypes.ReplicateToNone,
		})
		if err != nil {
			return fmt.Errorf("creating strategy %s: %w", s.name, err)
		}
		w.strategies[s] = *made.Id
	}
	return nil
}

// rollOut hosts e's document and starts its deployment, and does not wait.
func (w *World) rollOut(ctx context.Context, client *appconfig.Client, e *Environment, s strategy) error {
	document, err := e.document()
	if err != nil {
		return err
	}
	hosted, err := client.CreateHostedConfigurationVersion(ctx, &appconfig.CreateHostedConfigurationVersionInput{
		ApplicationId: &e.ApplicationID, ConfigurationProfileId: &e.ProfileID,
		Content: document, ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("hosting the configuration of %s: %w", e.Name, err)
	}
	_, err = client.StartDeployment(ctx, &appconfig.StartDeploymentInput{
		ApplicationId: &e.ApplicationID, EnvironmentId: &e.EnvironmentID, ConfigurationProfileId: &e.ProfileID,
		ConfigurationVersion: aws.String(strconv.Itoa(int(hosted.VersionNumber))),
		DeploymentStrategyId: aws.String(w.strategies[s]),
	})
	if err != nil {
		return fmt.Errorf("deploying to %s: %w", e.Name, err)
	}
	return nil
}

// awaitRollout waits until e's newest deployment is complete.
func (w *World) awaitRollout(ctx context.Context, e *Environment) error {
	for {
		out, err := w.AppCfg.ListDeployments(ctx, &appconfig.ListDeploymentsInput{
			ApplicationId: &e.ApplicationID, EnvironmentId: &e.EnvironmentID,
		})
		if err != nil {
			return fmt.Errorf("watching the deployment of %s: %w", e.Name, err)
		}
		if len(out.Items) == 0 {
			return fmt.Errorf("watching the deployment of %s: there is none", e.Name)
		}
		switch newest := out.Items[0]; newest.State {
		case appconfigtypes.DeploymentStateComplete:
			return nil
		case appconfigtypes.DeploymentStateRolledBack, appconfigtypes.DeploymentStateReverted:
			return errors.New("the deployment of " + e.Name + " was rolled back")
		}
		if err := w.clock.Wait(ctx, 3*time.Second); err != nil {
			return err
		}
	}
}
