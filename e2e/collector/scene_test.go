package collector_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
	"github.com/pinnace-dev/pinnace/e2e/collector/load"
)

const (
	perSecond = 500
	some      = 1000            // records that make sure that a thing works
	longest   = 4 * time.Minute // that a scenario may take before it counts as hanging
)

// scene is one pod of the chart between AWS, an ingress and the records of applications.
type scene struct {
	ctx      context.Context // ends when something hangs, or a container crashes again and again
	env      *environment
	aws      *way // from the pod
	ingress  *ingress.Server
	pod      *pod
	load     *load.Generator
	old, new string    // keys
	began    time.Time // of the load
	keyFile  string    // empty when the key is in a process alone
}

// values are those with which the chart is rendered for a scene.
func (s *scene) values(a *account, proxy, more string) string {
	return fmt.Sprintf(`
clusterName: e2e
coralogix: {domain: eu2.coralogix.com}
aws: {region: %s, roleArn: %q, projectToken: true}
serviceAccount: {name: otel-agent}
pinnace:
  appConfig: {application: %s, environment: %s, profile: %s}
  pollInterval: 15s
  extraEnv: {AWS_ENDPOINT_URL: %q, PINNACE_STAGGER: 5s}
extraEnv: {HTTPS_PROXY: %q}
caBundle: {configMap: authorities}
cluster: {enabled: false}
# What these bring is not in the test collector.
presets:
  logsCollection: {enabled: false}
  hostMetrics: {enabled: false}
  kubeletMetrics: {enabled: false}
  kubernetesAttributes: {enabled: false}
  collectorMetrics: {interval: 15s}
%s`, a.aws.Region(), s.env.role, application, s.env.name, profile, "http://"+s.aws.addr, proxy, more)
}

// newScene starts a pod that has its key, and the load on it.
func newScene(t *testing.T, a *account, i image, name, more string) *scene {
	t.Helper()
	s := &scene{old: "cxtp_old" + rand.Text(), new: "cxtp_new" + rand.Text()}
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	t.Cleanup(cancel)
	s.ctx = ctx
	s.env = a.newEnvironment(t, name, s.old, "otel-agent")
	s.aws = newWay(t, strings.TrimPrefix(a.aws.URL(), "http://"))
	served, authority := certificate(t)
	listener := must((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	s.ingress = ingress.Start(ingress.Config{Listener: listener, Certificate: served, Keys: []string{s.old}})
	t.Cleanup(func() { _ = s.ingress.Close() })

	m := render(t, s.values(a, egress(t, s.ingress.Addr()), more))
	m.configMaps["authorities"] = map[string]string{"ca.crt": authority}
	token := must(a.cluster.ServiceAccountToken(namespace, "otel-agent"))(t)
	s.pod = newPod(t, m, i, token)
	s.pod.start(t, m, cancel)
	s.await(t, "the collector's health", poll(s.ctx, s.pod.healthy))
	if folder, ok := s.pod.paths["/var/run/pinnace"]; ok {
		s.keyFile = filepath.Join(folder, "private_key")
	}
	s.began = time.Now()
	s.load = must(load.Start(load.Config{Endpoint: s.pod.ip + ":4317", Run: name, Rate: perSecond, Connections: 4}))(t)
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.load.Stop(ended)
	})
	return s
}

// accepted returns when the ingress has taken n records with a key since now.
func (s *scene) accepted(t *testing.T, key string, n int) {
	t.Helper()
	name := ingress.Fingerprint(key)
	before := s.ingress.Ledger().Totals().Keys[name].Accepted
	s.await(t, "records with the key "+name, s.ingress.Ledger().Wait(s.ctx, func(all ingress.Totals) bool {
		return all.Keys[name].Accepted >= before+n
	}))
}

func (s *scene) await(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("waiting for %s: %v; the ingress has %+v\n%s", what, err, s.ingress.Ledger().Totals(), s.pod.tail())
	}
}

// delivered returns when the pod's key file has the key.
func (s *scene) delivered(t *testing.T, key string) {
	t.Helper()
	s.await(t, "the key in its file", poll(s.ctx, func() (bool, error) {
		data, err := os.ReadFile(s.keyFile)
		return string(data) == key, err
	}))
}

// hidden looks for the keys where they must not be: in the logs, and in what the collector says of its configuration.
func (s *scene) hidden(t *testing.T) {
	t.Helper()
	texts := map[string]string{}
	for _, name := range s.pod.order {
		texts["the log of "+name] = s.pod.containers[name].log.String()
	}
	collector := s.pod.containers["collector"]
	for _, mode := range []string{"redacted", "unredacted"} {
		cmd := collector.tool(t.Context(), "print-config", "--mode="+mode)
		if s.keyFile == "" {
			cmd.Env = append(cmd.Env, "CORALOGIX_PRIVATE_KEY="+s.new) // as the agent gives it
		}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), ingressName) {
			t.Errorf("print-config: %v\n%s", err, out)
		}
		if s.keyFile == "" && mode == "unredacted" { // the one place that shows it; file mode has none
			if !strings.Contains(string(out), s.new) {
				t.Error("print-config does not show a key where it should: nor would it be found elsewhere")
			}
			continue
		}
		texts["print-config --mode="+mode] = string(out)
	}
	for where, text := range texts {
		if text == "" {
			t.Errorf("%s is empty: a key would not be found in it", where)
		}
		for _, key := range []string{s.old, s.new} {
			if strings.Contains(text, key) {
				t.Errorf("a key is in %s", where)
			}
		}
	}
}

// tool is another verb of the collector in its container, with the same configuration.
func (c *container) tool(ctx context.Context, words ...string) *exec.Cmd {
	line := c.line[slices.Index(c.line, "--")+1:] // in process mode the agent's comes first
	return c.command(ctx, slices.Concat(line[:1], words, line[1:])...)
}

// healthy is the collector's startup probe.
func (p *pod) healthy() (bool, error) {
	answer, err := http.Get("http://" + p.ip + ":13133/")
	if err != nil {
		return false, nil //nolint:nilerr // not yet
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK, nil
}

// tail is the end of each log.
func (p *pod) tail() string {
	var all strings.Builder
	for name, c := range p.containers {
		text := c.log.String()
		fmt.Fprintf(&all, "--- %s\n%s\n", name, text[max(0, len(text)-2000):])
	}
	return all.String()
}
