package collector_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
	"github.com/pinnace-dev/pinnace/e2e/collector/load"
)

// scenario is a rotation with a fault in it.
type scenario struct {
	name, what string
	values     string                         // of the chart, besides the common
	rolling    func(t *testing.T, s *scene)   // once the rollout has begun
	delivered  func(t *testing.T, s *scene)   // once the new key is used, before the old one is revoked
	long       bool                           // not with -short
	early      bool                           // the old key is revoked when the rollout begins: records are lost
	expect     func(t *testing.T, r *outcome) // nothing lost, doubled or refused when nil
}

// outcome is what came of a scenario.
type outcome struct {
	scenario
	load.Report
	took     time.Duration // of the load
	followed time.Duration // from the start of the rollout to the first record with the new key
	refused  int           // records that came with the old key after it was revoked
	restarts int           // of containers
}

var scenarios = []scenario{
	{name: "plain", what: "nothing else happens"},
	{
		name: "overlap", what: "both keys live for a while",
		delivered: func(t *testing.T, s *scene) {
			s.accepted(t, s.new, some) // whatever was on its way with the old key has arrived
			before := s.ingress.Ledger().Totals().Keys[ingress.Fingerprint(s.old)].Accepted
			s.accepted(t, s.new, 2*some)
			if after := s.ingress.Ledger().Totals().Keys[ingress.Fingerprint(s.old)].Accepted; after != before {
				t.Errorf("%d records came with the old key long after the new one was in use", after-before)
			}
		},
	},
	{
		name: "aws-unreachable", what: "AWS is unreachable for two minutes", long: true,
		rolling: func(t *testing.T, s *scene) {
			s.aws.setCut(true)
			outage := time.NewTimer(2 * time.Minute)
			defer outage.Stop()
			select {
			case <-outage.C:
			case <-s.ctx.Done():
			}
			if n := s.ingress.Ledger().Totals().Keys[ingress.Fingerprint(s.new)].Accepted; n > 0 {
				t.Errorf("the new key came through a way that was cut: %d records", n)
			}
			s.aws.setCut(false)
		},
	},
	{
		name: "agent-killed", what: "the agent is killed before and after it delivers",
		rolling: func(t *testing.T, s *scene) { s.pod.kill(t, "pinnace-agent") },
		delivered: func(t *testing.T, s *scene) {
			s.pod.kill(t, "pinnace-agent")
			s.accepted(t, s.new, some)
		},
	},
	{
		name: "collector-killed", what: "the collector is killed before and after the new key",
		rolling: func(t *testing.T, s *scene) { s.pod.kill(t, "collector") },
		delivered: func(t *testing.T, s *scene) {
			s.pod.kill(t, "collector")
			s.accepted(t, s.new, some)
		},
		expect: expectAtLeastOnce,
	},
	{
		name: "ingress-unavailable", what: "the ingress is Unavailable until the new key is there",
		rolling: func(t *testing.T, s *scene) {
			s.ingress.SetMode(ingress.Unavailable(0))
			s.delivered(t, s.new)
			s.ingress.SetMode(ingress.OK())
		},
	},
	{
		name: "process", what: "the key is in the environment: the agent starts the collector again",
		values: "keyDelivery: {file: {enabled: false}, process: {enabled: true}}",
	},
	{
		name: "revoked-early", what: "counter-example: the old key is revoked before the new one is delivered", early: true,
		expect: func(t *testing.T, r *outcome) {
			if r.Lost == 0 || r.refused < r.Lost {
				t.Errorf("%d records lost, %d refused: this test could not see a loss", r.Lost, r.refused)
			}
		},
	},
}

// TestRotationLosesNothing rotates the key of a real collector under load, with the real agent, while things fail.
func TestRotationLosesNothing(t *testing.T) {
	i := image{collector: needCollector(t), agent: filepath.Join(must(programs())(t), "pinnace-agent")}
	a := newAccount(t)
	var mu sync.Mutex
	outcomes := map[string]*outcome{}
	t.Run("while", func(t *testing.T) {
		for _, c := range scenarios {
			t.Run(c.name, func(t *testing.T) {
				if c.long && testing.Short() {
					t.Skip("SKIP with -short: it takes minutes")
				}
				t.Parallel()
				r := rotate(t, a, i, c)
				mu.Lock()
				defer mu.Unlock()
				outcomes[c.name] = r
			})
		}
	})
	report(t, outcomes)
}

// rotate runs a scenario.
func rotate(t *testing.T, a *account, i image, c scenario) *outcome {
	s := newScene(t, a, i, c.name, c.values)
	s.accepted(t, s.old, some)
	version := s.env.stage(t, s.new)
	s.ingress.SetKeys(s.old, s.new)
	if c.early {
		s.ingress.SetKeys(s.new)
	}
	begin := time.Now()
	s.env.rollOut(t, version, a.gradual)
	if c.rolling != nil {
		c.rolling(t, s)
	}
	s.await(t, "the new key", s.ingress.Ledger().WaitKey(s.ctx, ingress.Fingerprint(s.new)))
	followed := s.ingress.Ledger().Totals().Keys[ingress.Fingerprint(s.new)].First.Sub(begin)
	if c.delivered != nil {
		c.delivered(t, s)
	}
	s.await(t, "the end of the rollout", s.env.complete(s.ctx))
	if s.keyFile != "" {
		s.delivered(t, s.new)
	}
	s.env.retire(t, version)
	s.ingress.SetKeys(s.new) // now the old one is dead
	s.accepted(t, s.new, some)
	return s.end(t, c, followed)
}

// end ends the load and then the pod, and holds the outcome against what is expected.
func (s *scene) end(t *testing.T, c scenario, followed time.Duration) *outcome {
	t.Helper()
	took := time.Since(s.began)
	s.await(t, "the collector to take each record", s.load.Stop(s.ctx))
	s.await(t, "the ingress to judge each record", s.load.Settle(s.ctx, s.ingress.Ledger()))
	s.hidden(t)
	s.pod.stop()
	r := &outcome{
		scenario: c, Report: s.load.Report(s.ingress.Ledger()), took: took, followed: followed,
		refused: s.ingress.Ledger().Totals().Keys[ingress.Fingerprint(s.old)].Refused,
	}
	for _, container := range s.pod.containers {
		r.restarts += container.restarts()
	}
	if r.Acknowledged != r.Sent || r.Sent < some {
		t.Errorf("%d of %d records were acknowledged", r.Acknowledged, r.Sent)
	}
	totals := s.ingress.Ledger().Totals()
	if totals.Malformed > 0 {
		t.Errorf("%d requests were malformed", totals.Malformed)
	}
	if totals.Unnamed == 0 && !c.early {
		t.Error("none of the collector's own metrics arrived")
	}
	if c.expect == nil {
		c.expect = expectNothing
	}
	c.expect(t, r)
	if t.Failed() {
		t.Logf("%+v\n%s", r.Report, s.pod.tail())
	}
	return r
}

func expectNothing(t *testing.T, r *outcome) {
	t.Helper()
	if r.Lost != 0 || r.Duplicated != 0 || r.refused != 0 {
		t.Errorf("%d records lost, %d duplicated, %d refused; want none", r.Lost, r.Duplicated, r.refused)
	}
}

// expectAtLeastOnce is the promise of a persistent queue whose collector is killed: what was on its way is sent again.
func expectAtLeastOnce(t *testing.T, r *outcome) {
	t.Helper()
	if r.Lost != 0 || r.refused != 0 {
		t.Errorf("%d records lost, %d refused; want none", r.Lost, r.refused)
	}
	if r.Duplicated > r.Sent/10 {
		t.Errorf("%d of %d records duplicated: more than was on its way", r.Duplicated, r.Sent)
	}
}

// The chart's configuration is what the collector itself takes, too.
func TestChartValidates(t *testing.T) {
	i := image{collector: needCollector(t), agent: filepath.Join(must(programs())(t), "pinnace-agent")}
	s := &scene{env: &environment{role: "arn:aws:iam::111122223333:role/r", name: "e"}, aws: &way{addr: "127.0.0.1:1"}}
	m := render(t, s.values(newAccount(t), "http://127.0.0.1:1", ""))
	p := newPod(t, m, i, "token")
	collector := p.containers["collector"]
	if out, err := collector.tool(t.Context(), "validate").CombinedOutput(); err != nil {
		t.Errorf("validate: %v\n%s", err, out)
	}
}
