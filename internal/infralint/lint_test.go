package infralint_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/infralint"
)

var update = flag.Bool("update", false, "rewrite golden files and the list of rules")

var plain = sync.OnceValues(func() (*infralint.Linter, error) { return infralint.New(nil) })

// linter answers one that accepts some findings; the one that accepts none is shared.
func linter(t *testing.T, accept ...infralint.Accept) *infralint.Linter {
	t.Helper()
	l, err := plain()
	if len(accept) > 0 {
		l, err = infralint.New(accept)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lint judges a folder or a file and answers what was found.
func lint(t *testing.T, path string, accept ...infralint.Accept) infralint.Report {
	t.Helper()
	report, err := linter(t, accept...).Lint(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// folder writes files, by name, and answers where.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// list is what was found, a finding a line, and the same on every machine.
func list(findings []infralint.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s:%d %s %s: %s\n", filepath.Base(f.File), f.Line, f.Rule, f.Address, f.Fault)
	}
	return b.String()
}

// rows are the rows of the list of the original sketch's faults, each with the findings by which it is seen.
var rows = []struct {
	row   int
	fault string
	rules []string // in the fixture; none: not to be seen in Terraform
	why   string   // it cannot be seen
}{
	{1, "OIDC provider undeclared", []string{"undeclared-reference"}, ""},
	{2, "trust has neither sub nor aud", []string{"trust-sub", "trust-aud"}, ""},
	{3, "policy never attached", []string{"policy-unattached"}, ""},
	{4, "deprecated API, real actions not granted", []string{"appconfig-deprecated-action", "appconfig-session-actions"}, ""},
	{5, "Resource *", []string{"policy-any-resource"}, ""},
	{6, "no kms:Decrypt", nil, "the sketch's secret has AWS's own key, which needs no permission; rule kms-decrypt"},
	{7, "location_uri is an ARN", []string{"profile-location-uri", "account-hard-coded"}, ""},
	{8, "retrieval_role_arn missing", []string{"profile-retrieval-role"}, ""},
	{9, "no deployment, strategy or version", []string{"profile-not-deployed", "deployment-strategy"}, ""},
	{10, "key of a deployment", nil, "the sketch has no key and no deployment"},
	{11, "a rotation needs a deployment", []string{"profile-not-deployed"}, "rule deployment-pinned where there is one"},
	{12, "one deployment at a time", nil, "the sketch deploys nothing; rule deployments-concurrent"},
	{13, "secret in configuration, state and plan", []string{"secret-in-state"}, ""},
	{14, "public charts", []string{"bucket-public", "bucket-public-access-block", "bucket-ownership", "bucket-tls"}, ""},
	{15, "plain helm repo add", nil, "it is what people type, not Terraform"},
	{16, "force_destroy", []string{"bucket-force-destroy"}, ""},
	{17, "no encryption, lifecycle, logging, tags", []string{
		"bucket-encryption", "bucket-lifecycle", "bucket-logging", "tags-missing",
	}, ""},
	{18, "fixed names", []string{"name-fixed"}, ""},
	{19, "publishers race", []string{"bucket-overwrite"}, "helm repo index and aws s3 cp are the pipeline's"},
	{20, "the service account's manifest", nil, "it is Kubernetes', not Terraform"},
	{21, "no constraints, variables, outputs, backend", []string{
		"terraform-version", "provider-version", "provider-region", "outputs-missing", "no-backend", "environment-fixed",
	}, ""},
	{22, "no UAT", []string{"environment-fixed"}, ""},
	{23, "no CI role", []string{"publisher-missing"}, ""},
	{24, "recovery window", []string{"secret-recovery-window"}, ""},
}

// The sketch that the project started from shows every fault that stands in Terraform, each at its line.
func TestOriginalSketch(t *testing.T) {
	found := lint(t, "testdata/original-sketch").Findings
	golden(t, "testdata/original-sketch/findings.txt", list(found))
	for _, row := range rows {
		for _, rule := range row.rules {
			if !slices.ContainsFunc(found, func(f infralint.Finding) bool { return f.Rule == rule }) {
				t.Errorf("row %d (%s): no finding of %s", row.row, row.fault, rule)
			}
		}
		if len(row.rules) == 0 && row.why == "" {
			t.Errorf("row %d (%s) is not found, and nothing says why", row.row, row.fault)
		}
	}
	for _, f := range found {
		if f.Line == 0 || f.File == "" || f.Fault == "" || f.Consequence == "" || f.Correction == "" {
			t.Errorf("incomplete: %+v", f)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// What the sketch should have been shows none.
func TestCorrected(t *testing.T) {
	report := lint(t, "testdata/corrected")
	if len(report.Findings) != 0 || len(report.Notes) != 0 {
		t.Errorf("findings:\n%snotes: %v", list(report.Findings), report.Notes)
	}
}

// docs/infra-lint.md has the rules as they are.
func TestPageIsCurrent(t *testing.T) {
	const path, begin, end = "../../docs/infra-lint.md", "<!-- rules -->\n", "<!-- end of rules -->\n"
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(body, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatalf("%s lacks its marks", path)
	}
	want := string(before) + begin + infralint.Page() + end + string(after)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if want != string(body) {
		t.Errorf("%s is stale: run `make golden`", path)
	}
}

// A secret that is found is nowhere in what is said of it, whatever the input.
func TestNoSecretIsShown(t *testing.T) {
	const canary = "c0ffee-canary-7f3a9b"
	const key = "cxtp_Q4x8ZpL2mN7vT1kR9sW3yB6d" + canary
	config := `
resource "aws_secretsmanager_secret" "x" { name = "` + canary + `" }
resource "aws_secretsmanager_secret_version" "x" {
  secret_id     = aws_secretsmanager_secret.x.id
  secret_string = "` + canary + `"
}
variable "password" { default = "` + canary + `" }
locals { key = "` + key + `" }
resource "aws_iam_policy" "x" {
  name   = "` + canary + `"
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = ["` + canary + `", "s3:` + canary + `"], Resource = "*" }] })
}
output "o" { value = aws_secretsmanager_secret_version.x.secret_string }
`
	state := `{"version": 4, "outputs": {"o": {"value": "` + key + `"}}, "resources": [{"mode": "managed",
"type": "aws_secretsmanager_secret_version", "name": "x", "instances": [{"attributes": {"secret_string": "` + canary + `",
"token": "` + canary + `"}}]}]}`
	dir := folder(t, map[string]string{
		"c/main.tf": config, "state.json": state, "broken/main.tf": "x = " + canary + " = }", "broken.json": `{"a": "` + canary,
		"d/main.tf": `a "b" { c = "` + canary, "e/main.tf": "# pinnace:accept " + canary[:0] + "bucket-tls\n" + config,
	})
	for _, name := range []string{"c", "state.json", "broken", "broken.json", "d", "e"} {
		report, err := linter(t).Lint(t.Context(), filepath.Join(dir, name))
		if text := fmt.Sprintf("%+v %v", report, err); strings.Contains(text, canary) {
			t.Errorf("%s: %s", name, text)
		}
		if strings.HasPrefix(name, "c") || strings.HasPrefix(name, "s") {
			if len(report.Findings) < 3 {
				t.Errorf("%s: only %s", name, list(report.Findings))
			}
		} else if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
