package presets_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// judge has configurations validated by a collector, which finds there what components read already then: a service
// account, and an API server that says which kinds of objects it has.
type judge struct {
	program, account string
	env              []string
}

// newJudge starts what a collector of a release needs to judge, or skips the test.
func newJudge(t *testing.T, release string) *judge {
	t.Helper()
	j := &judge{program: need(t, release), account: t.TempDir()}
	certificate, authority := newCertificate(t)
	for name, text := range map[string]string{"token": "of nobody", "ca.crt": authority, "namespace": "observability"} {
		if err := os.WriteFile(filepath.Join(j.account, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(discovery))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	j.env = append(podEnv("127.0.0.1"), "PATH="+os.Getenv("PATH"),
		"KUBERNETES_SERVICE_HOST="+host, "KUBERNETES_SERVICE_PORT="+port)
	if out, err := j.asPod(t.Context(), "true").CombinedOutput(); err != nil {
		t.Skipf("SKIP this machine gives no mount namespace: %v: %s", err, out)
	}
	return j
}

// discovery tells of the events of events.k8s.io, as an API server would, and of nothing else.
func discovery(w http.ResponseWriter, r *http.Request) {
	answer, ok := map[string]string{
		"/api": `{"kind": "APIVersions", "versions": []}`,
		"/apis": `{"kind": "APIGroupList", "apiVersion": "v1", "groups": [{"name": "events.k8s.io",
			"versions": [{"groupVersion": "events.k8s.io/v1", "version": "v1"}],
			"preferredVersion": {"groupVersion": "events.k8s.io/v1", "version": "v1"}}]}`,
		"/apis/events.k8s.io/v1": `{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "events.k8s.io/v1",
			"resources": [{"name": "events", "kind": "Event", "namespaced": true, "verbs": ["get", "list", "watch"]}]}`,
	}[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(answer))
}

// validate lets the collector judge a configuration, whose folders of a node and a pod are some of this machine.
func (j *judge) validate(t *testing.T, config string) error {
	t.Helper()
	dir := t.TempDir()
	key, file := filepath.Join(dir, "private_key"), filepath.Join(dir, "collector.yaml")
	here := strings.NewReplacer("/hostfs", "/", "/var/lib/otelcol", dir, "/var/run/pinnace/private_key", key)
	if err := errors.Join(
		os.WriteFile(key, []byte("a key"), 0o600), os.WriteFile(file, []byte(here.Replace(config)), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	if out, err := j.asPod(t.Context(), j.program, "validate", "--config="+file).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// asPod is a command that finds the service account where pods do, in a mount namespace of its own.
func (j *judge) asPod(ctx context.Context, line ...string) *exec.Cmd {
	const script = `mount -t tmpfs none /var/run && mkdir -p /var/run/secrets/kubernetes.io &&
		cp -r "$0" /var/run/secrets/kubernetes.io/serviceaccount && exec "$@"`
	namespaces := []string{"--mount"}
	if os.Getuid() != 0 {
		namespaces = append(namespaces, "--user", "--map-root-user")
	}
	cmd := exec.CommandContext(ctx, "unshare",
		slices.Concat(namespaces, []string{"sh", "-c", script, j.account}, line)...)
	cmd.Env = j.env
	return cmd
}
