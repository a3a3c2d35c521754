package charts_test

import (
	"strings"
	"testing"
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
		"key for a Secret":      {"keyDelivery: {existingSecret: {name: " + fakeKey + "}}", fakeKey, "/existingSecret/name"},
		"key in the Secret":     {"keyDelivery: {existingSecret: {key: " + fakeUserKey + "}}", fakeUserKey, "/existingSecret/key"},
		"key as the Secret":     {"keyDelivery: {existingSecret: short}", "short", "/keyDelivery/existingSecret"},
		"value of the Secret":   {"keyDelivery: {existingSecret: {value: short}}", "short", "/keyDelivery/existingSecret"},
		"object for a secret":   {"global: {clientSecret: {value: short}}", "short", "/global/clientSecret"},
		"a role's environment":  {"cluster: {extraEnv: {NOTE: " + fakeUUID + "}}", fakeUUID, "/cluster/extraEnv/NOTE"},
		"sampling policy": {
			"presets: {tailSampling: {policies: [{name: a, type: b, c: " + fakeKey + "}]}}", fakeKey, "/policies/0/c",
		},
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
		"unknown in a role":      {"agent: {replicas: 3}", "replicas"},
		"unknown preset":         {"presets: {spanMetrics: {enabled: true}}", "spanMetrics"},
		"unknown in a preset":    {"presets: {hostMetrics: {interval: 5s}}", "interval"},
		"platform":               {"platform: gke", "platform"},
		"no command":             {"keyDelivery: {process: {command: []}}", "command"},
		"queue without unit":     {"agent: {queue: {size: '100'}}", "size"},
		"replicas":               {"gateway: {replicas: 0}", "replicas"},
		"version":                {"image: {version: latest}", "version"},
		"relative folder":        {"presets: {logsCollection: {hostPath: otelcol}}", "hostPath"},
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
		"variables":            "extraEnv: {GOGC: '50', HTTPS_PROXY: 'http://proxy.example:3128'}",
		"subchart":             "global: {team: a}",
		"cx in text":           "clusterName: cx-prod",
		"existing Secret":      "keyDelivery: {file: {enabled: false}, existingSecret: {enabled: true, name: coralogix-keys}}",
		"one of a policy":      "presets: {tailSampling: {policies: [{name: all, type: always_sample}]}}",
		"number or percentage": "{agent: {updateStrategy: {maxUnavailable: 1}}, podDisruptionBudget: {maxUnavailable: 50%}}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := render(environment(t, "uat"), values); err != nil {
				t.Error(err)
			}
		})
	}
}
