// Package archtest holds what no single package can: what the programs are made of.
package archtest_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/pinnace-dev/pinnace"

// dependencies lists every package that is linked into a package.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", module+pkg).Output()
	if err != nil {
		t.Fatalf("listing the dependencies of %s: %v", pkg, err)
	}
	return strings.Fields(string(out))
}

// The agent runs beside every workload: it holds no Helm, no Kubernetes client, no emulator, no AWS client that it does
// not need, and no way to credentials but the web identity and, when asked for, static keys.
func TestAgentStaysSmall(t *testing.T) {
	for _, dep := range dependencies(t, "/cmd/pinnace-agent") {
		for _, banned := range []string{
			"helm.sh/", "k8s.io/", module + "/localaws", module + "/internal/chartrepo", module + "/internal/objstore",
			"github.com/google/go-containerregistry", "golang.org/x/crypto/x509roots",
			"github.com/spf13/cobra", "github.com/aws/aws-sdk-go-v2/service/s3", "github.com/aws/aws-sdk-go-v2/service/iam",
			"github.com/hashicorp/hcl", "github.com/zclconf/go-cty",
			"github.com/aws/aws-sdk-go-v2/config", "github.com/aws/aws-sdk-go-v2/feature/ec2/imds",
			"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds",
			"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds",
			"github.com/aws/aws-sdk-go-v2/credentials/processcreds",
		} {
			if strings.HasPrefix(dep, banned) {
				t.Errorf("the agent contains %s", dep)
			}
		}
	}
}

// The emulator is public and stands alone: nothing of ours, and no code that AWS's clients share.
func TestEmulatorStandsAlone(t *testing.T) {
	for _, dep := range dependencies(t, "/localaws") {
		ours := strings.HasPrefix(dep, module) && !strings.HasPrefix(dep, module+"/localaws")
		if ours || strings.HasPrefix(dep, "github.com/aws/") {
			t.Errorf("localaws imports %s", dep)
		}
	}
}

// The engine knows no vendor.
func TestEngineKnowsNoVendor(t *testing.T) {
	for _, dep := range dependencies(t, "/internal/delivery") {
		if strings.Contains(dep, "aws-sdk-go") || strings.HasPrefix(dep, module+"/internal/delivery/") {
			t.Errorf("the engine imports %s", dep)
		}
	}
}

// What everything stands on stands on nothing but the standard library.
func TestBottomLayerStandsAlone(t *testing.T) {
	for _, pkg := range []string{"/internal/secret", "/internal/problem", "/internal/durable"} {
		out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+pkg).Output()
		if err != nil {
			t.Fatalf("listing the dependencies of %s: %v", pkg, err)
		}
		if got := strings.Fields(string(out)); len(got) != 1 || got[0] != module+pkg {
			t.Errorf("%s is made of %v", pkg, got)
		}
	}
}
