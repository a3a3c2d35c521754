package kubernetes_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
	"github.com/pinnace-dev/pinnace/e2e/collector/load"
)

// recordsPerSecond is the load under which keys are rotated.
const recordsPerSecond = 500

// overlap is how long both keys live after the first record with the new one.
const overlap = 5 * time.Second

// A key is rotated by a gradual deployment while records flow, and things fail in the middle of it. Nothing that the
// collector acknowledged is lost, nothing is refused though the old key goes after the overlap, and nothing arrives
// twice that was not sent twice, but what was on its way when a collector was killed.
func TestRotation(t *testing.T) {
	needCluster(t)
	t.Parallel()
	lanes := make(chan struct{}, 3) // for one small machine has to be sender, collectors and ingress of all
	for _, fault := range []struct {
		name   string
		happen func(t *testing.T, s *scene)
		twice  int // most records that may arrive twice, though they were sent once
	}{
		{name: "AWS is unreachable", happen: awsUnreachable}, // the longest first
		{name: "ingress unavailable", happen: ingressUnavailable},
		{name: "agent killed", happen: agentKilled},
		// A batch that the ingress has and the queue still has, too, is sent again.
		{name: "collector killed", happen: collectorKilled, twice: recordsPerSecond},
		{name: "nothing fails", happen: func(*testing.T, *scene) {}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			lanes <- struct{}{}
			defer func() { <-lanes }()
			s := newScene(t, withHelm(t, "4"), restricted(nil))
			s.installNew(t)
			report := rotate(t, s, fault.happen)
			if twice := report.Duplicated - report.Resent; twice > 0 && twice <= fault.twice {
				t.Logf("%d records arrived twice", twice)
				report.Duplicated = report.Resent
			}
			s.wantAll(t, report)
		})
	}
}

// rotate changes the key while records flow and something happens, and answers what became of them.
func rotate(t *testing.T, s *scene, happen func(t *testing.T, s *scene)) load.Report {
	t.Helper()
	ledger, next := s.ingress.Ledger(), newKey()
	generator := s.send(t, recordsPerSecond)
	s.await(t, "records with the old key", func(totals ingress.Totals) bool { return totals.Records > 2*recordsPerSecond })
	line := newTimeline()
	s.stage(t, next)
	s.ingress.SetKeys(s.key, next)
	s.deploy(t, "gradual")
	line.note("deployment started; both keys live", time.Now())
	happen(t, s)
	line.note("fault over", time.Now())
	s.awaitKey(t, next)
	line.note("first record with the new key", ledger.Totals().Keys[fingerprint(next)].First)
	pause(t, overlap)
	line.note("last record with the old key", ledger.Totals().Keys[fingerprint(s.key)].Last)
	s.ingress.SetKeys(next)
	line.note("old key revoked", time.Now())
	pause(t, overlap)
	report := s.settle(t, generator)
	line.note("load ended", time.Now())
	t.Logf("rotation:%s", line)
	return report
}

// pause lets real time pass, as the people do who rotate a key.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func awsUnreachable(t *testing.T, s *scene) {
	s.unreachable()
	pause(t, 2*time.Minute)
	s.reachable(t)
}

func ingressUnavailable(t *testing.T, s *scene) {
	s.ingress.SetMode(ingress.Unavailable(0))
	pause(t, 20*time.Second)
	s.ingress.SetMode(ingress.OK())
}

func agentKilled(t *testing.T, s *scene) {
	s.kill(t, "pinnace-agent", func(p *corev1.Pod) []corev1.ContainerStatus { return p.Status.InitContainerStatuses })
}

func collectorKilled(t *testing.T, s *scene) {
	s.kill(t, "collector", func(p *corev1.Pod) []corev1.ContainerStatus { return p.Status.ContainerStatuses })
}

// kill kills a container of the agents' pod and waits until the kubelet has started it again.
func (s *scene) kill(t *testing.T, name string, statuses func(*corev1.Pod) []corev1.ContainerStatus) {
	t.Helper()
	status := func(p *corev1.Pod) corev1.ContainerStatus {
		for _, status := range statuses(p) {
			if status.Name == name {
				return status
			}
		}
		return corev1.ContainerStatus{}
	}
	before := s.pod(t)
	must(t, kube.Kill(status(before).ContainerID))
	after := awaitPod(t, s.space, name+" runs again", func(p *corev1.Pod) bool {
		now := status(p)
		return p.UID == before.UID && now.RestartCount > status(before).RestartCount && now.State.Running != nil && isReady(p)
	})
	t.Logf("%s was killed and is ready again, restart %d", name, status(after).RestartCount)
}
