package settings

import (
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// The poll intervals that AppConfig takes.
const (
	minPoll = 15 * time.Second
	maxPoll = 24 * time.Hour
)

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_./-]{1,256}$`)
	roleForm = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`)
)

func usage(hint, format string, args ...any) error {
	return problem.New(problem.Usage, hint, format, args...)
}

// check says the first thing that is wrong.
func (s *Settings) check() error {
	if len(s.Items) == 0 {
		return usage("name them under items, or with --appconfig or --secret", "there are no items to deliver")
	}
	seen := map[string]bool{}
	for i, item := range s.Items {
		if !nameForm.MatchString(item.Name) {
			return usage("give it a name of letters, digits and any of _./-", "item %d has the name %q", i+1, item.Name)
		}
		if seen[item.Name] {
			return usage("give each item a name of its own", "item %s is there twice", item.Name)
		}
		seen[item.Name] = true
		if err := item.check(); err != nil {
			return err
		}
	}
	checks := []func() error{
		s.checkFiles, s.checkProcess, s.checkLoopback, s.checkOnChange, s.checkNumbers, s.checkAges, s.checkUse,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkUse refuses items that go nowhere: they would cost calls, and keep the agent from being ready. What a template
// takes is seen only when it is filled.
func (s *Settings) checkUse() error {
	if len(s.Files) == 0 && s.Process == nil && s.Loopback == nil {
		return usage("name files, a process or a loopback address", "the items are not delivered to anything")
	}
	used := map[string]bool{}
	for _, f := range s.Files {
		if f.Item == "" {
			return nil
		}
		used[f.Item] = true
	}
	if s.Process != nil {
		for _, item := range s.Process.Env {
			used[item] = true
		}
	}
	for _, item := range s.Items {
		if used[item.Name] || s.Loopback != nil && item.Whole() {
			continue
		}
		return usage("name it in a file, a template or a variable, or remove it; loopback serves what is whole",
			"item %s is not delivered to anything", item.Name)
	}
	return nil
}

func (i Item) check() error {
	fail := func(hint, format string, args ...any) error {
		return usage(hint, "item "+i.Name+": "+format, args...)
	}
	switch {
	case (i.AppConfig == "") == (i.Secret == ""):
		return fail("name appconfig or secret, one of them", "where it comes from is not said, or said twice")
	case i.AppConfig != "" && (i.Key != "" || i.VersionStage != "" || i.VersionID != ""):
		return fail("remove key, versionStage and versionId, or name a secret",
			"what belongs to a secret is said of a configuration")
	case i.Secret != "" && i.Verbatim:
		return fail("remove it: what a secret holds is never looked into", "verbatim belongs to a configuration")
	case i.Secret != "" && i.Field != "":
		return fail("use key for a member of the secret's JSON", "field belongs to a configuration, not to a secret")
	case i.VersionStage != "" && i.VersionID != "":
		return fail("name one of them", "versionStage and versionId exclude each other")
	case i.VersionStage == "AWSPENDING":
		return fail("pin the version by versionId, or use AWSCURRENT",
			"stage AWSPENDING is not delivered, its version may be unfinished")
	case i.Role != "" && !roleForm.MatchString(i.Role):
		return fail("write it as arn:aws:iam::123456789012:role/NAME", "role %q is not the ARN of a role", i.Role)
	case i.ExternalID != "" && i.Role == "":
		return fail("name the role whose trust policy asks for it", "externalId is there without a role")
	case i.MaxAge < 0:
		return fail("write it as 24h", "maxAge %v is negative", i.MaxAge)
	}
	if i.AppConfig != "" {
		if _, err := SplitAppConfig(i.AppConfig); err != nil {
			return fail("write it as APPLICATION/ENVIRONMENT/PROFILE", "appconfig: %w", err)
		}
	}
	return nil
}

// SplitAppConfig takes APPLICATION/ENVIRONMENT/PROFILE apart.
func SplitAppConfig(s string) ([3]string, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return [3]string{}, fmt.Errorf("%q does not name an application, an environment and a profile", s)
	}
	return [3]string(parts), nil
}

func (s *Settings) checkFiles() error {
	if _, err := FileMode(s.Mode); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, f := range s.Files {
		if f.Path == "" {
			return usage("name the path", "file %d has no path", i+1)
		}
		given := slices.DeleteFunc([]string{f.Item, f.Template, f.TemplateFile}, func(s string) bool { return s == "" })
		if len(given) != 1 {
			return usage("name an item, a template or a templateFile, one of them",
				"what goes into file %s is not said, or said twice", f.Path)
		}
		if f.Item != "" {
			if err := s.needItem(f.Item, "file "+f.Path); err != nil {
				return err
			}
		}
		if _, err := FileMode(f.Mode); err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
		if seen[f.Path] {
			return usage("give each item a file of its own", "file %s is a target twice", f.Path)
		}
		seen[f.Path] = true
	}
	return nil
}

func (s *Settings) needItem(name, user string) error {
	if _, ok := s.Find(name); ok {
		return nil
	}
	var names []string
	for _, item := range s.Items {
		names = append(names, item.Name)
	}
	return usage("use one of: "+strings.Join(names, ", "), "%s wants item %s, which is not among the items", user, name)
}

func (s *Settings) checkProcess() error {
	p := s.Process
	if p == nil {
		return nil
	}
	switch {
	case len(p.Command) == 0 || p.Command[0] == "":
		return usage("name the command under process, or after -- on the command line", "process has no command")
	case len(p.Env) == 0:
		return usage("name them under env as VARIABLE: ITEM", "process has no variables")
	case s.Once:
		return usage("leave out one of them", "once and process exclude each other: a process has to be watched")
	case *p.Stagger < 0 || p.Grace < 0:
		return usage("write them as 30s", "stagger or grace of process is negative")
	}
	for variable, item := range p.Env {
		if err := s.needItem(item, "variable "+variable); err != nil {
			return err
		}
	}
	return nil
}

func (s *Settings) checkLoopback() error {
	l := s.Loopback
	if l == nil {
		return nil
	}
	for _, a := range l.Addresses() {
		if address, err := netip.ParseAddrPort(a); err != nil || !address.Addr().IsLoopback() {
			return usage("use 127.0.0.1:PORT or [::1]:PORT", "loopback address %q is none of this machine's own", a)
		}
	}
	switch {
	case (l.TokenFile == "") == !l.WithoutToken:
		return usage("name tokenFile, or say withoutToken: true", "whether callers of loopback need a token is not said")
	case s.Once:
		return usage("leave out one of them", "once and loopback exclude each other: what is served has to be kept")
	}
	if !slices.ContainsFunc(s.Items, Item.Whole) {
		return usage("leave out field or key of an item",
			"loopback serves whole documents and secrets, and no item is whole")
	}
	return nil
}

func (s *Settings) checkOnChange() error {
	c := s.OnChange
	if c == nil {
		return nil
	}
	targets := 0
	for _, t := range []string{c.PidFile, c.ProcessName} {
		if t != "" {
			targets++
		}
	}
	switch {
	case c.Signal == "" && len(c.Command) == 0:
		return usage("name a signal or a command", "onChange does nothing")
	case c.Signal != "" && targets != 1, c.Signal == "" && targets > 0:
		return usage("name signal with pidFile or with processName", "onChange does not say which signal goes to whom")
	}
	return nil
}

func (s *Settings) checkNumbers() error {
	switch {
	case s.PollInterval < minPoll || s.PollInterval > maxPoll:
		return usage(fmt.Sprintf("choose %v to %v", minPoll, maxPoll), "poll interval %v is out of range", s.PollInterval)
	case s.CallsPerHour < 0:
		return usage("choose 0 or more", "callsPerHour is negative")
	case s.MaxAge < 0:
		return usage("write it as 24h", "maxAge is negative")
	case s.Group != nil && *s.Group < 0:
		return usage("give the number of a group", "group %d is none", *s.Group)
	case new(slog.Level).UnmarshalText([]byte(s.LogLevel)) != nil:
		return usage("choose debug, info, warn or error", "log level %q is none", s.LogLevel)
	case s.Status != nil && s.Status.Address == "":
		return usage("name it as :9090", "status has no address")
	}
	return nil
}

// checkAges refuses what a single poll that fails, or comes a little late, would make stale.
func (s *Settings) checkAges() error {
	for _, item := range s.Items {
		if item.MaxAge > 0 && item.MaxAge < 2*s.PollInterval {
			return usage(fmt.Sprintf("choose %v or more, or a shorter pollInterval", 2*s.PollInterval),
				"item %s: maxAge %v is less than two polls", item.Name, item.MaxAge)
		}
	}
	return nil
}
