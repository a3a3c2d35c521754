package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

// kubeVersion is that of the cluster for which the chart is rendered.
const kubeVersion = "v1.33.0"

// workload is what the manifests say of the pods: as whom they run and what their agent is told.
type workload struct {
	serviceAccount string
	roleARN        string            // of the service account's annotation
	agent          map[string]string // the environment of the agent's container
}

// render renders the one chart for both environments and looks for what must, and must not, be there.
func render(_ context.Context, r *run) ([]string, error) {
	var detail []string
	for _, e := range []*Environment{r.UAT, r.Prod} {
		values, err := os.ReadFile(filepath.Join(r.Dir, "charts", chartName, "values-"+e.Name+".yaml"))
		if err != nil {
			return nil, err
		}
		manifests, err := chartrepo.Render(r.archive, chartrepo.RenderOptions{
			Release: "otel", Namespace: namespace, KubeVersion: kubeVersion, Values: [][]byte{values, e.overrides()},
		})
		if err != nil {
			return nil, err
		}
		text := strings.Join(slices.Collect(maps.Values(manifests)), "\n---\n")
		if strings.Contains(text, r.opts.KeyMark) {
			return nil, errors.New("a manifest of " + e.Name + " holds the key")
		}
		r.manifests = append(r.manifests, text)
		w, err := readWorkload(text)
		if err != nil {
			return nil, err
		}
		if err := w.check(e); err != nil {
			return nil, err
		}
		r.workload = w // the last one is prod's, which the pods will run
		detail = append(detail, fmt.Sprintf("%s: %d manifests, service account %s → %s",
			e.Name, len(manifests), w.serviceAccount, w.roleARN))
	}
	return detail, nil
}

// overrides are the values that only the account knows.
func (e *Environment) overrides() []byte {
	return fmt.Appendf(nil, "aws: {roleArn: %q}\nserviceAccount: {name: %q}\n"+
		"pinnace: {appConfig: {application: %q, profile: %q}}\n", e.RoleARN, account, application, profile)
}

// readWorkload finds the pods' part in rendered manifests.
func readWorkload(manifests string) (workload, error) {
	var w workload
	for document := range strings.SplitSeq(manifests, "\n---\n") {
		var object struct {
			Kind     string
			Metadata struct {
				Name        string
				Annotations map[string]string
			}
			Spec struct {
				Template struct {
					Spec struct {
						ServiceAccountName string
						InitContainers     []struct {
							Env []struct{ Name, Value string }
						}
					}
				}
			}
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			return w, fmt.Errorf("reading a rendered manifest: %w", err)
		}
		if object.Kind == "ServiceAccount" {
			w.roleARN = object.Metadata.Annotations["eks.amazonaws.com/role-arn"]
		}
		pods := object.Spec.Template.Spec
		for _, container := range pods.InitContainers {
			w.serviceAccount, w.agent = pods.ServiceAccountName, map[string]string{}
			for _, variable := range container.Env {
				w.agent[variable.Name] = variable.Value
			}
		}
	}
	return w, nil
}

// check compares what the manifests say with what was provisioned.
func (w workload) check(e *Environment) error {
	for _, c := range []struct{ what, got, want string }{
		{"service account", w.serviceAccount, account},
		{"role", w.roleARN, e.RoleARN},
		{"configuration", w.agent["PINNACE_APPCONFIG"], application + "/" + e.Name + "/" + profile},
	} {
		if c.got != c.want {
			return fmt.Errorf("the manifests of %s name the %s %q, want %q", e.Name, c.what, c.got, c.want)
		}
	}
	return nil
}
