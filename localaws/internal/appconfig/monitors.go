package appconfig

import (
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// Alarms is CloudWatch as AppConfig watches it.
type Alarms interface {
	// Alarmed tells p when an alarm was first in ALARM from one time until another; the zero time is never.
	Alarmed(p api.Principal, arn string, from, until time.Time) (time.Time, *api.Error)
}

// monitor is an alarm that rolls deployments back. AppConfig sees it with the role, and not at all without one.
type monitor struct {
	AlarmArn     string
	AlarmRoleArn string `json:",omitempty"`
}

// alarmed is Alarms.Alarmed with the monitor's role.
func (s *Service) alarmed(m monitor, from, until time.Time) (time.Time, *api.Error) {
	if m.AlarmRoleArn == "" {
		return time.Time{}, nil
	}
	role, err := s.access.AssumeService(m.AlarmRoleArn, principalName)
	if err != nil {
		return time.Time{}, err
	}
	return s.alarms.Alarmed(role, m.AlarmArn, from, until)
}

// checkWatch refuses to start a deployment that a monitor cannot watch.
func (s *Service) checkWatch(env *environment, now time.Time) *api.Error {
	for _, m := range env.Monitors {
		if _, err := s.alarmed(m, now, now); err != nil {
			return badRequest("AppConfig cannot watch the alarm %s with the role %s: %s", m.AlarmArn, m.AlarmRoleArn,
				err.Message)
		}
	}
	return nil
}

// watch rolls back the deployments during which a monitor of their environment was in ALARM, at the time when it was.
// Whoever asks next sees it; nothing happens in between. It comes before every operation, so that a monitor that is new
// does not judge what was complete before it.
func (s *Service) watch() {
	now := s.clock()
	for _, app := range s.applications {
		for _, env := range app.environments {
			for _, d := range env.deployments {
				s.watchOne(env, d, now)
			}
		}
	}
}

func (s *Service) watchOne(env *environment, d *deployment, now time.Time) {
	if d.watched || !d.ended.IsZero() {
		return
	}
	until := now
	if over := d.completed(); !now.Before(over) {
		d.watched, until = true, over.Add(-time.Nanosecond)
	}
	for _, m := range env.Monitors {
		at, err := s.alarmed(m, d.started, until)
		if err == nil && !at.IsZero() && (d.ended.IsZero() || at.Before(d.ended)) {
			d.ended, d.alarm = at, m.AlarmArn
		}
	}
}
