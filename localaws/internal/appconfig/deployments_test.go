package appconfig

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/google/go-cmp/cmp"
)

// TestPopulation follows a thousand sessions through a deployment that is stopped, and then one that completes.
func TestPopulation(t *testing.T) {
	const sessions = 1000
	s := newScene(t)
	s.deployed(s.host("old"))
	clients := make([]*client, sessions)
	for i := range clients {
		clients[i] = s.open(s.profile)
	}
	strategy := s.makeStrategy(types.GrowthTypeLinear, 20, 6, 1)
	next := s.host("new")

	was := make([]bool, sessions)
	for round := range 2 {
		out, err := s.start(s.profile, next, strategy)
		must(t, out, err)
		clear(was)
		for step := 0; step <= 5; step++ {
			share := poll(t, clients, was)
			want := float64(20 * step)
			if share < want-5 || share > want+5 || step == 5 && share != 100 {
				t.Errorf("round %d: %.1f %% have the new version at %.0f %%", round, share, want)
			}
			if round == 0 && step == 3 {
				stopped, err := s.stop(out.DeploymentNumber, false)
				must(t, stopped, err)
				break
			}
			s.turn(time.Minute)
		}
		if round == 0 {
			s.turn(time.Minute)
			clear(was)
			if share := poll(t, clients, was); share != 0 {
				t.Errorf("%.1f %% have the new version after the rollback", share)
			}
			s.turn(time.Minute)
		}
	}
	for _, c := range clients {
		if c.full > 4 { // old, perhaps new and old again, new
			t.Fatalf("a session was sent %d bodies", c.full)
		}
	}
}

// poll polls every session and gives the percentage that has the new version; whoever had it must have it still.
func poll(t *testing.T, clients []*client, was []bool) float64 {
	t.Helper()
	n := 0
	for i, c := range clients {
		is := c.poll() == "new"
		if was[i] && !is {
			t.Fatalf("session %d fell back to %q during the deployment", i, c.held)
		}
		if was[i] = is; is {
			n++
		}
	}
	return float64(n) * 100 / float64(len(clients))
}

func TestOneAtATime(t *testing.T) {
	s := newScene(t)
	version := s.host("{}")
	strategy := s.makeStrategy(types.GrowthTypeLinear, 50, 3, 2)
	if got := s.environmentState(); got != types.EnvironmentStateReadyForDeployment {
		t.Errorf("new environment is %s", got)
	}
	first, err := s.start(s.profile, version, strategy)
	must(t, first, err)
	if first.State != types.DeploymentStateDeploying || first.DeploymentNumber != 1 || !first.StartedAt.Equal(s.now) {
		t.Errorf("started as %+v", first)
	}
	for minute := range 5 { // three of growing, two of baking
		if _, err := s.start(s.profile, version, strategy); code(err) != "ConflictException" {
			t.Errorf("minute %d: %v", minute, err)
		}
		if got := s.environmentState(); got != types.EnvironmentStateDeploying {
			t.Errorf("minute %d: environment is %s", minute, got)
		}
		s.turn(time.Minute)
	}
	if got := s.environmentState(); got != types.EnvironmentStateReadyForDeployment {
		t.Errorf("environment is %s at the end", got)
	}
	second, err := s.start(s.profile, version, strategy)
	if must(t, second, err); second.DeploymentNumber != 2 {
		t.Errorf("second deployment has number %d", second.DeploymentNumber)
	}
	list, err := s.root.ListDeployments(t.Context(), &ac.ListDeploymentsInput{
		ApplicationId: &s.app, EnvironmentId: &s.env,
	})
	must(t, list, err)
	var got []types.DeploymentState
	for _, d := range list.Items {
		got = append(got, d.State)
	}
	want := []types.DeploymentState{types.DeploymentStateDeploying, types.DeploymentStateComplete}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d := s.get(1); *d.PercentageComplete != 100 || len(d.EventLog) != 5 || d.CompletedAt == nil ||
		d.EventLog[0].EventType != types.DeploymentEventTypeDeploymentCompleted {
		t.Errorf("first deployment ended as %+v", d)
	}
}

func TestStopAndRevert(t *testing.T) {
	const growing, bakingTime, done = time.Minute, 4 * time.Minute, 6 * time.Minute
	for name, tc := range map[string]struct {
		after  time.Duration
		revert bool
		want   string // the deployment's state, or the error's code
		held   string
	}{
		"growing":                    {growing, false, rolledBack, "old"},
		"growing, allow revert":      {growing, true, rolledBack, "old"},
		"baking":                     {bakingTime, false, "BadRequestException", "new"},
		"baking, allow revert":       {bakingTime, true, rolledBack, "old"},
		"complete":                   {done, false, "BadRequestException", "new"},
		"complete, allow revert":     {done, true, reverted, "old"},
		"72 hours after completion":  {5*time.Minute + 72*time.Hour, true, reverted, "old"},
		"later than that":            {5*time.Minute + 72*time.Hour + 1, true, "BadRequestException", "new"},
		"percentage not reached yet": {0, false, rolledBack, "old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.deployed(s.host("old"))
			out, err := s.start(s.profile, s.host("new"), s.makeStrategy(types.GrowthTypeLinear, 100, 2, 3))
			must(t, out, err)
			s.turn(tc.after)
			stopped, err := s.stop(2, tc.revert)
			if got := code(err); got != "" {
				if got != tc.want {
					t.Errorf("got %v, want %s", err, tc.want)
				}
			} else if string(stopped.State) != tc.want || string(s.environmentState()) != tc.want ||
				*stopped.PercentageComplete != 0 {
				t.Errorf("stopped as %s, environment %s", stopped.State, s.environmentState())
			}
			s.turn(time.Hour)
			if got := s.open(s.profile).poll(); got != tc.held {
				t.Errorf("a client has %q, want %q", got, tc.held)
			}
			if _, err := s.stop(2, true); err == nil && tc.want != "BadRequestException" {
				t.Error("it can be stopped twice")
			}
		})
	}
}

func TestRevertOfWhatIsNotTheLatest(t *testing.T) {
	s := newScene(t)
	s.deployed(s.host("1"))
	s.deployed(s.host("2"))
	if _, err := s.stop(1, true); code(err) != "BadRequestException" {
		t.Errorf("an older deployment: %v", err)
	}
	if out, err := s.stop(2, true); err != nil || out.State != reverted {
		t.Errorf("the latest: %v", err)
	}
	if out, err := s.stop(1, true); err != nil || out.State != reverted {
		t.Errorf("the latest that is left: %v", err)
	}
	_, err := s.data.StartConfigurationSession(t.Context(), s.session(s.profile))
	if code(err) != "ResourceNotFoundException" {
		t.Errorf("a session on nothing: %v", err)
	}
}

func TestProfilesShareAnEnvironment(t *testing.T) {
	s := newScene(t)
	s.deployed(s.host("settings"))
	first := s.profile
	s.profile = s.addProfile("other", "hosted", "")
	s.deployed(s.host("other"))
	if a, b := s.open(first).poll(), s.open(s.profile).poll(); a != "settings" || b != "other" {
		t.Errorf("profiles are given %q and %q", a, b)
	}
}

func TestStartRefusals(t *testing.T) {
	s := newScene(t)
	version := s.host("{}")
	for name, tc := range map[string]struct{ profile, version, strategy, want string }{
		"unknown profile":  {"none000", version, "AppConfig.AllAtOnce", "ResourceNotFoundException"},
		"unknown version":  {s.profile, "9", "AppConfig.AllAtOnce", "ResourceNotFoundException"},
		"unknown strategy": {s.profile, version, "AppConfig.Slowly", "ResourceNotFoundException"},
		"no version":       {s.profile, "", "AppConfig.AllAtOnce", "BadRequestException"},
	} {
		if _, err := s.start(tc.profile, tc.version, tc.strategy); code(err) != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
	_, err := s.root.GetDeployment(t.Context(), &ac.GetDeploymentInput{
		ApplicationId: &s.app, EnvironmentId: &s.env, DeploymentNumber: aws.Int32(1),
	})
	if code(err) != "ResourceNotFoundException" {
		t.Errorf("a refused deployment left %v", err)
	}
}
