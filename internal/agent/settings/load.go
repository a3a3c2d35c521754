package settings

import (
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/strict"
)

// The defaults.
const (
	DefaultPollInterval = 30 * time.Second
	DefaultMode         = "0440"
	DefaultStagger      = 30 * time.Second
	DefaultGrace        = 25 * time.Second // within Kubernetes' 30
	DefaultTimeout      = 30 * time.Second
)

// reference is where the fields are described.
const reference = "docs/agent.md"

// Load reads a file as Decode does. One that cannot be read is a problem.Usage.
func Load(path string) (Settings, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return Settings{}, problem.New(problem.Usage, "name an existing file with --config or PINNACE_CONFIG",
			"reading the agent's configuration: %w", err)
	}
	return Decode(path, body)
}

// Decode reads the content of the file called name, fills the defaults and checks the whole. What is not understood is
// a problem.Usage that names the line or the field; nothing is ignored.
func Decode(name string, body []byte) (Settings, error) {
	var s Settings
	if err := strict.YAML(name, body, &s, reference); err != nil {
		return Settings{}, err
	}
	return s, s.finish()
}

// finish fills the defaults and checks.
func (s *Settings) finish() error {
	s.fill()
	return s.check()
}

func (s *Settings) fill() {
	if s.PollInterval == 0 {
		s.PollInterval = DefaultPollInterval
	}
	if s.Mode == "" {
		s.Mode = DefaultMode
	}
	if s.LogLevel == "" {
		s.LogLevel = "info"
	}
	for i := range s.Items {
		if s.Items[i].MaxAge == 0 {
			s.Items[i].MaxAge = s.MaxAge
		}
	}
	if p := s.Process; p != nil {
		if p.Stagger == nil {
			stagger := DefaultStagger
			p.Stagger = &stagger
		}
		if p.Grace == 0 {
			p.Grace = DefaultGrace
		}
		if p.StopSignal == "" {
			p.StopSignal = "SIGTERM"
		}
	}
	if c := s.OnChange; c != nil && c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
}

// Find gives the item of that name.
func (s Settings) Find(name string) (Item, bool) {
	for _, item := range s.Items {
		if item.Name == name {
			return item, true
		}
	}
	return Item{}, false
}

// Level is LogLevel as slog has it.
func (s Settings) Level() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // check has seen it
	return level
}

// FileMode is what a mode in octal means; "" is DefaultMode.
func FileMode(mode string) (os.FileMode, error) {
	if mode == "" {
		mode = DefaultMode
	}
	n, err := strconv.ParseUint(mode, 8, 32)
	if err != nil || n == 0 || n > 0o777 {
		return 0, problem.New(problem.Usage, "write it in octal, as 0440", "mode %q is none", mode)
	}
	return os.FileMode(n), nil
}
