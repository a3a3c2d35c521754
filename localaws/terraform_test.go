package localaws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/localaws"
)

// providerMirror finds a folder that has the provider: the one that PINNACE_TERRAFORM_MIRROR names, or where packages
// put such mirrors. Empty is none.
func providerMirror() string {
	if dir := os.Getenv("PINNACE_TERRAFORM_MIRROR"); dir != "" {
		return dir
	}
	home, _ := os.UserHomeDir()
	for _, place := range []string{"/opt", "/usr/share/terraform", "/usr/local/share/terraform", home + "/.terraform.d"} {
		for _, depth := range []string{"", "*/", "*/*/"} {
			if found, _ := filepath.Glob(filepath.Join(place, depth, "registry.terraform.io/hashicorp/aws")); len(found) > 0 {
				return strings.TrimSuffix(found[0], "/registry.terraform.io/hashicorp/aws")
			}
		}
	}
	return ""
}

// configuration is a folder with testdata/terraform, as the real terraform sees it.
type configuration struct {
	*testing.T
	program, dir string
	environ      []string
	output       bytes.Buffer // of all that was run
}

func newConfiguration(t *testing.T, s *localaws.Server) *configuration {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the real terraform takes a minute")
	}
	program, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not on this machine: the calls of its provider are not tried")
	}
	mirror := providerMirror()
	if mirror == "" {
		t.Skip("no mirror of hashicorp/aws on this machine (PINNACE_TERRAFORM_MIRROR): its calls are not tried")
	}
	c := &configuration{T: t, program: program, dir: t.TempDir()}
	source, err := os.ReadFile("testdata/terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	settings := fmt.Sprintf("disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
	for name, content := range map[string][]byte{"main.tf": source, "terraformrc": []byte(settings)} {
		if err := os.WriteFile(filepath.Join(c.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.environ = append(s.Environ(), "PATH="+os.Getenv("PATH"), "HOME="+c.dir, "TF_IN_AUTOMATION=1",
		"TF_CLI_CONFIG_FILE="+filepath.Join(c.dir, "terraformrc"), "AWS_MAX_ATTEMPTS=2")
	return c
}

// run gives the exit status of one command with a key in the environment.
func (c *configuration) run(key string, version int, args ...string) int {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, append(args, "-no-color")...)
	cmd.Dir = c.dir
	cmd.Env = append(c.environ, "TF_VAR_key="+key, fmt.Sprintf("TF_VAR_key_version=%d", version))
	out, err := cmd.CombinedOutput()
	c.output.Write(out)
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		c.Fatalf("terraform %s: %v", args[0], err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		c.Logf("terraform %s: status %d\n%s", args[0], code, out)
		return code
	}
	return 0
}

func (c *configuration) must(key string, version int, args ...string) {
	c.Helper()
	if c.run(key, version, args...) != 0 {
		c.FailNow()
	}
}

// TestTerraform runs the real terraform: apply, a plan that changes nothing, a rotation and destroy. What the pod is
// given by the association that terraform made reads the key, old and new.
func TestTerraform(t *testing.T) {
	s := start(t, localaws.Config{})
	c := newConfiguration(t, s)
	const old, current = "obviously-fake-canary-1", "obviously-fake-canary-2"
	c.must(old, 1, "init", "-input=false")
	c.must(old, 1, "apply", "-auto-approve", "-parallelism=20")
	if status := c.run(old, 1, "plan", "-detailed-exitcode"); status != 0 {
		t.Errorf("the second plan changes something: status %d", status)
	}
	pod := secretsmanager.NewFromConfig(with(s, podCredentials(t, s)))
	read := func() string {
		t.Helper()
		out, err := pod.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{
			SecretId: aws.String("otel/uat/private_key"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return *out.SecretString
	}
	if got := read(); got != old {
		t.Errorf("the pod reads another key of %d bytes", len(got))
	}
	c.must(current, 2, "apply", "-auto-approve", "-parallelism=20")
	if got := read(); got != current {
		t.Errorf("after the rotation the pod reads another key of %d bytes", len(got))
	}
	state, err := os.ReadFile(filepath.Join(c.dir, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(state, []byte("canary")) || bytes.Contains(c.output.Bytes(), []byte("canary")) {
		t.Error("the key is in the state or in what terraform printed")
	}
	c.must(current, 2, "destroy", "-auto-approve", "-parallelism=20")
	checkDestroyed(t, s)
}

// podCredentials are those of the service account that testdata/terraform associates with a role.
func podCredentials(t *testing.T, s *localaws.Server) aws.CredentialsProvider {
	t.Helper()
	cluster, err := localaws.StartIssuer(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Close() })
	if err := s.RegisterCluster("uat", cluster.URL()); err != nil {
		t.Fatal(err)
	}
	token, err := cluster.PodIdentityToken("observability", "otel-agent", "otel-agent-x7k2p")
	if err != nil {
		t.Fatal(err)
	}
	return endpointcreds.New(s.PodIdentityURL(), func(o *endpointcreds.Options) { o.AuthorizationToken = token })
}

// checkDestroyed looks for what the destruction left: nothing but a key in its waiting period.
func checkDestroyed(t *testing.T, s *localaws.Server) {
	t.Helper()
	secrets, err := secretsmanager.NewFromConfig(root(s)).ListSecrets(t.Context(), nil)
	if err != nil || len(secrets.SecretList) != 0 {
		t.Errorf("%d secrets are left, %v", len(secrets.SecretList), err)
	}
	buckets, err := s3Client(root(s)).ListBuckets(t.Context(), nil)
	if err != nil || len(buckets.Buckets) != 0 {
		t.Errorf("%d buckets are left, %v", len(buckets.Buckets), err)
	}
	keys := kms.NewFromConfig(root(s))
	list, err := keys.ListKeys(t.Context(), nil)
	if err != nil || len(list.Keys) != 1 {
		t.Fatalf("%d keys, %v", len(list.Keys), err)
	}
	key, err := keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: list.Keys[0].KeyId})
	if err != nil || key.KeyMetadata.KeyState != "PendingDeletion" {
		t.Errorf("%+v, %v", key, err)
	}
}
