package kubernetes_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// What each role may do with each preset, as its components' documentation asks for it: verbs, and RESOURCE.GROUP.
var permissions = map[string]map[string][]string{
	"agent": {
		"otlpReceiver": nil, "logsCollection": nil, "hostMetrics": nil, "resourceDetection": nil, "collectorMetrics": nil,
		"kubeletMetrics":       {"get nodes/stats."},
		"kubernetesAttributes": {"get,list,watch pods.", "get,list,watch namespaces.", "get,list,watch replicasets.apps"},
	},
	"cluster": {
		"collectorMetrics": nil,
		"kubernetesEvents": {"list,watch events.events.k8s.io"},
		"clusterMetrics": {
			"get,list,watch events.", "get,list,watch namespaces.", "get,list,watch namespaces/status.",
			"get,list,watch nodes.", "get,list,watch nodes/spec.", "get,list,watch persistentvolumeclaims.",
			"get,list,watch persistentvolumes.", "get,list,watch pods.", "get,list,watch pods/status.",
			"get,list,watch replicationcontrollers.", "get,list,watch replicationcontrollers/status.",
			"get,list,watch resourcequotas.", "get,list,watch services.",
			"get,list,watch daemonsets.apps", "get,list,watch deployments.apps", "get,list,watch replicasets.apps",
			"get,list,watch statefulsets.apps", "get,list,watch cronjobs.batch", "get,list,watch jobs.batch",
			"get,list,watch horizontalpodautoscalers.autoscaling",
		},
	},
	"gateway": {
		"otlpReceiver": nil, "collectorMetrics": nil, "tailSampling": nil,
		"kubernetesAttributes": {"get,list,watch pods.", "get,list,watch namespaces.", "get,list,watch replicasets.apps"},
	},
}

// Each preset gives its role exactly what its component needs, and none gives anybody a Secret: the cluster's own
// authorizer says so.
func TestPermissions(t *testing.T) {
	needCluster(t)
	t.Parallel()
	for role, presets := range permissions {
		all := slices.Sorted(maps.Keys(presets))
		for _, preset := range all {
			t.Run(role+" "+preset, func(t *testing.T) {
				t.Parallel()
				wantPermissions(t, role, presets[preset], preset)
			})
		}
		t.Run(role+" all", func(t *testing.T) {
			t.Parallel()
			var sum []string
			for _, some := range presets {
				sum = append(sum, some...)
			}
			wantPermissions(t, role, sum, all...)
		})
	}
}

func wantPermissions(t *testing.T, role string, want []string, presets ...string) {
	t.Helper()
	space := namespace(t, nil)
	values := object{"presets": presetsOff(append(presets, "otlpReceiver")...)} // some have a meaning beside it alone
	for _, name := range []string{"agent", "cluster", "gateway"} {
		values[name] = object{"enabled": name == role}
	}
	if role == "gateway" {
		values[role].(object)["replicas"] = 1 // tail sampling without agents wants it
	}
	made := applyAccess(t, space, values)
	if (len(want) > 0) != strings.Contains(made, "\nkind: ClusterRole\n") {
		t.Errorf("a ClusterRole is made, or none, where %d rules are needed:\n%s", len(want), made)
	}
	wanted := map[string]bool{}
	for _, rule := range want {
		verbs, resource, _ := strings.Cut(rule, " ")
		for verb := range strings.SplitSeq(verbs, ",") {
			wanted[verb+" "+resource] = true
		}
	}
	var more map[string]bool
	await(t, "the authorizer to know the role", func(context.Context) (bool, error) {
		more = granted(t, space, release+"-"+role)
		for one := range baseline(t, space) {
			delete(more, one)
		}
		for one := range wanted {
			if !more[one] {
				return false, errors.New("may not " + one)
			}
		}
		return true, nil
	})
	for one := range more {
		if !wanted[one] {
			t.Errorf("may %s, which nothing needs", one)
		}
		if strings.Contains(one, "secrets") || strings.Contains(one, "*") {
			t.Errorf("may %s", one)
		}
	}
	wantNoSecrets(t, space, release+"-"+role)
}

// applyAccess applies what the chart renders of service accounts and RBAC, and nothing that runs, and answers it.
func applyAccess(t *testing.T, space string, values object) string {
	t.Helper()
	h := withHelm(t, "4")
	s := &scene{helm: h, space: space}
	base := object{
		"clusterName": "e2e", "coralogix": object{"domain": domain}, "pinnace": object{"appConfig": object{"environment": stage}},
		"aws": object{"region": "eu-west-1", "roleArn": "arn:aws:iam::123456789012:role/opentelemetry"},
	}
	maps.Copy(base, values)
	out, err := h.yard.command(h.home, h.program, "template", release, "stable/opentelemetry", "--version", h.yard.Chart,
		"--namespace", space, "--values", s.file(t, base))
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, out)
	}
	var some []string
	kinds := regexp.MustCompile(`(?m)^kind: (ServiceAccount|ClusterRole|ClusterRoleBinding|Role|RoleBinding)$`)
	for document := range strings.SplitSeq(out, "\n---") {
		if kinds.MatchString(document) {
			some = append(some, document)
		}
	}
	access := strings.Join(some, "\n---\n")
	file := filepath.Join(t.TempDir(), "access.yaml")
	must(t, os.WriteFile(file, []byte(access), 0o600))
	if out, err := kube.Kubectl(t.Context(), "apply", "--filename", file).CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
	return access
}

// as is a client of the API server with the rights of a service account.
func as(t *testing.T, space, account string) kubernetes.Interface {
	t.Helper()
	config := rest.CopyConfig(kube.REST)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + space + ":" + account,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + space, "system:authenticated"},
	}
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	return client
}

// granted is what the authorizer lets a service account do, as VERB RESOURCE.GROUP.
func granted(t *testing.T, space, account string) map[string]bool {
	t.Helper()
	review, err := as(t, space, account).AuthorizationV1().SelfSubjectRulesReviews().Create(t.Context(),
		&authorization.SelfSubjectRulesReview{Spec: authorization.SelfSubjectRulesReviewSpec{Namespace: space}},
		metav1.CreateOptions{})
	must(t, err)
	all := map[string]bool{}
	for _, rule := range review.Status.ResourceRules {
		for _, verb := range rule.Verbs {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					all[verb+" "+resource+"."+group] = true
				}
			}
		}
	}
	return all
}

// baseline is what every service account may do.
func baseline(t *testing.T, space string) map[string]bool { return granted(t, space, "default") }

func wantNoSecrets(t *testing.T, space, account string) {
	t.Helper()
	for _, verb := range []string{"get", "list", "watch", "create", "update", "delete"} {
		review, err := as(t, space, account).AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(),
			&authorization.SelfSubjectAccessReview{Spec: authorization.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorization.ResourceAttributes{Verb: verb, Resource: "secrets", Namespace: space},
			}}, metav1.CreateOptions{})
		must(t, err)
		if review.Status.Allowed {
			t.Errorf("may %s secrets: %s", verb, review.Status.Reason)
		}
	}
}
