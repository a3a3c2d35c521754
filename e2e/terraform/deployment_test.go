package terraform_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// deployment is one root module, copied with what it calls to a folder of its own.
type deployment struct {
	name, dir string
	tf        *tfexec.Terraform
	output    bytes.Buffer // of all that was run
	last      bytes.Buffer // of the last command
	timings   []timing
}

type timing struct {
	what string
	took time.Duration
}

// newDeployment copies terraform/ and lays the files, by their paths from it, over the root module environments/NAME,
// which need not be there. Terraform's environment is that of the test's process: terraform-exec takes no TF_VAR_ of its
// own.
func newDeployment(t *testing.T, name string, files map[string]string) *deployment {
	t.Helper()
	program, settings := needTerraform(t)
	t.Setenv("TF_CLI_CONFIG_FILE", settings)
	root := t.TempDir()
	for _, folder := range []string{"modules", "policies", "environments"} {
		from := os.DirFS(filepath.Join("..", "..", "terraform", folder))
		if err := os.CopyFS(filepath.Join(root, folder), from); err != nil {
			t.Fatal(err)
		}
	}
	d := &deployment{name: name, dir: filepath.Join(root, "environments", name)}
	for path, text := range files {
		write(t, filepath.Join(d.dir, path), text)
	}
	d.tf = must(tfexec.NewTerraform(d.dir, program))(t)
	d.tf.SetStdout(io.MultiWriter(&d.output, &d.last))
	d.tf.SetStderr(&d.output)
	return d
}

// localState keeps the state in the folder, in place of S3.
const localState = "terraform {\n  backend \"local\" {}\n}\n"

// variables is a file that goes before terraform.tfvars.
func variables(t *testing.T, v map[string]any) string {
	t.Helper()
	return string(must(json.MarshalIndent(v, "", "  "))(t))
}

// timed runs one command and notes how long it took.
func (d *deployment) timed(t *testing.T, what string, run func() error) error {
	t.Helper()
	d.last.Reset()
	start := time.Now()
	err := run()
	took := time.Since(start)
	d.timings = append(d.timings, timing{what, took})
	t.Logf("terraform %s of %s: %.1f s", what, d.name, took.Seconds())
	return err
}

func (d *deployment) must(t *testing.T, what string, run func() error) {
	t.Helper()
	if err := d.timed(t, what, run); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, d.output.String())
	}
}

func (d *deployment) init(t *testing.T) {
	t.Helper()
	d.must(t, "init", func() error { return d.tf.Init(t.Context()) })
}

// plan makes the plan file name and says whether it has changes.
func (d *deployment) plan(t *testing.T, name string) (changes bool) {
	t.Helper()
	d.must(t, "plan "+name, func() (err error) {
		changes, err = d.tf.Plan(t.Context(), tfexec.Out(name))
		return err
	})
	return changes
}

func (d *deployment) apply(t *testing.T, plan string) {
	t.Helper()
	d.must(t, "apply "+plan, func() error {
		return d.tf.Apply(t.Context(), tfexec.DirOrPlan(plan), tfexec.Parallelism(20))
	})
}

// showPlan writes a plan as JSON beside it and gives the file.
func (d *deployment) showPlan(t *testing.T, name string) string {
	t.Helper()
	d.must(t, "show -json "+name, func() error {
		_, err := d.tf.ShowPlanFile(t.Context(), name)
		return err
	})
	file := filepath.Join(d.dir, name+".json")
	write(t, file, d.last.String())
	return file
}

// showState writes the state as JSON and gives the file.
func (d *deployment) showState(t *testing.T) string {
	t.Helper()
	d.must(t, "show -json", func() error {
		_, err := d.tf.Show(t.Context())
		return err
	})
	file := filepath.Join(d.dir, "state.json")
	write(t, file, d.last.String())
	return file
}

// outputs reads them from the state.
func (d *deployment) outputs(t *testing.T) outputs {
	t.Helper()
	var state struct {
		Outputs map[string]struct{ Value any }
	}
	if err := json.Unmarshal(read(t, filepath.Join(d.dir, "terraform.tfstate")), &state); err != nil {
		t.Fatal(err)
	}
	raw := map[string]any{}
	for name, o := range state.Outputs {
		raw[name] = o.Value
	}
	var o outputs
	if err := json.Unmarshal(must(json.Marshal(raw))(t), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// outputs of an environment.
type outputs struct {
	RepositoryURL  string `json:"repository_url"`
	PublisherRole  string `json:"publisher_role_arn"`
	MaintainerRole string `json:"maintainer_role_arn"`
	DeployerRole   string `json:"deployer_role_arn"`
	WorkloadRole   string `json:"workload_role_arn"`
	SecretName     string `json:"secret_name"`
	SecretARN      string `json:"secret_arn"`
	SecretVersion  string `json:"secret_version_id"`
	Configuration  struct {
		Application   string
		ApplicationID string `json:"application_id"`
		Environment   string
		EnvironmentID string `json:"environment_id"`
		Profile       string
		ProfileID     string `json:"profile_id"`
		StrategyID    string `json:"strategy_id"`
	}
}

// document names the configuration as the agent does.
func (o outputs) document() string {
	return o.Configuration.Application + "/" + o.Configuration.Environment + "/" + o.Configuration.Profile
}

// wantHidden looks for the keys in everything that Terraform wrote: the states with their backups, the plans, unpacked,
// what it showed and what it printed.
func (d *deployment) wantHidden(t *testing.T, keys ...string) {
	t.Helper()
	texts := map[string][]byte{"what terraform printed": d.output.Bytes()}
	entries := must(os.ReadDir(d.dir))(t)
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		path := filepath.Join(d.dir, e.Name())
		texts[e.Name()] = read(t, path)
		if archive, err := zip.OpenReader(path); err == nil {
			maps.Copy(texts, unpack(t, archive, e.Name()))
		}
	}
	states := slices.Concat(texts["terraform.tfstate"], texts["terraform.tfstate.backup"])
	if !bytes.Contains(states, []byte("arn:aws:iam::")) {
		t.Errorf("%s has no state to look into", d.name) // nor would a key be found
	}
	for _, key := range keys {
		for _, form := range []string{key, base64.StdEncoding.EncodeToString([]byte(key))} {
			for name, text := range texts {
				if bytes.Contains(text, []byte(form)) {
					t.Errorf("a key is in %s of %s", name, d.name)
				}
			}
		}
	}
	t.Logf("looked for %d keys in %d files of %s and members of its plans", len(keys), len(texts), d.name)
}

func unpack(t *testing.T, archive *zip.ReadCloser, name string) map[string][]byte {
	t.Helper()
	defer archive.Close()
	texts := map[string][]byte{}
	for _, f := range archive.File {
		r := must(f.Open())(t)
		texts[name+"/"+f.Name] = must(io.ReadAll(r))(t)
		_ = r.Close()
	}
	if len(texts) == 0 {
		t.Errorf("plan %s is empty", name)
	}
	return texts
}
