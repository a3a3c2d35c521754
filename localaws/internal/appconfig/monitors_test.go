package appconfig

import (
	"strings"
	"testing"
	"time"

	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/appconfig/types"
)

const alarmARN = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:errors"

// monitored gives the scene's environment an alarm that role watches; none when it is empty.
func (s *scene) monitored(role string) {
	s.t.Helper()
	arn, watcher := alarmARN, &role
	if role == "" {
		watcher = nil
	}
	out, err := s.root.UpdateEnvironment(s.t.Context(), &ac.UpdateEnvironmentInput{
		ApplicationId: &s.app, EnvironmentId: &s.env, Monitors: []types.Monitor{{AlarmArn: &arn, AlarmRoleArn: watcher}},
	})
	must(s.t, out, err)
}

// TestAlarmRollsBack lets an alarm go off at some minute of a deployment of 10 minutes with 5 to bake.
func TestAlarmRollsBack(t *testing.T) {
	for name, c := range map[string]struct {
		minute int // of the alarm, from the start; negative is before it
		role   string
		state  types.DeploymentState
		want   string // what clients have in the end
	}{
		"while it grows":          {4, reader, types.DeploymentStateRolledBack, "1"},
		"while it bakes":          {12, reader, types.DeploymentStateRolledBack, "1"},
		"before it began":         {-5, reader, types.DeploymentStateRolledBack, "1"},
		"when it is complete":     {15, reader, types.DeploymentStateComplete, "2"},
		"never":                   {1000, reader, types.DeploymentStateComplete, "2"},
		"nobody watches the role": {4, "", types.DeploymentStateComplete, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.deployed(s.host("1"))
			s.alarms[alarmARN] = s.now.Add(time.Duration(c.minute) * time.Minute)
			s.monitored(c.role)
			strategy := s.makeStrategy(types.GrowthTypeLinear, 50, 10, 5)
			started := s.now
			out, err := s.start(s.profile, s.host("2"), strategy)
			must(t, out, err)
			s.turn(20 * time.Minute) // nobody has asked until now
			got := s.get(out.DeploymentNumber)
			if got.State != c.state {
				t.Errorf("%s, want %s", got.State, c.state)
			}
			if held := s.open(s.profile).poll(); held != c.want {
				t.Errorf("clients have %q, want %q", held, c.want)
			}
			if c.state != types.DeploymentStateRolledBack {
				return
			}
			at := started.Add(time.Duration(max(c.minute, 0)) * time.Minute)
			began := got.EventLog[1]
			if began.TriggeredBy != types.TriggeredByCloudwatchAlarm || !began.OccurredAt.Equal(at) ||
				!strings.Contains(*began.Description, alarmARN) {
				t.Errorf("%s at %s: %s", began.TriggeredBy, began.OccurredAt, *began.Description)
			}
			if s.environmentState() != types.EnvironmentStateRolledBack {
				t.Errorf("the environment is %s", s.environmentState())
			}
			s.alarms[alarmARN] = time.Time{} // over
			again, err := s.start(s.profile, s.host("3"), strategy)
			must(t, again, err)
			s.turn(20 * time.Minute)
			if got := s.get(again.DeploymentNumber); got.State != types.DeploymentStateComplete {
				t.Errorf("after the alarm: %s", got.State)
			}
		})
	}
}

func TestAlarmThatCannotBeWatched(t *testing.T) {
	for name, c := range map[string]struct{ role, text string }{
		"no trust":      {stranger, "does not trust appconfig.amazonaws.com"},
		"no such alarm": {reader, "may not see"},
	} {
		s := newScene(t)
		s.monitored(c.role)
		_, err := s.start(s.profile, s.host("1"), "AppConfig.AllAtOnce")
		if code(err) != "BadRequestException" || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
