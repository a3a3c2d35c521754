package loopback_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// What AWS's AppConfig Agent documents, and answers: https://docs.aws.amazon.com/appconfig, "Retrieving basic and
// multi-variant feature flags".
func TestAppConfigAgent(t *testing.T) {
	s := filled(t, loopback.Config{})
	const base = "/applications/shop/environments/prod/configurations/"
	noFlag := func(key string) string {
		return `{"Details":{"InvalidParameters":{"` + key + `":{"Problem":"NoSuchFlag"}}},` +
			`"Message":"Configuration data missing one or more flag values","Reason":"InvalidParameters"}`
	}
	tests := []struct {
		name, target string
		status       int
		want         string
	}{
		{"whole", base + "team%2Fflags", 200, document},
		{"by ids", "/applications/abc1234/environments/env1234/configurations/pro1234", 200, document},
		{"one flag, as it stands", base + "team%2Fflags?flag=checkout", 200, "{\n    \"enabled\": true,\n    \"limit\": 5\n  }"},
		{
			"two flags", base + "team%2Fflags?flag=search&flag=checkout&flag=search", 200,
			`{"checkout":{"enabled":true,"limit":5},"search":{"enabled":false}}`,
		},
		{"no such flag", base + "team%2Fflags?flag=nothing", 400, noFlag("nothing")},
		{"a member that is no flag", base + "team%2Fflags?flag=checkout&flag=domain", 400, noFlag("domain")},
		{"a flag of what is no document", base + "text?flag=a", 400, noFlag("a")},
		{"bad escape", base + "text?flag=%zz", 400, "the query is not escaped as a URL's"},
		{"other parameters", base + "text?x=y", 200, "My test config"},
		{"a slash that is not escaped", base + "team/flags", 404, "Not found"},
		{"no name", base, 404, "Not found"},
		{"not exposed", base + "un%22known", 404, `{"Message":"Configuration shop:prod:un\"known could not be found: expose ` +
			`an item with this application, environment and profile in the loopback sink's configuration","ReferencedBy":{` +
			`"ApplicationIdentifier":"shop","ConfigurationProfileIdentifier":"un\"known","EnvironmentIdentifier":"prod"},` +
			`"ResourceType":"Configuration"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := get(s, test.target, "Context", "country=US", "Entity-Id", "somebody")
			if w.Code != test.status {
				t.Errorf("status %d", w.Code)
			}
			if diff := cmp.Diff(test.want, w.Body.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestConfigurationHeaders(t *testing.T) {
	s := filled(t, loopback.Config{})
	const base = "/applications/shop/environments/prod/configurations/"
	for target, want := range map[string]http.Header{
		base + "team%2Fflags": {
			"Configuration-Version": {"7"}, "Content-Type": {"application/json"}, "Version-Label": {"v7-canary"},
			"Content-Length": {strconv.Itoa(len(document))}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
		},
		base + "team%2Fflags?flag=search": {
			"Configuration-Version": {"7"}, "Content-Type": {"application/json"}, "Version-Label": {"v7-canary"},
			"Content-Length": {"17"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
		},
		base + "text": {
			"Configuration-Version": {"1"}, "Content-Type": {"application/octet-stream"}, "Content-Length": {"14"},
			"Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
		},
	} {
		if diff := cmp.Diff(want, get(s, target).Header()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", target, diff)
		}
	}
}

// What the Secrets Manager Agent's readers find: its paths, its JSON to the byte, its errors.
func TestSecretsManagerAgent(t *testing.T) {
	s := filled(t, loopback.Config{})
	const get1 = "/secretsmanager/get?secretId="
	want := func(id, value, stage, date string) string {
		return `{"ARN":"` + arn + `","Name":"coralogix/prod/key","VersionId":"` + id + `","SecretString":"` + value +
			`","VersionStages":["` + stage + `"],"CreatedDate":"` + date + `"}`
	}
	newest := want(current, canary+"-<1>", "AWSCURRENT", "1569534789.046")
	oldest := want(before, canary+"-0", "AWSPREVIOUS", "1569531189.046")
	missing := func(text string) string { return `{"__type":"ResourceNotFoundException","message":"` + text + `"}` }
	const cannot = "Secrets Manager can't find the specified secret"
	const only = ". The loopback sink has the versions that its configuration exposes"
	tests := []struct {
		name, target string
		status       int
		want         string
	}{
		{"by name", get1 + "coralogix/prod/key", 200, newest},
		{"by escaped name", get1 + "coralogix%2Fprod%2Fkey", 200, newest},
		{"by ARN", get1 + arn, 200, newest},
		{"by partial ARN", get1 + strings.TrimSuffix(arn, "-AbC123"), 200, newest},
		{"in the path", "/v1/coralogix/prod/key", 200, newest},
		{"escaped in the path", "/v1/coralogix%2Fprod%2Fkey", 200, newest},
		{"ARN in the path", "/v1/" + arn, 200, newest},
		{"by stage", get1 + "coralogix/prod/key&versionStage=AWSPREVIOUS", 200, oldest},
		{"by version", "/v1/coralogix/prod/key?versionId=" + before, 200, oldest},
		{"by both", get1 + "coralogix/prod/key&versionId=" + current + "&versionStage=AWSCURRENT", 200, newest},
		{"refreshNow without a source", get1 + "coralogix/prod/key&refreshNow=1", 200, newest},
		{"refreshNow=FALSE", "/v1/coralogix/prod/key?refreshNow=FALSE", 200, newest},
		{
			"binary, of a secret whose ARN and date are unknown", get1 + "cert", 200,
			`{"ARN":null,"Name":"cert","VersionId":"` + current + `","SecretBinary":"/wAB","VersionStages":["AWSCURRENT"],"CreatedDate":null}`,
		},
		{"not exposed", get1 + "unexposed", 400, missing(cannot + ". Expose an item with secret unexposed in the loopback sink's configuration")},
		{"other stage", get1 + "coralogix/prod/key&versionStage=AWSPENDING", 400, missing(cannot + " value for staging label: AWSPENDING" + only)},
		{"other version", get1 + "coralogix/prod/key&versionId=x", 400, missing(cannot + " value for VersionId: x" + only)},
		{
			"version without that stage", get1 + "coralogix/prod/key&versionId=x&versionStage=y", 400,
			missing(cannot + " value for VersionId: x with staging label: y" + only),
		},
		{"no id", get1, 400, "missing parameter secretId"},
		{"no id in the path", "/v1/", 400, "missing secret ID"},
		{"unknown parameter", get1 + "a&abc=123", 400, "unknown parameter: abc"},
		{"id in path and query", "/v1/a?secretId=b", 400, "unknown parameter: secretId"},
		{"refreshNow is neither", "/v1/a?refreshNow=123", 400, "invalid refreshNow value"},
		{"bad escape", "/v1/a?versionId=%z", 400, "the query is not escaped as a URL's"},
		{"ping", "/ping", 200, "healthy"},
		{"other path", "/secretsmanager/put", 404, "Not found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := get(s, test.target)
			if w.Code != test.status {
				t.Errorf("status %d", w.Code)
			}
			if diff := cmp.Diff(test.want, w.Body.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// An item whose source knows nothing of Secrets Manager has a version that clients can ask for, and that changes with
// the value alone.
func TestSecretFromAnotherSource(t *testing.T) {
	s := open(t, loopback.Config{Expose: []loopback.Exposed{{Item: "a", Secret: arn}}})
	id := func(value string) string {
		t.Helper()
		must(t, s.Apply(t.Context(), snapshot(t, delivery.Item{Name: "a", Version: "7", Value: secret.FromString(value)})))
		w := get(s, "/v1/coralogix/prod/key")
		if w.Code == http.StatusOK {
			t.Error("a name that nobody gave was answered to")
		}
		body := get(s, "/v1/"+arn).Body.String()
		_, id, _ := strings.Cut(body, `"VersionId":"`)
		id, _, _ = strings.Cut(id, `"`)
		if len(id) < 32 || !strings.Contains(body, `"Name":"coralogix/prod/key"`) ||
			!strings.Contains(body, `"VersionStages":["AWSCURRENT"]`) {
			t.Errorf("%s", body)
		}
		if w := get(s, "/v1/"+arn+"?versionStage=AWSCURRENT&versionId="+id); w.Code != http.StatusOK {
			t.Errorf("by its version: %d %s", w.Code, w.Body)
		}
		return id
	}
	first := id("one")
	if again := id("one"); again != first {
		t.Errorf("version %s became %s", first, again)
	}
	if changed := id("two"); changed == first {
		t.Error("another value has the same version")
	}
}

// A name that two accounts have means neither; their ARNs tell them apart.
func TestAmbiguousName(t *testing.T) {
	other := strings.Replace(arn, "123456789012", "210987654321", 1)
	s := open(t, loopback.Config{Expose: []loopback.Exposed{{Item: "a", Secret: arn}, {Item: "b", Secret: other}}})
	must(t, s.Apply(t.Context(), snapshot(t,
		delivery.Item{Name: "a", Value: secret.FromString("one"), About: delivery.About{ARN: arn, ID: "k"}},
		delivery.Item{Name: "b", Value: secret.FromString("two"), About: delivery.About{ARN: other, ID: "k"}},
	)))
	for id, want := range map[string]string{arn: "one", other: "two", "k": "ResourceNotFoundException"} {
		if got := get(s, "/v1/"+id).Body.String(); !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("%s: %s", id, got)
		}
	}
}
