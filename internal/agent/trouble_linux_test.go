package agent_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/agent"
	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
)

// Pods that start while AWS is down say so, and are ready soon after it is back.
func TestDownAtTheStart(t *testing.T) {
	for name, how := range map[string]outage{"unreachable": unreachable, "5xx": broken} {
		t.Run(name, func(t *testing.T) {
			withFleet(t, 10, nil, func(t *testing.T, f *fleet) {
				f.wire.state.Store(int32(how))
				f.run()
				f.pass("down", 10*time.Minute, bounds{perPod: 100})
				for i, p := range f.pods {
					s := p.agent.Status()
					if s.Ready || s.Feeds[0].LastError == "" || s.Feeds[1].LastError == "" {
						t.Errorf("pod %d: %+v", i, s)
					}
				}
				code, body := f.pods[0].loopback.get(t, "/secretsmanager/get?secretId=team/db", f.token)
				if code != http.StatusServiceUnavailable {
					t.Errorf("loopback answers %d: %s", code, body)
				}
				f.wire.state.Store(int32(none))
				f.pass("up", time.Minute+time.Second, bounds{perPod: 9})
				f.wantAll(1, well)
			})
		})
	}
}

// Fifty rotations in a second cost no more than one, and the last is what counts.
func TestFiftyRotations(t *testing.T) {
	withFleet(t, 3, nil, func(t *testing.T, f *fleet) {
		f.run()
		f.pass("start", interval, bounds{perPod: 9})
		for version := range 50 {
			f.rotate(version + 2)
			time.Sleep(20 * time.Millisecond)
		}
		f.pass("rotations", interval+time.Second, bounds{perPod: 7})
		f.wantAll(51, well)
	})
}

// Nothing that the package exports prints what is secret, and no state of an agent does.
func TestNothingPrints(t *testing.T) {
	withFleet(t, 2, nil, func(t *testing.T, f *fleet) {
		f.run()
		f.pass("start", interval, bounds{perPod: 9})
		s, err := settings.Decode("agent.yaml", []byte(strings.NewReplacer("READER", f.env["AWS_ROLE_ARN"],
			"LOOPBACK", "127.0.0.1:2773").Replace(everything)))
		if err != nil {
			t.Fatal(err)
		}
		environ := []string{"AWS_SECRET_ACCESS_KEY=" + sessionSecret, "AWS_SESSION_TOKEN=" + sessionToken}
		config := agent.Config{
			Settings: s, Environ: environ, Getenv: environment(f.env), HTTPClient: f.wire, Log: slog.Default(),
			OnChange: func(delivery.Change) {}, Wait: func(context.Context, time.Duration) error { return nil },
		}
		program := agent.Program{Environ: environ, Getenv: environment(f.env)}
		out := secrettest.Print(s, s.Groups(), f.pods[0].agent.Status(), f.pods[1].agent.Calls(), agent.Finding{}, agent.Exited{})
		out += fmt.Sprintf("%v %+v %#v %s %d %v %+v %#v", config, config, config, config, config, program, program, program)
		out += fmt.Sprintf("%v %+v %#v %s %d %x", f.pods[0].agent, f.pods[0].agent, f.pods[0].agent, f.pods[0].agent,
			f.pods[0].agent, f.pods[0].agent)
		wantHidden(t, out)
		if !strings.Contains(out, "partner") {
			t.Error("the settings are not shown")
		}
	})
}
