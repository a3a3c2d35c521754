package charts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/pinnace-dev/pinnace/charts"
)

func TestServiceAccounts(t *testing.T) {
	all := uat(t, `{gateway: {enabled: true, serviceAccount: {roleArn: "arn:aws:iam::111122223333:role/gateways"}},
  serviceAccount: {annotations: {owner: telemetry}}, agent: {serviceAccount: {annotations: {owner: nodes}}}}`)
	for role, want := range map[string]struct{ arn, owner string }{
		"agent":   {"arn:aws:iam::111122223333:role/opentelemetry-uat", "nodes"},
		"cluster": {"arn:aws:iam::111122223333:role/opentelemetry-uat", "telemetry"},
		"gateway": {"arn:aws:iam::111122223333:role/gateways", "telemetry"},
	} {
		account := get[corev1.ServiceAccount](t, all, "ServiceAccount/opentelemetry-"+role)
		annotations := map[string]string{
			"eks.amazonaws.com/role-arn":               want.arn,
			"eks.amazonaws.com/sts-regional-endpoints": "true",
			"owner": want.owner,
		}
		if diff := cmp.Diff(annotations, account.Annotations); diff != "" {
			t.Errorf("annotations of the %s's account (-want +got):\n%s", role, diff)
		}
		if *account.AutomountServiceAccountToken {
			t.Errorf("the account of the %s mounts its token everywhere", role)
		}
		if got := pods(t, all)[role].Spec.ServiceAccountName; got != account.Name {
			t.Errorf("the %s runs as %s", role, got)
		}
	}
}

// TestNamedAccounts: one name for all is one account, as 0.1.0's values may have it; a role's own name comes first.
func TestNamedAccounts(t *testing.T) {
	for name, test := range map[string]struct {
		values, agent, cluster string
		made                   []string
	}{
		"one for all":       {"serviceAccount: {name: mine}", "mine", "mine", []string{"mine"}},
		"of others":         {"serviceAccount: {create: false, name: mine}", "mine", "mine", nil},
		"own and common":    {"{serviceAccount: {name: mine}, agent: {serviceAccount: {name: own}}}", "own", "mine", []string{"mine", "own"}},
		"one role's exists": {"agent: {serviceAccount: {create: false, name: own}}", "own", "opentelemetry-cluster", []string{"opentelemetry-cluster"}},
	} {
		t.Run(name, func(t *testing.T) {
			all := uat(t, test.values)
			var made []string
			for _, id := range ids(all) {
				if account, ok := strings.CutPrefix(id, "ServiceAccount/"); ok {
					made = append(made, account)
				}
			}
			if diff := cmp.Diff(test.made, made); diff != "" {
				t.Errorf("accounts (-want +got):\n%s", diff)
			}
			for role, want := range map[string]string{"agent": test.agent, "cluster": test.cluster} {
				if got := pods(t, all)[role].Spec.ServiceAccountName; got != want {
					t.Errorf("the %s runs as %s, want %s", role, got, want)
				}
				binding := get[rbacv1.ClusterRoleBinding](t, all, "ClusterRoleBinding/observability:opentelemetry-"+role)
				if got := binding.Subjects[0]; got.Name != want || got.Namespace != "observability" {
					t.Errorf("the rules of the %s are bound to %+v", role, got)
				}
			}
		})
	}
}

// With Pod Identity EKS's webhook finds the role by the service account's name, and sets what the agent reads.
func TestPodIdentity(t *testing.T) {
	all := variant(t, "pod-identity")
	for id, manifest := range all {
		for _, word := range []string{"role-arn", "AWS_ROLE_ARN", "sts-regional-endpoints"} {
			if strings.Contains(manifest, word) {
				t.Errorf("%s names a role:\n%s", id, manifest)
			}
		}
	}
	for role, pod := range pods(t, all) {
		account := get[corev1.ServiceAccount](t, all, "ServiceAccount/opentelemetry-"+role)
		if len(account.Annotations) != 0 || pod.Spec.ServiceAccountName != account.Name {
			t.Errorf("account %s has %v, the pod is of %s", account.Name, account.Annotations, pod.Spec.ServiceAccountName)
		}
		if pod.Annotations["eks.amazonaws.com/skip-containers"] != "collector" {
			t.Error("the collector would get the identity, too")
		}
	}
}

// TestProjectToken gives the token for AWS to what fetches the key, and to nothing else.
func TestProjectToken(t *testing.T) {
	for way, fetcher := range map[string]string{"file": "pinnace-agent", "process": "collector"} {
		t.Run(way, func(t *testing.T) {
			for _, role := range []string{"agent", "cluster"} {
				delivery := "keyDelivery: {file: {enabled: false}, " + way + ": {enabled: true}}"
				pod := pods(t, uat(t, "aws: {projectToken: true}", delivery))[role]
				token := volume(t, pod, "aws-token").Projected.Sources[0].ServiceAccountToken
				if token == nil || token.Audience != "sts.amazonaws.com" || token.Path != "token" {
					t.Errorf("token is %+v", token)
				}
				want := map[string]string{
					"AWS_ROLE_ARN":                "arn:aws:iam::111122223333:role/opentelemetry-uat",
					"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/pinnace/token",
					"AWS_STS_REGIONAL_ENDPOINTS":  "regional",
					"AWS_REGION":                  "eu-north-1",
				}
				got := map[string]string{}
				for name, value := range environ(container(t, pod, fetcher)) {
					if strings.HasPrefix(name, "AWS_") {
						got[name] = value
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("environment (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(map[string]bool{fetcher: true}, mounts(pod, "aws-token")); diff != "" {
					t.Errorf("mounts of the token (-want +got):\n%s", diff)
				}
			}
		})
	}
	pod := pods(t, variant(t, "everything"))["agent"]
	if got := environ(container(t, pod, "pinnace-agent"))["AWS_ROLE_ARN"]; got != "arn:aws:iam::444455556666:role/agents" {
		t.Errorf("the agent takes the role %s", got)
	}
}

// TestHelmTest asks as every role's account, with the very settings of its agent.
func TestHelmTest(t *testing.T) {
	for _, name := range []string{"everything", "process", "uat"} {
		all := variant(t, name)
		for role, pod := range pods(t, all) {
			check := get[corev1.Pod](t, all, "Pod/opentelemetry-"+role+"-check")
			if check.Annotations["helm.sh/hook"] != "test" || check.Spec.ServiceAccountName != pod.Spec.ServiceAccountName {
				t.Errorf("%s: the test of the %s is %v as %s", name, role, check.Annotations, check.Spec.ServiceAccountName)
			}
			if check.Labels["app.kubernetes.io/component"] == role {
				t.Errorf("%s: the Services send to the test of the %s", name, role)
			}
			fetcher := container(t, pod, map[bool]string{true: "collector", false: "pinnace-agent"}[name == "process"])
			got := environ(check.Spec.Containers[0])
			for variable, want := range environ(fetcher) {
				if strings.HasPrefix(variable, "AWS_") || variable == "PINNACE_APPCONFIG" || variable == "SSL_CERT_FILE" {
					if got[variable] != want {
						t.Errorf("%s: the test of the %s has %s=%q, want %q", name, role, variable, got[variable], want)
					}
				}
			}
			if !slices.Equal(check.Spec.Containers[0].Args, []string{"check"}) {
				t.Errorf("%s: the test of the %s runs %v", name, role, check.Spec.Containers[0].Args)
			}
		}
	}
}

// TestRules names what each role may read of the Kubernetes API, preset by preset.
func TestRules(t *testing.T) {
	off := "presets: {kubeletMetrics: {enabled: false}, kubernetesAttributes: {enabled: false}, " +
		"kubernetesEvents: {enabled: false}, clusterMetrics: {enabled: false}}"
	for preset, test := range map[string]struct {
		role string
		want []string
	}{
		"kubeletMetrics": {"agent", []string{"get nodes/stats"}},
		"kubernetesAttributes": {"agent", []string{
			"get,list,watch namespaces", "get,list,watch pods", "get,list,watch replicasets.apps",
		}},
		"kubernetesEvents": {"cluster", []string{"list,watch events.events.k8s.io"}},
		"clusterMetrics": {"cluster", []string{
			"get,list,watch cronjobs.batch", "get,list,watch daemonsets.apps", "get,list,watch deployments.apps",
			"get,list,watch events", "get,list,watch horizontalpodautoscalers.autoscaling", "get,list,watch jobs.batch",
			"get,list,watch namespaces", "get,list,watch namespaces/status", "get,list,watch nodes", "get,list,watch nodes/spec",
			"get,list,watch persistentvolumeclaims", "get,list,watch persistentvolumes", "get,list,watch pods",
			"get,list,watch pods/status", "get,list,watch replicasets.apps", "get,list,watch replicationcontrollers",
			"get,list,watch replicationcontrollers/status", "get,list,watch resourcequotas", "get,list,watch services",
			"get,list,watch statefulsets.apps",
		}},
	} {
		t.Run(preset, func(t *testing.T) {
			all := uat(t, off, "presets: {"+preset+": {enabled: true}}")
			role := get[rbacv1.ClusterRole](t, all, "ClusterRole/observability:opentelemetry-"+test.role)
			if diff := cmp.Diff(test.want, rules(role)); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
	for id := range uat(t, off) {
		if strings.HasPrefix(id, "ClusterRole") {
			t.Errorf("without presets that need it there is %s", id)
		}
	}
}

// rules are VERBS RESOURCE.GROUP, sorted.
func rules(role rbacv1.ClusterRole) []string {
	var lines []string
	for _, rule := range role.Rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				lines = append(lines, strings.Join(rule.Verbs, ",")+" "+strings.TrimSuffix(resource+"."+group, "."))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// TestNobodyReadsSecrets: no rule names Secrets, everything or a verb that writes, and only who has rules has a token.
func TestNobodyReadsSecrets(t *testing.T) {
	for _, v := range charts.Variants() {
		all := mustRender(t, v.Values...)
		for id, manifest := range all {
			if !strings.HasPrefix(id, "ClusterRole/") {
				continue
			}
			for _, rule := range decode[rbacv1.ClusterRole](t, manifest).Rules {
				for _, resource := range rule.Resources {
					if strings.HasPrefix(resource, "secrets") || strings.Contains(resource, "*") || slices.Contains(rule.APIGroups, "*") {
						t.Errorf("%s of %s may read %s", id, v.Name, resource)
					}
				}
				for _, verb := range rule.Verbs {
					if !slices.Contains([]string{"get", "list", "watch"}, verb) {
						t.Errorf("%s of %s may %s", id, v.Name, verb)
					}
				}
			}
		}
		for role, pod := range pods(t, all) {
			_, ruled := all["ClusterRole/observability:"+pod.Spec.ServiceAccountName]
			if v.Name == "values-of-0.1.0" {
				ruled = true // one account for all roles
			}
			want := map[string]bool{}
			if ruled {
				want["collector"] = true
			}
			if diff := cmp.Diff(want, mounts(pod, "kubernetes-api")); diff != "" {
				t.Errorf("%s of %s: mounts of the token (-want +got):\n%s", role, v.Name, diff)
			}
		}
	}
}
