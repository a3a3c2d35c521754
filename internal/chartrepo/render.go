package chartrepo

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// RenderOptions is what templates see besides the chart.
type RenderOptions struct {
	Release     string   // name of the release; empty: the chart's name
	Namespace   string   // empty: "default"
	KubeVersion string   // such as "1.33" or "v1.33.4"; empty: the one that Helm was built for
	Values      [][]byte // YAML documents, later ones win
}

// Render renders the templates of a packaged chart with Helm's engine, as an installation without a cluster: the
// result maps each template's path, such as app/templates/deployment.yaml, to its manifest, without notes and empty
// ones.
//
// Values that a schema refuses are a problem.Refused, which shows where and why but no value; so is a Kubernetes
// version that the chart does not support. An unreadable archive or values file is a problem.Usage.
func Render(archive []byte, opts RenderOptions) (map[string]string, error) {
	c, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, problem.New(problem.Usage, "give a packaged chart (.tgz)", "opening chart archive: %w", err)
	}
	values, err := MergeValues(opts.Values...)
	if err != nil {
		return nil, err
	}
	capabilities, err := capabilitiesFor(c, opts.KubeVersion)
	if err != nil {
		return nil, err
	}
	coalesced, err := coalesce(c, values)
	if err != nil {
		return nil, err
	}
	if err := refuse("chart "+c.Name(), checkSchemas(c, coalesced)); err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{
		Name: cmp.Or(opts.Release, c.Name()), Namespace: cmp.Or(opts.Namespace, "default"),
		Revision: 1, IsInstall: true,
	}
	const schemaIsChecked = true
	all, err := commonutil.ToRenderValuesWithSchemaValidation(c, values, release, capabilities, schemaIsChecked)
	if err != nil {
		return nil, fmt.Errorf("preparing values of chart %s: %w", c.Name(), err)
	}
	manifests, err := engine.Render(c, all)
	if err != nil {
		return nil, problem.New(problem.Usage, "correct the values, or the template named above",
			"rendering chart %s: %s", c.Name(), oneLine(err.Error()))
	}
	for name, manifest := range manifests {
		if path.Base(name) == "NOTES.txt" || strings.TrimSpace(manifest) == "" {
			delete(manifests, name)
		}
	}
	return manifests, nil
}

// Values is what a packaged chart and documents of values say together, later ones on top: what its templates see, with
// the values of the charts below it that are enabled, each under its name. Errors are those of Render.
func Values(archive []byte, documents ...[]byte) (map[string]any, error) {
	c, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, problem.New(problem.Usage, "give a packaged chart (.tgz)", "opening chart archive: %w", err)
	}
	values, err := MergeValues(documents...)
	if err != nil {
		return nil, err
	}
	return coalesce(c, values)
}

// MergeValues is what documents of values say together, later ones on top. One that is no mapping is a problem.Usage.
func MergeValues(documents ...[]byte) (map[string]any, error) {
	values := map[string]any{}
	for i, document := range documents {
		next, err := loader.LoadValues(bytes.NewReader(document))
		if err != nil {
			return nil, problem.New(problem.Usage, "values are YAML with a mapping at the top",
				"reading values document %d: %w", i+1, err)
		}
		values = loader.MergeMaps(values, next)
	}
	return values, nil
}

// coalesce lays the values over those of the chart and of the charts below it that are enabled. Helm's errors here
// would show the value that does not fit, so they are not wrapped.
func coalesce(c *chart.Chart, values map[string]any) (common.Values, error) {
	err := chartutil.ProcessDependencies(c, values)
	if err == nil {
		var coalesced common.Values
		if coalesced, err = commonutil.CoalesceValues(c, values); err == nil {
			return coalesced, nil
		}
	}
	return nil, problem.New(problem.Refused, "give each chart below a mapping under its name",
		"values of chart %s do not fit the charts below it", c.Name())
}

// capabilitiesFor is what a cluster of this version can do, if the chart supports it.
func capabilitiesFor(c *chart.Chart, kubeVersion string) (*common.Capabilities, error) {
	capabilities := common.DefaultCapabilities.Copy()
	if kubeVersion != "" {
		parsed, err := common.ParseKubeVersion(kubeVersion)
		if err != nil {
			return nil, problem.New(problem.Usage, "use a version such as 1.33",
				"Kubernetes version %q: %w", kubeVersion, err)
		}
		capabilities.KubeVersion = *parsed
	}
	want, have := c.Metadata.KubeVersion, capabilities.KubeVersion.String()
	if want != "" && !chartutil.IsCompatibleRange(want, have) {
		return nil, problem.New(problem.Refused,
			"name the cluster's Kubernetes version, or use another version of the chart",
			"chart %s needs Kubernetes %s, not %s", c.Name(), want, have)
	}
	return capabilities, nil
}
