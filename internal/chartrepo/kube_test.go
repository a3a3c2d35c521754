package chartrepo_test

import (
	"testing"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

// Whatever Kubernetes a chart is for, it can be rendered.
func TestSomeKubeVersion(t *testing.T) {
	for _, constraint := range []string{"", ">= 1.2", ">= 1.97", "< 1.10", "1.12.x", ">= 1.90.0-0 < 1.91.0-0"} {
		overlay := chartYAML("app", "1.0.0")
		if constraint != "" {
			overlay["Chart.yaml"] += "kubeVersion: \"" + constraint + "\"\n"
		}
		p := pack(t, overlay)
		manifests, err := chartrepo.Render(p.Archive, chartrepo.RenderOptions{KubeVersion: p.SomeKubeVersion()})
		if err != nil || len(manifests) == 0 {
			t.Errorf("%q: %q: %v", constraint, p.SomeKubeVersion(), err)
		}
	}
}
