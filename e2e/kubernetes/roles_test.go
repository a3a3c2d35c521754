package kubernetes_test

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
)

// All three roles, where none reads the node, are admitted at the restricted level, get the key under service accounts
// of their own, and send: the agents what applications give them, all of them their own metrics.
func TestRoles(t *testing.T) {
	needCluster(t)
	t.Parallel()
	s := newScene(t, withHelm(t, "3"), restricted(nil))
	values := s.valuesOfNew()
	presets := presetsOff("otlpReceiver")
	presets["collectorMetrics"] = object{"enabled": true, "interval": "15s"}
	values["presets"], values["cluster"] = presets, object{"enabled": true}
	values["gateway"] = object{"enabled": true, "replicas": 1}
	generator := s.send(t, 20)
	s.install(t, "install", s.helm.yard.Chart, values)
	await(t, "three ready pods", func(ctx context.Context) (bool, error) {
		pods, err := kube.Client.CoreV1().Pods(s.space).List(ctx, metav1.ListOptions{})
		ready := map[string]bool{}
		for i := range pods.Items {
			if isReady(&pods.Items[i]) {
				ready[pods.Items[i].Labels["app.kubernetes.io/component"]] = true
			}
		}
		return ready["agent"] && ready["cluster"] && ready["gateway"], err
	})
	s.await(t, "the collectors' own metrics", func(totals ingress.Totals) bool { return totals.Unnamed > 0 })
	s.wantAll(t, s.settle(t, generator))
}
