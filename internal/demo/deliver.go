package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/internal/agent"
	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/identity"
)

// pod is one pod of the collector: the agent, running as it runs in a cluster, and the file that it keeps.
type pod struct {
	name string
	file string
	done chan struct{} // closed when the agent has ended

	mu      sync.Mutex
	version string // of the secret in the file
	changed chan struct{}
	err     error // with which the agent ended
}

// pollInterval is the shortest that AppConfig allows, in its own time.
const pollInterval = 15 * time.Second

// whoAmI shows what a pod's token is worth.
func whoAmI(ctx context.Context, r *run) ([]string, error) {
	cfg, err := r.assume(ctx, r.Prod.cluster, serviceAccount(account), r.Prod.RoleARN, "whoami")
	if err != nil {
		return nil, err
	}
	who, err := identity.WhoAmI(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if want := ":assumed-role/" + r.Prod.Name + "-" + account + "/"; !strings.Contains(who.ARN, want) {
		return nil, fmt.Errorf("the session is %s, want one of %s", who.ARN, r.Prod.RoleARN)
	}
	return []string{serviceAccount(account) + " is " + who.ARN}, nil
}

// deliver starts the pods and waits until each has its key.
func deliver(ctx context.Context, r *run) ([]string, error) {
	begun := r.opts.Now()
	for i := range r.opts.Pods {
		p, err := r.startPod(ctx, fmt.Sprintf("otel-agent-%d", i+1))
		if err != nil {
			return nil, err
		}
		r.pods = append(r.pods, p)
	}
	patient, cancel := context.WithTimeout(ctx, r.opts.Patience)
	defer cancel()
	for _, p := range r.pods {
		if err := p.await(patient, r.Prod.VersionID); err != nil {
			return nil, err
		}
		if err := p.check(string(r.Prod.Key.Reveal())); err != nil {
			return nil, err
		}
	}
	return []string{fmt.Sprintf("%d pods have the key %s after %d ms, mode 0440, through one rename each",
		len(r.pods), r.Prod.Key.Fingerprint(), r.opts.Now().Sub(begun).Milliseconds())}, nil
}

func (r *run) startPod(ctx context.Context, name string) (*pod, error) {
	env, err := r.podEnvironment(r.Prod.cluster, serviceAccount(r.workload.serviceAccount), r.workload.roleARN, name)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(r.Dir, "pods", name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	p := &pod{
		name: name, file: filepath.Join(folder, keyItem),
		done: make(chan struct{}), changed: make(chan struct{}, 1),
	}
	told, err := settings.Parse("run", []string{
		"--token-file=" + p.file + "=" + keyItem, "--poll-interval=" + pollInterval.String(),
	}, func(name string) string {
		if name == "PINNACE_APPCONFIG" {
			return r.workload.agent[name]
		}
		return ""
	})
	if err != nil {
		return nil, err
	}
	config := agent.Config{
		Settings: told, Getenv: env, Wait: r.clock.Wait, Now: r.clock.Now,
		Log: r.log.With(slog.String("pod", name)), OnChange: p.took,
	}
	go func() {
		defer close(p.done)
		err := agent.Run(ctx, config)
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
	}()
	return p, nil
}

// took notes what the agent has just put in place.
func (p *pod) took(change delivery.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, item := range change.Items {
		if item.Name == keyItem {
			p.version = item.Version
		}
	}
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *pod) holds() (version string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version, p.err
}

// await waits until the pod has a version of the secret.
func (p *pod) await(ctx context.Context, version string) error {
	for {
		got, err := p.holds()
		if err != nil {
			return fmt.Errorf("the agent of %s ended: %w", p.name, err)
		}
		if got == version {
			return nil
		}
		select {
		case <-p.changed:
		case <-p.done:
			if _, err := p.holds(); err == nil {
				return fmt.Errorf("the agent of %s ended without its key", p.name)
			}
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to hold version %s: %w", p.name, version, ctx.Err())
		}
	}
}

// check reads the file as the collector would.
func (p *pod) check(key string) error {
	info, err := os.Lstat(p.file)
	if err != nil {
		return err
	}
	if info.Mode() != fs.FileMode(0o440) {
		return fmt.Errorf("%s has mode %v, want a regular file with 0440", p.file, info.Mode())
	}
	got, err := os.ReadFile(p.file)
	if err != nil {
		return err
	}
	if string(got) != key {
		return errors.New(p.file + " does not hold the key")
	}
	return nil
}

// count tells how many pods hold a version.
func (r *run) count(version string) int {
	n := 0
	for _, p := range r.pods {
		if got, err := p.holds(); err == nil && got == version {
			n++
		}
	}
	return n
}

// keyFiles are the only files that may hold a key.
func (r *run) keyFiles() []string {
	var files []string
	for _, p := range r.pods {
		files = append(files, p.file)
	}
	return slices.Clip(files)
}
