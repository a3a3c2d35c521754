package kubernetes_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A pod with another service account gets no key, starts no collector, and says in one line why and what to do.
func TestStranger(t *testing.T) {
	needCluster(t)
	t.Parallel()
	s := newScene(t, withHelm(t, "4"), restricted(nil))
	values := s.valuesOfNew()
	values["agent"] = object{"serviceAccount": object{"name": "stranger"}}
	s.helm.run(t, "install", release, "stable/opentelemetry", "--version", s.helm.yard.Chart, "--namespace", s.space,
		"--values", s.file(t, values))
	var line string
	awaitPod(t, s.space, "refusal in the log", func(p *corev1.Pod) bool {
		if len(p.Status.InitContainerStatuses) == 0 || p.Status.InitContainerStatuses[0].State.Running == nil {
			return false
		}
		if p.Status.ContainerStatuses[0].State.Running != nil {
			t.Error("the collector runs without a key")
		}
		for one := range strings.Lines(s.log(t, p.Name, "pinnace-agent")) {
			if strings.Contains(one, "AccessDenied") {
				line = one
			}
		}
		return line != ""
	})
	t.Log(line)
	var entry map[string]any
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		t.Errorf("the line is not JSON: %v", err)
	}
	for _, part := range []string{s.role, "system:serviceaccount:" + s.space + ":stranger", "hint", "trust"} {
		if !strings.Contains(line, part) {
			t.Errorf("the line does not tell %q", part)
		}
	}
	if records := s.ingress.Ledger().Totals(); records.Exports+records.Malformed != 0 {
		t.Errorf("the ingress was sent something: %+v", records)
	}
}

// The gateway takes the key in its environment: the agent is the collector's parent and starts it anew when the key
// changes. Nothing of it is in the pod's spec.
func TestProcess(t *testing.T) {
	needCluster(t)
	t.Parallel()
	s := newScene(t, withHelm(t, "3"), restricted(nil))
	values := s.valuesOfNew()
	values["agent"] = object{"enabled": false}
	values["gateway"] = object{"enabled": true, "replicas": 2}
	values["keyDelivery"] = object{"file": object{"enabled": false}, "process": object{"enabled": true}}
	generator := s.sendTo(t, gateways, 100)
	s.install(t, "install", s.helm.yard.Chart, values)
	s.awaitRecords(t)

	next := newKey()
	s.stage(t, next)
	s.ingress.SetKeys(s.key, next)
	s.deploy(t, "at once")
	s.awaitKey(t, next)
	s.awaitRecords(t)
	s.wantAll(t, s.settle(t, generator))
	stored, err := kube.Stored(t.Context())
	must(t, err)
	for key, value := range stored {
		if contains(value, s.key) || contains(value, next) {
			t.Errorf("etcd has a key in %s", key)
		}
	}
}

// Teams that have the key in a Secret already can go on with it; no agent and no AWS take part.
func TestExistingSecret(t *testing.T) {
	needCluster(t)
	t.Parallel()
	s := newScene(t, withHelm(t, "3"), restricted(nil))
	s.unreachable()
	_, err := kube.Client.CoreV1().Secrets(s.space).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "coralogix-keys"}, StringData: map[string]string{"PRIVATE_KEY": s.key},
	}, metav1.CreateOptions{})
	must(t, err)
	values := s.valuesOfNew()
	delete(values, "aws")
	values["keyDelivery"] = object{
		"file": object{"enabled": false}, "existingSecret": object{"enabled": true, "name": "coralogix-keys"},
	}
	generator := s.send(t, 100)
	s.install(t, "install", s.helm.yard.Chart, values)
	s.awaitRecords(t)
	s.wantAll(t, s.settle(t, generator))
	if pod := s.pod(t); len(pod.Spec.InitContainers) != 0 {
		t.Error("an agent is in the pod")
	}
	out, err := kube.Kubectl(t.Context(), "--namespace", s.space, "get", "daemonsets,pods,configmaps", "--output", "yaml").Output()
	must(t, err)
	if contains(out, s.key) {
		t.Error("the key is in a DaemonSet, a pod or a ConfigMap")
	}
}

// uat and prod are installed from one archive: what differs are values, and a repeated publish is the same bytes.
func TestOneArchive(t *testing.T) {
	needCluster(t)
	t.Parallel()
	y := withHelm(t, "4").yard
	out, err := y.command(kit.Scratch, kit.Programs+"/pinnace", "publish", absolute(chartFolder()), "--repo", repository)
	must(t, err)
	if !regexp.MustCompile(`(?i)unchanged|already`).MatchString(out) {
		t.Errorf("a second publish of the same tree: %s", out)
	}
	for _, environment := range []string{"uat", "prod"} {
		out, err := y.command(withHelm(t, "4").home, withHelm(t, "4").program, "template", release, "stable/opentelemetry",
			"--version", y.Chart, "--values", absolute(chartFolder()+"/values-"+environment+".yaml"))
		if err != nil || !strings.Contains(out, "example-"+environment) {
			t.Errorf("%s: %v\n%.500s", environment, err, out)
		}
	}
}
