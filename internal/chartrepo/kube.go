package chartrepo

import (
	"fmt"

	"helm.sh/helm/v4/pkg/chart/common"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// SomeKubeVersion is a Kubernetes version that the chart supports, for those who only want to see its manifests: the
// one that Render takes by itself ("") if it will do, or else the newest.
func (p Package) SomeKubeVersion() string {
	want := p.metadata.KubeVersion
	if want == "" || chartutil.IsCompatibleRange(want, common.DefaultCapabilities.KubeVersion.String()) {
		return ""
	}
	const newest = 99
	for minor := newest; minor > 0; minor-- {
		if version := fmt.Sprintf("v1.%d.0", minor); chartutil.IsCompatibleRange(want, version) {
			return version
		}
	}
	return ""
}
