package loopback_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
)

func call(h http.Handler, target, body string, headers ...string) *httptest.ResponseRecorder {
	return ask(h, http.MethodPost, "/", body, append(headers, "X-Amz-Target", target)...)
}

func TestSecretsManagerProtocol(t *testing.T) {
	s := filled(t, loopback.Config{})
	key := `{"ARN":"` + arn + `","CreatedDate":1569534789.046,"Name":"coralogix/prod/key","SecretString":"` + canary +
		`-<1>","VersionId":"` + current + `","VersionStages":["AWSCURRENT"]}`
	cert := `{"Name":"cert","SecretBinary":"/wAB","VersionId":"` + current + `","VersionStages":["AWSCURRENT"]}`
	const hint = "Expose an item with secret nothing in the loopback sink's configuration"
	tests := []struct {
		name, operation, body string
		status                int
		want                  string
	}{
		{"value", "GetSecretValue", `{"SecretId":"coralogix/prod/key"}`, 200, key},
		{"value by ARN and stage", "GetSecretValue", `{"SecretId":"` + arn + `","VersionStage":"AWSCURRENT"}`, 200, key},
		{"binary", "GetSecretValue", `{"SecretId":"cert"}`, 200, cert},
		{
			"not exposed", "GetSecretValue", `{"SecretId":"nothing"}`, 400,
			`{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret. ` + hint + `"}`,
		},
		{
			"pending", "GetSecretValue", `{"SecretId":"cert","VersionStage":"AWSPENDING"}`, 400,
			`{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret value for staging ` +
				`label: AWSPENDING. The loopback sink has the versions that its configuration exposes"}`,
		},
		{
			"describe", "DescribeSecret", `{"SecretId":"coralogix/prod/key"}`, 200,
			`{"ARN":"` + arn + `","LastChangedDate":1569534789.046,"Name":"coralogix/prod/key","VersionIdsToStages":{"` + current +
				`":["AWSCURRENT"],"` + before + `":["AWSPREVIOUS"]}}`,
		},
		{
			"describe what is not exposed", "DescribeSecret", `{"SecretId":"nothing"}`, 400,
			`{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret. ` + hint + `"}`,
		},
		{
			"batch", "BatchGetSecretValue", `{"SecretIdList":["cert","nothing","coralogix/prod/key"]}`, 200,
			`{"SecretValues":[` + cert + `,` + key + `],"Errors":[{"ErrorCode":"ResourceNotFoundException","Message":` +
				`"Secrets Manager can't find the specified secret. ` + hint + `","SecretId":"nothing"}]}`,
		},
		{
			"batch of none", "BatchGetSecretValue", `{}`, 400,
			`{"__type":"InvalidParameterException","Message":"the loopback sink takes a SecretIdList of 1 to 20 ids and no Filters"}`,
		},
		{
			"batch by filter", "BatchGetSecretValue", `{"Filters":[{"Key":"name","Values":["a"]}]}`, 400,
			`{"__type":"InvalidParameterException","Message":"the loopback sink takes a SecretIdList of 1 to 20 ids and no Filters"}`,
		},
		{
			"batch of too many", "BatchGetSecretValue", `{"SecretIdList":["a"` + strings.Repeat(`,"a"`, 20) + `]}`, 400,
			`{"__type":"InvalidParameterException","Message":"the loopback sink takes a SecretIdList of 1 to 20 ids and no Filters"}`,
		},
		{
			"other service", "/GetSecretValue", `{"SecretId":"cert"}`, 400,
			`{"__type":"UnknownOperationException","Message":"the loopback sink has GetSecretValue, BatchGetSecretValue and ` +
				`DescribeSecret of Secrets Manager"}`,
		},
		{
			"other operation", "PutSecretValue", `{"SecretId":"cert"}`, 400,
			`{"__type":"UnknownOperationException","Message":"the loopback sink has GetSecretValue, BatchGetSecretValue and ` +
				`DescribeSecret of Secrets Manager"}`,
		},
		{
			"no JSON", "GetSecretValue", `{"SecretId":`, 400,
			`{"__type":"SerializationException","Message":"the request is not what the operation takes"}`,
		},
		{
			"too large", "GetSecretValue", `{"SecretId":"` + strings.Repeat("x", 64<<10) + `"}`, 400,
			`{"__type":"SerializationException","Message":"the request is larger than 65536 bytes"}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := call(s, "secretsmanager."+test.operation, test.body)
			if w.Code != test.status || w.Header().Get("Content-Type") != "application/x-amz-json-1.1" {
				t.Errorf("status %d, type %s", w.Code, w.Header().Get("Content-Type"))
			}
			if diff := cmp.Diff(test.want, w.Body.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// server serves a sink on TCP, as the agent does.
func server(t testing.TB, s *loopback.Sink) string {
	t.Helper()
	w := httptest.NewServer(s)
	t.Cleanup(w.Close)
	return w.URL
}

// AWS's SDK for Go reads every operation.
func TestSDK(t *testing.T) {
	url := server(t, filled(t, loopback.Config{}))
	creds := aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("any", "any", token))
	sm := secretsmanager.New(secretsmanager.Options{Region: "eu-west-1", BaseEndpoint: &url, Credentials: creds})
	value, err := sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("coralogix/prod/key")})
	must(t, err)
	if got := fmt.Sprint(*value.SecretString, *value.VersionId, value.VersionStages, value.CreatedDate.UnixMilli(), *value.ARN); got !=
		fmt.Sprint(canary+"-<1>", current, []string{"AWSCURRENT"}, 1_569_534_789_046, arn) {
		t.Errorf("%s", got)
	}
	binary, err := sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("cert")})
	if err != nil || string(binary.SecretBinary) != "\xff\x00\x01" {
		t.Errorf("%v", err)
	}
	batch, err := sm.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"cert", "no"}})
	if err != nil || len(batch.SecretValues) != 1 || len(batch.Errors) != 1 || *batch.Errors[0].SecretId != "no" {
		t.Errorf("%+v, %v", batch, err)
	}
	about, err := sm.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(arn)})
	if err != nil || len(about.VersionIdsToStages) != 2 {
		t.Errorf("%+v, %v", about, err)
	}
	_, err = sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("no")})
	if err == nil || !strings.Contains(err.Error(), "StatusCode: 400") || !strings.Contains(err.Error(), "ResourceNotFoundException") {
		t.Errorf("%v", err)
	}
	acd := appconfigdata.New(appconfigdata.Options{Region: "eu-west-1", BaseEndpoint: &url, Credentials: creds})
	_, err = acd.StartConfigurationSession(t.Context(), &appconfigdata.StartConfigurationSessionInput{
		ApplicationIdentifier: aws.String("shop"), EnvironmentIdentifier: aws.String("prod"),
		ConfigurationProfileIdentifier: aws.String("no"),
	})
	if err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException: Configuration shop:prod:no could not be found") {
		t.Errorf("%v", err)
	}
	session, err := acd.StartConfigurationSession(t.Context(), &appconfigdata.StartConfigurationSessionInput{
		ApplicationIdentifier: aws.String("shop"), EnvironmentIdentifier: aws.String("prod"),
		ConfigurationProfileIdentifier: aws.String("team/flags"),
	})
	must(t, err)
	next := session.InitialConfigurationToken
	for i, want := range []string{document, "", ""} {
		got, err := acd.GetLatestConfiguration(t.Context(), &appconfigdata.GetLatestConfigurationInput{ConfigurationToken: next})
		must(t, err)
		if string(got.Configuration) != want || got.NextPollIntervalInSeconds != 15 {
			t.Errorf("call %d: %q, again in %d s", i, got.Configuration, got.NextPollIntervalInSeconds)
		}
		next = got.NextPollConfigurationToken
	}
}

func TestSessions(t *testing.T) {
	s := filled(t, loopback.Config{})
	start := func(body string) *httptest.ResponseRecorder {
		return ask(s, http.MethodPost, "/configurationsessions", body)
	}
	names := `"ApplicationIdentifier":"shop","EnvironmentIdentifier":"prod","ConfigurationProfileIdentifier":"team/flags"`
	w := start(`{` + names + `,"RequiredMinimumPollIntervalInSeconds":60}`)
	if w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	token := strings.Split(w.Body.String(), `"`)[3]
	first := get(s, "/configuration?configuration_token="+url.QueryEscape(token))
	wantHeaders(t, first, "Content-Type", "application/json", "Version-Label", "v7-canary",
		"Next-Poll-Interval-In-Seconds", "60", "Cache-Control", "no-store")
	if first.Body.String() != document {
		t.Errorf("%s", first.Body)
	}
	next := first.Header().Get("Next-Poll-Configuration-Token")
	second := get(s, "/configuration?configuration_token="+next)
	wantHeaders(t, second, "Content-Type", "", "Version-Label", "", "Content-Length", "0")

	// A change, even one of the label alone, is given once; the process may be another by then.
	changed := items()
	changed[0].About.Label = "v8"
	other := open(t, loopback.Config{})
	must(t, other.Apply(t.Context(), snapshot(t, changed...)))
	third := get(other, "/configuration?configuration_token="+next)
	wantHeaders(t, third, "Version-Label", "v8")
	if third.Body.String() != document {
		t.Errorf("%s", third.Body)
	}

	for body, want := range map[string]string{
		`{` + names + `,"RequiredMinimumPollIntervalInSeconds":14}`: `RequiredMinimumPollIntervalInSeconds is 15 to 86400`,
		`{`:  `the request is not what the operation takes`,
		`{}`: `Configuration :: could not be found`,
	} {
		if w := start(body); w.Code < 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	const corrupted = `{"Details":{"InvalidParameters":{"ConfigurationToken":{"Problem":"Corrupted"}}},` +
		`"Message":"Request token is corrupted","Reason":"InvalidParameters"}`
	for _, bad := range []string{"", "x", "e30", strings.Repeat("a", 9000)} {
		w := get(s, "/configuration?configuration_token="+bad)
		if w.Code != http.StatusBadRequest || w.Body.String() != corrupted {
			t.Errorf("token %.20s: %d %s", bad, w.Code, w.Body)
		}
		wantHeaders(t, w, "X-Amzn-Errortype", "BadRequestException")
	}
}

func wantHeaders(t *testing.T, w *httptest.ResponseRecorder, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := w.Header().Get(pairs[i]); got != pairs[i+1] {
			t.Errorf("%s is %q, want %q", pairs[i], got, pairs[i+1])
		}
	}
}
