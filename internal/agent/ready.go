package agent

import (
	"context"
	"os"

	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// ready is for probes of images without a shell: it looks at the files alone.
func ready(_ context.Context, p Program, args []string) error {
	s, err := settings.Parse("ready", args, p.Getenv)
	if err != nil {
		return err
	}
	const hint = "look at the log of the agent"
	needed := 0
	for _, f := range s.Files {
		if item, ok := s.Find(f.Item); ok && item.Optional {
			continue
		}
		needed++
		info, err := os.Stat(f.Path)
		if err != nil {
			return problem.New(problem.Failed, hint, "not ready: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() == 0 {
			return problem.New(problem.Failed, hint, "not ready: %s is empty or no file", f.Path)
		}
	}
	if needed == 0 {
		return problem.New(problem.Usage, "name files, or ask /readyz of the status address",
			"there are no files to look at")
	}
	return nil
}
