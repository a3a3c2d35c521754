package policies_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/versity/versitygw/iamapi/policy"

	"github.com/pinnace-dev/pinnace/terraform/policies"
)

const (
	account       = "111122223333"
	issuer        = "oidc.eks.eu-north-1.amazonaws.com/id/EXAMPLE"
	provider      = "arn:aws:iam::" + account + ":oidc-provider/" + issuer
	secret        = "arn:aws:secretsmanager:eu-north-1:" + account + ":secret:coralogix/prod/private_key-AbCdEf"
	application   = "arn:aws:appconfig:eu-north-1:" + account + ":application/app1234"
	environment   = application + "/environment/env1234"
	profile       = application + "/configurationprofile/prf1234"
	strategy      = "arn:aws:appconfig:eu-north-1:" + account + ":deploymentstrategy/str1234"
	configuration = environment + "/configuration/prf1234"
	bucket        = "arn:aws:s3:::example-charts"
	maintainer    = "arn:aws:iam::" + account + ":role/chart-maintainer"
	cluster       = "arn:aws:eks:eu-north-1:" + account + ":cluster/example"
	alarms        = "arn:aws:cloudwatch:eu-north-1:" + account + ":alarm"
	reader        = "arn:aws:iam::" + account + ":role/prod-collector"
	otherReader   = "arn:aws:iam::" + account + ":role/prod-retrieval"
	kmsKey        = "arn:aws:kms:eu-north-1:" + account + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// values are those of one installation; a document takes the ones that it names.
var values = map[string]string{
	"provider_arn":      provider,
	"issuer":            issuer,
	"subject":           "system:serviceaccount:observability:collector",
	"audience":          "sts.amazonaws.com",
	"account_id":        account,
	"secret_arn":        secret,
	"application_arn":   application,
	"environment_arn":   environment,
	"profile_arn":       profile,
	"strategy_arn":      strategy,
	"configuration_arn": configuration,
	"bucket_arn":        bucket,
	"prefix":            "charts/",
	"kms_key_arn":       kmsKey,
	"region":            "eu-north-1",

	"maintainer_role_arn": maintainer,
	"cluster_arn":         cluster,
	"namespace":           "observability",
	"service_account":     "collector",
	"alarms_arn":          alarms,
	"reader_arns":         policies.List(reader, otherReader),
}

func varsOf(t *testing.T, name string) map[string]string {
	t.Helper()
	names, err := policies.Variables(policies.Templates, name)
	if err != nil {
		t.Fatal(err)
	}
	vars := make(map[string]string, len(names))
	for _, variable := range names {
		vars[variable] = values[variable]
	}
	return vars
}

func render(t *testing.T, name string) string {
	t.Helper()
	document, err := policies.Render(policies.Templates, name, varsOf(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestNames(t *testing.T) {
	want := []string{
		"alarm", "chart-repository-bucket", "chart-repository-readers", "decryption", "deployer", "deployer-trust",
		"encryption", "follower", "maintainer", "maintainer-trust", "pod-identity-trust", "publisher",
		"publisher-trust", "reader", "reader-trust", "retrieval", "retrieval-trust", "secret-decryption",
		"secret-encryption", "secret-guard", "tagging", "workload", "workload-trust",
	}
	if diff := cmp.Diff(want, policies.Names()); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
}

// TestGrammar has an IAM parser that we did not write read every document.
func TestGrammar(t *testing.T) {
	for _, name := range policies.Names() {
		t.Run(name, func(t *testing.T) {
			document := render(t, name)
			if err := policy.Validate("PolicyDocument", document); err != nil {
				t.Error(err)
			}
			var err error
			switch {
			case strings.HasSuffix(name, "-trust"):
				// The parser knows three service principals only; the grammar is the same for each.
				known := strings.NewReplacer("appconfig.amazonaws.com", "s3.amazonaws.com", "pods.eks.amazonaws.com", "s3.amazonaws.com")
				err = policy.ParseTrust(known.Replace(document))
			default:
				err = policy.Parse(withoutPrincipals(t, document))
			}
			if err != nil {
				t.Error(err)
			}
			if strings.HasSuffix(name, "-trust") && len(document) > policy.MaxTrustPolicyBytes {
				t.Errorf("a trust policy of %d bytes is over the limit of IAM", len(document))
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	with := func(name, value string) map[string]string {
		vars := map[string]string{"bucket_arn": bucket, "prefix": "charts/"}
		vars[name] = value
		return vars
	}
	tests := map[string]struct {
		vars map[string]string
		want string
	}{
		"missing":              {map[string]string{"bucket_arn": bucket}, "prefix is missing"},
		"unused":               {with("bucket", "x"), "bucket is not used"},
		"empty":                {with("bucket_arn", ""), "bucket_arn is empty"},
		"quote":                {with("bucket_arn", `x","Action":"s3:*`), `must not hold "\""`},
		"backslash":            {with("bucket_arn", `x\`), "must not hold"},
		"newline":              {with("bucket_arn", "x\n"), "must not hold"},
		"template":             {with("bucket_arn", "${prefix}"), `must not hold "${"`},
		"directive":            {with("bucket_arn", "%{if true}"), `must not hold "%{"`},
		"wildcard":             {with("bucket_arn", "arn:aws:s3:::*"), `must not hold "*"`},
		"single wildcard":      {with("bucket_arn", "arn:aws:s3:::a?"), `must not hold "?"`},
		"prefix without slash": {with("prefix", "charts"), "must end with a slash"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			document, err := policies.Render(policies.Templates, "publisher", test.vars)
			if !errors.Is(err, policies.ErrVariable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Render gave %q and error %v, want an error with %q", document, err, test.want)
			}
		})
	}
	for what, arns := range map[string]string{
		"no reader": policies.List(), "an empty reader": policies.List(reader, ""), "everybody": policies.List(reader, "*"),
		"not a list": reader + `","` + otherReader,
	} {
		vars := map[string]string{"secret_arn": secret, "reader_arns": arns}
		if document, err := policies.Render(policies.Templates, "secret-guard", vars); !errors.Is(err, policies.ErrVariable) {
			t.Errorf("%s: Render gave %q and error %v, want ErrVariable", what, document, err)
		}
	}
	if _, err := policies.Render(policies.Templates, "nothing", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unknown document gave %v, want fs.ErrNotExist", err)
	}
	if _, err := policies.Variables(policies.Templates, "nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the variables of an unknown document gave %v, want fs.ErrNotExist", err)
	}
}

func TestRenderRefusesOtherTemplates(t *testing.T) {
	for name, template := range map[string]string{
		"not JSON":   `{"a": "${a}",}`,
		"an array":   `["${a}"]`,
		"expression": `{"a": "${a}", "b": "${upper(b)}"}`,
		"directive":  `{"a": "${a}%{ if true }"}`,
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fstest.MapFS{"x.json.tftpl": {Data: []byte(template)}}
			if document, err := policies.Render(fsys, "x", map[string]string{"a": "1"}); err == nil {
				t.Errorf("Render accepted %s as %s", template, document)
			}
		})
	}
}

func TestRenderAtBucketRoot(t *testing.T) {
	document, err := policies.Render(policies.Templates, "reader", map[string]string{"bucket_arn": bucket, "prefix": ""})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(document, `"Resource": "`+bucket+`/*"`) {
		t.Errorf("without a prefix the reader should read the whole bucket:\n%s", document)
	}
}

// TestTerraformAgrees holds Go's rendering to Terraform's, byte for byte.
func TestTerraformAgrees(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("SKIPPED: no terraform on this machine, so its templatefile was not compared with Render")
	}
	folder, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	want, vars, config := map[string]string{}, map[string]map[string]string{}, ""
	for _, name := range policies.Names() {
		want[name] = render(t, name)
		vars[name] = varsOf(t, name)
		config += `output "` + name + `" {
  value = templatefile("` + folder + `/` + name + `.json.tftpl", jsondecode(file("vars.json"))["` + name + `"])
}
`
	}
	encoded, err := json.Marshal(vars)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for file, data := range map[string]string{"main.tf": config, "vars.json": string(encoded), "terraformrc": ""} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), terraform, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "terraformrc"), "CHECKPOINT_DISABLE=1")
		out, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			t.Fatalf("terraform %v: %v\n%s", args, err, exit.Stderr)
		} else if err != nil {
			t.Fatal(err)
		}
		return out
	}
	run("apply", "-auto-approve", "-input=false", "-no-color")
	var outputs map[string]struct{ Value string }
	if err := json.Unmarshal(run("output", "-json"), &outputs); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string, len(outputs))
	for name, output := range outputs {
		got[name] = output.Value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Go and Terraform render differently (-Go +Terraform):\n%s", diff)
	}
}

// TestEveryVariableIsKnown keeps the list of test values free of leftovers.
func TestEveryVariableIsKnown(t *testing.T) {
	var used []string
	for _, name := range policies.Names() {
		variables, err := policies.Variables(policies.Templates, name)
		if err != nil {
			t.Fatal(err)
		}
		used = append(used, variables...)
	}
	for name := range values {
		if !slices.Contains(used, name) {
			t.Errorf("no document takes %s", name)
		}
	}
}
