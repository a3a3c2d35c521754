package settings_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/agent/settings"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// everything has every field.
const everything = `
items:
- {name: private_key, appconfig: otel/prod/coralogix, field: private_key, maxAge: 12h}
- {name: document, appconfig: otel/prod/coralogix, optional: true}
- {name: db, secret: team/db, key: password, versionStage: AWSPREVIOUS}
- name: far
  secret: arn:aws:secretsmanager:eu-west-1:222233334444:secret:far-AbCdEf
  versionId: 11111111-1111-1111-1111-111111111111
  role: arn:aws:iam::222233334444:role/reader
  externalId: e-1
  region: eu-central-1
- {name: raw, appconfig: otel/prod/secret, verbatim: true}
files:
- {path: /run/keys/token, item: private_key, token: true, mode: "0400"}
- {path: /run/app/app.conf, template: 'password={{ .db }}'}
- {path: /run/app/other.conf, templateFile: /etc/app/other.tmpl}
mode: "0440"
group: 65532
process:
  command: [/app, --serve]
  env: {DB_PASSWORD: db}
  stagger: 0s
  grace: 10s
  stopSignal: SIGINT
  keepAWS: true
loopback: {address: "127.0.0.1:2772", tokenFile: /run/pinnace/token}
onChange: {signal: SIGHUP, pidFile: /run/app.pid, command: [/bin/true], timeout: 5s, atStart: true}
status: {address: ":9090"}
pollInterval: 60s
maxAge: 24h
callsPerHour: 500
allowStaticCredentials: true
logLevel: debug
`

func TestDecode(t *testing.T) {
	s, err := settings.Decode("f", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	if s.Items[0].MaxAge != 12*time.Hour || s.Items[1].MaxAge != 24*time.Hour || !s.Items[1].Whole() || s.Items[2].Whole() {
		t.Errorf("items %+v", s.Items)
	}
	if s.Mode != "0440" || *s.Group != 65532 || *s.Process.Stagger != 0 || s.PollInterval != time.Minute {
		t.Errorf("%+v", s)
	}
	if mode, err := settings.FileMode(s.Files[0].Mode); err != nil || mode != 0o400 {
		t.Errorf("mode %v, %v", mode, err)
	}
	s, err = settings.Decode("f", []byte("items: [{name: a, secret: x}]\nprocess: {command: [x], env: {A: a}}"))
	if err != nil || s.PollInterval != settings.DefaultPollInterval || *s.Process.Stagger != settings.DefaultStagger ||
		s.Process.StopSignal != "SIGTERM" || s.Level().String() != "INFO" {
		t.Errorf("the defaults are %+v, %v", s, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	const file = "\nfiles: [{path: /f, item: a}]"
	for body, want := range map[string]string{
		"":                             "there are no items to deliver; name them under items, or with --appconfig or --secret",
		"itms: []":                     "line 1: unknown field itms; use one of: items, files, mode, group, process",
		"items: [{name: a, scret: x}]": "line 1: unknown field scret; use one of: name, appconfig, field, verbatim, secret",
		"items: [{secret: x}]":         `item 1 has the name ""`,
		"items: [{name: a}]":           "item a: where it comes from is not said, or said twice",
		"items: [{name: a, secret: x, appconfig: a/b/c}]":                                                                       "said twice; name appconfig or secret",
		"items: [{name: a, appconfig: b/c}]":                                                                                    "item a: appconfig: \"b/c\" does not name",
		"items: [{name: a, appconfig: a/b/c, key: k}]":                                                                          "said of a configuration",
		"items: [{name: a, secret: x, verbatim: true}]":                                                                         "verbatim belongs to a configuration",
		"items: [{name: a, secret: x, field: f}]":                                                                               "use key for a member",
		"items: [{name: a, secret: x, versionStage: AWSPENDING}]":                                                               "AWSPENDING is not delivered",
		"items: [{name: a, secret: x, versionStage: B, versionId: C}]":                                                          "exclude each other",
		"items: [{name: a, secret: x, role: reader}]":                                                                           "arn:aws:iam::123456789012:role/NAME",
		"items: [{name: a, secret: x, externalId: e}]":                                                                          "without a role",
		"items: [{name: a, secret: x, maxAge: -1s}]":                                                                            "is negative",
		"items: [{name: a, secret: x}, {name: a, secret: y}]":                                                                   "item a is there twice",
		"items: [{name: a, secret: x}]":                                                                                         "not delivered to anything",
		"items: [{name: a, secret: x}]\nfiles: [{path: /f, item: b}]":                                                           "file /f wants item b, which is not among the items; use one of: a",
		"items: [{name: a, secret: x}]\nfiles: [{path: /f}]":                                                                    "what goes into file /f is not said",
		"items: [{name: a, secret: x}]\nfiles: [{item: a}]":                                                                     "file 1 has no path",
		"items: [{name: a, secret: x}]\nfiles: [{path: /f, item: a}, {path: /f, item: a}]":                                      "file /f is a target twice",
		"items: [{name: a, secret: x}]\nfiles: [{path: /f, item: a, mode: rw}]":                                                 "file /f: mode \"rw\" is none",
		"items: [{name: a, secret: x}]\nmode: \"999\"" + file:                                                                   "write it in octal",
		"items: [{name: a, secret: x}]\npollInterval: 1s" + file:                                                                "out of range; choose 15s to 24h0m0s",
		"items: [{name: a, secret: x}]\nlogLevel: loud" + file:                                                                  `log level "loud" is none`,
		"items: [{name: a, secret: x}]\ncallsPerHour: -1" + file:                                                                "negative",
		"items: [{name: a, secret: x}]\nprocess: {env: {A: a}}":                                                                 "process has no command",
		"items: [{name: a, secret: x}]\nprocess: {command: [x]}":                                                                "process has no variables",
		"items: [{name: a, secret: x}]\nprocess: {command: [x], env: {A: b}}":                                                   "variable A wants item b",
		"items: [{name: a, secret: x}]\nonce: true\nprocess: {command: [x], env: {A: a}}":                                       "once and process exclude",
		"items: [{name: a, secret: x}]\nloopback: {address: \"0.0.0.0:1\"}":                                                     "none of this machine's own",
		"items: [{name: a, secret: x}]\nloopback: {address: \"127.0.0.1:1\"}":                                                   "whether callers of loopback need a token",
		"items: [{name: a, secret: x, key: k}]\nloopback: {address: \"127.0.0.1:1\", withoutToken: true}":                       "no item is whole",
		"items: [{name: a, secret: x}]\ngroup: -5" + file:                                                                       "group -5 is none",
		"items: [{name: a, secret: x, maxAge: 59s}]" + file:                                                                     "item a: maxAge 59s is less than two polls; choose 1m0s or more",
		"items: [{name: a, secret: x}]\nmaxAge: 1h\npollInterval: 40m" + file:                                                   "choose 1h20m0s or more",
		"items: [{name: a, secret: x}, {name: b, secret: y}]" + file:                                                            "item b is not delivered to anything; name it in a file",
		"items: [{name: a, secret: x}, {name: b, secret: y, key: k}]\nloopback: {address: \"127.0.0.1:1\", withoutToken: true}": "item b is not delivered to anything",
		"items: [{name: a, secret: x}]\nloopback: {address: \"127.0.0.1:1, 10.0.0.1:2\", withoutToken: true}":                   `loopback address "10.0.0.1:2" is none`,
		"items: [{name: a, secret: x}]\nonChange: {}" + file:                                                                    "onChange does nothing",
		"items: [{name: a, secret: x}]\nonChange: {signal: SIGHUP}" + file:                                                      "which signal goes to whom",
		"items: [{name: a, secret: x}]\nstatus: {}" + file:                                                                      "status has no address",
	} {
		_, err := settings.Decode("f", []byte(body))
		if err == nil || problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error()+"; "+problem.HintOf(err), want) {
			t.Errorf("%q: %v; %s", body, err, problem.HintOf(err))
		}
	}
}

// What goes to a file, a variable or the loopback address is used, and of templates nobody knows.
func TestDecodeTakes(t *testing.T) {
	for _, body := range []string{
		"items: [{name: a, secret: x}, {name: b, secret: y}]\nfiles: [{path: /f, item: a}]\nprocess: {command: [x], env: {B: b}}",
		"items: [{name: a, secret: x}, {name: b, secret: y}]\nfiles: [{path: /f, item: a}]\nloopback: {address: \"127.0.0.1:1,[::1]:2\", withoutToken: true}",
		"items: [{name: a, secret: x}, {name: b, secret: y}]\nfiles: [{path: /f, item: a}, {path: /g, template: t}]",
		"items: [{name: a, secret: x, maxAge: 30s}]\npollInterval: 15s\nfiles: [{path: /f, item: a}]",
	} {
		if _, err := settings.Decode("f", []byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// The one-item case says the same by flags, by variables and by a file.
func TestParse(t *testing.T) {
	group := 5
	stagger := time.Second
	want := settings.Settings{
		Items: []settings.Item{
			{Name: "privateKey", Secret: "team/key", Key: "privateKey", VersionStage: "AWSPREVIOUS", Role: "arn:aws:iam::222233334444:role/r", ExternalID: "e", Region: "eu-west-3", Optional: true, MaxAge: time.Hour},
			{Name: "user", Secret: "team/key", Key: "user", VersionStage: "AWSPREVIOUS", Role: "arn:aws:iam::222233334444:role/r", ExternalID: "e", Region: "eu-west-3", Optional: true, MaxAge: time.Hour},
			{Name: "whole", Secret: "team/key", VersionStage: "AWSPREVIOUS", Role: "arn:aws:iam::222233334444:role/r", ExternalID: "e", Region: "eu-west-3", Optional: true, MaxAge: time.Hour},
		},
		Files: []settings.File{
			{Path: "/f", Item: "privateKey"},
			{Path: "/w", Item: "whole"},
			{Path: "/t", Item: "privateKey", Token: true},
			{Path: "/c", TemplateFile: "/c.tmpl"},
		},
		Mode: "0400", Group: &group,
		Process:  &settings.Process{Command: []string{"app", "-x"}, Env: map[string]string{"K": "privateKey", "U": "user"}, Stagger: &stagger, Grace: 2 * time.Second, StopSignal: "SIGINT", KeepAWS: true},
		Loopback: &settings.Loopback{Address: "127.0.0.1:2773", TokenFile: "/token"},
		OnChange: &settings.OnChange{Signal: "SIGHUP", ProcessName: "nginx", Command: []string{"a", "b"}, Timeout: time.Second, AtStart: true},
		Status:   &settings.Status{Address: ":9090"}, PollInterval: time.Minute, MaxAge: time.Hour, CallsPerHour: 9,
		AllowStaticCredentials: true, LogLevel: "debug",
	}
	flags := []string{
		"--secret=team/key", "--version-stage=AWSPREVIOUS", "--role=arn:aws:iam::222233334444:role/r", "--external-id=e",
		"--region=eu-west-3", "--optional", "--max-age=1h", "--item=privateKey", "--file=/f=privateKey", "--env=K=privateKey",
		"--env=U=user", "--file=/w", "--token-file=/t=privateKey", "--template=/c=/c.tmpl", "--mode=0400", "--group=5",
		"--stagger=1s", "--grace=2s", "--stop-signal=SIGINT", "--keep-aws", "--loopback=127.0.0.1:2773",
		"--loopback-token-file=/token", "--signal=SIGHUP", "--signal-process=nginx", "--on-change=a b", "--on-change-timeout=1s",
		"--on-change-at-start", "--status=:9090", "--poll-interval=60s", "--calls-per-hour=9", "--allow-static-credentials",
		"--log-level=debug",
	}
	got, err := settings.Parse("run", append(flags, "--", "app", "-x"), environment())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by flags (-want +got)\n%s", diff)
	}

	var variables []string
	lists := map[string]string{"item": "ITEMS", "file": "FILES", "token-file": "TOKEN_FILES"}
	values := map[string]string{}
	for _, f := range flags {
		name, value, ok := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		if !ok {
			value = "true"
		}
		variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if list, ok := lists[name]; ok {
			variable = list
		}
		values[variable] = strings.TrimPrefix(values[variable]+", "+value, ", ")
	}
	for name, value := range values {
		variables = append(variables, "PINNACE_"+name, value)
	}
	got, err = settings.Parse("run", []string{"--", "app", "-x"}, environment(variables...))
	if err != nil {
		t.Fatal(err)
	}
	sortItems := cmp.Transformer("items", func(items []settings.Item) map[string]settings.Item {
		byName := map[string]settings.Item{}
		for _, item := range items {
			byName[item.Name] = item
		}
		return byName
	})
	sortFiles := cmp.Transformer("files", func(files []settings.File) map[string]settings.File {
		byPath := map[string]settings.File{}
		for _, f := range files {
			byPath[f.Path] = f
		}
		return byPath
	})
	if diff := cmp.Diff(want, got, sortItems, sortFiles); diff != "" {
		t.Errorf("by variables (-want +got)\n%s", diff)
	}
}

func TestParseWithAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(everything), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Parse("run", []string{"--poll-interval=2m", "--log-level=warn"}, environment("PINNACE_CONFIG", path, "PINNACE_STATUS", ":1"))
	if err != nil || s.PollInterval != 2*time.Minute || s.LogLevel != "warn" || s.Status.Address != ":1" || len(s.Items) != 5 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, args := range [][]string{{"--config", path, "--file=/x=y"}, {"--config", path, "--", "app"}} {
		if _, err := settings.Parse("run", args, environment()); problem.KindOf(err) != problem.Usage ||
			!strings.Contains(err.Error(), "beside --config there is ") {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := settings.Parse("run", []string{"--config", path + "x"}, environment()); problem.KindOf(err) != problem.Usage {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"":                                   "name it with --appconfig or PINNACE_APPCONFIG, --secret or --config",
		"--appconfig=a/b/c":                  "name files with --file or PINNACE_FILES",
		"--appconfig=a/b --file=/f=x":        "APPLICATION/ENVIRONMENT/PROFILE",
		"--appconfig=a/b/c --file=/f=":       "write it as PATH=FIELD",
		"--appconfig=a/b/c --file==x":        "write it as PATH=FIELD",
		"--appconfig=a/b/c --env=A= -- x":    "write it as VARIABLE=FIELD",
		"--appconfig=a/b/c --template=/t":    "write it as PATH=TEMPLATE-FILE",
		"--appconfig=a/b/c --file=/f=x more": "put -- before a command",
		"--poll-interval=often":              "see: pinnace-agent help",
		"--group=staff":                      "see: pinnace-agent help",
		"--nothing":                          "see: pinnace-agent help",
	} {
		_, err := settings.Parse("run", strings.Fields(line), environment())
		if err == nil || problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error()+"; "+problem.HintOf(err), want) {
			t.Errorf("%q: %v; %s", line, err, problem.HintOf(err))
		}
	}
	if _, err := settings.Parse("run", []string{"-h"}, environment()); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("help: %v", err)
	}
}

// Whatever the bytes, Decode says what is wrong or gives settings that its own checks take.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("items: [{name: a, secret: x}]\nfiles: [{path: /f, item: a}]"))
	f.Add([]byte("items: &a [*a]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := settings.Decode("f", body)
		if err != nil {
			if problem.KindOf(err) != problem.Usage {
				t.Errorf("%v is not of kind usage", err)
			}
			return
		}
		if len(s.Items) == 0 || len(s.Files) == 0 && s.Process == nil && s.Loopback == nil {
			t.Errorf("settings without a purpose were taken: %+v", s)
		}
		for _, file := range s.Files {
			if _, ok := s.Find(file.Item); file.Item != "" && !ok {
				t.Errorf("file %s has an item that is not there", file.Path)
			}
		}
	})
}

func TestGroups(t *testing.T) {
	s, err := settings.Decode("f", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range s.Groups() {
		names = append(names, g.Name())
	}
	want := []string{
		"appconfig otel/prod/coralogix", "secretsmanager",
		"secretsmanager in eu-central-1 as arn:aws:iam::222233334444:role/reader (e-1)",
		"appconfig otel/prod/secret verbatim",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if followed, pinned := s.Groups()[2].Secrets(); len(followed) != 0 || len(pinned) != 1 {
		t.Errorf("followed %v, pinned %v", followed, pinned)
	}
}
