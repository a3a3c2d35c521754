package localaws_test

import (
	"bufio"
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws"
)

// wire hands requests to a server as bytes, without a network, so that a bubble's clock can pass meanwhile.
type wire struct{ server *localaws.Server }

func (w wire) Do(r *http.Request) (*http.Response, error) {
	var sent bytes.Buffer
	if err := r.Write(&sent); err != nil {
		return nil, err
	}
	received, err := http.ReadRequest(bufio.NewReader(&sent))
	if err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, received)
	return recorder.Result(), nil
}

// wired is a server without a listener, and its root user without retries.
func wired(t *testing.T, quotas []localaws.Quota) (*localaws.Server, aws.Config) {
	t.Helper()
	server, err := localaws.New(localaws.Config{Quotas: quotas})
	if err != nil {
		t.Fatal(err)
	}
	id, key := server.RootKeys()
	return server, aws.Config{
		Region: server.Region(), BaseEndpoint: aws.String("http://localaws"), HTTPClient: wire{server}, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
}

// atOnce makes n calls in one instant of the bubble and answers how many are not throttled.
func atOnce(n int, call func() error) (admitted int) {
	var group sync.WaitGroup
	var count atomic.Int64
	for range n {
		group.Go(func() {
			if !throttledError(call()) {
				count.Add(1)
			}
		})
	}
	group.Wait()
	return int(count.Load())
}

// throttledError is what the SDK takes for throttling and hence tries again later.
func throttledError(err error) bool {
	return retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary
}

// A thousand calls in one instant meet AWS's rates: a second's worth passes, and the rest as time goes on.
func TestQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, cfg := wired(t, localaws.AWSQuotas())
		who, secrets, data := sts.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg), appconfigdata.NewFromConfig(cfg)
		identify := func() error {
			_, err := who.GetCallerIdentity(t.Context(), nil)
			return err
		}
		describe := func() error {
			_, err := secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
			return err
		}
		batch := func() error {
			_, err := secrets.BatchGetSecretValue(t.Context(),
				&secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"s"}})
			return err
		}
		put := func() error {
			_, err := secrets.PutSecretValue(t.Context(),
				&secretsmanager.PutSecretValueInput{SecretId: aws.String("s"), SecretString: aws.String("x")})
			return err
		}
		stage := func() error {
			_, err := secrets.UpdateSecretVersionStage(t.Context(),
				&secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String("s"), VersionStage: aws.String("x")})
			return err
		}
		poll := func() error {
			_, err := data.GetLatestConfiguration(t.Context(),
				&appconfigdata.GetLatestConfigurationInput{ConfigurationToken: aws.String("t")})
			return err
		}
		for _, step := range []struct {
			name    string
			after   time.Duration
			n, want int
			call    func() error
		}{
			{"identities", 0, 1_000, 600, identify},
			{"another action has a bucket of its own", 0, 1_000, 1_000, describe},
			{"batches", 0, 150, 100, batch},
			{"puts", 0, 30, 30, put},
			{"stages share with puts", 0, 30, 20, stage},
			{"polls", 0, 1_001, 1_000, poll},
			{"identities within the same instant", 0, 10, 0, identify},
			{"identities a tenth of a second later", 100 * time.Millisecond, 100, 60, identify},
			{"identities after a long pause", time.Hour, 1_000, 600, identify},
		} {
			time.Sleep(step.after)
			if got := atOnce(step.n, step.call); got != step.want {
				t.Errorf("%s: %d of %d admitted, want %d", step.name, got, step.n, step.want)
			}
		}
		calls := map[string]int{
			"sts:GetCallerIdentity": 2110, "secretsmanager:DescribeSecret": 1000, "secretsmanager:BatchGetSecretValue": 150,
			"secretsmanager:PutSecretValue": 30, "secretsmanager:UpdateSecretVersionStage": 30,
			"appconfig:GetLatestConfiguration": 1001,
		}
		throttled := map[string]int{
			"sts:GetCallerIdentity": 850, "secretsmanager:BatchGetSecretValue": 50,
			"secretsmanager:UpdateSecretVersionStage": 10, "appconfig:GetLatestConfiguration": 1,
		}
		if diff := cmp.Diff(calls, server.Calls()) + cmp.Diff(throttled, server.Throttled()); diff != "" {
			t.Error(diff)
		}
	})
}

// A thousand pods, each with a client of its own, start in one instant and try again as the SDK does. All are served.
func TestAThousandPodsMeetAQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, cfg := wired(t, localaws.AWSQuotas())
		cfg.RetryMaxAttempts = 10
		var group sync.WaitGroup
		for range 1_000 {
			group.Go(func() {
				if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		calls, throttled := server.Calls()["sts:GetCallerIdentity"], server.Throttled()["sts:GetCallerIdentity"]
		if calls-throttled != 1_000 || throttled < 400 || throttled > 1_000 {
			t.Errorf("%d calls, %d of them throttled", calls, throttled)
		}
	})
}

// Each service says it in its own words.
func TestThrottledAnswers(t *testing.T) {
	_, cfg := wired(t, []localaws.Quota{{[]string{"*"}, 1}})
	type answer struct {
		Code, Message string
		Status        int
	}
	secrets, data := secretsmanager.NewFromConfig(cfg), appconfigdata.NewFromConfig(cfg)
	got := map[string]answer{}
	for name, call := range map[string]func() error{
		"sts": func() error { _, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil); return err },
		"secretsmanager": func() error {
			_, err := secrets.ListSecrets(t.Context(), nil)
			return err
		},
		"appconfigdata": func() error {
			_, err := data.GetLatestConfiguration(t.Context(),
				&appconfigdata.GetLatestConfigurationInput{ConfigurationToken: aws.String("t")})
			return err
		},
	} {
		var err error
		for range 100 { // the first may pass, and one a second
			if err = call(); throttledError(err) {
				break
			}
		}
		var api smithy.APIError
		var response *smithyhttp.ResponseError
		if !errors.As(err, &api) || !errors.As(err, &response) {
			t.Fatalf("%s: %v", name, err)
		}
		got[name] = answer{api.ErrorCode(), api.ErrorMessage(), response.HTTPStatusCode()}
	}
	want := map[string]answer{
		"sts":            {"Throttling", "Rate exceeded", 400},
		"secretsmanager": {"ThrottlingException", "Rate exceeded", 400},
		"appconfigdata":  {"ThrottlingException", "Rate exceeded", 429},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Accounts and regions do not use up each other's calls. STS answers in every region.
func TestQuotasByRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cfg := wired(t, []localaws.Quota{{[]string{"sts:GetCallerIdentity"}, 5}})
		got := map[string]int{}
		for _, region := range []string{"eu-west-1", "us-east-1", "eu-west-1"} {
			client := sts.NewFromConfig(cfg, func(o *sts.Options) { o.Region = region })
			got[region] += atOnce(10, func() error {
				_, err := client.GetCallerIdentity(t.Context(), nil)
				return err
			})
		}
		if want := map[string]int{"eu-west-1": 5, "us-east-1": 5}; !maps.Equal(got, want) {
			t.Errorf("admitted %v, want %v", got, want)
		}
	})
}

func TestQuotasThatCannotBe(t *testing.T) {
	for _, quota := range []localaws.Quota{{[]string{"*"}, 0}, {[]string{"*"}, -1}, {[]string{"["}, 1}} {
		if _, err := localaws.New(localaws.Config{Quotas: []localaws.Quota{quota}}); err == nil {
			t.Errorf("%+v is accepted", quota)
		}
	}
	if _, err := localaws.New(localaws.Config{Quotas: localaws.AWSQuotas()}); err != nil {
		t.Error(err)
	}
	_, cfg := wired(t, nil)
	client := sts.NewFromConfig(cfg)
	if got := atOnce(2_000, func() error {
		_, err := client.GetCallerIdentity(t.Context(), nil)
		return err
	}); got != 2_000 {
		t.Errorf("without quotas %d of 2000 calls are admitted", got)
	}
}
