package appconfig

import (
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	acd "github.com/aws/aws-sdk-go-v2/service/appconfigdata"
)

// scene is an application with one environment and one hosted profile.
type scene struct {
	*bench
	app, env, profile string
}

func newScene(t *testing.T, validators ...types.Validator) *scene {
	t.Helper()
	return newBench(t).scene(validators...)
}

func (b *bench) scene(validators ...types.Validator) *scene {
	b.t.Helper()
	ctx := b.t.Context()
	app, err := b.root.CreateApplication(ctx, &ac.CreateApplicationInput{Name: aws.String("telemetry")})
	must(b.t, app, err)
	env, err := b.root.CreateEnvironment(ctx, &ac.CreateEnvironmentInput{ApplicationId: app.Id, Name: aws.String("uat")})
	must(b.t, env, err)
	s := &scene{bench: b, app: *app.Id, env: *env.Id}
	s.profile = s.addProfile("settings", "hosted", "", validators...)
	return s
}

func (s *scene) addProfile(name, uri, role string, validators ...types.Validator) string {
	s.t.Helper()
	in := &ac.CreateConfigurationProfileInput{
		ApplicationId: &s.app, Name: &name, LocationUri: &uri, Validators: validators,
	}
	if role != "" {
		in.RetrievalRoleArn = &role
	}
	out, err := s.root.CreateConfigurationProfile(s.t.Context(), in)
	return *must(s.t, out, err).Id
}

// host stores a version and gives its number.
func (s *scene) host(content string) string {
	s.t.Helper()
	out, err := s.root.CreateHostedConfigurationVersion(s.t.Context(), &ac.CreateHostedConfigurationVersionInput{
		ApplicationId: &s.app, ConfigurationProfileId: &s.profile, Content: []byte(content),
		ContentType: aws.String("application/json"),
	})
	return strconv.Itoa(int(must(s.t, out, err).VersionNumber))
}

// strategy makes one of whole minutes.
func (s *scene) makeStrategy(growth types.GrowthType, factor float32, duration, bake int32) string {
	s.t.Helper()
	out, err := s.root.CreateDeploymentStrategy(s.t.Context(), &ac.CreateDeploymentStrategyInput{
		Name: aws.String("custom"), GrowthType: growth, GrowthFactor: &factor,
		DeploymentDurationInMinutes: &duration, FinalBakeTimeInMinutes: bake, ReplicateTo: types.ReplicateToNone,
	})
	return *must(s.t, out, err).Id
}

func (s *scene) start(profile, version, strategy string) (*ac.StartDeploymentOutput, error) {
	return s.root.StartDeployment(s.t.Context(), &ac.StartDeploymentInput{
		ApplicationId: &s.app, EnvironmentId: &s.env, ConfigurationProfileId: &profile,
		ConfigurationVersion: &version, DeploymentStrategyId: &strategy,
	})
}

// deployed brings a version to everyone and lets it bake.
func (s *scene) deployed(version string) {
	s.t.Helper()
	out, err := s.start(s.profile, version, "AppConfig.AllAtOnce")
	must(s.t, out, err)
	s.turn(10 * time.Minute)
}

func (s *scene) stop(number int32, revert bool) (*ac.StopDeploymentOutput, error) {
	in := &ac.StopDeploymentInput{ApplicationId: &s.app, EnvironmentId: &s.env, DeploymentNumber: &number}
	if revert {
		in.AllowRevert = &revert
	}
	return s.root.StopDeployment(s.t.Context(), in)
}

func (s *scene) get(number int32) *ac.GetDeploymentOutput {
	s.t.Helper()
	out, err := s.root.GetDeployment(s.t.Context(), &ac.GetDeploymentInput{
		ApplicationId: &s.app, EnvironmentId: &s.env, DeploymentNumber: &number,
	})
	return must(s.t, out, err)
}

func (s *scene) environmentState() types.EnvironmentState {
	s.t.Helper()
	out, err := s.root.GetEnvironment(s.t.Context(), &ac.GetEnvironmentInput{
		ApplicationId: &s.app, EnvironmentId: &s.env,
	})
	return must(s.t, out, err).State
}

// client is one session of the data plane that keeps what it was given, as clients must.
type client struct {
	s     *scene
	token *string
	held  string
	full  int // answers with a body
}

func (s *scene) open(profile string) *client {
	s.t.Helper()
	out, err := s.data.StartConfigurationSession(s.t.Context(), &acd.StartConfigurationSessionInput{
		ApplicationIdentifier: &s.app, EnvironmentIdentifier: &s.env, ConfigurationProfileIdentifier: &profile,
		RequiredMinimumPollIntervalInSeconds: aws.Int32(15),
	})
	return &client{s: s, token: must(s.t, out, err).InitialConfigurationToken}
}

func (c *client) get() (*acd.GetLatestConfigurationOutput, error) {
	out, err := c.s.data.GetLatestConfiguration(c.s.t.Context(), &acd.GetLatestConfigurationInput{
		ConfigurationToken: c.token,
	})
	if err != nil {
		return nil, err
	}
	c.token = out.NextPollConfigurationToken
	if len(out.Configuration) > 0 {
		c.held, c.full = string(out.Configuration), c.full+1
	}
	return out, nil
}

// poll is get that must succeed; it gives what the client holds then.
func (c *client) poll() string {
	c.s.t.Helper()
	out, err := c.get()
	must(c.s.t, out, err)
	return c.held
}
