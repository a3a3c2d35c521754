package agent

import (
	"context"
	"log/slog"
	"os"

	"github.com/pinnace-dev/pinnace/internal/agent/settings"
)

// run delivers and follows changes.
func run(ctx context.Context, p Program, args []string) error {
	s, err := settings.Parse("run", args, p.Getenv)
	if err != nil {
		return err
	}
	c := p.config(s)
	c.Log = slog.New(slog.NewJSONHandler(p.Stderr, &slog.HandlerOptions{Level: s.Level()}))
	a, err := New(ctx, c)
	if err != nil {
		return err
	}
	announce(ctx, c)
	return a.Run(ctx)
}

// config is that of an agent in these surroundings.
func (p Program) config(s settings.Settings) Config {
	c := Config{Settings: s, Getenv: p.Getenv, Environ: p.Environ, Stdin: p.Stdin, Wait: p.Wait, Now: p.Now}
	c.Stdout, _ = p.Stdout.(*os.File)
	c.Stderr, _ = p.Stderr.(*os.File)
	return c
}

// announce says what the agent is about to do. Nothing of it is secret: it is in the pod's manifest.
func announce(ctx context.Context, c Config) {
	s := c.Settings
	var sources, files []string
	for _, g := range s.Groups() {
		sources = append(sources, g.Name())
	}
	for _, f := range s.Files {
		files = append(files, f.Path)
	}
	attributes := []slog.Attr{
		slog.String("version", version()), slog.Any("sources", sources), slog.Int("items", len(s.Items)),
		slog.Any("files", files), slog.Bool("once", s.Once),
	}
	if role := c.Getenv("AWS_ROLE_ARN"); role != "" { // with Pod Identity the agent of EKS knows it
		attributes = append(attributes, slog.String("role", role))
	}
	if s.Loopback != nil {
		attributes = append(attributes, slog.String("loopback", s.Loopback.Address))
	}
	if s.Process != nil {
		attributes = append(attributes, slog.String("command", s.Process.Command[0]))
	}
	c.Log.LogAttrs(ctx, slog.LevelInfo, "agent started", attributes...)
}
