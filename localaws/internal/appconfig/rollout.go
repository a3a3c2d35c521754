package appconfig

import (
	"fmt"
	"slices"
	"time"
)

// Deployment states. VALIDATING and ROLLING_BACK pass in no time here and are never seen.
const (
	deploying  = "DEPLOYING"
	baking     = "BAKING"
	complete   = "COMPLETE"
	rolledBack = "ROLLED_BACK"
	reverted   = "REVERTED"
)

// rollout is all that a deployment's course depends on besides the time. Its methods are pure.
type rollout struct {
	growth   string
	factor   float64 // percent
	duration time.Duration
	bake     time.Duration
	started  time.Time
	ended    time.Time // when somebody stopped or reverted it, or an alarm did; zero is never
	alarm    string    // the ARN of the alarm that ended it; empty is somebody
}

func (r rollout) deployed() time.Time  { return r.started.Add(r.duration) }
func (r rollout) completed() time.Time { return r.deployed().Add(r.bake) }

// steps gives the percentages that the rollout passes through: G, 2G, 3G… when linear, G, 2G, 4G… when exponential. The
// last is 100.
func (r rollout) steps() []float64 {
	var out []float64
	for p := r.factor; p < 99.99; { // what float32 factors such as 33.333 leave over is not a step
		out = append(out, p)
		if r.growth == exponential {
			p *= 2
		} else {
			p = r.factor * float64(len(out)+1)
		}
	}
	return append(out, 100)
}

// stepAt is when step k of n is reached, k from 1. The duration has n+1 equal parts: one before the first step and one
// after the last. That is what the event log in the AWS CLI's example of get-deployment shows: 25 % over 15 minutes
// steps after 3, 6, 9 and 12 minutes, and the bake time starts after 15.
func (r rollout) stepAt(k, n int) time.Time {
	return r.started.Add(r.duration * time.Duration(k) / time.Duration(n+1))
}

// state is what the deployment shows now.
func (r rollout) state(now time.Time) string {
	switch {
	case !r.ended.IsZero() && r.ended.Before(r.completed()):
		return rolledBack
	case !r.ended.IsZero():
		return reverted
	case now.Before(r.deployed()):
		return deploying
	case now.Before(r.completed()):
		return baking
	}
	return complete
}

// running says whether the deployment keeps others of its environment from starting.
func (r rollout) running(now time.Time) bool {
	state := r.state(now)
	return state == deploying || state == baking
}

// percentage of sessions that are given the new configuration now; it never falls before the rollout is ended.
func (r rollout) percentage(now time.Time) float64 {
	if !r.ended.IsZero() {
		return 0
	}
	reached, steps := 0.0, r.steps()
	for i, p := range steps {
		if now.Before(r.stepAt(i+1, len(steps))) {
			break
		}
		reached = p
	}
	return reached
}

// event is an entry of a deployment's log.
type event struct {
	EventType   string
	TriggeredBy string
	Description string
	OccurredAt  time.Time
}

// events gives what has happened until now, the newest first.
func (r rollout) events(now time.Time) []event {
	until := now
	if !r.ended.IsZero() {
		until = r.ended
	}
	log := []event{{"DEPLOYMENT_STARTED", "USER", "Deployment started", r.started}}
	add := func(at time.Time, kind, text string) {
		if !at.After(until) {
			log = append(log, event{kind, "APPCONFIG", text, at})
		}
	}
	steps := r.steps()
	for i, p := range steps {
		text := fmt.Sprintf("Configuration available to %.2f%% of clients", p)
		add(r.stepAt(i+1, len(steps)), "PERCENTAGE_UPDATED", text)
	}
	add(r.deployed(), "BAKE_TIME_STARTED", "Deployment bake time started")
	add(r.completed(), "DEPLOYMENT_COMPLETED", "Deployment completed")
	switch r.state(now) {
	case rolledBack:
		by, why := "USER", "Rollback started"
		if r.alarm != "" {
			by, why = "CLOUDWATCH_ALARM", "Rollback started by the alarm "+r.alarm
		}
		log = append(log, event{"ROLLBACK_STARTED", by, why, r.ended},
			event{"ROLLBACK_COMPLETED", "APPCONFIG", "Rollback completed", r.ended})
	case reverted:
		log = append(log, event{"REVERT_COMPLETED", "USER", "Revert completed", r.ended})
	}
	slices.Reverse(log)
	return log
}

// finished is when the deployment came to its end; zero while it runs.
func (r rollout) finished(now time.Time) time.Time {
	switch r.state(now) {
	case complete, reverted:
		return r.completed()
	case rolledBack:
		return r.ended
	}
	return time.Time{}
}
