package cost_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/agent/cost"
	"github.com/pinnace-dev/pinnace/internal/agent/settings"
)

func near(a, b float64) bool { return math.Abs(a-b) < 0.005*math.Max(1, math.Abs(b)) }

func TestOf(t *testing.T) {
	// The facts that AWS's pricing pages give as an example: 1,000 pods, 10 secrets read one by one every two minutes, are
	// 216 million calls and 1,080 dollars in 30 days; in a month of 730 hours a little more. A batch reads all ten at once.
	var ten settings.Settings
	for _, name := range strings.Split("a b c d e f g h i j", " ") {
		ten.Items = append(ten.Items, settings.Item{Name: name, Secret: "team/" + name})
	}
	ten.PollInterval = 2 * time.Minute
	b := cost.Of(ten, cost.Fleet{Pods: 1000})
	if !near(b.Calls, 1000*730*30) || !near(b.Lines[0].Dollars, 109.5) || !near(b.Secrets, 4) || !near(b.Dollars, 113.5) {
		t.Errorf("ten secrets: %+v", b)
	}

	pinned := settings.Settings{PollInterval: 30 * time.Second, Items: []settings.Item{
		{Name: "a", Secret: "x", VersionID: strings.Repeat("1", 36)}, {Name: "b", Secret: "x", VersionID: strings.Repeat("1", 36)},
	}}
	if b := cost.Of(pinned, cost.Fleet{Pods: 10, Starts: 3}); b.Calls != 30 {
		t.Errorf("a pinned version is read once for each start: %+v", b)
	}

	one := settings.Settings{
		PollInterval: time.Minute,
		Items:        []settings.Item{{Name: "key", AppConfig: "a/b/c", Field: "key"}},
	}
	b = cost.Of(one, cost.Fleet{Pods: 100, Starts: 30, Rotations: 2})
	requests := 100.0*730*60 + 3000
	if got := b.Lines[0]; !near(got.Received, 3200) || !near(got.Calls, requests+3200) ||
		!near(got.Dollars, requests*0.0000002+3200*0.0008+3200*0.000005) {
		t.Errorf("a configuration: %+v", got)
	}

	var out bytes.Buffer
	if err := b.Print(&out, cost.Fleet{Pods: 100}); err != nil || !strings.Contains(out.String(), "appconfig a/b/c") ||
		!strings.Contains(out.String(), "all, for 100 pods") {
		t.Errorf("%s (%v)", out.String(), err)
	}
}
