package kubernetes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
	"github.com/pinnace-dev/pinnace/e2e/collector/load"
)

const (
	release  = "opentelemetry"
	agents   = release + "-agent"   // the DaemonSet, its Service and its service account
	clusters = release + "-cluster" // the Deployment and its service account
	gateways = release + "-gateway" // the Deployment likewise
)

// scene is a namespace with an AWS, an ingress and a Helm of its own, so that scenes can be played at the same time.
type scene struct {
	*account
	helm    *helm
	space   string
	ingress *ingress.Server
	address string // of the ingress
	key     string // that lives at first
	role    string // that the agents' service account may assume
}

// newScene sets one up. Of the labels of the namespace a webhook may read some.
func newScene(t *testing.T, h *helm, labels map[string]string) *scene {
	t.Helper()
	s := &scene{account: newAccount(t), helm: h, address: kube.Address(), key: newKey()}
	certificate, err := kube.Certificate(ingressName)
	must(t, err)
	listener, err := net.Listen("tcp", s.address+":443")
	must(t, err)
	s.ingress = ingress.Start(ingress.Config{Listener: listener, Certificate: certificate, Keys: []string{s.key}})
	t.Cleanup(func() {
		if s.ingress != nil {
			_ = s.ingress.Close()
		}
	})
	if labels[ingressLabel] != "" {
		labels[ingressLabel] = s.address
	}
	s.space = namespace(t, labels)
	authoritiesIn(t, s.space)
	s.role = s.provision(t, s.key, s.space+":"+agents, s.space+":"+clusters, s.space+":"+gateways)
	s.explain(t)
	return s
}

// object is YAML's.
type object = map[string]any

// values are what every version of the chart needs here.
func (s *scene) values() object {
	image := func(name string) object {
		return object{"repository": "pinnace.test/" + name, "tag": "dev", "pullPolicy": "Never"}
	}
	return object{
		"clusterName": "e2e",
		"coralogix":   object{"domain": domain},
		"image":       image("otelcol-contrib"),
		"aws":         object{"region": s.server.Region(), "roleArn": s.role, "projectToken": true},
		"pinnace": object{
			"image": image("pinnace-agent"), "pollInterval": "15s",
			"appConfig": object{"environment": stage},
			"extraEnv":  object{"AWS_ENDPOINT_URL": s.endpoint},
		},
		// One small machine has all scenes.
		"resources": object{"requests": object{"cpu": "100m", "memory": "64Mi"}, "limits": object{"memory": "512Mi"}},
	}
}

// valuesOfOld are those of the chart's first release, which has no place for authorities and addresses: the webhook
// brings both.
func (s *scene) valuesOfOld() object {
	values := s.values()
	values["extraEnv"] = object{"SSL_CERT_FILE": authorities}
	values["pinnace"].(object)["extraEnv"].(object)["SSL_CERT_FILE"] = authorities
	return values
}

// file writes values as JSON, which is YAML.
func (s *scene) file(t *testing.T, values object) string {
	t.Helper()
	content, err := json.Marshal(values)
	must(t, err)
	path := filepath.Join(t.TempDir(), "values.yaml")
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

// install runs helm install or upgrade and waits for what it made.
func (s *scene) install(t *testing.T, verb, version string, values object, more ...string) {
	t.Helper()
	s.helm.run(t, append([]string{
		verb, release, "stable/opentelemetry", "--version", version, "--namespace", s.space,
		"--values", s.file(t, values), "--wait", "--timeout", "90s",
	}, more...)...)
}

// fingerprint is how ledger and agent call the scene's key.
func fingerprint(key string) string { return ingress.Fingerprint(key) }

// send starts a load on whatever collector is behind a Service at each moment.
func (s *scene) send(t *testing.T, rate int) *load.Generator { return s.sendTo(t, agents, rate) }

func (s *scene) sendTo(t *testing.T, service string, rate int) *load.Generator {
	t.Helper()
	endpoint := serve(t, s.space, service, "otlp-grpc")
	generator, err := load.Start(load.Config{
		Endpoint: endpoint, Run: s.space, Rate: rate, Connections: 4, Outstanding: 2 * recordsPerSecond,
	})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(kubeContext)
		cancel()
		_ = generator.Stop(ctx) // when the test has not
	})
	return generator
}

// settle ends a load and answers what became of its records.
func (s *scene) settle(t *testing.T, generator *load.Generator) load.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, generator.Stop(ctx))
	if err := generator.Settle(ctx, s.ingress.Ledger()); err != nil {
		t.Errorf("records that were acknowledged are still on their way: %v", err)
	}
	return generator.Report(s.ingress.Ledger())
}

// pod is the running pod of the agents.
func (s *scene) pod(t *testing.T) *corev1.Pod {
	t.Helper()
	return awaitPod(t, s.space, "pod of "+agents, func(p *corev1.Pod) bool {
		return p.Labels["app.kubernetes.io/component"] == "agent" && p.DeletionTimestamp == nil && isReady(p)
	})
}

func isReady(p *corev1.Pod) bool {
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// log is what a container of a pod has written.
func (s *scene) log(t *testing.T, pod, container string) string {
	t.Helper()
	out, err := kube.Client.CoreV1().Pods(s.space).GetLogs(pod, &corev1.PodLogOptions{Container: container}).DoRaw(t.Context())
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(out)
}

// explain writes into the test's log what the scene's pods say, when the test has failed.
func (s *scene) explain(t *testing.T) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		ctx, cancel := context.WithTimeout(kubeContext, 20*time.Second)
		defer cancel()
		out, _ := kube.Kubectl(ctx, "describe", "pods", "--namespace", s.space).CombinedOutput()
		t.Logf("%s", out)
		pods, err := kube.Client.CoreV1().Pods(s.space).List(ctx, metav1.ListOptions{})
		if err != nil {
			return
		}
		for _, pod := range pods.Items {
			out, _ := kube.Kubectl(ctx, "logs", "--namespace", s.space, pod.Name, "--all-containers", "--tail", "40").CombinedOutput()
			t.Logf("%s:\n%s", pod.Name, out)
		}
	})
}

// valuesOfNew are those of the working tree's chart: authorities and addresses come with them. What the test collector
// has no components for is off.
func (s *scene) valuesOfNew() object {
	values := s.values()
	values["image"].(object)["version"] = "0.165.0"
	values["caBundle"] = object{"configMap": "authorities"}
	values["hostAliases"] = []object{{"ip": s.address, "hostnames": []string{ingressName}}}
	values["presets"] = presetsOff("otlpReceiver")
	values["cluster"] = object{"enabled": false}
	return values
}

// presetsOff turns every preset off but some.
func presetsOff(but ...string) object {
	all := object{}
	for _, preset := range []string{
		"otlpReceiver", "logsCollection", "hostMetrics", "kubeletMetrics", "kubernetesAttributes", "resourceDetection",
		"collectorMetrics", "kubernetesEvents", "clusterMetrics", "tailSampling",
	} {
		all[preset] = object{"enabled": slices.Contains(but, preset)}
	}
	return all
}

// installNew installs the working tree's chart.
func (s *scene) installNew(t *testing.T) {
	t.Helper()
	s.install(t, "install", s.helm.yard.Chart, s.valuesOfNew())
}
