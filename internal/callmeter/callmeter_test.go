package callmeter_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/callmeter"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// answers is an HTTP client that plays statuses and repeats the last.
type answers struct {
	codes []string // error codes; "" is success
	calls int
}

func (a *answers) Do(*http.Request) (*http.Response, error) {
	code := a.codes[min(a.calls, len(a.codes)-1)]
	a.calls++
	status, body := http.StatusOK, `{"SecretString":"x"}`
	if code != "" {
		status, body = http.StatusBadRequest, `{"__type":"`+code+`"}`
	}
	return &http.Response{
		StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{},
	}, nil
}

func client(t *testing.T, m *callmeter.Meter, perHour int, codes ...string) (*secretsmanager.Client, *answers) {
	t.Helper()
	a := &answers{codes: codes}
	cfg := aws.Config{
		Region: "eu-west-1", HTTPClient: a, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "not-a-secret", ""),
	}
	cfg.APIOptions = append(cfg.APIOptions, m.Counting())
	if perHour > 0 {
		cfg = m.Bound(cfg, "secret team/key", perHour)
	}
	return secretsmanager.NewFromConfig(cfg), a
}

func get(t *testing.T, c *secretsmanager.Client) error {
	t.Helper()
	_, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("team/key")})
	return err
}

func TestCounts(t *testing.T) {
	m := callmeter.New(time.Now)
	c, _ := client(t, m, 0, "", "ThrottlingException", "AccessDeniedException", "")
	for range 5 {
		_ = get(t, c)
	}
	want := []callmeter.Count{
		{Service: "Secrets Manager", Operation: "GetSecretValue", Outcome: callmeter.Failed, Calls: 1},
		{Service: "Secrets Manager", Operation: "GetSecretValue", Outcome: callmeter.OK, Calls: 3},
		{Service: "Secrets Manager", Operation: "GetSecretValue", Outcome: callmeter.Throttled, Calls: 1},
	}
	if diff := cmp.Diff(want, m.Counts()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A budget that is spent keeps calls from AWS, and fills again with time.
func TestBudget(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	m := callmeter.New(func() time.Time { return now })
	c, a := client(t, m, 60, "")
	for i := range 30 {
		if err := get(t, c); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	err := get(t, c)
	if err == nil || !strings.Contains(err.Error(), "the budget of 60 calls an hour for secret team/key is spent") ||
		!strings.Contains(problem.HintOf(err), "callsPerHour") || a.calls != 30 {
		t.Errorf("past the budget: %v after %d calls", err, a.calls)
	}
	now = now.Add(time.Minute)
	if err := get(t, c); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	if err := get(t, c); err == nil {
		t.Error("a second call in that minute was made")
	}
	if got := m.Counts(); got[1].Outcome != callmeter.Refused || got[1].Calls != 2 {
		t.Errorf("counts %+v", got)
	}
}
