package presets_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/e2e/collector/place"
	"github.com/pinnace-dev/pinnace/e2e/collector/presets"
)

const longest = 2 * time.Minute // that a test may take before it counts as hanging

// pod is one collector of the chart with its configuration, on this machine's files and an address of the loopback.
type pod struct {
	*sink
	ctx          context.Context // ends when something hangs
	program, dir string
	ip           string
	log          place.Log
	process      *exec.Cmd
	ended        chan error
}

// onEach runs a test with the collector of each release that has a configuration of a role.
func onEach(t *testing.T, role, values string, test func(t *testing.T, p *pod)) {
	t.Helper()
	for _, release := range presets.Releases {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			program := need(t, release)
			ctx, cancel := context.WithTimeout(t.Context(), longest)
			t.Cleanup(cancel)
			p := &pod{sink: newSink(t), ctx: ctx, program: program, dir: t.TempDir(), ip: freeAddress(t)}
			config := configurations(t, release, append(variant(t, "uat"), only, values)...)[role]
			p.write(t, "collector.yaml", p.here(config))
			p.write(t, "private_key", p.key)
			p.write(t, "ca.crt", p.authority)
			test(t, p)
		})
	}
}

// only switches off what a test does not switch on.
const only = `
presets:
  otlpReceiver: {enabled: false}
  logsCollection: {enabled: false}
  hostMetrics: {enabled: false}
  kubeletMetrics: {enabled: false}
  kubernetesAttributes: {enabled: false}
  collectorMetrics: {enabled: false}
  kubernetesEvents: {enabled: false}
  clusterMetrics: {enabled: false}
`

// here turns a pod's places into this test's.
func (p *pod) here(config string) string {
	return strings.NewReplacer(
		"/hostfs", "/", "/var/lib/otelcol", p.dir+"/state", "/var/run/pinnace/private_key", p.dir+"/private_key",
		"/var/log/pods", p.dir+"/pods", "localhost:", p.ip+":", "ingress.eu2.coralogix.com:443", p.addr,
	).Replace(config)
}

func (p *pod) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts the collector and returns when it is healthy.
func (p *pod) start(t *testing.T) {
	t.Helper()
	p.process = exec.CommandContext(p.ctx, p.program, "--config="+filepath.Join(p.dir, "collector.yaml"))
	p.process.Env = append(podEnv(p.ip), "SSL_CERT_FILE="+filepath.Join(p.dir, "ca.crt"))
	p.process.Stdout, p.process.Stderr = &p.log, &p.log
	p.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	process, ended := p.process, make(chan error, 1)
	p.ended = ended
	go func() { ended <- process.Wait() }()
	t.Cleanup(func() { _ = process.Process.Kill() })
	p.await(t, "health", p.poll("http://"+p.ip+":13133/", func(string) bool { return true }))
}

// poll asks until the answer is 200 and good.
func (p *pod) poll(url string, good func(body string) bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			var body bytes.Buffer
			_, err = body.ReadFrom(answer.Body)
			_ = answer.Body.Close()
			if err == nil && answer.StatusCode == http.StatusOK && good(body.String()) {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
}

// stop ends the collector as a kubelet does, which lets it send what it has, and wants it to end without an error.
func (p *pod) stop(t *testing.T) {
	t.Helper()
	p.await(t, "the end", p.end(t))
}

// end is what stop does, and how the collector ended.
func (p *pod) end(t *testing.T) error {
	t.Helper()
	if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		return err
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

func (p *pod) await(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("waiting for %s: %v\n%s", what, err, regexp.MustCompile(`(?m)^.*\tinfo\t.*\n`).ReplaceAllString(p.log.String(), ""))
	}
}

// freeAddress is one of the 127.0.0.0/8 on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	ip, err := place.Address(t.Context(), "13133")
	if err != nil {
		t.Skipf("SKIP %v", err)
	}
	return ip
}

// output is what a program prints.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
