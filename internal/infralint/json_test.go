package infralint_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Plan and state of the original sketch, as Terraform 1.11 with provider 5.100 writes them. The OIDC provider that it
// lacks was added, else there would be no plan; what the apply was refused is not in the state.
func TestOriginalSketchPlanned(t *testing.T) {
	for _, name := range []string{"plan", "state", "state-file"} {
		found := lint(t, "testdata/original-sketch/"+name+".json").Findings
		golden(t, "testdata/original-sketch/"+name+".txt", list(found))
		for _, f := range found {
			if f.Line != 0 || f.Address == "" {
				t.Errorf("a finding is at an address: %+v", f)
			}
		}
	}
	shown, err := os.ReadFile("testdata/original-sketch/state.txt")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("testdata/original-sketch/state-file.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(string(file), "state-file.json", "state.json"); got != string(shown) {
		t.Errorf("a state and its file differ:\n%s\n%s", shown, file)
	}
}

func TestCorrectedPlanned(t *testing.T) {
	if found := lint(t, "testdata/corrected/plan.json").Findings; len(found) > 0 {
		t.Error(list(found))
	}
}

// stateOf makes a state file of resources, each TYPE.NAME and its attributes.
func stateOf(resources ...string) string {
	var all []string
	for i := 0; i < len(resources); i += 2 {
		kind, name, _ := strings.Cut(resources[i], ".")
		all = append(all, fmt.Sprintf(`{"mode": "managed", "type": %q, "name": %q, "instances": [{"attributes": %s}]}`,
			kind, name, resources[i+1]))
	}
	return `{"version": 4, "resources": [` + strings.Join(all, ",") + `]}`
}

// planOfName plans an environment of AppConfig in a module, whose name is this expression and comes to uat.
func planOfName(expression string) string {
	return `{"format_version": "1.2", "planned_values": {"root_module": {"child_modules": [{"address": "module.m", "resources": [
{"address": "module.m.aws_appconfig_environment.e", "mode": "managed", "type": "aws_appconfig_environment", "name": "e",
"values": {"name": "uat"}}]}]}}, "configuration": {"root_module": {"module_calls": {"m": {"expressions": {"name":
{"constant_value": "uat"}}, "module": {"resources": [{"address": "aws_appconfig_environment.e", "expressions": {"name": ` +
		expression + `}}]}}}}}}`
}

const secretVersion = "aws_secretsmanager_secret_version.v"

var states = map[string]struct{ body, rule, want string }{
	"a secret": {
		stateOf(secretVersion, `{"secret_string": "x"}`), "secret-in-state",
		"in.json:0 secret-in-state aws_secretsmanager_secret_version.v: secret_string is written, and kept in plan and state\n",
	},
	"a secret that is not kept": {stateOf(secretVersion, `{"secret_string": "", "secret_string_wo": null}`), "secret-in-state", ""},
	"a public policy": {
		stateOf("aws_s3_bucket_policy.p", `{"policy": "{\"Statement\": [{\"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"*\"}}]}"}`),
		"bucket-public", "in.json:0 bucket-public aws_s3_bucket_policy.p: the policy allows everybody\n",
	},
	"held together by name": {
		stateOf("aws_s3_bucket.b", `{"id": "charts", "bucket": "charts"}`,
			"aws_s3_bucket_lifecycle_configuration.l", `{"bucket": "charts"}`),
		"bucket-lifecycle", "",
	},
	"not held together": {
		stateOf("aws_s3_bucket.b", `{"id": "charts", "bucket": "charts"}`,
			"aws_s3_bucket_lifecycle_configuration.l", `{"bucket": "other"}`),
		"bucket-lifecycle", "in.json:0 bucket-lifecycle aws_s3_bucket.b: the bucket has no lifecycle: its old versions grow for ever\n",
	},
	"attached": {
		stateOf("aws_iam_policy.p", `{"arn": "arn:aws:iam::1:policy/p"}`,
			"aws_iam_role_policy_attachment.a", `{"policy_arn": "arn:aws:iam::1:policy/p"}`),
		"policy-unattached", "",
	},
	"an instance": {
		`{"version": 4, "resources": [{"module": "module.m[\"a\"]", "mode": "managed", "type": "aws_s3_bucket", "name": "b",
"instances": [{"index_key": "k", "attributes": {"force_destroy": true}}]}]}`,
		"bucket-force-destroy", "in.json:0 bucket-force-destroy module.m[\"a\"].aws_s3_bucket.b[\"k\"]: force_destroy is true\n",
	},
	"a key in an output": {
		`{"version": 4, "outputs": {"o": {"value": "cxtp_Q4x8ZpL2mN7vT1kR9sW3yB6d"}}, "resources": []}`,
		"secret-literal", "in.json:0 secret-literal : it has the shape of a secret (coralogix-key)\n",
	},
	"a key in a variable of a plan": {
		`{"format_version": "1.2", "variables": {"api_key": {"value": "letmein-please"}}, "planned_values": {}}`,
		"secret-literal", "in.json:0 secret-literal : it has the shape of a secret (named-secret)\n",
	},
	"a deployment that is left out": {
		`{"format_version": "1.2", "planned_values": {"root_module": {"child_modules": [{"address": "module.m", "resources": [
{"address": "module.m.aws_appconfig_configuration_profile.p", "mode": "managed", "type": "aws_appconfig_configuration_profile",
"name": "p", "values": {"location_uri": "hosted"}}]}]}}, "configuration": {"root_module": {"module_calls": {"m": {"module":
{"resources": [{"address": "aws_appconfig_deployment.d", "count_expression": {"references": ["var.deploy"]}, "expressions":
{"configuration_profile_id": {"references": ["aws_appconfig_configuration_profile.p.id"]}}}]}}}}}}`,
		"profile-not-deployed", "",
	},
	"an environment written out in a plan": {
		planOfName(`{"constant_value": "uat"}`), "environment-fixed",
		"in.json:0 environment-fixed module.m.aws_appconfig_environment.e: the environment is written out in the name\n",
	},
	"an environment that a module is called with": {planOfName(`{"references": ["var.name"]}`), "environment-fixed", ""},
	"an empty state": {`{"format_version": "1.0"}`, "secret-in-state", ""},
	"an empty file":  {`{"version": 4}`, "secret-in-state", ""},
	"not a plan's":   {`{"version": 4, "resources": [{"instances": [{"attributes": null}]}]}`, "secret-in-state", ""},
	"nothing is known": {
		`{"format_version": "1.2", "planned_values": {"root_module": {"resources": [{"address": "aws_s3_bucket.b",
"mode": "managed", "type": "aws_s3_bucket", "name": "b", "values": {}}, {"address": "aws_s3_bucket_policy.p", "mode": "managed",
"type": "aws_s3_bucket_policy", "name": "p", "values": {}}]}}, "configuration": {"root_module": {"resources": [
{"address": "aws_s3_bucket_policy.p", "expressions": {"bucket": {"references": ["local.b"]}, "policy": {"references": ["local.p"]}}}]}}}`,
		"bucket-tls", "",
	},
}

func TestStates(t *testing.T) {
	for name, test := range states {
		t.Run(name, func(t *testing.T) {
			report, err := linter(t).LintJSON(t.Context(), "in.json", []byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := found(report.Findings, test.rule); got != test.want {
				t.Errorf("got:\n%swant:\n%s", got, test.want)
			}
		})
	}
}

// FuzzConfiguration: whatever a file holds, it is read or refused, and a finding is on one of its lines.
func FuzzConfiguration(f *testing.F) {
	for _, c := range cases {
		for _, config := range append(c.bad, c.good...) {
			f.Add([]byte(config))
		}
	}
	f.Add([]byte(doubling()))
	f.Fuzz(func(t *testing.T, body []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/main.tf", body, 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := linter(t).Lint(t.Context(), dir)
		if err != nil {
			return
		}
		lines := strings.Count(string(body), "\n") + strings.Count(string(body), "\r") + 1
		for _, finding := range report.Findings {
			if finding.Line < 1 || finding.Line > lines {
				t.Errorf("a finding on line %d of %d: %+v", finding.Line, lines, finding)
			}
		}
	})
}

// FuzzJSON: whatever a plan or a state holds, it is read or refused, and finding it again finds the same.
func FuzzJSON(f *testing.F) {
	for _, test := range states {
		f.Add([]byte(test.body))
	}
	f.Add([]byte(`{"format_version": "1", "planned_values": {"root_module": {"child_modules": [{"resources": [{"address": "module.a.b.c"}]}]}},
"configuration": {"root_module": {"module_calls": {"a": {"expressions": {"x": {"references": ["module.a.y"]}}, "module": {
"outputs": {"y": {"expression": {"references": ["var.x"]}}}, "resources": [{"address": "b.c", "expressions": {"d": {"references": ["var.x"]}}}]}}}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := linter(t).LintJSON(t.Context(), "in.json", body)
		if err != nil {
			return
		}
		again, err := linter(t).LintJSON(t.Context(), "in.json", body)
		if err != nil || list(first.Findings) != list(again.Findings) {
			t.Errorf("found:\n%sand then (%v):\n%s", list(first.Findings), err, list(again.Findings))
		}
	})
}
