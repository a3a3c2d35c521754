package chartdoc_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pinnace-dev/pinnace/internal/chartdoc"
)

// open lets anything through but what nokeys.json refuses.
const open = `# Anything.
# @schema {"additionalProperties": true}
free: {}
# What may be a reference.
# @schema {"additionalProperties": true}
keyDelivery: {}
`

// validator is the library that Helm has, whose errors Helm prints.
func validator(t testing.TB, document string) *jsonschema.Schema {
	t.Helper()
	values, err := chartdoc.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	text, err := values.Schema("example", nil)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("file:///values.schema.json", schema); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile("file:///values.schema.json")
}

// These look like keys and are none.
var fakeKeys = map[string]string{
	"Coralogix key":              "cxtp_FAKEfakeFAKEfake0000",
	"Coralogix key of a user":    "cxup_FAKEfakeFAKEfake0000",
	"older Coralogix key":        "deadbeef-dead-beef-dead-beefdeadbeef",
	"the same in capitals":       "DEADBEEF-DEAD-BEEF-DEAD-BEEFDEADBEEF",
	"AWS access key":             "AKIAFAKEFAKEFAKEFAKE",
	"AWS temporary key":          "ASIAFAKEFAKEFAKEFAKE",
	"AWS secret key":             "wJalrFAKE1K7MDENG/bPxRfiCYFAKEFAKE9zK0ab",
	"AWS session token":          "IQoJb3JpZ2luX2VjFAKE" + strings.Repeat("9fAkE0TokEn/", 30) + "==",
	"JSON web token":             "eyJmYWtlIjoiZmFrZSJ9.eyJmYWtlIjoiZmFrZSJ9.fake",
	"bearer header":              "Bearer fakefakefakefake",
	"header with its name":       "Authorization: bearer fakefakefakefake",
	"basic header":               "Basic dXNlcjpmYWtlZmFrZQ==",
	"PEM":                        "-----BEGIN PRIVATE KEY-----\nfake\n-----END PRIVATE KEY-----",
	"PEM in base64":              "LS0tLS1CRUdJTiBGQUtFIEtFWS0tLS0t",
	"password in a URL":          "http://user:fake@proxy.example:3128",
	"password without user":      "redis://:fake@cache.example",
	"token of GitHub":            "ghp_FAKEfakeFAKEfakeFAKEfake",
	"word that nobody wrote":     "Zx8Kq2Lm9Pw4Rt7Yb3Nc6Vd1Hf5Js0GaQe",
	"the same, URL-safe":         "Zx8Kq2Lm9Pw4Rt7Yb3Nc6Vd1Hf5Js0-_Qe",
	"the same with a line break": "Zx8Kq2Lm9Pw4Rt7Yb3Nc6Vd1Hf5Js0GaQe\n",
	"in a longer text":           "key=cxtp_FAKEfakeFAKEfake0000;",
	"on a line of a file":        "a: b\nc: deadbeef-dead-beef-dead-beefdeadbeef\n",
	"AWS access key in a text":   "id AKIAFAKEFAKEFAKEFAKE, secret elsewhere",
}

func TestNoPlaceHoldsAKey(t *testing.T) {
	schema := validator(t, open)
	for kind, key := range fakeKeys {
		for place, values := range map[string]any{
			"value":             map[string]any{"free": map[string]any{"a": key}},
			"deep":              map[string]any{"free": map[string]any{"a": []any{map[string]any{"b": []any{key}}}}},
			"name":              map[string]any{"free": map[string]any{key: "a"}},
			"name of a mapping": map[string]any{"free": map[string]any{key: map[string]any{"a": key}}},
			"name at the top":   map[string]any{key: true},
			"unknown":           map[string]any{"unknown": key},
			"global":            map[string]any{"global": map[string]any{"a": key}},
			"below a key's name": map[string]any{
				"free": map[string]any{"privateKey": map[string]any{"a": key}, "token": key, "clientSecret": key},
			},
			"Secret's name": reference(map[string]any{"enabled": true, "name": key, "key": "a"}),
			"Secret's key":  reference(map[string]any{"enabled": true, "name": "a", "key": key}),
			"beside them":   reference(map[string]any{"enabled": true, "name": "a", "key": "a", "value": key}),
			"in their name": reference(map[string]any{"enabled": true, "name": "a", "key": "a", key: "a"}),
			"in the list":   reference([]any{key}),
			"in its place":  reference(key),
		} {
			err := schema.Validate(values)
			if err == nil {
				t.Errorf("%s as %s is accepted", kind, place)
			} else if repeats(err, key) {
				t.Errorf("%s as %s is repeated: %v", kind, place, err)
			} else if !strings.Contains(err.Error(), "no key: values hold none") {
				t.Errorf("%s as %s: the error does not say what is wrong: %v", kind, place, err)
			}
		}
	}
}

func repeats(err error, key string) bool {
	quoted, _ := json.Marshal(key)
	return strings.Contains(err.Error(), key) || strings.Contains(err.Error(), strings.Trim(string(quoted), `"`))
}

func reference(existing any) map[string]any {
	return map[string]any{"keyDelivery": map[string]any{"existingSecret": existing}}
}

func TestNamesOfKeysAreRefused(t *testing.T) {
	schema := validator(t, open)
	for _, name := range []string{
		"privateKey", "private_key", "PRIVATE_KEY", "CORALOGIX_PRIVATE_KEY", "apiKey", "api-key", "APIKEY", "apiKeys",
		"example.com/api-key", "accessKey", "AWS_SECRET_ACCESS_KEY", "secretKey", "signingKey", "encryptionKey", "masterKey",
		"authKey", "accountKey", "licenseKey", "sshKey", "sendYourDataKey", "coralogixKey", "cxKey", "token", "tokens",
		"MY_TOKEN", "authToken", "accessToken", "accessTokens", "userToken", "sessionToken", "secretString", "secretValue",
		"secret", "secrets", "SECRET", "clientSecret", "client_secret", "someSecret", "existingsecret", "my.secrets", "secret_key",
		"password", "passwd", "DB_PWD", "passphrase", "credentials", "authorization", "Authorization", "bearer", "jwt", "ID_JWT",
	} {
		for kind, value := range map[string]any{
			"text": "short", "mapping": map[string]any{"a": "b"}, "list": []any{"a"}, "number": json.Number("5"),
			"reference": map[string]any{"enabled": true, "name": "a", "key": "b"},
		} {
			for place, values := range map[string]any{
				"below": map[string]any{"free": map[string]any{"a": map[string]any{name: value}}},
				"top":   map[string]any{name: value},
			} {
				if err := schema.Validate(values); err == nil {
					t.Errorf("%s with a %s, %s, is accepted", name, kind, place)
				} else if strings.Contains(err.Error(), "short") {
					t.Errorf("the value of %s is repeated: %v", name, err)
				}
			}
		}
	}
}

func TestReferenceToASecretIsAccepted(t *testing.T) {
	schema := validator(t, open)
	named := map[string]any{"enabled": true, "name": "coralogix-keys", "key": "PRIVATE_KEY"}
	if err := schema.Validate(reference(named)); err != nil {
		t.Error(err)
	}
	for name, wrong := range map[string]any{
		"text":          "coralogix-keys",
		"no name":       map[string]any{"enabled": true, "key": "PRIVATE_KEY"},
		"more than one": map[string]any{"enabled": true, "name": "a", "key": "b", "more": "c"},
		"mapping":       map[string]any{"enabled": true, "name": "a", "key": map[string]any{"b": "c"}},
	} {
		if err := schema.Validate(reference(wrong)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestHonestValuesAreAccepted(t *testing.T) {
	schema := validator(t, open)
	for name, value := range map[string]any{
		"digest":              "sha256:" + strings.Repeat("0a", 32),
		"image":               "registry.example/a/b@sha256:" + strings.Repeat("0a", 32),
		"digest alone":        strings.Repeat("0a", 32),
		"commit":              "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"role":                "arn:aws:iam::111122223333:role/path/OpenTelemetryUatAgent",
		"secret's ARN":        "arn:aws:secretsmanager:eu-north-1:111122223333:secret:coralogix/prod-AbC1d2",
		"domain":              "private-link.eu2.coralogix.com",
		"URL":                 "https://oidc.eks.eu-north-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
		"proxy":               "http://proxy.example:3128",
		"URL with user in it": "https://example.com/path:with/a@sign",
		"path":                "/var/lib/kubelet/pods/volumes/kubernetes.io~empty-dir/otelcol",
		"long path":           "/opt/Vendor2/Collector1/Bin/Plugins/Receivers/Custom/otelcol",
		"field of Kubernetes": "requiredDuringSchedulingIgnoredDuringExecution",
		"type with digits":    "GoogleCloudAiplatformV1beta1ModelDeploymentMonitoring",
		"label":               "node-role.kubernetes.io/control-plane",
		"long name":           "opentelemetry-collector-agent-eu-north-1-production-2-blue",
		"almost a UUID":       "00000000-fake-0000-0000-000000000000",
		"cx in a name":        "cx-prod",
		"sentence":            "Basic monitoring of everything, a bearer of news",
		"pattern":             "^/var/log/pods/[^/]+_(?P<pod>[^_]+)_[a-f0-9-]{36}/.*[0-9]+\\.log$",
		"networks":            "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,.svc,.cluster.local",
		"sampling": map[string]any{
			"name": "errors", "type": "and", "numeric_attribute": map[string]any{"key": "http.status_code", "min_value": 400.0},
		},
		"switches":        map[string]any{"projectToken": true, "automountServiceAccountToken": false},
		"webhook setting": map[string]any{"eks.amazonaws.com/token-expiration": "3600"},
		"pull secrets":    map[string]any{"imagePullSecrets": []any{map[string]any{"name": "mirror"}}},
		"keys of others":  map[string]any{"topologyKey": "kubernetes.io/hostname", "key": "PRIVATE_KEY", "keyDelivery": "file"},
		"checksum":        map[string]any{"checksum/config": hexOf("a"), "sha": base64Of("") + "."},
		"nothing":         nil,
	} {
		if err := schema.Validate(map[string]any{"free": map[string]any{"a": value}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func base64Of(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// TestRandomWordsAreRefused measures what a rule about text can promise: nearly all AWS secret keys, not each.
func TestRandomWordsAreRefused(t *testing.T) {
	schema := validator(t, open)
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	random := rand.New(rand.NewPCG(1, 2))
	const tries = 2000
	missed := 0
	for range tries {
		key := make([]byte, 40)
		for i := range key {
			key[i] = letters[random.IntN(len(letters))]
		}
		err := schema.Validate(map[string]any{"free": map[string]any{"a": string(key)}})
		if err == nil {
			missed++
		} else if repeats(err, string(key)) {
			t.Fatalf("the key is repeated: %v", err)
		}
	}
	if missed > tries*4/100 {
		t.Errorf("%d of %d are accepted", missed, tries)
	}
	t.Logf("%d of %d random words of 40 characters are accepted", missed, tries)
}
