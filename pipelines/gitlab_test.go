package pipelines_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// The parts of a GitLab template that this one uses.
type (
	template struct {
		Inputs map[string]struct {
			Default string `json:"default"`
			Regex   string `json:"regex"`
		}
		Stages []string
		Jobs   map[string]gitlabJob // hidden ones included
	}
	gitlabJob struct {
		Extends      string            `json:"extends"`
		Stage        string            `json:"stage"`
		Image        string            `json:"image"`
		Timeout      string            `json:"timeout"`
		Environment  string            `json:"environment"`
		Variables    map[string]string `json:"variables"`
		BeforeScript []string          `json:"before_script"`
		Script       []string          `json:"script"`
		Needs        []string          `json:"needs"`
		IDTokens     map[string]struct {
			Audience string `json:"aud"`
		} `json:"id_tokens"`
		Rules []struct {
			If   string `json:"if"`
			When string `json:"when"`
		} `json:"rules"`
		Parallel struct {
			Matrix []map[string][]string `json:"matrix"`
		} `json:"parallel"`
		Artifacts struct {
			Paths []string `json:"paths"`
		} `json:"artifacts"`
	}
)

const gitlabFile = "gitlab/charts.gitlab-ci.yml"

// loadTemplate reads the template, with the inputs put in as GitLab puts them in: into the text, before it is parsed.
func loadTemplate(t *testing.T, inputs map[string]string) template {
	t.Helper()
	body, err := os.ReadFile(gitlabFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(body), "\n---\n")
	if !ok {
		t.Fatal("the template has no header")
	}
	var tmpl template
	var header struct {
		Spec *template `json:"spec"`
	}
	header.Spec = &tmpl
	if err := yaml.Unmarshal([]byte(head), &header); err != nil {
		t.Fatal(err)
	}
	if inputs != nil {
		for name, input := range tmpl.Inputs {
			value, ok := inputs[name]
			if !ok {
				value = input.Default
			}
			if !regexp.MustCompile(input.Regex).MatchString(value) {
				t.Fatalf("the input %s refuses %q", name, value)
			}
			rest = strings.ReplaceAll(rest, "$[[ inputs."+name+" ]]", value)
		}
		if strings.Contains(rest, "$[[") {
			t.Fatal("the template uses an input that it does not declare")
		}
	}
	var all map[string]any
	if err := yaml.Unmarshal([]byte(rest), &all); err != nil {
		t.Fatal(err)
	}
	tmpl.Jobs = map[string]gitlabJob{}
	for name, value := range all {
		again, err := yaml.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if name == "stages" {
			err = yaml.Unmarshal(again, &tmpl.Stages)
		} else {
			var j gitlabJob
			err = yaml.UnmarshalStrict(again, &j)
			tmpl.Jobs[name] = j
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return tmpl
}

// resolved is a job with what it extends.
func (tmpl template) resolved(t *testing.T, name string) gitlabJob {
	t.Helper()
	j, ok := tmpl.Jobs[name]
	if !ok {
		t.Fatalf("no job %s", name)
	}
	if j.Extends == "" {
		return j
	}
	base := tmpl.resolved(t, j.Extends)
	variables := maps.Clone(base.Variables)
	maps.Copy(variables, j.Variables)
	j.Variables = variables
	if j.Image == "" {
		j.Image = base.Image
	}
	if j.Timeout == "" {
		j.Timeout = base.Timeout
	}
	if j.BeforeScript == nil {
		j.BeforeScript = base.BeforeScript
	}
	if j.IDTokens == nil {
		j.IDTokens = base.IDTokens
	}
	return j
}

// visible are the jobs in the order of their stages.
func (tmpl template) visible(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, stage := range tmpl.Stages {
		for _, name := range slices.Sorted(maps.Keys(tmpl.Jobs)) {
			if !strings.HasPrefix(name, ".") && tmpl.Jobs[name].Stage == stage {
				all = append(all, name)
			}
		}
	}
	return all
}

// lab stands in for GitLab.
type lab struct {
	*account
	template
	project   string
	artifacts string
	bin       string // where pinnace is, as the jobs' image has it
}

const gitlabSubject = "project_path:acme/charts:ref_type:branch:ref:main"

func newLab(t *testing.T, project string) *lab {
	t.Helper()
	needs(t, "bash", "jq", "go")
	l := &lab{
		account: newAccount(t, map[string]string{"uat": gitlabSubject, "prod": gitlabSubject}),
		project: project,
	}
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	l.bin = filepath.Dir(program)
	l.template = loadTemplate(t, map[string]string{
		"image": "example.com/tools/pinnace@sha256:" + strings.Repeat("0", 64), "region": l.Region(),
		"charts": "charts/opentelemetry charts/web", "uat-role-arn": l.roles["uat"], "prod-role-arn": l.roles["prod"],
	})
	return l
}

// run runs the pipeline for a push to a branch until a job fails, and answers which jobs ran and what they printed.
func (l *lab) run(t *testing.T, branch string) (ran []string, output string, err error) {
	t.Helper()
	l.artifacts = t.TempDir()
	for _, name := range l.visible(t) {
		j := l.resolved(t, name)
		if !l.wanted(t, j, branch) {
			continue
		}
		variants := []map[string]string{{}}
		for _, matrix := range j.Parallel.Matrix {
			variants = nil
			for variable, values := range matrix {
				for _, v := range values {
					variants = append(variants, map[string]string{variable: v})
				}
			}
		}
		ran = append(ran, name)
		for _, variant := range variants {
			out, err := l.job(t, j, branch, variant)
			output += out
			if err != nil {
				return ran, output, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return ran, output, nil
}

func (l *lab) wanted(t *testing.T, j gitlabJob, branch string) bool {
	t.Helper()
	for _, rule := range j.Rules {
		if rule.If != "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" || rule.When != "" && rule.When != "manual" {
			t.Fatalf("nothing is known of the rule %+v", rule)
		}
		if branch == "main" {
			return true // and a person has started it, where that is asked for
		}
	}
	return len(j.Rules) == 0
}

func (l *lab) job(t *testing.T, j gitlabJob, branch string, variant map[string]string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	copyPath(t, l.project, dir)
	copyPath(t, l.artifacts, dir)
	env := machine(l.account, dir)
	maps.Copy(env, map[string]string{"CI_JOB_ID": "42", "CI_COMMIT_BRANCH": branch, "CI_DEFAULT_BRANCH": "main"})
	env["PATH"] = l.bin + string(filepath.ListSeparator) + env["PATH"]
	maps.Copy(env, j.Variables)
	maps.Copy(env, variant)
	for variable, wanted := range j.IDTokens {
		subject := strings.TrimSuffix(gitlabSubject, "main") + branch
		token, err := l.issuer.Token(subject, wanted.Audience, time.Hour, nil)
		if err != nil {
			t.Fatal(err)
		}
		env[variable] = token
	}
	script := strings.Join(slices.Concat(j.BeforeScript, j.Script), "\n")
	out, err := shell(t, dir, script, env, "-eo", "pipefail")
	if err == nil {
		for _, path := range j.Artifacts.Paths {
			copyPath(t, filepath.Join(dir, path), filepath.Join(l.artifacts, path))
		}
	}
	return out, err
}
