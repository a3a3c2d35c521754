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

// list is what an element has, which IAM writes as one text or as several.
func (s statement) list(element string) []string {
	if one, ok := s[element].(string); ok {
		return []string{one}
	}
	var list []string
	all, _ := s[element].([]any) // a trust policy has no Resource
	for _, item := range all {
		text, _ := item.(string)
		list = append(list, text)
	}
	return list
}

// rights are a policy of a role, or its trust policy, and how it is written.
type rights struct {
	name, text string
	put        func(text string)
	remove     func() // when no statement is left
}

// matrix takes each permission away in turn and looks what fails: something, and nothing but what belongs to it.
func (s *scene) matrix(t *testing.T) {
	var found []need
	shorten := s.shorten()
	for _, d := range s.duties(t) {
		for _, o := range d.operations {
			if err := o.run(t.Context()); err != nil {
				t.Fatalf("with all permissions: %s: %v", o.name, err)
			}
		}
		for _, r := range s.rights(t, path.Base(d.role)) {
			found = append(found, d.withoutEach(t, r, shorten)...)
		}
	}
	got := map[string]string{}
	var table strings.Builder
	for _, n := range found {
		got[n.right] = strings.Join(n.fails, ", ")
		fmt.Fprintf(&table, "%-98s %s\n", n.right, got[n.right])
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

// rights are a role's trust policy and its policies.
func (s *scene) rights(t *testing.T, role string) []rights {
	t.Helper()
	client, ctx := iam.NewFromConfig(s.root), t.Context()
	whole := must(client.GetRole(ctx, &iam.GetRoleInput{RoleName: &role}))(t)
	trust := func(text string) {
		must(client.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: &text}))(t)
	}
	all := []rights{{
		name: role + " trust", text: must(url.QueryUnescape(*whole.Role.AssumeRolePolicyDocument))(t), put: trust,
		remove: func() { trust(trustInNobody) },
	}}
	list := must(client.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &role}))(t)
	for _, policy := range list.PolicyNames {
		whole := must(client.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &policy}))(t)
		all = append(all, rights{
			name: role + " " + policy, text: must(url.QueryUnescape(*whole.PolicyDocument))(t),
			put: func(text string) {
				must(client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
					RoleName: &role, PolicyName: &policy, PolicyDocument: &text,
				}))(t)
			},
			remove: func() {
				must(client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &policy}))(t)
			},
		})
	}
	if len(all) == 1 {
		t.Errorf("%s has no policy", role)
	}
	return all
}

// trustInNobody is for a role that lost its only statement: a trust policy has at least one.
const trustInNobody = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:*"}]}`

// cut is a policy without one action of one statement, or without one of its several resources.
type cut struct {
	right   string
	actions []string // of which one is refused
	left    []statement
}

func cuts(statements []statement) []cut {
	var all []cut
	for i, s := range statements {
		actions, resources := s.list("Action"), s.list("Resource")
		for _, action := range actions {
			all = append(all, cut{fmt.Sprint(s["Sid"], " ", action), []string{action}, without(statements, i, "Action", action)})
		}
		for _, resource := range resources {
			if len(resources) > 1 {
				all = append(all, cut{fmt.Sprint(s["Sid"], " ", resource), actions, without(statements, i, "Resource", resource)})
			}
		}
	}
	return all
}

// without is statements with one text fewer in an element of one of them.
func without(statements []statement, index int, element, text string) []statement {
	left := slices.Clone(statements)
	rest := slices.DeleteFunc(statements[index].list(element), func(s string) bool { return s == text })
	if len(rest) == 0 {
		return slices.Delete(left, index, index+1)
	}
	left[index] = maps.Clone(statements[index])
	left[index][element] = rest
	return left
}

// withoutEach makes each cut, runs what the role is for, and mends it.
func (d duty) withoutEach(t *testing.T, r rights, shorten *strings.Replacer) []need {
	t.Helper()
	var document struct {
		Version   string
		Statement []statement
	}
	if err := json.Unmarshal([]byte(r.text), &document); err != nil {
		t.Fatal(err)
	}
	defer r.put(r.text)
	var found []need
	for _, c := range cuts(document.Statement) {
		if document.Statement = c.left; len(c.left) == 0 {
			r.remove()
		} else {
			r.put(string(must(json.Marshal(document))(t)))
		}
		n := need{right: r.name + " " + shorten.Replace(c.right)}
		for _, o := range d.operations {
			err := o.run(t.Context())
			if err == nil {
				continue
			}
			n.fails = append(n.fails, o.name)
			named := func(action string) bool { return strings.Contains(err.Error(), action) }
			if !slices.ContainsFunc(c.actions, named) && !errors.Is(err, errNotDone) {
				t.Errorf("without %s: %s fails for another reason: %v", n.right, o.name, err)
			}
		}
		r.put(r.text)
		if len(n.fails) == len(d.operations) && len(n.fails) > 1 {
			n.fails = []string{"everything"}
		}
		found = append(found, n)
	}
	return found
}

// shorten writes resources without what is new in each run.
func (s *scene) shorten() *strings.Replacer {
	c := s.prodOut.Configuration
	return strings.NewReplacer("arn:aws:appconfig:eu-west-1:"+account+":", "", "arn:aws:s3:::", "",
		c.ApplicationID, "A", c.EnvironmentID, "E", c.ProfileID, "P", c.StrategyID, "S")
}

// errNotDone is of what a role may leave undone without telling.
var errNotDone = errors.New("it is not done")
