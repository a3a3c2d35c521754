package archtest_test

import (
	"strings"
	"testing"
)

// Helm starts the getter anew for each file, so it holds nothing that makes it slow to start.
func TestGetterStaysSmall(t *testing.T) {
	for _, dep := range dependencies(t, "/cmd/pinnace-getter") {
		for _, banned := range []string{
			"helm.sh/", "k8s.io/", "github.com/spf13/", "github.com/zricethezav/gitleaks",
			module + "/localaws", module + "/internal/chartrepo", module + "/internal/cli",
		} {
			if strings.HasPrefix(dep, banned) {
				t.Errorf("the getter contains %s", dep)
			}
		}
	}
}
