package pipelines_test

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
