package appconfig

import (
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	maxStrategies  = 20 // besides the predefined ones
	maxMinutes     = 1440
	linear         = "LINEAR"
	exponential    = "EXPONENTIAL"
	predefinedName = "AppConfig."
)

// strategy says how a deployment grows; deployments copy it when they start.
type strategy struct {
	Id                          string
	Name                        string
	Description                 string `json:",omitempty"`
	DeploymentDurationInMinutes int
	GrowthType                  string
	GrowthFactor                float64 // percent, 1 to 100
	FinalBakeTimeInMinutes      int
	ReplicateTo                 string
}

// predefined gives the strategies that every account has.
func predefined() []*strategy {
	one := func(name, description string, minutes int, growth string, factor float64, bake int) *strategy {
		return &strategy{
			Id: predefinedName + name, Name: predefinedName + name, Description: description,
			DeploymentDurationInMinutes: minutes, GrowthType: growth, GrowthFactor: factor,
			FinalBakeTimeInMinutes: bake, ReplicateTo: "NONE",
		}
	}
	return []*strategy{
		one("AllAtOnce", "Quick", 0, linear, 100, 10),
		one("Linear50PercentEvery30Seconds", "Test/Demo", 1, linear, 50, 1),
		one("Canary10Percent20Minutes", "AWS Recommended", 20, exponential, 10, 10),
		one("Linear20PercentEvery6Minutes", "AWS Recommended", 30, linear, 20, 30),
	}
}

func (s *Service) strategy(id string) (*strategy, *api.Error) {
	if st := pick(s.strategies, func(st *strategy) bool { return st.Id == id }); st != nil {
		return st, nil
	}
	return nil, notFound("DeploymentStrategy", id)
}

type createStrategyInput struct {
	Name                        string
	Description                 string
	DeploymentDurationInMinutes *int
	GrowthType                  string
	GrowthFactor                *float64
	FinalBakeTimeInMinutes      int
	ReplicateTo                 string
	Tags                        map[string]string
}

func (s *Service) createStrategy(_ *request, in createStrategyInput) (any, *api.Error) {
	if in.DeploymentDurationInMinutes == nil || in.GrowthFactor == nil {
		return nil, badRequest("DeploymentDurationInMinutes and GrowthFactor are required.")
	}
	st := &strategy{
		Name: in.Name, Description: in.Description, DeploymentDurationInMinutes: *in.DeploymentDurationInMinutes,
		GrowthType: linear, GrowthFactor: *in.GrowthFactor, FinalBakeTimeInMinutes: in.FinalBakeTimeInMinutes,
		ReplicateTo: "NONE",
	}
	if in.GrowthType != "" {
		st.GrowthType = in.GrowthType
	}
	if in.ReplicateTo != "" {
		st.ReplicateTo = in.ReplicateTo
	}
	if err := st.check(); err != nil {
		return nil, err
	}
	if len(s.strategies)-len(predefined()) >= maxStrategies {
		return nil, quotaExceeded("deployment strategies", maxStrategies)
	}
	var err *api.Error
	if st.Id, err = s.newID(); err != nil {
		return nil, err
	}
	if err := s.setTags(s.arnf("deploymentstrategy/%s", st.Id), in.Tags); err != nil {
		return nil, err
	}
	s.strategies = append(s.strategies, st)
	return *st, nil
}

func (st *strategy) check() *api.Error {
	if err := checkTexts(st.Name, maxName, st.Description); err != nil {
		return err
	}
	switch {
	case st.DeploymentDurationInMinutes < 0 || st.DeploymentDurationInMinutes > maxMinutes:
		return badRequest("DeploymentDurationInMinutes must be between 0 and %d", maxMinutes)
	case st.FinalBakeTimeInMinutes < 0 || st.FinalBakeTimeInMinutes > maxMinutes:
		return badRequest("FinalBakeTimeInMinutes must be between 0 and %d", maxMinutes)
	case st.GrowthFactor < 1 || st.GrowthFactor > 100:
		return badRequest("GrowthFactor must be between 1 and 100")
	case st.GrowthType != linear && st.GrowthType != exponential:
		return badRequest("GrowthType must be %s or %s", linear, exponential)
	case st.ReplicateTo != "NONE":
		return badRequest("ReplicateTo %s is not emulated, only NONE.", st.ReplicateTo)
	}
	return nil
}

func (s *Service) listStrategies(q *request) (any, *api.Error) {
	return paginate(q, infos(s.strategies, func(st *strategy) strategy { return *st }))
}

func (s *Service) getStrategy(q *request) (any, *api.Error) {
	st, err := s.strategy(q.params["strategy"])
	if err != nil {
		return nil, err
	}
	return *st, nil
}

type updateStrategyInput struct {
	Description                 *string
	DeploymentDurationInMinutes *int
	GrowthType                  *string
	GrowthFactor                *float64
	FinalBakeTimeInMinutes      *int
}

func (s *Service) updateStrategy(q *request, in updateStrategyInput) (any, *api.Error) {
	st, err := s.ownStrategy(q)
	if err != nil {
		return nil, err
	}
	changed := *st
	set(&changed.Description, in.Description)
	set(&changed.DeploymentDurationInMinutes, in.DeploymentDurationInMinutes)
	set(&changed.GrowthType, in.GrowthType)
	set(&changed.GrowthFactor, in.GrowthFactor)
	set(&changed.FinalBakeTimeInMinutes, in.FinalBakeTimeInMinutes)
	if err := changed.check(); err != nil {
		return nil, err
	}
	*st = changed
	return changed, nil
}

// set takes what is given.
func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// ownStrategy finds a strategy that may be changed.
func (s *Service) ownStrategy(q *request) (*strategy, *api.Error) {
	id := q.params["strategy"]
	if strings.HasPrefix(id, predefinedName) {
		return nil, badRequest("The predefined strategy %s cannot be changed or deleted.", id)
	}
	return s.strategy(id)
}

func (s *Service) deleteStrategy(q *request) (any, *api.Error) {
	st, err := s.ownStrategy(q)
	if err != nil {
		return nil, err
	}
	s.strategies = slices.DeleteFunc(s.strategies, func(other *strategy) bool { return other == st })
	s.forgetTags(s.arnf("deploymentstrategy/%s", st.Id))
	return nil, nil
}
