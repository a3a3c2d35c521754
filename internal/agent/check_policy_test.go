package agent_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/pinnace-dev/pinnace/terraform/policies"
)

// matrix says what check names when an action is taken out of a document that a workload's role has. Every action of
// those documents is in it, so none is there that nobody needs.
var matrix = map[string]string{
	"workload appconfig:StartConfigurationSession": "permission",
	"workload appconfig:GetLatestConfiguration":    "permission",
	"workload secretsmanager:GetSecretValue":       "permission",
	"follower appconfig:StartConfigurationSession": "permission",
	"follower appconfig:GetLatestConfiguration":    "permission",
	"secret-decryption kms:Decrypt":                "key",
	"workload-trust sts:AssumeRoleWithWebIdentity": "subject or role",
	"pod-identity-trust sts:AssumeRole":            "role",
	"pod-identity-trust sts:TagSession":            "role",
}

// policyDocument is an IAM document as JSON, to take from and to add to.
type policyDocument struct {
	Version   string
	Statement []map[string]any
}

func parseDocument(t *testing.T, text string) (d policyDocument) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d policyDocument) String() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return string(text)
}

// actions of a statement: IAM takes one or a list.
func actions(statement map[string]any) (list []string) {
	switch a := statement["Action"].(type) {
	case string:
		list = []string{a}
	case []any:
		for _, one := range a {
			list = append(list, one.(string))
		}
	}
	return list
}

// without takes an action out, and a statement that then has none.
func (d policyDocument) without(action string) policyDocument {
	kept := policyDocument{Version: d.Version}
	for _, statement := range d.Statement {
		rest := slices.DeleteFunc(actions(statement), func(a string) bool { return a == action })
		if len(rest) == 0 {
			continue
		}
		statement = maps.Clone(statement)
		statement["Action"] = rest
		kept.Statement = append(kept.Statement, statement)
	}
	return kept
}

// install gives the pod's role the documents of an installation, rendered, and an encrypted secret. Of podIdentity the
// pod has its identity by EKS Pod Identity. The documents by their names are what an installation has.
func (s *setUp) install(podIdentity bool) map[string]policyDocument {
	s.t.Helper()
	key := s.encrypt()
	cluster := fmt.Sprintf("arn:aws:eks:%s:%s:cluster/prod", s.server.Region(), s.server.Account())
	variables := map[string]map[string]string{
		"workload": {"configuration_arn": s.configurationARN(), "secret_arn": s.key},
		"secret-decryption": {
			"kms_key_arn": key, "secret_arn": s.key, "region": s.server.Region(),
		},
	}
	if podIdentity {
		s.podIdentity()
		variables["pod-identity-trust"] = map[string]string{
			"namespace": "otel", "service_account": "agent", "cluster_arn": cluster,
		}
	} else {
		variables["workload-trust"] = map[string]string{
			"provider_arn": s.providerARN(), "issuer": s.issuer.Host(), "subject": agentSubject,
			"audience": "sts.amazonaws.com",
		}
	}
	documents := map[string]policyDocument{}
	for name, vars := range variables {
		documents[name] = parseDocument(s.t, must(policies.Render(policies.Templates, name, vars))(s.t))
	}
	must(s.iam.DeleteRolePolicy(s.t.Context(), &iam.DeleteRolePolicyInput{
		RoleName: aws.String("otel"), PolicyName: aws.String("it"),
	}))(s.t)
	s.apply(documents)
	return documents
}

// follow is an installation whose pod takes from the document what is no secret.
func (s *setUp) follow() map[string]policyDocument {
	s.args = []string{"--appconfig=otel-config/prod/coralogix", "--file=" + filepath.Join(s.dir, "domain") + "=domain"}
	documents := s.install(false)
	for _, name := range []string{"workload", "secret-decryption"} {
		documents[name] = policyDocument{}
	}
	documents["follower"] = parseDocument(s.t, must(policies.Render(policies.Templates, "follower", map[string]string{
		"configuration_arn": s.configurationARN(),
	}))(s.t))
	s.apply(documents)
	return documents
}

// apply puts documents in their places: one that is empty is taken away.
func (s *setUp) apply(documents map[string]policyDocument) {
	s.t.Helper()
	role := aws.String("otel")
	for name, document := range documents {
		switch {
		case strings.HasSuffix(name, "-trust"):
			if len(document.Statement) == 0 { // which a trust policy cannot be
				document = parseDocument(s.t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+
					`"Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
			}
			must(s.iam.UpdateAssumeRolePolicy(s.t.Context(), &iam.UpdateAssumeRolePolicyInput{
				RoleName: role, PolicyDocument: aws.String(document.String()),
			}))(s.t)
		case len(document.Statement) == 0:
			_, _ = s.iam.DeleteRolePolicy(s.t.Context(), &iam.DeleteRolePolicyInput{RoleName: role, PolicyName: &name})
		default:
			must(s.iam.PutRolePolicy(s.t.Context(), &iam.PutRolePolicyInput{
				RoleName: role, PolicyName: &name, PolicyDocument: aws.String(document.String()),
			}))(s.t)
		}
	}
}

// suggested is what check says as JSON of what fails.
type suggested struct {
	Causes []string
	Fixes  []struct {
		In        string
		Statement map[string]any
	}
}

// suggestions runs check and gives those of the first failure, and whether everything passes.
func (s *setUp) suggestions() (found suggested, passes bool) {
	s.t.Helper()
	args := append([]string{"check", "--output=json"}, s.args...)
	code, stdout, _ := run(s.t.Context(), environment(s.env), args...)
	var all []suggested
	if err := json.Unmarshal([]byte(stdout), &all); err != nil {
		s.t.Fatalf("%v: %s", err, stdout)
	}
	for _, one := range all {
		if len(one.Causes) > 0 {
			return one, code == 0
		}
	}
	return found, code == 0
}

var roleIn = regexp.MustCompile(`role/([\w-]+)`)

// attach puts the statements that check suggests, as they are, where it says; they are named name at a role.
func (s *setUp) attach(name string, found suggested) {
	s.t.Helper()
	for _, fix := range found.Fixes {
		role := "otel" // of which check does not know the name with EKS Pod Identity
		if m := roleIn.FindStringSubmatch(fix.In); m != nil {
			role = m[1]
		}
		document := policyDocument{Version: "2012-10-17"}
		if strings.HasPrefix(fix.In, "the trust policy of ") {
			out := must(s.iam.GetRole(s.t.Context(), &iam.GetRoleInput{RoleName: &role}))(s.t)
			document = parseDocument(s.t, must(url.QueryUnescape(*out.Role.AssumeRolePolicyDocument))(s.t))
			document.Statement = append(document.Statement, fix.Statement)
			must(s.iam.UpdateAssumeRolePolicy(s.t.Context(), &iam.UpdateAssumeRolePolicyInput{
				RoleName: &role, PolicyDocument: aws.String(document.String()),
			}))(s.t)
			continue
		}
		document.Statement = append(document.Statement, fix.Statement)
		must(s.iam.PutRolePolicy(s.t.Context(), &iam.PutRolePolicyInput{
			RoleName: &role, PolicyName: &name, PolicyDocument: aws.String(document.String()),
		}))(s.t)
	}
}

// Whoever does what check says, again and again, comes to a set-up that works.
func TestSuggestionsMend(t *testing.T) {
	steps := map[string]int{ // how often check is asked, at most, before it passes
		"audience that only IAM knows": 1, "wrong subject": 1, "no permission for AppConfig": 1,
		"no permission for the secret": 1, "no permission for the key of the secret": 1,
		"pod identity with a role that does not trust EKS": 1,
		// The other role has no permission yet either.
		"role of another account not assumable": 2,
	}
	brokenOnes := map[string]func(s *setUp){
		"nothing but a role": func(s *setUp) {
			documents := s.install(false)
			s.apply(map[string]policyDocument{"workload": {}, "secret-decryption": {}, "workload-trust": {}})
			if len(documents) != 3 {
				t.Errorf("the role still has some of %v", documents)
			}
		},
		"a role of another account by both sides": func(s *setUp) {
			s.use("--secret="+s.key, "--role="+s.makeRole("reader", `{"AWS":"arn:aws:iam::123456789012:root"}`,
				"sts:AssumeRole", `{"sts:ExternalId":"e-1"}`), "--external-id=e-1")
		},
	}
	steps["nothing but a role"], steps["a role of another account by both sides"] = 4, 2
	for name := range steps {
		if brokenOnes[name] == nil {
			brokenOnes[name] = brokenSetUps[name].with
		}
	}
	for name, brokenOne := range brokenOnes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetUp(t)
			brokenOne(s)
			for n := range steps[name] {
				found, passes := s.suggestions()
				if passes || len(found.Fixes) == 0 {
					t.Fatalf("step %d: passes %v, suggests %v", n, passes, found)
				}
				t.Logf("step %d: %s", n, strings.Join(found.Causes, " or "))
				s.attach(fmt.Sprint("mended-", n), found)
			}
			if found, passes := s.suggestions(); !passes {
				t.Errorf("after all steps: %v", found)
			}
		})
	}
}

// Without any one permission of an installation check names it, and the statement that it suggests, put in its place as
// it is, makes everything pass again. With all of them everything passes.
func TestPermissionMatrix(t *testing.T) {
	installations := map[string]func(s *setUp) map[string]policyDocument{
		"workload":           func(s *setUp) map[string]policyDocument { return s.install(false) },
		"workload-trust":     func(s *setUp) map[string]policyDocument { return s.install(false) },
		"secret-decryption":  func(s *setUp) map[string]policyDocument { return s.install(false) },
		"pod-identity-trust": func(s *setUp) map[string]policyDocument { return s.install(true) },
		"follower":           (*setUp).follow,
	}
	t.Log("| document | statement | action taken out | cause | what check suggests | with it |")
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(installations)) {
		s := newSetUp(t)
		documents := installations[name](s)
		if found, passes := s.suggestions(); !passes {
			t.Fatalf("with the whole %s: %+v", name, found)
		}
		for _, statement := range documents[name].Statement {
			for _, action := range actions(statement) {
				row := name + " " + action
				seen[row] = true
				s.row(t, row, maps.Clone(documents), statement["Sid"], action)
			}
		}
	}
	for row := range matrix {
		if !seen[row] {
			t.Errorf("%s is in no document", row)
		}
	}
}

func (s *setUp) row(t *testing.T, row string, documents map[string]policyDocument, sid any, action string) {
	name, _, _ := strings.Cut(row, " ")
	whole := maps.Clone(documents)
	documents[name] = documents[name].without(action)
	s.apply(documents)
	found, passes := s.suggestions()
	causes := strings.Join(found.Causes, " or ")
	if passes || causes == "" || causes != matrix[row] {
		t.Errorf("without %s check passes: %v, causes %q, want %q", row, passes, causes, matrix[row])
	}
	s.attach("mended", found)
	after, passes := s.suggestions()
	if !passes {
		t.Errorf("%s: what check suggests, %v, does not mend it: %v", row, found, after)
	}
	for _, fix := range found.Fixes {
		t.Logf("| %s | %v | %s | %s | %s to %s | passes: %v |", name, sid, action, causes,
			strings.Join(actions(fix.Statement), ", "), fix.In, passes)
	}
	whole["mended"] = policyDocument{}
	s.apply(whole)
}

// Roles of a workload have no document beside those of the matrix. What else is there is for others, or for AppConfig.
func TestMatrixHasAllDocuments(t *testing.T) {
	others := regexp.MustCompile(`^(alarm|chart-repository.*|deployer.*|encryption|decryption|maintainer.*|publisher.*|` +
		`reader.*|retrieval.*|secret-encryption|secret-guard|tagging|boundary.*)$`)
	for _, name := range policies.Names() {
		covered := slices.ContainsFunc(slices.Collect(maps.Keys(matrix)), func(row string) bool {
			return strings.HasPrefix(row, name+" ")
		})
		if !covered && !others.MatchString(name) {
			t.Errorf("%s is in no row of the matrix; if a workload has it, give it one for each action", name)
		}
	}
}
