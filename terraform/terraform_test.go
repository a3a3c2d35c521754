// Package terraform_test holds the environments to the module that they call. What the modules promise themselves is in
// their own tests folders, which .ci/terraform runs.
package terraform_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	variable   = regexp.MustCompile(`(?ms)^variable "(\w+)" (\{.*?^\})$`)
	validation = regexp.MustCompile(`(?ms)\n  validation \{.*?^  \}\n`)
	guard      = regexp.MustCompile(`(?ms)^resource "terraform_data" "destroy_guard" \{.*?^\}\n`)
)

// variables are the declarations of a folder's variables by name, without their validation.
func variables(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, match := range variable.FindAllStringSubmatch(read(t, filepath.Join(folder, "variables.tf")), -1) {
		found[match[1]] = validation.ReplaceAllString(match[2], "")
	}
	return found
}

// TestEnvironmentsTakeWhatTheModuleTakes keeps uat and prod alike: each declares what the module declares and hands it on.
func TestEnvironmentsTakeWhatTheModuleTakes(t *testing.T) {
	want := variables(t, "modules/environment")
	for _, own := range []string{"environment", "tags"} {
		delete(want, own)
	}
	for _, name := range []string{"uat", "prod"} {
		folder := filepath.Join("environments", name)
		got := variables(t, folder)
		for _, own := range []string{"account_id", "region"} {
			delete(got, own)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s declares other variables than the module (-module +%s):\n%s", name, name, diff)
		}
		main := read(t, filepath.Join(folder, "main.tf"))
		for _, variable := range slices.Sorted(maps.Keys(want)) {
			if !regexp.MustCompile(`(?m)^  ` + variable + ` += var\.` + variable + `$`).MatchString(main) {
				t.Errorf("%s does not hand on %s", name, variable)
			}
		}
	}
}

// TestDestroyingProdNeedsASwitch takes prod's guard out of its configuration and puts it on a module without a cloud.
func TestDestroyingProdNeedsASwitch(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("SKIPPED: no terraform on this machine, so prod's guard was not tried")
	}
	block := guard.FindString(read(t, "environments/prod/main.tf"))
	if block == "" {
		t.Fatal("prod has no guard")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "environment", "main.tf"), `resource "terraform_data" "bucket" {}`)
	write(t, filepath.Join(dir, "main.tf"), "module \"environment\" {\n  source = \"./environment\"\n}\n"+block)
	write(t, filepath.Join(dir, "terraformrc"), "")
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), terraform, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "terraformrc"), "CHECKPOINT_DISABLE=1", "TF_INPUT=0")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, args := range [][]string{{"init"}, {"apply", "-auto-approve"}} {
		if out, err := run(args...); err != nil {
			t.Fatalf("terraform %v: %v\n%s", args, err, out)
		}
	}
	for _, args := range [][]string{
		{"destroy", "-auto-approve"}, {"destroy", "-auto-approve", "-target=module.environment"},
	} {
		out, err := run(args...)
		if err == nil || !strings.Contains(out, "prevent_destroy") {
			t.Fatalf("terraform %v: error %v, want that the guard prevents it:\n%s", args, err, out)
		}
	}
	if out, err := run("state", "list"); err != nil || !strings.Contains(out, "module.environment.terraform_data.bucket") {
		t.Fatalf("something was destroyed in spite of the guard:\n%s", out)
	}
	write(t, filepath.Join(dir, "destroy_override.tf"), read(t, "environments/prod/destroy_override.tf.example"))
	if out, err := run("destroy", "-auto-approve"); err != nil {
		t.Fatalf("the switch is set and nothing is destroyed: %v\n%s", err, out)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
