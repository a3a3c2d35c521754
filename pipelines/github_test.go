package pipelines_test

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// The parts of GitHub's workflow and action files that these files use.
type (
	workflow struct {
		On          trigger           `json:"true"` // YAML 1.1 takes the key "on" for a boolean
		Permissions map[string]string `json:"permissions"`
		Defaults    struct {
			Run struct {
				Shell string `json:"shell"`
			} `json:"run"`
		} `json:"defaults"`
		Jobs map[string]job `json:"jobs"`
	}
	trigger struct {
		Call *struct {
			Inputs map[string]struct {
				Type     string `json:"type"`
				Required bool   `json:"required"`
				Default  string `json:"default"`
			} `json:"inputs"`
		} `json:"workflow_call"`
	}
	job struct {
		Needs       names             `json:"needs"`
		If          string            `json:"if"`
		Environment string            `json:"environment"`
		Permissions map[string]string `json:"permissions"`
		Outputs     map[string]string `json:"outputs"`
		Timeout     int               `json:"timeout-minutes"`
		Strategy    struct {
			Matrix map[string][]string `json:"matrix"`
		} `json:"strategy"`
		Steps []step `json:"steps"`
	}
	step struct {
		ID    string            `json:"id"`
		Name  string            `json:"name"`
		Uses  string            `json:"uses"`
		With  map[string]any    `json:"with"`
		Env   map[string]string `json:"env"`
		Shell string            `json:"shell"`
		Run   string            `json:"run"`
	}
	action struct {
		Inputs map[string]struct {
			Default string `json:"default"`
		} `json:"inputs"`
		Runs struct {
			Using string `json:"using"`
			Steps []step `json:"steps"`
		} `json:"runs"`
	}
	names []string
)

// UnmarshalJSON reads one name or a list of them.
func (n *names) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*n = names{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(n))
}

func load(t *testing.T, file string, into any) string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return string(body)
}

// hub stands in for GitHub: it keeps artifacts, and gives the tokens of jobs to whoever shows the job's credential.
type hub struct {
	*account
	workflow  workflow
	action    action
	project   string // what a checkout of the team's repository gives
	artifacts string
	url       string
	mu        sync.Mutex
	subjects  map[string]string // of tokens, by the job's credential
}

const (
	pin          = "0123456789abcdef0123456789abcdef01234567"
	repositoryAt = "repo:acme/charts:"
)

func newHub(t *testing.T, project string) *hub {
	t.Helper()
	needs(t, "bash", "curl", "jq", "go")
	h := &hub{project: project, artifacts: t.TempDir(), subjects: map[string]string{}}
	h.account = newAccount(t, map[string]string{
		"uat": repositoryAt + "environment:uat", "prod": repositoryAt + "environment:prod",
	})
	load(t, "github/charts.yml", &h.workflow)
	load(t, "github/action.yml", &h.action)
	server := httptest.NewServer(http.HandlerFunc(h.serveToken))
	t.Cleanup(server.Close)
	h.url = server.URL + "/token?api-version=2.0"
	return h
}

// serveToken answers as GitHub's token service does.
func (h *hub) serveToken(w http.ResponseWriter, r *http.Request) {
	credential, _ := strings.CutPrefix(r.Header.Get("Authorization"), "bearer ")
	h.mu.Lock()
	subject, ok := h.subjects[credential]
	h.mu.Unlock()
	if !ok {
		http.Error(w, "no such job", http.StatusUnauthorized)
		return
	}
	token, err := h.issuer.Token(subject, r.URL.Query().Get("audience"), 5*time.Minute, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"count": len(token), "value": token})
}

// run is one run of the workflow.
type run struct {
	*hub
	event   string            // push or pull_request
	as      map[string]string // whose environment a job pretends to have, by job; for intruders
	context map[string]string // inputs and outputs of jobs
	status  map[string]string // success, failure or skipped, by job
	output  strings.Builder
}

// run runs the workflow's jobs in order, as GitHub would for an event on the default branch.
func (h *hub) run(t *testing.T, event string, as map[string]string) *run {
	t.Helper()
	r := &run{hub: h, event: event, as: as, context: map[string]string{}, status: map[string]string{}}
	given := map[string]string{
		"pinnace": pin, "charts": "charts/opentelemetry\ncharts/web\n", "region": h.Region(),
		"uat-role-arn": h.roles["uat"], "prod-role-arn": h.roles["prod"],
	}
	for name, input := range h.workflow.On.Call.Inputs {
		value, ok := given[name]
		if !ok && input.Required {
			t.Fatalf("the workflow wants an input %s", name)
		}
		if !ok {
			value = input.Default
		}
		r.context["inputs."+name] = value
	}
	for len(r.status) < len(h.workflow.Jobs) {
		before := len(r.status)
		for name, j := range h.workflow.Jobs {
			if r.status[name] == "" && !slices.ContainsFunc(j.Needs, func(n string) bool { return r.status[n] == "" }) {
				r.status[name] = r.job(t, name, j)
			}
		}
		if len(r.status) == before {
			t.Fatal("the jobs wait for each other")
		}
	}
	return r
}

// wanted tells whether a job runs, by its condition. One that is not known here ends the test.
func (r *run) wanted(t *testing.T, j job) bool {
	t.Helper()
	all := func(want ...string) bool {
		return !slices.ContainsFunc(j.Needs, func(n string) bool { return !slices.Contains(want, r.status[n]) })
	}
	switch j.If {
	case "":
		return all("success")
	case "${{ !failure() && !cancelled() }}":
		return all("success", "skipped")
	case `contains(fromJSON('["push", "workflow_dispatch"]'), github.event_name) ` +
		`&& github.ref_name == github.event.repository.default_branch`:
		return all("success") && r.event == "push"
	}
	t.Fatalf("nothing is known of the condition %q", j.If)
	return false
}

// job runs a job once for each combination of its matrix, which has one dimension at most.
func (r *run) job(t *testing.T, name string, j job) (status string) {
	t.Helper()
	if !r.wanted(t, j) {
		return "skipped"
	}
	variants := []map[string]string{{}}
	for dimension, values := range j.Strategy.Matrix {
		variants = nil
		for _, v := range values {
			variants = append(variants, map[string]string{"matrix." + dimension: v})
		}
	}
	for _, matrix := range variants {
		m := r.newMachine(t, name, j)
		maps.Copy(m.context, matrix)
		for _, s := range j.Steps {
			if err := m.step(t, s); err != nil {
				fmt.Fprintf(&r.output, "%s: %v\n", name, err)
				return "failure"
			}
		}
		for output, text := range j.Outputs {
			r.context["needs."+name+".outputs."+output] = fill(t, text, m.context)
		}
	}
	return "success"
}

// runner is the fresh machine of one job.
type runner struct {
	*run
	workspace, temp string
	shell           string
	env             map[string]string
	context         map[string]string
	inAction        string // its folder, while a composite action runs
}

func (r *run) newMachine(t *testing.T, name string, j job) *runner {
	t.Helper()
	dir := t.TempDir()
	m := &runner{
		run: r, workspace: filepath.Join(dir, "work"), temp: filepath.Join(dir, "temp"),
		shell: r.workflow.Defaults.Run.Shell, context: maps.Clone(r.context),
	}
	for _, folder := range []string{m.workspace, m.temp} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m.context["runner.temp"] = m.temp
	if program := filepath.Join(r.artifacts, "pinnace", "pinnace"); name == "check" && exists(program) {
		link(t, program, filepath.Join(m.temp, "pinnace", "pinnace")) // an earlier run has built it
	}
	m.env = machine(r.account, dir)
	maps.Copy(m.env, map[string]string{"RUNNER_TEMP": m.temp, "GITHUB_WORKSPACE": m.workspace, "GITHUB_RUN_ID": "42"})
	if j.Permissions["id-token"] == "write" {
		subject := "ref:refs/heads/main"
		if j.Environment != "" {
			subject = "environment:" + cmp.Or(r.as[name], j.Environment)
		}
		credential := "fake-runner-credential-" + rand.Text()
		r.mu.Lock()
		r.subjects[credential] = repositoryAt + subject
		r.mu.Unlock()
		m.env["ACTIONS_ID_TOKEN_REQUEST_URL"], m.env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = r.url, credential
	}
	return m
}

// step runs one step of a job or of an action.
func (m *runner) step(t *testing.T, s step) error {
	t.Helper()
	if s.Uses != "" {
		return m.use(t, s)
	}
	flags := map[string][]string{"": {"-e"}, "bash": {"--noprofile", "--norc", "-eo", "pipefail"}}[cmp.Or(s.Shell, m.shell)]
	if flags == nil {
		t.Fatalf("nothing is known of the shell %q", s.Shell)
	}
	env := maps.Clone(m.env)
	maps.Copy(env, fillAll(t, s.Env, m.context))
	files := map[string]string{}
	for _, name := range []string{"GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"} {
		files[name] = filepath.Join(t.TempDir(), name)
		write(t, files[name], "")
	}
	maps.Copy(env, files)
	if m.inAction != "" {
		env["GITHUB_ACTION_PATH"] = m.inAction
	}
	out, err := shell(t, m.workspace, s.Run, env, flags...)
	m.output.WriteString(out)
	if err != nil {
		return fmt.Errorf("step %q: %w", s.Name, err)
	}
	maps.Copy(m.env, assignments(t, files["GITHUB_ENV"]))
	for _, dir := range lines(t, files["GITHUB_PATH"]) {
		m.env["PATH"] = dir + string(filepath.ListSeparator) + m.env["PATH"]
	}
	for name, value := range assignments(t, files["GITHUB_OUTPUT"]) {
		m.context["steps."+s.ID+".outputs."+name] = value
	}
	return nil
}

// use does what the known actions do.
func (m *runner) use(t *testing.T, s step) error {
	t.Helper()
	with := map[string]string{}
	for name, value := range s.With {
		with[name] = fill(t, fmt.Sprint(value), m.context)
	}
	name, _, _ := strings.Cut(s.Uses, "@")
	switch name {
	case "actions/checkout":
		m.checkout(t, with)
	case "actions/upload-artifact":
		m.upload(t, with["path"], filepath.Join(m.artifacts, with["name"]))
	case "actions/download-artifact":
		for _, file := range glob(t, filepath.Join(m.artifacts, with["name"], "*")) {
			link(t, file, filepath.Join(with["path"], filepath.Base(file)))
		}
	case "./.pinnace/pipelines/github":
		return m.compose(t, with)
	default:
		t.Fatalf("nothing is known of the action %s", s.Uses)
	}
	return nil
}

// upload keeps a file, or the content of a folder, in place of what an earlier run kept under that name.
func (m *runner) upload(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if !info.IsDir() {
		to = filepath.Join(to, filepath.Base(from))
		if exists(to) {
			return // it is a link to the very same
		}
	}
	copyPath(t, from, to)
}

// checkout gives the team's repository, or this one. A sparse one has what it asks for and nothing else.
func (m *runner) checkout(t *testing.T, with map[string]string) {
	t.Helper()
	source, to := m.project, filepath.Join(m.workspace, with["path"])
	if with["repository"] != "" {
		if with["repository"] != "pinnace-dev/pinnace" || with["ref"] != pin {
			t.Fatalf("checkout of %s at %s", with["repository"], with["ref"])
		}
		var err error
		if source, err = filepath.Abs(root); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, part := range glob(t, filepath.Join(source, cmp.Or(with["sparse-checkout"], "*"))) {
		if err := os.Symlink(part, filepath.Join(to, filepath.Base(part))); err != nil { // nothing writes into a checkout
			t.Fatal(err)
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("there is no %s: %v", pattern, err)
	}
	return found
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// link stands for a copy of a large file that nobody changes.
func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(from, to); err != nil {
		t.Fatal(err)
	}
}

// compose runs the steps of this project's composite action.
func (m *runner) compose(t *testing.T, with map[string]string) error {
	t.Helper()
	if m.action.Runs.Using != "composite" {
		t.Fatalf("the action is no composite one, but %q", m.action.Runs.Using)
	}
	inner := *m
	inner.inAction = filepath.Join(m.workspace, ".pinnace", "pipelines", "github")
	inner.context = map[string]string{}
	for name, input := range m.action.Inputs {
		inner.context["inputs."+name] = cmp.Or(with[name], input.Default)
	}
	for name := range with {
		if _, ok := m.action.Inputs[name]; !ok {
			t.Fatalf("the action has no input %s", name)
		}
	}
	for _, s := range m.action.Runs.Steps {
		if err := inner.step(t, s); err != nil {
			return err
		}
	}
	m.env = inner.env
	return nil
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(body), func(r rune) bool { return r == '\n' })
}

// assignments reads a file of NAME=VALUE and NAME<<END … END, as GitHub reads what steps leave in them.
func assignments(t *testing.T, file string) map[string]string {
	t.Helper()
	found := map[string]string{}
	all := lines(t, file)
	for i := 0; i < len(all); i++ {
		if name, end, ok := strings.Cut(all[i], "<<"); ok && !strings.Contains(name, "=") {
			var value []string
			for i++; i < len(all) && all[i] != end; i++ {
				value = append(value, all[i])
			}
			if i == len(all) {
				t.Fatalf("%s is not ended by %s", name, end)
			}
			found[name] = strings.Join(value, "\n")
			continue
		}
		name, value, ok := strings.Cut(all[i], "=")
		if !ok {
			t.Fatalf("%q assigns nothing", all[i])
		}
		found[name] = value
	}
	return found
}
