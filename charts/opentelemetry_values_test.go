package charts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

// These look like keys and are none.
const (
	fakeKey     = "cxtp_FAKEfakeFAKEfake0000"
	fakeUserKey = "cxut_fakefakefake"
	fakeUUID    = "deadbeef-dead-beef-dead-beefdeadbeef"
	fakeAWS     = "AKIAFAKEFAKEFAKEFAKE"
	fakeBearer  = "Bearer fakefakefakefake"
	fakeJWT     = "eyJmYWtlIjoiZmFrZSJ9.eyJmYWtlIjoiZmFrZSJ9.fake"
)

func TestSchemaRefusesKeys(t *testing.T) {
	tests := map[string]struct{ values, key, place string }{
		"application name":      {"coralogix: {applicationName: " + fakeKey + "}", fakeKey, "/coralogix/applicationName"},
		"user key":              {"coralogix: {subsystemName: " + fakeUserKey + "}", fakeUserKey, "/coralogix/subsystemName"},
		"inside a longer text":  {"clusterName: prod-x_" + fakeKey, fakeKey, "/clusterName"},
		"domain":                {"coralogix: {domain: " + fakeKey + "}", fakeKey, "/coralogix/domain"},
		"role":                  {"aws: {roleArn: " + fakeUUID + "}", fakeUUID, "/aws/roleArn"},
		"poll interval":         {"pinnace: {pollInterval: " + fakeKey + "}", fakeKey, "/pinnace/pollInterval"},
		"resource attribute":    {"resourceAttributes: {team: " + fakeUUID + "}", fakeUUID, "/resourceAttributes/team"},
		"node selector":         {"nodeSelector: {pool: " + fakeKey + "}", fakeKey, "/nodeSelector/pool"},
		"pod annotation":        {"podAnnotations: {note: '" + fakeBearer + "'}", fakeBearer, "/podAnnotations/note"},
		"pod label":             {"podLabels: {note: " + fakeKey + "}", fakeKey, "/podLabels/note"},
		"account annotation":    {"serviceAccount: {annotations: {note: " + fakeJWT + "}}", fakeJWT, "/annotations/note"},
		"environment":           {"extraEnv: {NOTE: " + fakeAWS + "}", fakeAWS, "/extraEnv/NOTE"},
		"agent's environment":   {"pinnace: {extraEnv: {NOTE: " + fakeUUID + "}}", fakeUUID, "/pinnace/extraEnv/NOTE"},
		"toleration":            {"tolerations: [{key: a, value: " + fakeKey + "}]", fakeKey, "/tolerations/0/value"},
		"deep in the affinity":  {"affinity: {nodeAffinity: {a: [{b: " + fakeKey + "}]}}", fakeKey, "/nodeAffinity/a/0/b"},
		"PEM":                   {"podAnnotations: {note: '-----BEGIN FAKE KEY-----'}", "-----BEGIN", "/podAnnotations/note"},
		"global":                {"global: {a: " + fakeKey + "}", fakeKey, "/global/a"},
		"unknown property":      {"extra: " + fakeKey, fakeKey, "/extra"},
		"key as a name":         {"podLabels: {" + fakeKey + ": a}", "", ""},
		"name privateKey":       {"coralogix: {privateKey: short}", "short", "/coralogix/privateKey"},
		"name private_key":      {"private_key: short", "short", "/private_key"},
		"name apiKey":           {"coralogix: {apiKey: short}", "short", "/coralogix/apiKey"},
		"name token":            {"aws: {token: short}", "short", "/aws/token"},
		"name password":         {"global: {password: short}", "short", "/global/password"},
		"name as annotation":    {"podAnnotations: {example.com/api-key: short}", "short", "api-key"},
		"name as variable":      {"extraEnv: {CORALOGIX_PRIVATE_KEY: short}", "short", "/extraEnv/CORALOGIX_PRIVATE_KEY"},
		"name of an AWS secret": {"pinnace: {extraEnv: {AWS_SECRET_ACCESS_KEY: short}}", "short", "/AWS_SECRET_ACCESS_KEY"},
		"name of a token":       {"extraEnv: {MY_TOKEN: short}", "short", "/extraEnv/MY_TOKEN"},
		"name of a secret":      {"global: {clientSecret: short}", "short", "/global/clientSecret"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := render(environment(t, "uat"), test.values)
			if err == nil {
				t.Fatal("rendered")
			}
			if !strings.Contains(err.Error(), test.place) {
				t.Errorf("the error does not name %s: %v", test.place, err)
			}
			if test.key != "" && strings.Contains(err.Error(), test.key) {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
}

func TestSchemaRefusesMistakes(t *testing.T) {
	tests := map[string]struct{ values, want string }{
		"unknown at the top":     {"replica: 3", "replica"},
		"unknown below":          {"coralogix: {region: eu2}", "region"},
		"unknown in the image":   {"pinnace: {image: {name: x}}", "name"},
		"unknown in resources":   {"resources: {claims: []}", "claims"},
		"mode":                   {"mode: statefulset", "mode"},
		"expansion":              {"clusterName: '${env:HOME}'", "clusterName"},
		"memory without unit":    {"resources: {limits: {memory: '1000000'}}", "memory"},
		"digest":                 {"image: {digest: latest}", "digest"},
		"empty application name": {"coralogix: {applicationName: ''}", "applicationName"},
		"separator in AppConfig": {"pinnace: {appConfig: {profile: a/b}}", "profile"},
		"number for a name":      {"clusterName: 5", "clusterName"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := render(environment(t, "uat"), test.values); err == nil {
				t.Error("rendered")
			} else if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error does not name %s: %v", test.want, err)
			}
		})
	}
}

// TestSchemaAccepts guards against a schema that takes honest values for keys.
func TestSchemaAccepts(t *testing.T) {
	for name, values := range map[string]string{
		"pull secrets":    "imagePullSecrets: [{name: mirror}]",
		"digest":          "image: {digest: 'sha256:" + strings.Repeat("0a", 32) + "'}",
		"tolerations":     "tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]",
		"almost a UUID":   "podLabels: {note: 00000000-fake-0000-0000-000000000000}",
		"webhook setting": "serviceAccount: {annotations: {eks.amazonaws.com/token-expiration: '3600'}}",
		"topology": "affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: " +
			"[{weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/hostname}}]}}",
		"variables":  "extraEnv: {GOGC: '50', HTTPS_PROXY: 'http://proxy.example:3128'}",
		"subchart":   "global: {team: a}",
		"cx in text": "clusterName: cx-prod",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := render(environment(t, "uat"), values); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	tests := map[string]struct{ values, want string }{
		"no role": {`aws: {roleArn: ""}`, "aws.roleArn is empty: give the ARN of the pod's role"},
		"pod identity and a role": {
			"aws: {podIdentity: true}", "leave aws.roleArn empty and aws.projectToken false",
		},
		"pod identity and a projected token": {
			`aws: {podIdentity: true, roleArn: "", projectToken: true}`, "leave aws.roleArn empty and aws.projectToken false",
		},
		"a user's ARN":    {"aws: {roleArn: 'arn:aws:iam::111122223333:user/a'}", "is not the ARN of an IAM role"},
		"a short account": {"aws: {roleArn: 'arn:aws:iam::1111:role/a'}", "is not the ARN of an IAM role"},
		"a role's name":   {"aws: {roleArn: collector}", "write it as arn:aws:iam::111122223333:role/opentelemetry"},
		"no cluster":      {`clusterName: ""`, "clusterName is empty: give the name of this Kubernetes cluster"},
		"no domain":       {`coralogix: {domain: ""}`, "coralogix.domain is empty: give the domain"},
		"unknown domain":  {"coralogix: {domain: eu9.coralogix.com}", "is unknown: write us1 or us2"},
		"look-alike":      {"coralogix: {domain: eu2.coralogix.com.example}", "is unknown: write us1 or us2"},
		"alias":           {"coralogix: {domain: coralogix.com}", "is an older alias: write your region's own"},
		"shut down": {
			"coralogix: {domain: private-link.eu2.coralogix.com, allowUnknownDomain: true}",
			"is an endpoint that is shut down",
		},
		"endpoint": {"coralogix: {domain: ingress.eu2.coralogix.com}", "leave out scheme, ingress, port and path"},
		"URL":      {"coralogix: {domain: 'https://eu2.coralogix.com/', allowUnknownDomain: true}", "is more than a domain"},
		"no AppConfig environment": {
			`pinnace: {appConfig: {environment: ""}}`,
			"pinnace.appConfig.environment is empty: give the name or id",
		},
		"projected token without region": {`aws: {projectToken: true, region: ""}`, "the chart must set the region"},
		"account without name": {
			"serviceAccount: {create: false}",
			"give the service account's name in serviceAccount.name",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := render(environment(t, "uat"), test.values); err == nil {
				t.Error("rendered")
			} else if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error does not say %q: %v", test.want, err)
			}
		})
	}
	for name, values := range map[string]string{
		"alias":      "coralogix: {domain: coralogixsg.com, allowUnknownDomain: true}",
		"new region": "coralogix: {domain: eu9.coralogix.com, allowUnknownDomain: true}",
		"GovCloud":   "aws: {roleArn: 'arn:aws-us-gov:iam::111122223333:role/path/a'}",
	} {
		t.Run("allowed/"+name, func(t *testing.T) {
			if _, err := render(environment(t, "uat"), values); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOldKubernetesIsRefused(t *testing.T) {
	packed, err := archive()
	if err != nil {
		t.Fatal(err)
	}
	options := chartrepo.RenderOptions{Release: "a", Namespace: "b", Values: [][]byte{[]byte(environment(t, "uat"))}}
	for version, works := range map[string]bool{"1.28.15": false, "1.29.0": true, "1.29.8-eks-a737599": true} {
		options.KubeVersion = version
		if _, err := chartrepo.Render(packed, options); (err == nil) != works {
			t.Errorf("on Kubernetes %s: %v", version, err)
		}
	}
}

func TestDeployment(t *testing.T) {
	files := mustRender(t, environment(t, "uat"), "{mode: deployment, replicas: 3}")
	workload := decode[appsv1.Deployment](t, files["workload.yaml"])
	if workload.Kind != "Deployment" || workload.Name != "opentelemetry-gateway" || *workload.Spec.Replicas != 3 {
		t.Errorf("got %s %s", workload.Kind, workload.Name)
	}
	if service := decode[corev1.Service](t, files["service.yaml"]); service.Spec.InternalTrafficPolicy != nil {
		t.Error("senders on other nodes cannot reach the deployment")
	}
}

// With Pod Identity EKS's webhook finds the role by the service account's name, and sets what the agent reads.
func TestPodIdentity(t *testing.T) {
	files := mustRender(t, environment(t, "uat"), `aws: {podIdentity: true, roleArn: ""}`)
	for name, manifest := range files {
		if strings.Contains(manifest, "role-arn") || strings.Contains(manifest, "AWS_ROLE_ARN") ||
			strings.Contains(manifest, "sts-regional-endpoints") {
			t.Errorf("%s names a role:\n%s", name, manifest)
		}
	}
	account := decode[corev1.ServiceAccount](t, files["serviceaccount.yaml"])
	pod := decode[appsv1.DaemonSet](t, files["workload.yaml"]).Spec.Template
	if len(account.Annotations) != 0 || pod.Spec.ServiceAccountName != account.Name {
		t.Errorf("account %s has %v, the pod is of %s", account.Name, account.Annotations, pod.Spec.ServiceAccountName)
	}
	if pod.Annotations["eks.amazonaws.com/skip-containers"] != "collector" {
		t.Error("the collector would get the identity, too")
	}
	files = mustRender(t, environment(t, "uat"),
		`{aws: {podIdentity: true, roleArn: ""}, serviceAccount: {annotations: {owner: telemetry}}}`)
	account = decode[corev1.ServiceAccount](t, files["serviceaccount.yaml"])
	if len(account.Annotations) != 1 || account.Annotations["owner"] != "telemetry" {
		t.Errorf("the account has %v", account.Annotations)
	}
}

func TestProjectToken(t *testing.T) {
	files := mustRender(t, environment(t, "uat"), "aws: {projectToken: true}")
	pod := decode[appsv1.DaemonSet](t, files["workload.yaml"]).Spec.Template.Spec
	volume := pod.Volumes[slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "aws-token" })]
	token := volume.Projected.Sources[0].ServiceAccountToken
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
	for _, variable := range pod.InitContainers[0].Env {
		if strings.HasPrefix(variable.Name, "AWS_") {
			got[variable.Name] = variable.Value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		if mount.Name == "aws-token" {
			t.Error("the collector can take the role")
		}
	}
}

func TestOptionalObjects(t *testing.T) {
	files := mustRender(t, environment(t, "uat"),
		"{service: {enabled: false}, serviceAccount: {create: false, name: mine}}")
	for _, file := range []string{"service.yaml", "serviceaccount.yaml"} {
		if text, ok := files[file]; ok {
			t.Errorf("%s is rendered:\n%s", file, text)
		}
	}
	pod := decode[appsv1.DaemonSet](t, files["workload.yaml"]).Spec.Template.Spec
	if pod.ServiceAccountName != "mine" {
		t.Errorf("the pod runs as %s", pod.ServiceAccountName)
	}
}

func TestPodSettingsArrive(t *testing.T) {
	files := mustRender(t, environment(t, "uat"), `
extraEnv: {GOGC: "50"}
pinnace: {extraEnv: {AWS_ENDPOINT_URL: "http://127.0.0.1:4566"}, image: {digest: "sha256:`+strings.Repeat("0", 64)+`"}}
podAnnotations: {example.com/a: b}
podLabels: {team: a}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [
  {key: a, operator: Exists}]}]}}}
priorityClassName: high
imagePullSecrets: [{name: mirror}]
hostNetwork: true
`)
	template := decode[appsv1.DaemonSet](t, files["workload.yaml"]).Spec.Template
	pod := template.Spec
	arrived := map[string]bool{
		"annotation":   template.Annotations["example.com/a"] == "b",
		"label":        template.Labels["team"] == "a",
		"nodeSelector": pod.NodeSelector["kubernetes.io/os"] == "linux",
		"tolerations":  len(pod.Tolerations) == 1,
		"affinity":     pod.Affinity != nil && pod.Affinity.NodeAffinity != nil,
		"priority":     pod.PriorityClassName == "high",
		"pull secrets": len(pod.ImagePullSecrets) == 1,
		"host network": pod.HostNetwork && pod.DNSPolicy == corev1.DNSClusterFirstWithHostNet,
		"digest":       strings.HasPrefix(pod.InitContainers[0].Image, "pinnace-dev/pinnace-agent@sha256:"),
		"environment":  slices.Contains(pod.Containers[0].Env, corev1.EnvVar{Name: "GOGC", Value: "50"}),
		"agent's environment": slices.Contains(pod.InitContainers[0].Env,
			corev1.EnvVar{Name: "AWS_ENDPOINT_URL", Value: "http://127.0.0.1:4566"}),
	}
	for what, ok := range arrived {
		if !ok {
			t.Errorf("%s did not arrive in the pod", what)
		}
	}
}
