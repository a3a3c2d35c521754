package appconfig

import (
	"slices"
	"strconv"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const revertWindow = 72 * time.Hour // after completion

// deployment brings one configuration to one environment.
type deployment struct {
	deploymentFixed
	rollout
	configuration snapshot
	watched       bool // to its end: no monitor ends it any more
}

// deploymentSummary is an entry of ListDeployments, without what changes.
type deploymentSummary struct {
	DeploymentNumber            int
	ConfigurationName           string
	ConfigurationVersion        string
	VersionLabel                string `json:",omitempty"`
	DeploymentDurationInMinutes int
	GrowthType                  string
	GrowthFactor                float64
	FinalBakeTimeInMinutes      int
	StartedAt                   time.Time
}

// deploymentFixed is all of a deployment that is settled when it starts.
type deploymentFixed struct {
	deploymentSummary
	ApplicationId            string
	EnvironmentId            string
	DeploymentStrategyId     string
	ConfigurationProfileId   string
	ConfigurationLocationUri string
	Description              string `json:",omitempty"`
	KmsKeyIdentifier         string `json:",omitempty"`
	KmsKeyArn                string `json:",omitempty"`
}

// progress is what changes with the clock.
type progress struct {
	State              string
	PercentageComplete float64
	CompletedAt        time.Time `json:",omitzero"`
}

type deploymentEntry struct {
	deploymentSummary
	progress
}

type deploymentView struct {
	deploymentFixed
	progress
	EventLog []event
}

func (d *deployment) progress(now time.Time) progress {
	return progress{State: d.state(now), PercentageComplete: d.percentage(now), CompletedAt: d.finished(now)}
}

func (d *deployment) view(now time.Time) deploymentView {
	return deploymentView{deploymentFixed: d.deploymentFixed, progress: d.progress(now), EventLog: d.events(now)}
}

type startDeploymentInput struct {
	DeploymentStrategyId   string
	ConfigurationProfileId string
	ConfigurationVersion   string
	Description            string
	KmsKeyIdentifier       string
	Tags                   map[string]string
}

// startDeployment copies the configuration, validates it and starts to roll it out.
func (s *Service) startDeployment(q *request, in startDeploymentInput) (any, *api.Error) {
	if err := s.allowStart(q, in); err != nil {
		return nil, err
	}
	env, err := s.environment(q)
	if err != nil {
		return nil, err
	}
	app, _ := s.application(q)
	p, err := app.profile(in.ConfigurationProfileId)
	if err != nil {
		return nil, err
	}
	st, err := s.strategy(in.DeploymentStrategyId)
	if err != nil {
		return nil, err
	}
	if err := checkLength("Description", in.Description, 0, maxDescription); err != nil {
		return nil, err
	}
	now := s.clock()
	if d := env.running(now); d != nil {
		return nil, conflict("Deployment %d is still in progress in environment %s.", d.DeploymentNumber, env.Id)
	}
	if err := s.checkWatch(env, now); err != nil {
		return nil, err
	}
	keyARN, err := s.deploymentKey(q.call, p, in.KmsKeyIdentifier)
	if err != nil {
		return nil, err
	}
	snap, err := s.retrieve(q.call, p, in.ConfigurationVersion)
	if err != nil {
		return nil, err
	}
	if err := runValidators(p.Validators, snap.content); err != nil {
		return nil, err
	}
	d := s.newDeployment(env, p, st, snap, in)
	d.KmsKeyArn = keyARN
	if err := s.setTags(s.deploymentARN(env, d.DeploymentNumber), in.Tags); err != nil {
		return nil, err
	}
	env.deployments = append(env.deployments, d)
	return d.view(now), nil
}

// allowStart asks for the action on each of the resources that it involves, which the service authorization reference
// lists.
func (s *Service) allowStart(q *request, in startDeploymentInput) *api.Error {
	condition := map[string][]string{}
	addRequestTags(condition, in.Tags)
	for _, resource := range []string{
		s.arn(q.fill(appResource)),
		s.arn(q.fill(envResource)),
		s.arnf("%s/configurationprofile/%s", q.fill(appResource), in.ConfigurationProfileId),
		s.arnf("deploymentstrategy/%s", in.DeploymentStrategyId),
	} {
		if err := s.allow(q.call, "StartDeployment", resource, condition); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) deploymentARN(env *environment, number int) string {
	return s.arnf("application/%s/environment/%s/deployment/%d", env.ApplicationId, env.Id, number)
}

func (s *Service) newDeployment(
	env *environment, p *profile, st *strategy, snap snapshot, in startDeploymentInput,
) *deployment {
	now := s.clock()
	return &deployment{
		deploymentFixed: deploymentFixed{
			deploymentSummary: deploymentSummary{
				DeploymentNumber:            len(env.deployments) + 1,
				ConfigurationName:           p.Name,
				ConfigurationVersion:        snap.version,
				VersionLabel:                snap.label,
				DeploymentDurationInMinutes: st.DeploymentDurationInMinutes,
				GrowthType:                  st.GrowthType,
				GrowthFactor:                st.GrowthFactor,
				FinalBakeTimeInMinutes:      st.FinalBakeTimeInMinutes,
				StartedAt:                   now,
			},
			ApplicationId:            env.ApplicationId,
			EnvironmentId:            env.Id,
			DeploymentStrategyId:     st.Id,
			ConfigurationProfileId:   p.Id,
			ConfigurationLocationUri: p.LocationUri,
			Description:              in.Description,
			KmsKeyIdentifier:         in.KmsKeyIdentifier,
		},
		rollout: rollout{
			growth: st.GrowthType, factor: st.GrowthFactor, started: now,
			duration: time.Duration(st.DeploymentDurationInMinutes) * time.Minute,
			bake:     time.Duration(st.FinalBakeTimeInMinutes) * time.Minute,
		},
		configuration: snap,
	}
}

func (s *Service) deployment(q *request) (*environment, *deployment, *api.Error) {
	env, err := s.environment(q)
	if err != nil {
		return nil, nil, err
	}
	number, parseErr := strconv.Atoi(q.params["deployment"])
	if parseErr != nil {
		return nil, nil, badRequest("A deployment's number is an integer.")
	}
	if number < 1 || number > len(env.deployments) {
		return nil, nil, notFound("Deployment", q.params["deployment"])
	}
	return env, env.deployments[number-1], nil
}

func (s *Service) getDeployment(q *request) (any, *api.Error) {
	_, d, err := s.deployment(q)
	if err != nil {
		return nil, err
	}
	return d.view(s.clock()), nil
}

// listDeployments lists the highest number first.
func (s *Service) listDeployments(q *request) (any, *api.Error) {
	env, err := s.environment(q)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	entries := infos(env.deployments, func(d *deployment) deploymentEntry {
		return deploymentEntry{deploymentSummary: d.deploymentSummary, progress: d.progress(now)}
	})
	slices.Reverse(entries)
	return paginate(q, entries)
}

// stopDeployment rolls back a deployment in progress; with Allow-Revert also one that bakes, and reverts one that is
// complete for at most 72 hours.
func (s *Service) stopDeployment(q *request) (any, *api.Error) {
	env, d, err := s.deployment(q)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	allowRevert := q.header("Allow-Revert") == "true"
	state := d.state(now)
	switch {
	case state == deploying, state == baking && allowRevert:
	case state == complete && allowRevert:
		if err := env.checkRevert(d, now); err != nil {
			return nil, err
		}
	default:
		return nil, badRequest("Deployment %d is %s and cannot be stopped.", d.DeploymentNumber, state)
	}
	d.ended = now
	return d.view(now), nil
}

// checkRevert refuses what would change nothing or pull a version from under a newer one.
func (e *environment) checkRevert(d *deployment, now time.Time) *api.Error {
	if now.After(d.completed().Add(revertWindow)) {
		return badRequest("Deployment %d completed more than 72 hours ago.", d.DeploymentNumber)
	}
	if running := e.running(now); running != nil {
		return badRequest("Deployment %d is in progress in this environment.", running.DeploymentNumber)
	}
	if latest, _ := e.active(d.ConfigurationProfileId, now); latest != d {
		return badRequest("Deployment %d is not the latest of its configuration.", d.DeploymentNumber)
	}
	return nil
}

// active gives the deployment whose configuration a profile's clients have, and the one that is on its way to them.
// Either may be nil. Deployments that were rolled back or reverted do not count.
func (e *environment) active(profileID string, now time.Time) (settled, coming *deployment) {
	for _, d := range slices.Backward(e.deployments) {
		switch state := d.state(now); {
		case d.ConfigurationProfileId != profileID:
		case state == deploying || state == baking:
			coming = d
		case state == complete:
			return d, coming
		}
	}
	return nil, coming
}
