package leakscan_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/leakscan"
)

// Keys that are obviously fake, put together here so that no file of this repository has one in it.
var (
	fakeCoralogix = "cxtp" + "_FAKE" + "8fJ2kQ9xW3mZ7vB5"
	fakeUser      = "cxut" + "_FAKE" + "8fJ2kQ9xW3mZ7vB5"
	fakeUUID      = "1f0e9d8c" + "-7b6a-4958-8776-" + "a5b4c3d2e1f0"
	fakeAWS       = "AKIA" + "Z7QW3ERT5YUI2OPA"
	fakeGitHub    = "ghp" + "_" + "x7Kq2Vn9Rt4Lw8Yz3Bm6Hd5Js1Fp0GcQaWeX"
	fakePassword  = "hunter" + "2-hunter2"
	fakePEM       = "-----BEGIN RSA PRIVATE " + "KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEAfake8fJ2kQ9xW3mZ7vB5x7Kq2Vn9Rt4Lw8Yz3Bm6Hd5J\n", 4) +
		"-----END RSA PRIVATE " + "KEY-----\n"
)

var compiled = sync.OnceValues(leakscan.New)

func scanner(t testing.TB) *leakscan.Scanner {
	t.Helper()
	s, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func scan(t testing.TB, in leakscan.Input) []leakscan.Finding {
	t.Helper()
	found, err := scanner(t).Scan(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func file(path, body string) leakscan.File { return leakscan.File{Path: path, Body: []byte(body)} }

// render makes manifests that are the same each time.
func render(files ...leakscan.File) func(context.Context) ([]leakscan.File, error) {
	return func(context.Context) ([]leakscan.File, error) { return files, nil }
}

// places are findings as "file:line rule".
func places(found []leakscan.Finding) []string {
	all := []string{}
	for _, f := range found {
		place := fmt.Sprintf("%s:%d %s", f.File, f.Line, f.Rule)
		if f.Rendered {
			place += " rendered"
		}
		all = append(all, place)
	}
	return all
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestFinds(t *testing.T) {
	for name, test := range map[string]struct {
		path, body string
		want       string
	}{
		"a Coralogix key anywhere": {"README.md", "# app\n\nexport KEY=" + fakeCoralogix + "\n", "README.md:3 coralogix-key"},
		"a Coralogix user key":     {"values.yaml", "a: b\nx: " + fakeUser + "\n", "values.yaml:2 coralogix-key"},
		"under a harmless name too": {
			"values.yaml", "note: use " + fakeCoralogix + " here\n", "values.yaml:1 coralogix-key",
		},
		"a key under its name is one finding": {
			"values.yaml", "privateKey: " + fakeCoralogix + "\n", "values.yaml:1 coralogix-key",
		},
		"a UUID beside privateKey":        {"values.yaml", "privateKey: " + fakeUUID + "\n", "values.yaml:1 coralogix-private-key"},
		"a quoted UUID":                   {"values.yaml", `private_key: "` + fakeUUID + "\"\n", "values.yaml:1 coralogix-private-key"},
		"a UUID beside CORALOGIX_…":       {".env", "CORALOGIX_API_KEY=" + fakeUUID + "\n", ".env:1 coralogix-private-key"},
		"a UUID below coralogix":          {"values.yaml", "coralogix:\n  key: " + fakeUUID + "\n", "values.yaml:2 coralogix-private-key"},
		"a UUID of a variable":            {"x.yaml", "env:\n- name: CORALOGIX_PRIVATE_KEY\n  value: " + fakeUUID + "\n", "x.yaml:3 coralogix-private-key"},
		"a UUID in a template":            {"templates/a.yaml", "{{ if x }}\nprivateKey: " + fakeUUID + "\n{{ end }}", "templates/a.yaml:2 coralogix-private-key"},
		"an access key of AWS":            {"files/run.sh", "aws_access_key_id=" + fakeAWS + "\n", "files/run.sh:1 aws-access-token"},
		"a token of GitHub":               {"ci/x.txt", "\n" + fakeGitHub + "\n", "ci/x.txt:2 github-pat"},
		"a private key":                   {"files/tls.key", fakePEM, "files/tls.key:1 private-key"},
		"a password":                      {"values.yaml", "db:\n  password: " + fakePassword + "\n", "values.yaml:2 named-secret"},
		"a short password":                {"values.yaml", "password: hunt\n", "values.yaml:1 named-secret"},
		"a password of digits":            {"values.yaml", "adminPassword: 271828\n", "values.yaml:1 named-secret"},
		"an apiKey":                       {"values.yaml", "apiKey: letmein-please\n", "values.yaml:1 named-secret"},
		"a token in capitals":             {"values.yaml", "AUTH_TOKEN: letmein-please\n", "values.yaml:1 named-secret"},
		"a bearerToken":                   {"values.yaml", "a: {bearerToken: letmein-please}\n", "values.yaml:1 named-secret"},
		"several in a list":               {"values.yaml", "apiKeys:\n- letmein-please\n- ''\n", "values.yaml:2 named-secret"},
		"a variable":                      {"values.yaml", "env:\n- name: DB_PASSWORD\n  value: " + fakePassword + "\n", "values.yaml:3 named-secret"},
		"an alias":                        {"values.yaml", "x: &pw letmein-please\npassword: *pw\n", "values.yaml:2 named-secret"},
		"a chart below":                   {"charts/db/values.yaml", "password: " + fakePassword + "\n", "charts/db/values.yaml:1 named-secret"},
		"a configuration within a string": {"values.yaml", "config: |\n  exporters:\n    x:\n      token: letmein-please\n", "values.yaml:4 named-secret"},
		"a quoted configuration":          {"values.yaml", "a: b\nconfig: \"a: b\\nc: d\\ntoken: letmein-please\"\n", "values.yaml:2 named-secret"},
		"base64":                          {"values.yaml", "blob: " + base64Of("key is "+fakeCoralogix+" here") + "\n", "values.yaml:1 coralogix-key"},
		"despite a comment for gitleaks":  {"values.yaml", "key: " + fakeCoralogix + " # gitleaks:" + "allow\n", "values.yaml:1 coralogix-key"},
		"the second document":             {"values.yaml", "a: b\n---\npassword: letmein-please\n", "values.yaml:3 named-secret"},
		"the last line, not ended":        {"values.yaml", "a: b\npassword: letmein-please", "values.yaml:2 named-secret"},
	} {
		t.Run(name, func(t *testing.T) {
			found := scan(t, leakscan.Input{Files: []leakscan.File{file(test.path, test.body)}})
			if diff := cmp.Diff([]string{test.want}, places(found)); diff != "" {
				t.Error(diff)
			}
			showsNothing(t, found)
		})
	}
}

// showsNothing: whatever prints findings prints no secret.
func showsNothing(t *testing.T, found []leakscan.Finding) {
	t.Helper()
	encoded, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{
		fakeCoralogix, fakeUser, fakeUUID, fakeAWS, fakeGitHub, fakePassword, "MIIEpA", "letmein", "271828",
	} {
		if printed := fmt.Sprintf("%s %+v %#v", encoded, found, found); strings.Contains(printed, secret) {
			t.Errorf("%s stands in %s", secret, printed)
		}
	}
}

func TestFindsNothing(t *testing.T) {
	for _, body := range []string{
		"privateKey: \"\"", "privateKey:", "privateKey: null", "apiKey: ~", "password: ''",
		"password: {{ .Values.password | quote }}", "password: \"{{ .Values.password }}\"",
		"privateKey: ${env:CORALOGIX_PRIVATE_KEY}", "private_key: \"${CORALOGIX_PRIVATE_KEY}\"", "token: $(TOKEN)",
		"token: $TOKEN", "token: '%TOKEN%'", "token: <your token>", "password: '<%= password %>'",
		"privateKey: '{{resolve:secretsmanager:coralogix/prod/private_key:SecretString:privateKey}}'",
		"password: changeme", "password: change-me-in-production", "password: CHANGE_ME", "apiKey: REPLACE_WITH_YOUR_KEY",
		"apiKey: your-api-key", "apiKey: xxxxxxxx", "apiKey: '********'", "apiKey: insert-key-here", "token: TODO",
		"token: example-token", "password: placeholder", "apiKey: none", "password: password", "adminPassword: password",
		"privateKey: 00000000-0000-0000-0000-000000000000", "privateKey: cxtp_" + "xxxxxxxxxxxxxxxxxxxx",
		"password: vault:secret/data/app#password", "apiKey: ref+awssecrets://coralogix/prod#privateKey",
		"token: arn:aws:secretsmanager:eu-west-1:123456789012:secret:coralogix/prod/private_key",
		"token: op://vault/item/field", "token: /var/run/secrets/eks.amazonaws.com/serviceaccount/token",
		"password: ENC[AES256_GCM,data:abcd,type:str]",
		"existingSecret: coralogix-keys", "secretName: coralogix-keys", "passwordKey: admin-password",
		"passwordSecretKey: admin", "tokenPath: token", "tokenSecretRef: {name: app, key: token}", "tokenExpiry: 3600s",
		"automountServiceAccountToken: false", "token: true", "tokens: []", "apiKeys: {}", "tokenPort: 8080",
		"secretKeyRef: {name: coralogix-keys, key: private-key}", "key: value", "secret: coralogix-keys",
		"imagePullSecrets:\n- name: registry", "env:\n- name: API_KEY\n  valueFrom:\n    secretKeyRef: {name: a, key: b}",
		"env:\n- name: API_KEY\n  value: \"$(OTHER)\"", "id: " + fakeUUID, "checksum/config: " + strings.Repeat("0123456789abcdef", 4),
		"image: {digest: \"sha256:" + strings.Repeat("0123456789abcdef", 4) + "\"}",
		"coralogix:\n  teamId: " + fakeUUID, "# the password is in the store\nreplicas: 1",
	} {
		found := scan(t, leakscan.Input{Files: []leakscan.File{file("values.yaml", body+"\n")}})
		if len(found) > 0 {
			t.Errorf("%s: %v", body, places(found))
		}
	}
	for path, body := range map[string]string{
		"icon.png": "\x89PNG\x00" + fakeCoralogix, "templates/secret.yaml": "kind: Secret\nstringData:\n  password: {{ .Values.password }}\n",
		"crds/x.yaml": "properties:\n  password: hunter-gatherer\n", "templates/_a.tpl": "{{- define \"token\" -}}\n{{ .Values.token }}\n{{- end }}\n",
		"values.schema.json": `{"properties": {"password": {"type": "string", "minLength": 8}}}`,
		"broken.yaml":        "a: [\n",
	} {
		if found := scan(t, leakscan.Input{Files: []leakscan.File{file(path, body)}}); len(found) > 0 {
			t.Errorf("%s: %v", path, places(found))
		}
	}
}

func TestRendered(t *testing.T) {
	secret := func(field, name, value string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n" + field + ":\n  " + name + ": " + value + "\n"
	}
	for name, test := range map[string]struct {
		files []leakscan.File
		body  string
		want  []string
	}{
		"a literal of a template": {
			nil, secret("data", "password", base64Of(fakePassword)), []string{"templates/x.yaml:5 named-secret rendered"},
		},
		"under any name": {
			nil, secret("stringData", "thing", "letmein-please"), []string{"templates/x.yaml:5 kubernetes-secret rendered"},
		},
		"a configuration in a ConfigMap": {
			nil, "kind: ConfigMap\ndata:\n  relay.yaml: |\n    exporters:\n      coralogix:\n        private_key: " + fakeUUID + "\n",
			[]string{"templates/x.yaml:6 coralogix-private-key rendered"},
		},
		"a variable of a pod": {
			nil, "kind: Pod\nspec:\n  containers:\n  - env:\n    - name: API_TOKEN\n      value: letmein-please\n",
			[]string{"templates/x.yaml:6 named-secret rendered"},
		},
		"what a file has already": {
			[]leakscan.File{file("values.yaml", "db: {password: "+fakePassword+"}\n")},
			secret("data", "password", base64Of(fakePassword)),
			[]string{"values.yaml:1 named-secret"},
		},
		"nothing": {nil, secret("data", "password", `""`), []string{}},
		"a placeholder": {
			nil, secret("data", "password", base64Of("changeme")), []string{},
		},
		"a certificate": {
			nil, secret("data", "ca.crt", base64Of("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")), []string{},
		},
		"a configuration without secrets": {
			nil, secret("stringData", "app.yaml", "|\n    replicas: 1\n    password: ${DB_PASSWORD}"), []string{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := scan(t, leakscan.Input{Files: test.files, Render: render(file("templates/x.yaml", test.body))})
			if diff := cmp.Diff(test.want, places(found)); diff != "" {
				t.Error(diff)
			}
			showsNothing(t, found)
		})
	}
}

// Passwords that templates draw at random are nobody's secret yet, and no baseline could ever accept them.
func TestRandomValuesAreNone(t *testing.T) {
	n := 0
	in := leakscan.Input{Render: func(context.Context) ([]leakscan.File, error) {
		n++
		random := base64Of(fmt.Sprintf("%s-%d", fakePassword, n))
		return []leakscan.File{
			file("a.yaml", "kind: Secret\ndata:\n  password: "+random+"\n"),
			file("b.yaml", "kind: Secret\ndata:\n  password: "+base64Of(fakePassword)+"\n"),
		}, nil
	}}
	if diff := cmp.Diff([]string{"b.yaml:3 named-secret rendered"}, places(scan(t, in))); diff != "" {
		t.Error(diff)
	}
}

func TestRenderFails(t *testing.T) {
	broken := errors.New("broken template")
	in := leakscan.Input{
		Files:  []leakscan.File{file("values.yaml", "password: "+fakePassword)},
		Render: func(context.Context) ([]leakscan.File, error) { return nil, broken },
	}
	found, err := scanner(t).Scan(t.Context(), in)
	if !errors.Is(err, broken) || len(found) != 1 {
		t.Errorf("%v, %v: want the error, and what the files have", places(found), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scanner(t).Scan(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled scan says %v", err)
	}
}

// A fingerprint means a secret in a file under a rule: it survives other lines, and nothing else.
func TestFingerprint(t *testing.T) {
	of := func(path, body string) string {
		found := scan(t, leakscan.Input{Files: []leakscan.File{file(path, body)}})
		if len(found) != 1 {
			t.Fatalf("%s: %v", path, places(found))
		}
		return found[0].Fingerprint
	}
	first := of("values.yaml", "password: letmein-please\n")
	if again := of("values.yaml", "# comment\n\nother: {password: letmein-please}\n"); again != first {
		t.Errorf("on another line it is %s, not %s", again, first)
	}
	for what, other := range map[string]string{
		"another secret": of("values.yaml", "password: letmein-again\n"),
		"another file":   of("other.yaml", "password: letmein-please\n"),
		"another rule":   of("values.yaml", "privateKey: "+fakeUUID+"\n"),
	} {
		if other == first {
			t.Errorf("%s has the same fingerprint", what)
		}
	}
}

// docs/secret-scan.md names every rule that is not gitleaks' own.
func TestReference(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "secret-scan.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{
		leakscan.RuleCoralogixKey, leakscan.RuleCoralogixPrivateKey, leakscan.RuleNamedSecret, leakscan.RuleKubernetesSecret,
	} {
		if !strings.Contains(string(page), "| `"+rule+"` |") {
			t.Errorf("the page lacks the rule %s", rule)
		}
	}
}
