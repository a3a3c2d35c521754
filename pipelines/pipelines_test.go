// Package pipelines_test runs the very steps of the pipelines against localaws, with tokens and policies as they are on
// AWS, so that the files cannot rot; and holds them to what a pipeline with a role must not do.
package pipelines_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A push goes through every job to prod, once and again; a pull request stops before AWS.
func TestGitHubPipeline(t *testing.T) {
	h := newHub(t, project(t))

	r := h.run(t, "pull_request", nil)
	want := map[string]string{"check": "success", "uat": "skipped", "render": "success", "prod": "skipped"}
	if diff := cmp.Diff(want, r.status); diff != "" {
		t.Fatalf("pull request (-want +got):\n%s\n%s", diff, r.output.String())
	}
	if calls := h.Calls(); calls["sts:AssumeRoleWithWebIdentity"]+calls["s3:GetObject"] > 0 {
		t.Errorf("a pull request called AWS: %v", calls)
	}

	all := map[string]string{"check": "success", "uat": "success", "render": "success", "prod": "success"}
	var index []byte
	for _, push := range []string{"first", "repeated"} {
		r = h.run(t, "push", nil)
		if diff := cmp.Diff(all, r.status); diff != "" {
			t.Fatalf("%s push (-want +got):\n%s\n%s", push, diff, r.output.String())
		}
		h.sameInBoth(t, 2)
		if now := h.object(t, "prod", "index.yaml"); index != nil && string(now) != string(index) {
			t.Error("a push that brings nothing changed prod's index")
		} else {
			index = now
		}
	}
	for environment, colour := range map[string]string{"uat": "grey", "prod": "green"} {
		file := filepath.Join(h.artifacts, "manifests-"+environment, "charts-web.yaml")
		if manifests, err := os.ReadFile(file); err != nil || !strings.Contains(string(manifests), "colour: "+colour) {
			t.Errorf("%s: %v, or no %s in it: %s", file, err, colour, manifests)
		}
	}
	for credential := range h.subjects {
		if strings.Contains(r.output.String(), credential) {
			t.Error("the log shows a runner's credential")
		}
	}
}

// What a pipeline must stop: other bytes under a published version, a key in a chart, and a job that has not been
// approved but would be prod.
func TestGitHubPipelineStops(t *testing.T) {
	dir := project(t)
	h := newHub(t, dir)
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	copyPath(t, program, filepath.Join(h.artifacts, "pinnace", "pinnace"))
	if r := h.run(t, "push", nil); r.status["prod"] != "success" {
		t.Fatalf("%v\n%s", r.status, r.output.String())
	}
	before := h.published(t, "prod")
	for _, test := range []struct {
		name   string
		values string // of the chart web
		as     map[string]string
		want   map[string]string
		says   string
	}{
		{
			name: "no approval", values: "colour: grey\n", as: map[string]string{"prod": "uat"}, says: "AccessDenied",
			want: map[string]string{"check": "success", "uat": "success", "render": "success", "prod": "failure"},
		},
		{
			name: "other bytes", values: "colour: red\n", says: "raise the version",
			want: map[string]string{"check": "success", "uat": "failure", "render": "skipped", "prod": "skipped"},
		},
		{
			name: "a key", values: "colour: grey\nprivateKey: cxtp_FAKEfakeFAKEfakeFAKEfake12\n", says: "secret",
			want: map[string]string{"check": "failure", "uat": "skipped", "render": "skipped", "prod": "skipped"},
		},
	} {
		write(t, filepath.Join(dir, "charts/web/values.yaml"), test.values)
		r := h.run(t, "push", test.as)
		if diff := cmp.Diff(test.want, r.status); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", test.name, diff, r.output.String())
		}
		if !strings.Contains(r.output.String(), test.says) {
			t.Errorf("%s: nothing says %q:\n%s", test.name, test.says, r.output.String())
		}
		if !maps.Equal(before, h.published(t, "prod")) {
			t.Errorf("%s: prod has changed", test.name)
		}
	}
}

func TestGitLabPipeline(t *testing.T) {
	dir := project(t)
	l := newLab(t, dir)
	ran, out, err := l.run(t, "feature")
	if err != nil || !slices.Equal(ran, []string{"charts:check", "charts:render"}) {
		t.Fatalf("on a branch %v ran: %v\n%s", ran, err, out)
	}
	if calls := l.Calls(); calls["sts:AssumeRoleWithWebIdentity"]+calls["s3:GetObject"] > 0 {
		t.Errorf("a branch called AWS: %v", calls)
	}
	for range 2 {
		ran, out, err = l.run(t, "main")
		if err != nil || !slices.Equal(ran, []string{"charts:check", "charts:uat", "charts:render", "charts:prod"}) {
			t.Fatalf("%v ran: %v\n%s", ran, err, out)
		}
		l.sameInBoth(t, 2)
	}
	if body, err := os.ReadFile(filepath.Join(l.artifacts, "manifests/prod/charts-web.yaml")); err != nil ||
		!strings.Contains(string(body), "colour: green") {
		t.Errorf("prod's manifests: %v: %s", err, body)
	}

	before := l.published(t, "prod")
	write(t, filepath.Join(dir, "charts/web/values.yaml"), "colour: red\n")
	if ran, out, err = l.run(t, "main"); exitCode(err) != 3 || ran[len(ran)-1] != "charts:uat" {
		t.Errorf("other bytes: %v ran, exit status %d, want 3 from charts:uat\n%s", ran, exitCode(err), out)
	}
	if !maps.Equal(before, l.published(t, "prod")) {
		t.Error("prod has changed")
	}
}

var pinned = regexp.MustCompile(`(?m)^ *(?:- )?uses: ([\w./-]+)(?:@([0-9a-f]{40}) # v\d+\.\d+\.\d+)?$`)

// Nothing runs that a commit does not pin; no script has an expression in it, which is how a title or a branch name
// becomes a command; no job may do more than it needs, and none keeps a key.
func TestGitHubFilesAreNarrow(t *testing.T) {
	var w workflow
	var a action
	for file, into := range map[string]any{"github/charts.yml": &w, "github/action.yml": &a} {
		text := load(t, file, into)
		uses := pinned.FindAllStringSubmatch(text, -1)
		if len(uses) != strings.Count(text, "uses:") {
			t.Errorf("%s: %d of %d uses are pinned", file, len(uses), strings.Count(text, "uses:"))
		}
		for _, match := range uses {
			if ours := match[1] == "./.pinnace/pipelines/github"; ours != (match[2] == "") {
				t.Errorf("%s: %s is not pinned by a commit", file, match[1])
			}
		}
		for _, banned := range []string{"secrets.", "secrets:", "github.token", "GITHUB_TOKEN", "pull_request_target", "eval "} {
			if strings.Contains(text, banned) {
				t.Errorf("%s has %q in it", file, banned)
			}
		}
	}
	if w.On.Call == nil || len(w.Permissions) != 0 {
		t.Errorf("the workflow is not only called, or its default permissions are %v", w.Permissions)
	}
	allowed := map[string]string{"contents": "read", "id-token": "write"}
	steps := slices.Clone(a.Runs.Steps)
	for name, j := range w.Jobs {
		for scope, level := range j.Permissions {
			if allowed[scope] != level {
				t.Errorf("job %s may %s: %s", name, scope, level)
			}
		}
		if token := j.Permissions["id-token"] != ""; token != (j.Environment != "") {
			t.Errorf("job %s: a token without the rules of an environment, or an environment without a token", name)
		}
		if j.Permissions == nil || j.Timeout == 0 {
			t.Errorf("job %s has the default permissions, or no time limit", name)
		}
		steps = append(steps, j.Steps...)
	}
	for _, s := range steps {
		if strings.Contains(s.Run, "${{") {
			t.Errorf("step %q has an expression in its script", s.Name)
		}
		for name, text := range s.Env {
			if strings.Contains(text, "github.") {
				t.Errorf("step %q takes %s from the event", s.Name, name)
			}
		}
		if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
			t.Errorf("a checkout leaves its credentials behind")
		}
	}
}

// The same for GitLab: inputs are put into the text before it is parsed, so they must not stand in scripts, and each is
// held to a form.
func TestGitLabFileIsNarrow(t *testing.T) {
	raw, err := os.ReadFile(gitlabFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, banned := range []string{"include:", "CI_JOB_TOKEN", "secrets:", "eval ", "curl", "wget"} {
		if strings.Contains(string(raw), banned) {
			t.Errorf("the template has %q in it", banned)
		}
	}
	tmpl := loadTemplate(t, nil)
	for name, input := range tmpl.Inputs {
		if !strings.HasPrefix(input.Regex, "^") || !strings.HasSuffix(input.Regex, "$") {
			t.Errorf("input %s takes anything", name)
		}
	}
	if image := regexp.MustCompile(tmpl.Inputs["image"].Regex); image.MatchString("example.com/pinnace:latest") {
		t.Error("an image needs no digest")
	}
	for _, name := range tmpl.visible(t) {
		j := tmpl.resolved(t, name)
		if script := strings.Join(slices.Concat(j.BeforeScript, j.Script), "\n"); strings.Contains(script, "$[[") {
			t.Errorf("job %s has an input in its script", name)
		}
		if token := len(j.IDTokens) > 0; token != (j.Environment != "") || token != (len(j.Rules) > 0) {
			t.Errorf("job %s: a token without an environment and a rule about the branch, or these without a token", name)
		}
		if j.Image != "$[[ inputs.image ]]" || j.Timeout == "" {
			t.Errorf("job %s has the image %q and the timeout %q", name, j.Image, j.Timeout)
		}
	}
	if prod := tmpl.resolved(t, "charts:prod"); prod.Rules[0].When != "manual" {
		t.Error("nobody is asked before prod")
	}
}
