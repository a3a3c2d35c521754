package kubernetes_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// forms are how a text may stand in bytes: as it is, and in base64 at each of the three places where it may begin.
func forms(text string) []string {
	all := []string{text}
	for shift := range 3 {
		coded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + text))
		all = append(all, coded[[]int{0, 2, 3}[shift]:len(coded)-2]) // without what neighbours have a part in
	}
	return all
}

func contains(content []byte, text string) bool {
	for _, form := range forms(text) {
		if bytes.Contains(content, []byte(form)) {
			return true
		}
	}
	return false
}

// wantNoLeak looks for the scene's key wherever people and programs look who are not to see it.
func (s *scene) wantNoLeak(t *testing.T) {
	t.Helper()
	stored, err := kube.Stored(t.Context())
	must(t, err)
	seen := 0
	for key, value := range stored {
		if contains(value, s.role) {
			seen++
		}
		if contains(value, s.key) {
			t.Errorf("etcd has the key in %s", key)
		}
	}
	if seen == 0 {
		t.Error("the search through etcd does not even find the role's ARN")
	}
	pod := s.pod(t).Name
	kubectl := func(args ...string) []string { return append([]string{"--namespace", s.space}, args...) }
	for _, line := range [][]string{
		kubectl("describe", "all,configmaps,serviceaccounts,secrets"),
		kubectl("get", "all,configmaps,secrets,events", "--output", "yaml", "--show-managed-fields"),
		kubectl("logs", pod, "--all-containers", "--timestamps"),
		kubectl("exec", pod, "--container", "collector", "--", "/otelcol-contrib", "print-config", "--mode=unredacted",
			"--config=/etc/otelcol/collector.yaml"),
	} {
		out, err := kube.Kubectl(t.Context(), line...).CombinedOutput()
		if err != nil || len(out) < 200 {
			t.Errorf("kubectl %s: %v\n%s", strings.Join(line, " "), err, out)
		}
		if contains(out, s.key) {
			t.Errorf("kubectl %s shows the key", strings.Join(line, " "))
		}
	}
	out, err := s.helm.yard.command(s.helm.home, s.helm.program, "get", "all", release, "--namespace", s.space)
	if err != nil || contains([]byte(out), s.key) {
		t.Errorf("helm get all fails or shows the key: %v", err)
	}
	t.Logf("the key is in none of %d values of etcd, nor in describe, get, logs, print-config and helm get", len(stored))
}

// uninstall takes the release away and wants nothing left of it: no object, no role of the cluster, no memory.
func (s *scene) uninstall(t *testing.T) {
	t.Helper()
	pod := s.pod(t)
	mounts := func() int {
		content, err := os.ReadFile("/proc/self/mounts")
		must(t, err)
		return bytes.Count(content, []byte(string(pod.UID)))
	}
	if mounts() == 0 {
		t.Error("the pod's memory is not among the mounts")
	}
	s.helm.run(t, "uninstall", release, "--namespace", s.space, "--wait", "--timeout", "90s")
	await(t, "end of the pods", func(ctx context.Context) (bool, error) {
		pods, err := kube.Client.CoreV1().Pods(s.space).List(ctx, metav1.ListOptions{
			LabelSelector: "app.kubernetes.io/component=agent",
		})
		return err == nil && len(pods.Items) == 0 && mounts() == 0, err
	})
	stored, err := kube.Stored(t.Context())
	must(t, err)
	for key, value := range stored {
		if strings.HasSuffix(key, "-check") {
			continue // the pod of helm test, which Helm leaves for its log, and Helm 3 cannot print after taking it away
		}
		about := strings.Contains(key, "/"+s.space+"/") || contains(value, `"`+s.space+`"`)
		if about && strings.Contains(key, release) && !strings.Contains(key, "/events/") {
			t.Errorf("left: %s", key)
		}
	}
}
