package agent

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/file"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/hook"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/process"
	"github.com/pinnace-dev/pinnace/internal/delivery/template"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// sinks makes those that the settings name: the files of each folder together, then what is served, then the workload,
// and last what is told of a change.
func (a *Agent) sinks(c Config) ([]delivery.Sink, error) {
	sinks, err := fileSinks(c.Settings)
	if err != nil {
		return nil, err
	}
	if c.Settings.Loopback != nil {
		if a.loopback, err = a.newLoopback(c); err != nil {
			return nil, err
		}
		sinks = append(sinks, a.loopback)
	}
	if c.Settings.Process != nil {
		workload, err := newProcess(c)
		if err != nil {
			return nil, err
		}
		a.process = &starter{Sink: workload, failed: make(chan error, 1)}
		sinks = append(sinks, a.process)
	}
	if c.Settings.OnChange != nil {
		h, err := newHook(c)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, h)
	}
	return sinks, nil
}

// fileSinks are one for each folder: what is wrong with one folder keeps no file of another from its new value.
func fileSinks(s settings.Settings) ([]delivery.Sink, error) {
	var folders []string
	targets := map[string][]file.Target{}
	for _, f := range s.Files {
		target, err := newTarget(s, f)
		if err != nil {
			return nil, err
		}
		folder := filepath.Dir(target.Path) // absolute: one folder, however it is written
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
		targets[folder] = append(targets[folder], target)
	}
	mode, err := settings.FileMode(s.Mode)
	if err != nil {
		return nil, err
	}
	var sinks []delivery.Sink
	for _, folder := range folders {
		options := []file.Option{file.Mode(mode), file.Named("file " + folder)}
		if s.Group != nil {
			options = append(options, file.Group(*s.Group))
		}
		sink, err := file.New(targets[folder], options...)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, sink)
	}
	return sinks, nil
}

func newTarget(s settings.Settings, f settings.File) (file.Target, error) {
	path, err := filepath.Abs(f.Path)
	if err != nil {
		return file.Target{}, err
	}
	t := file.Target{Item: f.Item, Path: path, Token: f.Token}
	if item, ok := s.Find(f.Item); ok {
		t.Optional = item.Optional
	}
	if f.Mode != "" {
		if t.Mode, err = settings.FileMode(f.Mode); err != nil {
			return t, err
		}
	}
	name, text := f.Path, f.Template
	if f.TemplateFile != "" {
		body, err := os.ReadFile(f.TemplateFile)
		if err != nil {
			return t, problem.New(problem.Usage, "name an existing templateFile",
				"reading the template of %s: %w", f.Path, err)
		}
		name, text = f.TemplateFile, string(body)
	}
	if f.Item == "" {
		t.Template, err = template.Parse(name, text)
	}
	return t, err
}

// newLoopback exposes every whole document and secret.
func (a *Agent) newLoopback(c Config) (*loopback.Sink, error) {
	var exposed []loopback.Exposed
	for _, item := range c.Settings.Items {
		if !item.Whole() {
			continue
		}
		e := loopback.Exposed{Item: item.Name, Secret: item.Secret, Pinned: item.VersionID != "", Optional: item.Optional}
		if item.AppConfig != "" {
			names, err := settings.SplitAppConfig(item.AppConfig)
			if err != nil {
				return nil, err
			}
			e.Application, e.Environment, e.Profile = names[0], names[1], names[2]
		}
		exposed = append(exposed, e)
	}
	return loopback.New(loopback.Config{
		Expose: exposed, TokenFile: c.Settings.Loopback.TokenFile, AllowAnyone: c.Settings.Loopback.WithoutToken,
		Stale: a.engine.Stale, Refresh: a.engine.Refresh, Log: c.Log, Now: c.Now,
	})
}

func newProcess(c Config) (*process.Sink, error) {
	p := c.Settings.Process
	var variables []process.Variable
	for name, item := range p.Env {
		found, _ := c.Settings.Find(item)
		variables = append(variables, process.Variable{Name: name, Item: item, Optional: found.Optional})
	}
	stop, err := signalNamed(p.StopSignal)
	if err != nil {
		return nil, err
	}
	stagger := *p.Stagger
	if stagger == 0 {
		stagger = -1 // none
	}
	return process.New(process.Config{
		Command: p.Command, Variables: variables, Base: c.Environ, HideIdentity: !p.KeepAWS,
		Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr, Stop: stop, Grace: p.Grace, Stagger: stagger,
		Log: c.Log, Wait: c.Wait, Rand: c.Rand,
	})
}

// starter is the sink of a workload that may turn out not to be startable. The command will not be there later, either:
// that is for whoever wrote it to mend, and not to be tried for ever. A workload that has run keeps running.
type starter struct {
	*process.Sink

	started bool       // once; known to Apply alone
	failed  chan error // of size 1
}

// Apply is that of the sink.
func (s *starter) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	err := s.Sink.Apply(ctx, snapshot)
	if _, hopeless := process.ExitCode(err); hopeless && !s.started {
		select {
		case s.failed <- err:
		default: // it is known
		}
	}
	s.started = s.started || err == nil
	return err
}

// unstartable waits for the error that says that the workload cannot be started, or for the end of ctx.
func (s *starter) unstartable(ctx context.Context) error {
	select {
	case err := <-s.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func signalNamed(name string) (syscall.Signal, error) {
	if s := unix.SignalNum(name); s != 0 {
		return s, nil
	}
	return 0, problem.New(problem.Usage, "write it as SIGTERM", "%q is no signal", name)
}

func newHook(c Config) (*hook.Sink, error) {
	o := c.Settings.OnChange
	config := hook.Config{
		Command: o.Command, Base: c.Environ, Timeout: o.Timeout, PIDFile: o.PidFile, Process: o.ProcessName,
		AtStart: o.AtStart, Log: c.Log,
	}
	if o.Signal != "" {
		var err error
		if config.Signal, err = signalNamed(o.Signal); err != nil {
			return nil, err
		}
	}
	return hook.New(config)
}
