package charts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/charts"
	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

// TestServices finds behind every port of every Service a container that listens.
func TestServices(t *testing.T) {
	for _, v := range charts.Variants() {
		all := mustRender(t, v.Values...)
		for id, manifest := range all {
			if !strings.HasPrefix(id, "Service/") {
				continue
			}
			service := decode[corev1.Service](t, manifest)
			pod := pods(t, all)[service.Spec.Selector["app.kubernetes.io/component"]]
			var listens []string
			for _, c := range pod.Spec.Containers {
				for _, port := range c.Ports {
					listens = append(listens, fmt.Sprintf("%s %d", port.Name, port.ContainerPort))
				}
			}
			// Kubernetes before 1.32 finds ports of a native sidecar by their number alone.
			for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
				for _, port := range c.Ports {
					listens = append(listens, fmt.Sprintf("%d %[1]d", port.ContainerPort))
				}
			}
			for _, port := range service.Spec.Ports {
				if !slices.Contains(listens, fmt.Sprintf("%s %d", port.TargetPort.String(), port.Port)) {
					t.Errorf("%s of %s: nothing listens on %s", id, v.Name, port.Name)
				}
			}
			for key, value := range service.Spec.Selector {
				if pod.Labels[key] != value {
					t.Errorf("%s of %s selects %s=%s, which no pod has", id, v.Name, key, value)
				}
			}
		}
	}
}

func TestWhichServices(t *testing.T) {
	for name, want := range map[string][]string{
		"uat":        {"opentelemetry-agent"},
		"gateway":    {"opentelemetry-agent", "opentelemetry-gateway", "opentelemetry-gateway-peers"},
		"fargate":    {"opentelemetry-gateway"},
		"everything": {"opentelemetry-agent", "opentelemetry-cluster", "opentelemetry-gateway", "opentelemetry-gateway-peers"},
	} {
		all := variant(t, name)
		var got []string
		for _, id := range ids(all) {
			if service, ok := strings.CutPrefix(id, "Service/"); ok {
				got = append(got, service)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("services of %s (-want +got):\n%s", name, diff)
		}
	}
	agent := get[corev1.Service](t, uat(t), "Service/opentelemetry-agent")
	if policy := agent.Spec.InternalTrafficPolicy; policy == nil || *policy != corev1.ServiceInternalTrafficPolicyLocal {
		t.Error("records leave the sender's node on their way to an agent")
	}
	all := variant(t, "gateway")
	if gateway := get[corev1.Service](t, all, "Service/opentelemetry-gateway"); gateway.Spec.InternalTrafficPolicy != nil {
		t.Error("senders on other nodes cannot reach the gateway")
	}
	if peers := get[corev1.Service](t, all, "Service/opentelemetry-gateway-peers"); peers.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Error("the agents cannot tell the gateway's pods apart")
	}
	for id := range uat(t, "service: {enabled: false}") {
		if strings.HasPrefix(id, "Service/") {
			t.Errorf("there is %s", id)
		}
	}
}

// Names are at most 63 characters, however long those of the release and its overrides are.
func TestLongNames(t *testing.T) {
	all := mustRender(t, environment(t, "uat"),
		"{fullnameOverride: "+strings.Repeat("a", 54)+", gateway: {enabled: true}, networkPolicy: {enabled: true}}")
	for id := range all {
		kind, name, _ := strings.Cut(id, "/")
		if len(name) > 63 && kind != "Pod" && !strings.HasPrefix(kind, "ClusterRole") {
			t.Errorf("%s has %d characters", id, len(name))
		}
	}
}

// TestReleasesDoNotMeet: what is not of a namespace, the cluster's rules and the folders of nodes, is of one release alone, also
// where the names of namespace and release run together.
func TestReleasesDoNotMeet(t *testing.T) {
	owner := map[string]string{}
	for _, release := range []chartrepo.RenderOptions{
		{Release: "opentelemetry", Namespace: "observability"},
		{Release: "opentelemetry", Namespace: "observability-prod"},
		{Release: "prod-opentelemetry", Namespace: "observability"},
		{Release: "b", Namespace: "observability"},
	} {
		all := renderFor(t, release, environment(t, "uat"))
		shared := []string{volume(t, pods(t, all)["agent"], "state").HostPath.Path}
		for _, id := range ids(all) {
			if strings.HasPrefix(id, "ClusterRole") {
				shared = append(shared, id)
			}
		}
		who := release.Release + " in " + release.Namespace
		for _, id := range shared {
			if other, taken := owner[id]; taken {
				t.Errorf("%s is of %s and of %s", id, other, who)
			}
			owner[id] = who
		}
	}
}

// policy is who may reach a role and what it may reach: PORTS, with the peers when they are limited.
func policy(t *testing.T, all objects, role string) (ingress, egress []string) {
	t.Helper()
	spec := get[networkingv1.NetworkPolicy](t, all, "NetworkPolicy/opentelemetry-"+role).Spec
	if len(spec.PolicyTypes) != 2 || spec.PodSelector.MatchLabels["app.kubernetes.io/component"] != role {
		t.Errorf("the policy of the %s is %+v", role, spec)
	}
	describe := func(ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer) string {
		var line []string
		for _, port := range ports {
			line = append(line, fmt.Sprintf("%s/%s", port.Port.String(), *port.Protocol))
		}
		for _, peer := range peers {
			switch {
			case peer.IPBlock != nil:
				line = append(line, peer.IPBlock.CIDR)
			case peer.PodSelector != nil:
				line = append(line, peer.PodSelector.MatchLabels["app.kubernetes.io/component"])
			case peer.NamespaceSelector != nil:
				line = append(line, fmt.Sprint(peer.NamespaceSelector.MatchLabels))
			}
		}
		return strings.Join(line, " ")
	}
	for _, rule := range spec.Ingress {
		ingress = append(ingress, describe(rule.Ports, rule.From))
	}
	for _, rule := range spec.Egress {
		egress = append(egress, describe(rule.Ports, rule.To))
	}
	return ingress, egress
}

func TestNetworkPolicies(t *testing.T) {
	const probes, dns, otlp = "health/TCP metrics/TCP 9474/TCP", "53/UDP 53/TCP", "otlp-grpc/TCP otlp-http/TCP"
	for name, test := range map[string]struct {
		variant, values, role string
		ingress, egress       []string
	}{
		"agent":   {"uat", "{}", "agent", []string{probes, otlp}, []string{dns, "443/TCP 6443/TCP 10250/TCP"}},
		"cluster": {"uat", "{}", "cluster", []string{probes}, []string{dns, "443/TCP 6443/TCP"}},
		"without the Kubernetes API": {
			"otlp-only", "{}", "agent", []string{probes, otlp}, []string{dns, "443/TCP"},
		},
		"pod identity": {
			"pod-identity", "{}", "cluster",
			[]string{probes},
			[]string{dns, "443/TCP 6443/TCP", "80/TCP 169.254.170.23/32 fd00:ec2::23/128"},
		},
		"existing Secret": {
			"existing-secret", "aws: {podIdentity: true}", "cluster",
			[]string{"health/TCP metrics/TCP"},
			[]string{dns, "443/TCP 6443/TCP"},
		},
		"agent with everything": {
			"everything", "{}", "agent",
			[]string{probes, otlp + " map[team:a]"},
			[]string{dns, "443/TCP 6443/TCP 10250/TCP", "80/TCP 169.254.169.254/32 fd00:ec2::254/128", "otlp-grpc/TCP gateway"},
		},
		"gateway": {
			"everything", "{}", "gateway", []string{probes, otlp + " agent map[team:a]"}, []string{dns, "443/TCP"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all objects
			for _, v := range charts.Variants() {
				if v.Name == test.variant {
					all = mustRender(t, append(slices.Clone(v.Values), test.values, "networkPolicy: {enabled: true}")...)
				}
			}
			ingress, egress := policy(t, all, test.role)
			if diff := cmp.Diff(test.ingress, ingress); diff != "" {
				t.Errorf("ingress (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.egress, egress); diff != "" {
				t.Errorf("egress (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodDisruptionBudget(t *testing.T) {
	budget := get[policyv1.PodDisruptionBudget](t, variant(t, "gateway"), "PodDisruptionBudget/opentelemetry-gateway")
	if budget.Spec.MaxUnavailable.IntValue() != 1 || budget.Spec.Selector.MatchLabels["app.kubernetes.io/component"] != "gateway" {
		t.Errorf("budget is %+v", budget.Spec)
	}
	for _, values := range []string{"{}", "{gateway: {enabled: true}, podDisruptionBudget: {enabled: false}}"} {
		if _, ok := uat(t, values)["PodDisruptionBudget/opentelemetry-gateway"]; ok {
			t.Errorf("there is a budget with %s", values)
		}
	}
}

// TestServiceMonitor finds its ports in the Services that it selects.
func TestServiceMonitor(t *testing.T) {
	all := variant(t, "everything")
	var monitor struct {
		Metadata struct{ Labels map[string]string }
		Spec     struct {
			Selector  struct{ MatchLabels map[string]string }
			Endpoints []struct{ Port, Interval string }
		}
	}
	if err := yaml.Unmarshal([]byte(all["ServiceMonitor/opentelemetry"]), &monitor); err != nil {
		t.Fatal(err)
	}
	if monitor.Metadata.Labels["release"] != "prometheus" {
		t.Errorf("labels are %v", monitor.Metadata.Labels)
	}
	for _, role := range []string{"agent", "cluster", "gateway"} {
		service := get[corev1.Service](t, all, "Service/opentelemetry-"+role)
		for key, value := range monitor.Spec.Selector.MatchLabels {
			if service.Labels[key] != value {
				t.Errorf("the Service of the %s has no %s=%s", role, key, value)
			}
		}
		for _, endpoint := range monitor.Spec.Endpoints {
			if !slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == endpoint.Port }) {
				t.Errorf("the Service of the %s has no port %s", role, endpoint.Port)
			}
		}
	}
	if len(monitor.Spec.Endpoints) != 2 {
		t.Errorf("endpoints are %v", monitor.Spec.Endpoints)
	}
}
