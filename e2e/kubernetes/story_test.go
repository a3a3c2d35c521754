package kubernetes_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
	"github.com/pinnace-dev/pinnace/e2e/collector/load"
)

// firstRecordWithin is what the project promises between helm install and the first record that the ingress accepts.
const firstRecordWithin = 30 * time.Second

// A person's way with the chart, by each Helm: the first release, an upgrade with its very values, the chart's own
// test, a rollback and the end. Records flow all the while, none is lost, and the key is nowhere but in the pod.
func TestStory(t *testing.T) {
	onBoth(t, func(t *testing.T, h *helm) {
		s := newScene(t, h, webhookLabels(t, map[string]string{authoritiesLabel: "injected", ingressLabel: "given"}))
		line := newTimeline()
		line.follow(t, s.space)
		generator := s.send(t, 100)
		line.begin = time.Now()
		s.install(t, "install", oldVersion, s.valuesOfOld())
		s.awaitFirstRecord(t, line)

		// The test collector has not what the presets need that are new and on.
		values := s.valuesOfOld()
		maps.Copy(values, object{"presets": presetsOff("otlpReceiver"), "cluster": object{"enabled": false}})
		s.install(t, "upgrade", h.yard.Chart, values)
		s.awaitRecords(t)
		if out := h.run(t, "test", release, "--namespace", s.space, "--logs"); !strings.Contains(out, "private_key") {
			t.Error("helm test does not say that the key can be had")
		}
		s.wantNoLeak(t)
		h.run(t, "rollback", release, "1", "--namespace", s.space, "--wait", "--timeout", "90s")
		s.awaitRecords(t)
		s.wantAll(t, s.settle(t, generator))
		s.uninstall(t)
	})
}

// The working tree's chart, from helm install to the first record, with the identity by a projected token that the
// chart mounts, and by EKS's annotation.
func TestInstall(t *testing.T) {
	needCluster(t)
	t.Parallel()
	for name, identity := range map[string]string{"projected token": "", "annotated service account": "webhook"} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, h *helm) {
				s := newScene(t, h, webhookLabels(t, restricted(map[string]string{identityLabel: identity})))
				values := s.valuesOfNew()
				values["aws"].(object)["projectToken"] = identity == ""
				line := newTimeline()
				line.follow(t, s.space)
				generator := s.send(t, 20)
				line.begin = time.Now()
				s.install(t, "install", h.yard.Chart, values)
				s.awaitFirstRecord(t, line)
				s.wantAll(t, s.settle(t, generator))
				s.uninstall(t)
			})
		})
	}
}

// restricted adds what makes a namespace refuse every pod that is not at the restricted level.
func restricted(labels map[string]string) map[string]string {
	all := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	maps.Copy(all, labels)
	return all
}

// awaitFirstRecord waits until the ingress accepts the scene's key, and holds the timeline to the promise.
func (s *scene) awaitFirstRecord(t *testing.T, line *timeline) {
	t.Helper()
	s.awaitKey(t, s.key)
	line.note(firstRecord, s.ingress.Ledger().Totals().Keys[fingerprint(s.key)].First)
	t.Logf("install by Helm %s:%s", s.helm.major, line)
	if took := line.at[firstRecord]; took > firstRecordWithin {
		t.Errorf("the first record was accepted after %s, want at most %s", took, firstRecordWithin)
	}
}

// awaitKey waits until a record was accepted with a key.
func (s *scene) awaitKey(t *testing.T, key string) {
	t.Helper()
	s.await(t, "record with the key "+fingerprint(key), func(totals ingress.Totals) bool {
		return totals.Keys[fingerprint(key)].Accepted > 0
	})
}

// awaitRecords waits until more records were accepted than now.
func (s *scene) awaitRecords(t *testing.T) {
	t.Helper()
	before := s.ingress.Ledger().Totals().Records
	s.await(t, "further records", func(totals ingress.Totals) bool { return totals.Records > before+100 })
}

// await waits for what the ingress counts.
func (s *scene) await(t *testing.T, what string, until func(ingress.Totals) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	if err := s.ingress.Ledger().Wait(ctx, until); err != nil {
		t.Fatalf("%s: %v; %+v", what, err, s.ingress.Ledger().Totals())
	}
}

// wantAll reports what became of a load and complains when anything was lost, doubled by the collector, or refused.
func (s *scene) wantAll(t *testing.T, r load.Report) {
	t.Helper()
	t.Logf("%d sent, %d acknowledged, %d lost, %d duplicated (%d of them sent twice), %d refused for their key, %d retries",
		r.Sent, r.Acknowledged, r.Lost, r.Duplicated, r.Resent, r.Refused, r.Retries)
	if r.Sent == 0 || r.Acknowledged != r.Sent || r.Lost != 0 || r.Duplicated != r.Resent || r.Refused != 0 {
		t.Errorf("report %+v", r)
	}
}
