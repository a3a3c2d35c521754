package appconfig

import (
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	maxEnvironments = 20 // of one application
	maxMonitors     = 5
)

// environment is where configurations are deployed, one at a time.
type environment struct {
	environmentInfo
	deployments []*deployment // number n is at n-1
	lastRead    time.Time     // by GetLatestConfiguration; zero is never
}

type environmentInfo struct {
	ApplicationId string
	Id            string
	Name          string
	Description   string    `json:",omitempty"`
	State         string    // of the last deployment
	Monitors      []monitor `json:",omitempty"`
}

// Environment states; those of a deployment that an environment shows as its own are in rollout.go.
const readyForDeployment = "READY_FOR_DEPLOYMENT"

// view is the environment as the wire shows it now.
func (e *environment) view(now time.Time) environmentInfo {
	info := e.environmentInfo
	info.State, info.Monitors = readyForDeployment, slices.Clone(e.Monitors)
	if len(e.deployments) == 0 {
		return info
	}
	switch state := e.deployments[len(e.deployments)-1].state(now); state {
	case deploying, baking:
		info.State = deploying
	case rolledBack, reverted:
		info.State = state
	}
	return info
}

// running is the deployment that keeps others from starting, or nil.
func (e *environment) running(now time.Time) *deployment {
	return pick(e.deployments, func(d *deployment) bool { return d.running(now) })
}

func (s *Service) environment(q *request) (*environment, *api.Error) {
	app, err := s.application(q)
	if err != nil {
		return nil, err
	}
	id := q.params["env"]
	env := pick(app.environments, func(e *environment) bool { return e.Id == id })
	if env == nil {
		return nil, notFound("Environment", id)
	}
	return env, nil
}

type createEnvironmentInput struct {
	Name        string
	Description string
	Monitors    []monitor
	Tags        map[string]string
}

func (s *Service) createEnvironment(q *request, in createEnvironmentInput) (any, *api.Error) {
	app, err := s.application(q)
	if err != nil {
		return nil, err
	}
	if err := checkTexts(in.Name, maxName, in.Description); err != nil {
		return nil, err
	}
	if err := s.checkMonitors(q.call, in.Monitors); err != nil {
		return nil, err
	}
	if len(app.environments) >= maxEnvironments {
		return nil, quotaExceeded("environments", maxEnvironments)
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	if err := s.setTags(s.arnf("application/%s/environment/%s", app.Id, id), in.Tags); err != nil {
		return nil, err
	}
	env := &environment{environmentInfo: environmentInfo{
		ApplicationId: app.Id, Id: id, Name: in.Name, Description: in.Description, Monitors: in.Monitors,
	}}
	app.environments = append(app.environments, env)
	return env.view(s.clock()), nil
}

// checkMonitors checks the list and that the caller may hand over its roles.
func (s *Service) checkMonitors(c *api.Call, monitors []monitor) *api.Error {
	if len(monitors) > maxMonitors {
		return badRequest("An environment can have at most %d monitors.", maxMonitors)
	}
	for _, m := range monitors {
		if m.AlarmArn == "" {
			return badRequest("A monitor needs an AlarmArn.")
		}
		if m.AlarmRoleArn == "" {
			continue
		}
		if err := s.passRole(c, m.AlarmRoleArn); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) listEnvironments(q *request) (any, *api.Error) {
	app, err := s.application(q)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	return paginate(q, infos(app.environments, func(e *environment) environmentInfo { return e.view(now) }))
}

func (s *Service) getEnvironment(q *request) (any, *api.Error) {
	env, err := s.environment(q)
	if err != nil {
		return nil, err
	}
	return env.view(s.clock()), nil
}

type updateEnvironmentInput struct {
	updateInput
	Monitors *[]monitor
}

func (s *Service) updateEnvironment(q *request, in updateEnvironmentInput) (any, *api.Error) {
	env, err := s.environment(q)
	if err != nil {
		return nil, err
	}
	if in.Monitors != nil {
		if err := s.checkMonitors(q.call, *in.Monitors); err != nil {
			return nil, err
		}
	}
	if err := in.apply(&env.Name, &env.Description, maxName); err != nil {
		return nil, err
	}
	set(&env.Monitors, in.Monitors)
	return env.view(s.clock()), nil
}

func (s *Service) deleteEnvironment(q *request) (any, *api.Error) {
	env, err := s.environment(q)
	if err != nil {
		return nil, err
	}
	if env.running(s.clock()) != nil {
		return nil, conflict("Environment %s has a deployment in progress.", env.Id)
	}
	if err := s.checkProtection(q, "Environment", env.lastRead); err != nil {
		return nil, err
	}
	app, _ := s.application(q)
	app.environments = slices.DeleteFunc(app.environments, func(e *environment) bool { return e == env })
	s.forgetTags(s.arnf("application/%s/environment/%s", app.Id, env.Id))
	return nil, nil
}

// forgetTags drops the tags of a resource and of what is below it.
func (s *Service) forgetTags(arn string) {
	for tagged := range s.tags {
		if tagged == arn || strings.HasPrefix(tagged, arn+"/") {
			delete(s.tags, tagged)
		}
	}
}
