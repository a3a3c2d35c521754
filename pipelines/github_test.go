package pipelines_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
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
