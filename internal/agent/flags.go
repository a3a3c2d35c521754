package agent

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/file"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/appconfig"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// parse reads the flags of a verb. Each flag that is not given is taken from the environment, PINNACE_POLL_INTERVAL for
// --poll-interval; the lists are PINNACE_FILES and PINNACE_TOKEN_FILES, separated by commas or white space.
func parse(verb string, args []string, getenv func(string) string) (Config, slog.Level, error) {
	c := Config{Mode: file.DefaultMode, PollInterval: appconfig.DefaultPollInterval, Getenv: getenv}
	var level slog.Level
	set := flag.NewFlagSet(verb, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Func("appconfig", "", func(s string) error { return parseNames(&c, s) })
	set.Func("file", "", func(s string) error { return addFile(&c, s, false) })
	set.Func("token-file", "", func(s string) error { return addFile(&c, s, true) })
	set.Func("mode", "", func(s string) (err error) {
		c.Mode, err = parseMode(s)
		return err
	})
	set.DurationVar(&c.PollInterval, "poll-interval", c.PollInterval, "")
	set.BoolVar(&c.Once, "once", false, "")
	set.BoolVar(&c.AllowStatic, "allow-static-credentials", false, "")
	set.TextVar(&level, "log-level", slog.LevelInfo, "")
	hint := "see: pinnace-agent help"
	if err := set.Parse(args); err != nil {
		return c, level, problem.New(problem.Usage, hint, "%s: %w", verb, err)
	}
	if set.NArg() > 0 {
		return c, level, problem.New(problem.Usage, hint, "%s takes no arguments, but got %q", verb, set.Arg(0))
	}
	return c, level, fill(set, getenv)
}

// fill sets what the command line left out.
func fill(set *flag.FlagSet, getenv func(string) string) error {
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var failed error
	set.VisitAll(func(f *flag.Flag) {
		name := "PINNACE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := getenv(name)
		values := []string{value}
		if strings.HasSuffix(f.Name, "file") {
			name += "S"
			values = strings.FieldsFunc(getenv(name), func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
		}
		for _, value := range values {
			if given[f.Name] || value == "" || failed != nil {
				continue
			}
			if err := set.Set(f.Name, value); err != nil {
				failed = problem.New(problem.Usage, "see: pinnace-agent help", "%s: %w", name, err)
			}
		}
	})
	return failed
}

func parseNames(c *Config, s string) error {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return fmt.Errorf("write it as APPLICATION/ENVIRONMENT/PROFILE")
	}
	c.Application, c.Environment, c.Profile = parts[0], parts[1], parts[2]
	return nil
}

func addFile(c *Config, s string, token bool) error {
	path, item, _ := strings.Cut(s, "=")
	if path == "" || item == "" {
		return fmt.Errorf("write it as PATH=FIELD")
	}
	c.Files = append(c.Files, FileTarget{Item: item, Path: path, Token: token})
	return nil
}

func parseMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n == 0 || n > 0o777 {
		return 0, fmt.Errorf("write it in octal, as 0440")
	}
	return fs.FileMode(n), nil
}
