package settings

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

const seeHelp = "see: pinnace-agent help"

// whole is what the item is called that a flag takes without a field: all of the configuration or the secret.
const whole = "whole"

// lists are the flags that may be repeated, and their variables, which hold several, separated by commas or white
// space.
var lists = map[string]string{
	"item": "PINNACE_ITEMS", "file": "PINNACE_FILES", "token-file": "PINNACE_TOKEN_FILES", "env": "PINNACE_ENV",
}

// Parse reads the flags of a verb. Each flag that is not given is taken from the environment, PINNACE_POLL_INTERVAL for
// --poll-interval. With --config the file is read, and flags say more only about the whole; without it they name one
// configuration or one secret, and every field of it that is mentioned is an item. What follows -- is the command of a
// process. The result is filled and checked; errors are of kind Usage, or flag.ErrHelp.
func Parse(verb string, args []string, getenv func(string) string) (Settings, error) {
	p := &parser{set: flag.NewFlagSet(verb, flag.ContinueOnError)}
	p.set.SetOutput(io.Discard)
	p.define()
	if err := p.set.Parse(args); err != nil {
		return Settings{}, problem.New(problem.Usage, seeHelp, "%s: %w", verb, err)
	}
	if err := p.environment(getenv); err != nil {
		return Settings{}, err
	}
	if p.set.NArg() > 0 {
		if !slices.Contains(args, "--") {
			return Settings{}, problem.New(problem.Usage, "put -- before a command, or "+seeHelp,
				"%s takes no arguments, but got %q", verb, p.set.Arg(0))
		}
		p.process.Command = p.set.Args()
	}
	switch {
	case p.config != "":
		return p.fromFile()
	case verb == "ready": // which looks at the files, wherever their content comes from
		p.settings.Items = p.items()
		p.settings.fill()
		return p.settings, nil
	}
	return p.fromFlags()
}

// parser holds what the flags said.
type parser struct {
	set    *flag.FlagSet
	config string

	origin   Item // what every item has in common
	fields   []string
	settings Settings
	process  Process
	stagger  time.Duration
	loopback Loopback
	change   OnChange
	status   Status

	detail []string // flags that were given and say more than --config lets them
}

// define binds the flags. Those of the first group go with --config too.
func (p *parser) define() {
	s, set := &p.settings, p.set
	set.StringVar(&p.config, "config", "", "")
	set.DurationVar(&s.PollInterval, "poll-interval", 0, "")
	set.IntVar(&s.CallsPerHour, "calls-per-hour", 0, "")
	set.BoolVar(&s.Once, "once", false, "")
	set.BoolVar(&s.AllowStaticCredentials, "allow-static-credentials", false, "")
	set.StringVar(&s.LogLevel, "log-level", "", "")
	set.StringVar(&p.status.Address, "status", "", "")

	set.StringVar(&p.origin.AppConfig, "appconfig", "", "")
	set.BoolVar(&p.origin.Verbatim, "verbatim", false, "")
	set.StringVar(&p.origin.Secret, "secret", "", "")
	set.StringVar(&p.origin.VersionStage, "version-stage", "", "")
	set.StringVar(&p.origin.VersionID, "version-id", "", "")
	set.StringVar(&p.origin.Role, "role", "", "")
	set.StringVar(&p.origin.ExternalID, "external-id", "", "")
	set.StringVar(&p.origin.Region, "region", "", "")
	set.BoolVar(&p.origin.Optional, "optional", false, "")
	set.DurationVar(&s.MaxAge, "max-age", 0, "")
	set.Func("item", "", func(field string) error { p.field(field); return nil })
	set.Func("file", "", func(v string) error { return p.addFile(v, false) })
	set.Func("token-file", "", func(v string) error { return p.addFile(v, true) })
	set.Func("template", "", p.addTemplate)
	set.StringVar(&s.Mode, "mode", "", "")
	set.Func("group", "", func(v string) error {
		n, err := strconv.Atoi(v)
		s.Group = &n
		return err
	})
	set.Func("env", "", p.addEnv)
	set.DurationVar(&p.stagger, "stagger", DefaultStagger, "")
	set.DurationVar(&p.process.Grace, "grace", 0, "")
	set.StringVar(&p.process.StopSignal, "stop-signal", "", "")
	set.BoolVar(&p.process.KeepAWS, "keep-aws", false, "")
	set.StringVar(&p.loopback.Address, "loopback", "", "")
	set.StringVar(&p.loopback.TokenFile, "loopback-token-file", "", "")
	set.BoolVar(&p.loopback.WithoutToken, "loopback-without-token", false, "")
	set.StringVar(&p.change.Signal, "signal", "", "")
	set.StringVar(&p.change.PidFile, "signal-pid-file", "", "")
	set.StringVar(&p.change.ProcessName, "signal-process", "", "")
	set.Func("on-change", "", func(v string) error {
		p.change.Command = strings.Fields(v)
		return nil
	})
	set.DurationVar(&p.change.Timeout, "on-change-timeout", 0, "")
	set.BoolVar(&p.change.AtStart, "on-change-at-start", false, "")
}

// ofTheWhole are the flags that may stand beside --config.
var ofTheWhole = []string{
	"config", "poll-interval", "calls-per-hour", "once", "allow-static-credentials", "log-level", "status",
}

// FromEnvironment sets the flags that the command line left out: PINNACE_POLL_INTERVAL for --poll-interval. An error is
// of kind Usage.
func FromEnvironment(set *flag.FlagSet, getenv func(string) string) error {
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var failed error
	set.VisitAll(func(f *flag.Flag) {
		name, isList := lists[f.Name]
		if !isList {
			name = "PINNACE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		}
		values := []string{getenv(name)}
		if isList {
			values = strings.FieldsFunc(values[0], func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
		}
		for _, value := range values {
			if given[f.Name] || value == "" || failed != nil {
				continue
			}
			if err := set.Set(f.Name, value); err != nil {
				failed = problem.New(problem.Usage, seeHelp, "%s: %w", name, err)
			}
		}
	})
	return failed
}

// environment sets what the command line left out, and notes what was said that --config has no room for.
func (p *parser) environment(getenv func(string) string) error {
	failed := FromEnvironment(p.set, getenv)
	p.set.Visit(func(f *flag.Flag) {
		if !slices.Contains(ofTheWhole, f.Name) {
			p.detail = append(p.detail, "--"+f.Name)
		}
	})
	return failed
}

// fromFile is the file, and what flags and variables say of the whole.
func (p *parser) fromFile() (Settings, error) {
	if len(p.detail) > 0 || len(p.process.Command) > 0 {
		return Settings{}, problem.New(problem.Usage, "say it in the file, or leave --config out",
			"beside --config there is %s", strings.Join(append(p.detail, p.process.Command...), " "))
	}
	s, err := Load(p.config)
	if err != nil {
		return s, err
	}
	p.set.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "poll-interval":
			s.PollInterval = p.settings.PollInterval
		case "calls-per-hour":
			s.CallsPerHour = p.settings.CallsPerHour
		case "once":
			s.Once = p.settings.Once
		case "allow-static-credentials":
			s.AllowStaticCredentials = p.settings.AllowStaticCredentials
		case "log-level":
			s.LogLevel = p.settings.LogLevel
		case "status":
			s.Status = &p.status
		}
	})
	return s, s.finish()
}

// fromFlags makes items of the one configuration or secret.
func (p *parser) fromFlags() (Settings, error) {
	s := p.settings
	if len(p.fields) == 0 && p.loopback.Address != "" {
		p.field("")
	}
	s.Items = p.items()
	if len(p.process.Command) > 0 || len(p.process.Env) > 0 {
		p.process.Stagger = &p.stagger
		s.Process = &p.process
	}
	if p.loopback != (Loopback{}) {
		s.Loopback = &p.loopback
	}
	if p.change.Signal != "" || len(p.change.Command) > 0 || p.change.PidFile != "" || p.change.ProcessName != "" {
		s.OnChange = &p.change
	}
	if p.status.Address != "" {
		s.Status = &p.status
	}
	if p.origin.AppConfig == "" && p.origin.Secret == "" {
		return s, problem.New(problem.Usage, "name it with --appconfig or PINNACE_APPCONFIG, --secret or --config",
			"no configuration to follow")
	}
	if len(p.fields) == 0 {
		return s, problem.New(problem.Usage, "name files with --file or PINNACE_FILES, variables with --env, or what a "+
			"template takes with --item", "no field is named, nor anything to deliver it to")
	}
	return s, s.finish()
}

// items are the fields that were mentioned, as items.
func (p *parser) items() []Item {
	var items []Item
	for _, field := range p.fields {
		item := p.origin
		if item.Name = field; field == "" {
			item.Name = whole
		}
		if item.Secret != "" {
			item.Key = field
		} else {
			item.Field = field
		}
		items = append(items, item)
	}
	return items
}

// field notes that a field is needed, and answers its item's name.
func (p *parser) field(field string) string {
	if !slices.Contains(p.fields, field) {
		p.fields = append(p.fields, field)
	}
	if field == "" {
		return whole
	}
	return field
}

func (p *parser) addFile(s string, token bool) error {
	path, field, named := strings.Cut(s, "=")
	if path == "" || named && field == "" {
		return fmt.Errorf("write it as PATH=FIELD, or as PATH for the whole")
	}
	p.settings.Files = append(p.settings.Files, File{Path: path, Item: p.field(field), Token: token})
	return nil
}

func (p *parser) addTemplate(s string) error {
	path, from, _ := strings.Cut(s, "=")
	if path == "" || from == "" {
		return fmt.Errorf("write it as PATH=TEMPLATE-FILE")
	}
	p.settings.Files = append(p.settings.Files, File{Path: path, TemplateFile: from})
	return nil
}

func (p *parser) addEnv(s string) error {
	variable, field, named := strings.Cut(s, "=")
	if variable == "" || named && field == "" {
		return fmt.Errorf("write it as VARIABLE=FIELD, or as VARIABLE for the whole")
	}
	if p.process.Env == nil {
		p.process.Env = map[string]string{}
	}
	p.process.Env[variable] = p.field(field)
	return nil
}
