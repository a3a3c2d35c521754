package kubernetes_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinnace-dev/pinnace/e2e/kubernetes/cluster"
)

// The cluster is what it claims to be: a ready node of that version, pods that run under the restricted policy, and
// keys of its tokens that anybody can read.
func TestCluster(t *testing.T) {
	needCluster(t)
	t.Parallel()
	out, err := kube.Kubectl(t.Context(), "get", "nodes").CombinedOutput()
	if err != nil || !regexp.MustCompile(`node-1\s+Ready\s.*v1\.35\.4`).Match(out) {
		t.Errorf("kubectl get nodes: %v\n%s", err, out)
	}
	space := namespace(t, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pause"}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "pause", Image: "pinnace.test/pause:1"}},
	}}
	if _, err := kube.Client.CoreV1().Pods(space).Create(t.Context(), pod, metav1.CreateOptions{}); err == nil {
		t.Error("a pod without a security context is admitted as restricted")
	}
	yes, no := true, false
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	if _, err := kube.Client.CoreV1().Pods(space).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitPod(t, space, "the pod runs", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })

	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(kube.AuthorityPEM())
	anonymous := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	answer, err := anonymous.Get(cluster.Issuer + "/openid/v1/jwks")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var keys struct{ Keys []struct{ Kty string } }
	if err := json.NewDecoder(answer.Body).Decode(&keys); err != nil || len(keys.Keys) != 1 || keys.Keys[0].Kty != "RSA" {
		t.Errorf("keys of the tokens: %v, %v", keys, err)
	}
}
