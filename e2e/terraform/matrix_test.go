package terraform_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// operation is something that a role is for.
type operation struct {
	name string
	run  func(ctx context.Context) error
}

// duty is a role, and all that it is for.
type duty struct {
	role       string // ARN
	operations []operation
}

// need says which operations fail without one action of one statement of a role's policy.
type need struct {
	right string // ROLE POLICY SID ACTION
	fails []string
}

// statement of a policy, with what the test does not look into.
type statement map[string]any

func (s statement) actions() []string {
	if one, ok := s["Action"].(string); ok {
		return []string{one}
	}
	var list []string
	for _, a := range s["Action"].([]any) {
		list = append(list, a.(string))
	}
	return list
}

// matrix takes each permission away in turn and looks what fails: something, and nothing but what belongs to it.
func (s *scene) matrix(t *testing.T) {
	var found []need
	for _, d := range s.duties(t) {
		for _, o := range d.operations {
			if err := o.run(t.Context()); err != nil {
				t.Fatalf("with all permissions: %s: %v", o.name, err)
			}
		}
		for _, policy := range s.policies(t, d.role) {
			found = append(found, s.withoutEach(t, d, policy)...)
		}
	}
	got := map[string]string{}
	var table strings.Builder
	for _, n := range found {
		got[n.right] = strings.Join(n.fails, ", ")
		fmt.Fprintf(&table, "%-96s %s\n", n.right, got[n.right])
		if len(n.fails) == 0 {
			t.Errorf("nothing needs %s", n.right)
		}
	}
	t.Logf("%d permissions, and what fails without each:\n%s", len(found), table.String())
	for right, fails := range needs {
		if got[right] != fails {
			t.Errorf("without %s: %q fails, want %q", right, got[right], fails)
		}
	}
	for _, right := range slices.Sorted(maps.Keys(got)) {
		if _, ok := needs[right]; !ok {
			t.Errorf("%s is new here: say what it is for", right)
		}
	}
}

// policies are the names of a role's policies.
func (s *scene) policies(t *testing.T, role string) []string {
	t.Helper()
	list := must(iam.NewFromConfig(s.root).ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: aws.String(path.Base(role))}))(t)
	if len(list.PolicyNames) == 0 {
		t.Errorf("%s has no policy", role)
	}
	return list.PolicyNames
}

// withoutEach takes each action of each statement of a policy away, runs what the role is for, and puts it back.
func (s *scene) withoutEach(t *testing.T, d duty, policy string) []need {
	t.Helper()
	client, role := iam.NewFromConfig(s.root), path.Base(d.role)
	whole := must(client.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &policy}))(t)
	text := must(url.QueryUnescape(*whole.PolicyDocument))(t)
	var document struct {
		Version   string
		Statement []statement
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		must(client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &policy, PolicyDocument: &text}))(t)
	}
	defer put(text)
	var found []need
	for i, st := range document.Statement {
		for _, action := range st.actions() {
			less := document
			less.Statement = without(document.Statement, i, action)
			if len(less.Statement) == 0 {
				must(client.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &policy}))(t)
			} else {
				put(string(must(json.Marshal(less))(t)))
			}
			n := need{right: fmt.Sprintf("%s %s %s %s", role, policy, st["Sid"], action)}
			for _, o := range d.operations {
				if err := o.run(t.Context()); err != nil {
					n.fails = append(n.fails, o.name)
					if !strings.Contains(err.Error(), action) && !errors.Is(err, errNotDone) {
						t.Errorf("without %s: %s fails for another reason: %v", n.right, o.name, err)
					}
				}
			}
			put(text)
			found = append(found, n)
		}
	}
	return found
}

// without is statements with one action fewer in one of them.
func without(statements []statement, index int, action string) []statement {
	less := slices.Clone(statements)
	actions := slices.DeleteFunc(statements[index].actions(), func(a string) bool { return a == action })
	if len(actions) == 0 {
		return slices.Delete(less, index, index+1)
	}
	less[index] = maps.Clone(statements[index])
	less[index]["Action"] = actions
	return less
}

// errNotDone is of what a role may leave undone without telling.
var errNotDone = errors.New("it is not done")
