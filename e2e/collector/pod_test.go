package collector_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/e2e/collector/place"
)

// pod is a pod of the chart, run as a kubelet runs it, but on this machine's files and network: the containers'
// commands, arguments and variables are the chart's to the letter, except that each mount path is a folder of the
// pod's. Its address is one of the loopback's.
type pod struct {
	ip, dir    string
	paths      map[string]string // from mount paths to folders
	containers map[string]*container
	running    sync.WaitGroup
	order      []string // in which they were started
}

// image says which program a container runs.
type image struct{ collector, agent string }

// newPod prepares the volumes and containers of a pod and starts nothing.
func newPod(t *testing.T, m manifests, i image, token string) *pod {
	t.Helper()
	p := &pod{ip: freeAddress(t), dir: t.TempDir(), paths: map[string]string{}, containers: map[string]*container{}}
	specs := slices.Concat(m.pod.InitContainers, m.pod.Containers)
	for _, c := range specs {
		for _, mount := range c.VolumeMounts {
			folder := filepath.Join(p.dir, "volumes", mount.Name)
			if other, ok := p.paths[mount.MountPath]; ok && other != folder {
				t.Fatalf("two volumes at %s", mount.MountPath)
			}
			p.paths[mount.MountPath] = folder
		}
	}
	for _, v := range m.pod.Volumes {
		p.fill(t, v, m.configMaps, token)
	}
	for _, c := range specs {
		p.containers[c.Name] = p.container(c, i)
	}
	return p
}

// freeAddress is one of the 127.0.0.0/8 on which nobody listens for OTLP.
func freeAddress(t *testing.T) string {
	t.Helper()
	ip, err := place.Address(t.Context(), "4317")
	if err != nil {
		t.Skipf("SKIP %v", err)
	}
	return ip
}

// fill makes a volume.
func (p *pod) fill(t *testing.T, v volume, configMaps map[string]map[string]string, token string) {
	t.Helper()
	folder := filepath.Join(p.dir, "volumes", v.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	var names []string
	if v.ConfigMap != nil {
		names = append(names, v.ConfigMap.Name)
	}
	if v.Projected != nil {
		for _, source := range v.Projected.Sources {
			if source.ServiceAccountToken != nil {
				write(t, filepath.Join(folder, source.ServiceAccountToken.Path), token)
			}
			if source.ConfigMap != nil {
				names = append(names, source.ConfigMap.Name)
			}
		}
	}
	for _, name := range names {
		for file, text := range configMaps[name] {
			text = strings.ReplaceAll(text, "localhost:", p.ip+":") // a pod has a loopback of its own
			write(t, filepath.Join(folder, file), p.here(text))
		}
	}
}

// here turns the mount paths in a text into folders.
func (p *pod) here(text string) string {
	paths := slices.Collect(maps.Keys(p.paths))
	slices.SortFunc(paths, func(a, b string) int { return len(b) - len(a) }) // the longest first
	for n, path := range paths {
		paths[n] = regexp.QuoteMeta(path)
	}
	whole := regexp.MustCompile(`(^|[^\w./-])(` + strings.Join(paths, "|") + `)($|[^\w.-])`)
	return whole.ReplaceAllStringFunc(text, func(found string) string {
		part := whole.FindStringSubmatch(found)
		return part[1] + p.paths[part[2]] + part[3]
	})
}

func (p *pod) container(c containerSpec, i image) *container {
	program := i.collector
	if strings.Contains(c.Image, "pinnace-agent") {
		program = i.agent
	}
	var line []string
	if len(c.Command) == 0 {
		line = append(line, program) // the image's entry point
	}
	for _, word := range slices.Concat(c.Command, c.Args) {
		switch word {
		case "/pinnace-agent": // of the agent's image
			line = append(line, i.agent)
		case "/otelcol-contrib": // of the collector's
			line = append(line, i.collector)
		default:
			line = append(line, p.here(word))
		}
	}
	env := []string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}
	known := []string{"$$", "$"}
	for _, v := range c.Env {
		value := strings.NewReplacer(known...).Replace(p.value(v))
		env, known = append(env, v.Name+"="+value), append(known, "$("+v.Name+")", value)
	}
	return &container{
		name: c.Name, sidecar: c.RestartPolicy == "Always", line: line, env: env, started: make(chan struct{}, mostStarts),
	}
}

func (p *pod) value(v variable) string {
	switch v.ValueFrom.FieldRef.FieldPath {
	case "":
		return p.here(v.Value)
	case "status.podIP", "status.hostIP":
		return p.ip
	default:
		return "example"
	}
}

// start starts the containers in the kubelet's order: each init container ends, or is ready, before the next begins.
// gaveUp is called when one of them has ended too often.
func (p *pod) start(t *testing.T, m manifests, gaveUp func()) {
	t.Helper()
	t.Cleanup(func() { p.stop() })
	for _, spec := range m.pod.InitContainers {
		c := p.containers[spec.Name]
		if !c.sidecar {
			out, err := c.command(t.Context(), c.line...).CombinedOutput()
			if err != nil {
				t.Fatalf("init container %s: %v\n%s", c.name, err, out)
			}
			continue
		}
		p.run(c, gaveUp)
		err := poll(t.Context(), func() (bool, error) {
			return c.command(t.Context(), c.line[0], "ready").Run() == nil, nil
		})
		if err != nil {
			t.Fatalf("%s is not ready: %v\n%s", c.name, err, c.log.String())
		}
	}
	for _, spec := range m.pod.Containers {
		p.run(p.containers[spec.Name], gaveUp)
	}
}

func (p *pod) run(c *container, gaveUp func()) {
	c.gaveUp = gaveUp
	p.order = append(p.order, c.name)
	p.running.Go(c.run)
}

// stop ends the containers as a kubelet does, sidecars last, and returns when all have ended.
func (p *pod) stop() {
	for _, name := range slices.Backward(p.order) {
		p.containers[name].end()
	}
	p.running.Wait()
}

// kill ends a container's process without a warning and returns when it runs again.
func (p *pod) kill(t *testing.T, name string) {
	t.Helper()
	if err := p.containers[name].kill(t.Context()); err != nil {
		t.Error(err)
	}
}

// container is a process that is started again when it ends, as the kubelet does it the first time: at once.
type container struct {
	name      string
	sidecar   bool
	line, env []string
	log       place.Log
	started   chan struct{} // has one for each start
	gaveUp    func()        // is called when it is not started any more

	mu      sync.Mutex
	process *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	ending  bool
	starts  int
}

func (c *container) command(ctx context.Context, line ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = c.env
	return cmd
}

// mostStarts is when the kubelet would say CrashLoopBackOff.
const mostStarts = 5

func (c *container) run() {
	for {
		ended := c.begin()
		if ended == nil {
			return
		}
		_ = c.process.Wait() // how it ended is in the log
		close(ended)
	}
}

// begin starts the process, unless the container is to end.
func (c *container) begin() (ended chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		return nil
	}
	if c.starts == mostStarts {
		c.gaveUp()
		return nil
	}
	c.process = c.command(context.Background(), c.line...)
	c.process.Stdout, c.process.Stderr = &c.log, &c.log
	c.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.process.Start(); err != nil {
		_, _ = fmt.Fprintln(&c.log, err)
		c.gaveUp()
		return nil
	}
	c.starts++
	c.ended = make(chan struct{})
	c.started <- struct{}{}
	return c.ended
}

func (c *container) kill(ctx context.Context) error {
	for len(c.started) > 0 {
		<-c.started
	}
	c.mu.Lock()
	err := c.process.Process.Kill()
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("killing %s: %w", c.name, err)
	}
	select {
	case <-c.started:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s was not started again: %w", c.name, ctx.Err())
	}
}

// patience is terminationGracePeriodSeconds.
const patience = 30 * time.Second

// end stops the process, by force when it takes too long.
func (c *container) end() {
	c.mu.Lock()
	c.ending = true
	process, ended := c.process, c.ended
	c.mu.Unlock()
	if ended == nil {
		return
	}
	_ = process.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(patience):
		_ = process.Process.Kill()
		<-ended
	}
}

// restarts is how often the container was started again.
func (c *container) restarts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.starts-1)
}
