package appconfig

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCurves(t *testing.T) {
	for name, tc := range map[string]struct {
		growth  string
		factor  float64
		minutes int
		want    string // percentage at each whole minute, until it is 100
	}{
		"all at once":          {linear, 100, 0, "100"},
		"half":                 {linear, 50, 3, "0 50 100"},
		"quarters, as in docs": {linear, 25, 15, "0 0 0 25 25 25 50 50 50 75 75 75 100"},
		"uneven":               {linear, 40, 4, "0 40 80 100"},
		"float32 third":        {linear, float64(float32(33.333332)), 4, "0 33 67 100"},
		"one step":             {linear, 100, 4, "0 0 100"},
		"doubling from 10":     {exponential, 10, 6, "0 10 20 40 80 100"},
		"doubling from 50":     {exponential, 50, 3, "0 50 100"},
		"doubling from 100":    {exponential, 100, 2, "0 100"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Unix(0, 0)
			r := rollout{
				growth: tc.growth, factor: tc.factor, started: start, duration: time.Duration(tc.minutes) * time.Minute,
			}
			var got []string
			for m := 0; m <= tc.minutes; m++ {
				p := r.percentage(start.Add(time.Duration(m) * time.Minute))
				got = append(got, fmt.Sprint(math.Round(p)))
				if p == 100 {
					break
				}
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPercentageNeverFalls(t *testing.T) {
	for _, growth := range []string{linear, exponential} {
		for factor := 1.0; factor <= 100; factor += 7.3 {
			r := rollout{growth: growth, factor: factor, duration: time.Hour, bake: time.Hour}
			last := -1.0
			for m := range 121 {
				p := r.percentage(time.Time{}.Add(time.Duration(m) * time.Minute))
				if p < last || p > 100 {
					t.Fatalf("%s %v: %v after %v at minute %d", growth, factor, p, last, m)
				}
				last = p
			}
			if last != 100 {
				t.Errorf("%s %v ends at %v", growth, factor, last)
			}
		}
	}
}

func TestCourse(t *testing.T) {
	start := time.Unix(0, 0)
	at := func(minute float64) time.Time { return start.Add(time.Duration(minute * float64(time.Minute))) }
	r := rollout{growth: linear, factor: 50, duration: 3 * time.Minute, bake: 2 * time.Minute, started: start}
	stopped := func(minute float64) rollout { r := r; r.ended = at(minute); return r }
	for name, tc := range map[string]struct {
		r        rollout
		now      float64
		state    string
		percent  float64
		finished float64 // minute, -1 is not yet
		events   string  // newest first
	}{
		"start":       {r, 0, deploying, 0, -1, "DEPLOYMENT_STARTED@0"},
		"first step":  {r, 1, deploying, 50, -1, "PERCENTAGE_UPDATED@1 DEPLOYMENT_STARTED@0"},
		"just before": {r, 2.99, deploying, 100, -1, "PERCENTAGE_UPDATED@2 PERCENTAGE_UPDATED@1 DEPLOYMENT_STARTED@0"},
		"baking": {
			r, 3, baking, 100, -1,
			"BAKE_TIME_STARTED@3 PERCENTAGE_UPDATED@2 PERCENTAGE_UPDATED@1 DEPLOYMENT_STARTED@0",
		},
		"complete": {
			r, 5, complete, 100, 5,
			"DEPLOYMENT_COMPLETED@5 BAKE_TIME_STARTED@3 PERCENTAGE_UPDATED@2 PERCENTAGE_UPDATED@1 DEPLOYMENT_STARTED@0",
		},
		"rolled back": {
			stopped(1.5), 60, rolledBack, 0, 1.5,
			"ROLLBACK_COMPLETED@1.5 ROLLBACK_STARTED@1.5 PERCENTAGE_UPDATED@1 DEPLOYMENT_STARTED@0",
		},
		"reverted": {stopped(7), 60, reverted, 0, 5, "REVERT_COMPLETED@7 DEPLOYMENT_COMPLETED@5 BAKE_TIME_STARTED@3 " +
			"PERCENTAGE_UPDATED@2 PERCENTAGE_UPDATED@1 DEPLOYMENT_STARTED@0"},
		"at once": {
			rollout{growth: linear, factor: 100, started: start, bake: time.Minute},
			0, baking, 100, -1,
			"BAKE_TIME_STARTED@0 PERCENTAGE_UPDATED@0 DEPLOYMENT_STARTED@0",
		},
		"at once, no bake": {
			rollout{growth: linear, factor: 100, started: start},
			0, complete, 100, 0,
			"DEPLOYMENT_COMPLETED@0 BAKE_TIME_STARTED@0 PERCENTAGE_UPDATED@0 DEPLOYMENT_STARTED@0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := at(tc.now)
			if got := tc.r.state(now); got != tc.state {
				t.Errorf("state %s, want %s", got, tc.state)
			}
			if got := tc.r.percentage(now); got != tc.percent {
				t.Errorf("percentage %v, want %v", got, tc.percent)
			}
			want := time.Time{}
			if tc.finished >= 0 {
				want = at(tc.finished)
			}
			if done := tc.r.finished(now); !done.Equal(want) {
				t.Errorf("finished at %v, want %v", done, want)
			}
			var got []string
			for _, e := range tc.r.events(now) {
				got = append(got, fmt.Sprintf("%s@%v", e.EventType, e.OccurredAt.Sub(start).Minutes()))
			}
			if diff := cmp.Diff(tc.events, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
