package workload_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata"

	"github.com/pinnace-dev/pinnace/internal/identity/workload"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestEnvironment(t *testing.T) {
	static := []string{
		"AWS_ROLE_ARN", "", "AWS_WEB_IDENTITY_TOKEN_FILE", "", "AWS_ACCESS_KEY_ID", "AKIAFAKE",
		"AWS_SECRET_ACCESS_KEY", "not-a-real-key",
	}
	tests := []struct {
		name  string
		env   []string
		allow bool
		text  string // of the error; none when empty
		hint  string
		usage bool // the kind; else Denied
	}{
		{name: "web identity"},
		{name: "default region", env: []string{"AWS_REGION", "", "AWS_DEFAULT_REGION", "eu-west-1"}},
		{name: "no region", env: []string{"AWS_REGION", ""}, text: "no region", hint: "set AWS_REGION", usage: true},
		{
			name: "no role", env: []string{"AWS_ROLE_ARN", ""}, text: "AWS_ROLE_ARN is not",
			hint: "eks.amazonaws.com/role-arn",
		},
		{
			name: "no token", env: []string{"AWS_WEB_IDENTITY_TOKEN_FILE", ""}, text: role,
			hint: "eks.amazonaws.com/role-arn",
		},
		{name: "nothing", env: static[:4], text: "no identity: neither web identity", hint: "eks.amazonaws.com/role-arn"},
		{
			name: "static keys", env: static, text: "static keys in AWS_ACCESS_KEY_ID are refused",
			hint: "use the pod's own identity",
		},
		{name: "static keys allowed", env: static, allow: true},
		{
			name: "bad endpoint", env: []string{"AWS_ENDPOINT_URL", "localhost:4566"}, text: "AWS_ENDPOINT_URL is not a URL",
			hint: "http://127.0.0.1:4566", usage: true,
		},
		{
			name: "region with a space", env: []string{"AWS_REGION", "eu west"}, text: `AWS_REGION is not a region: "eu west"`,
			hint: "eu-west-1", usage: true,
		},
		{
			name: "region that is a host", env: []string{"AWS_REGION", "", "AWS_DEFAULT_REGION", "x.example/"},
			text: "AWS_DEFAULT_REGION is not a region", hint: "eu-west-1", usage: true,
		},
		{
			name: "http elsewhere", env: []string{"AWS_ENDPOINT_URL", "http://sts.example:4566"},
			text: "AWS_ENDPOINT_URL would send the token and what is read in clear to sts.example:4566",
			hint: "https://sts.example:4566", usage: true,
		},
		{name: "http on another machine", env: []string{"AWS_ENDPOINT_URL", "http://10.0.0.1"}, text: "in clear", usage: true},
		{name: "http on a name", env: []string{"AWS_ENDPOINT_URL", "http://127.0.0.1.example"}, text: "in clear", usage: true},
		{name: "http here", env: []string{"AWS_ENDPOINT_URL", "http://127.0.0.2:4566"}},
		{name: "http here, version 6", env: []string{"AWS_ENDPOINT_URL", "http://[::1]:4566"}},
		{name: "http here by name", env: []string{"AWS_ENDPOINT_URL", "http://localhost:4566"}},
		{name: "https", env: []string{"AWS_ENDPOINT_URL", "https://sts.example"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// What the process itself has must not count.
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAOUTSIDE")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "outside")
			t.Setenv("AWS_REGION", "us-outside-1")
			getenv, _ := pod(t, test.env...)
			cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv, AllowStatic: test.allow})
			if test.text == "" {
				if err != nil || cfg.Region != "eu-west-1" {
					t.Fatalf("region %q, %v", cfg.Region, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.text) ||
				(problem.KindOf(err) == problem.Usage) != test.usage || problem.KindOf(err) == problem.Failed ||
				!strings.Contains(problem.HintOf(err), test.hint) {
				t.Errorf("error %v, hint %q", err, problem.HintOf(err))
			}
			if test.allow {
				if c, err := cfg.Credentials.Retrieve(t.Context()); err != nil || c.AccessKeyID != "AKIAFAKE" {
					t.Errorf("credentials %q, %v", c.AccessKeyID, err)
				}
			}
		})
	}
}

func TestEndpoints(t *testing.T) {
	tests := []struct {
		name string
		env  []string
		want string // host that AppConfigData is asked at
	}{
		{"AWS's own", nil, "appconfigdata.eu-west-1.amazonaws.com"},
		{"for all", []string{"AWS_ENDPOINT_URL", "http://127.0.0.1:1"}, "127.0.0.1:1"},
		{"for the service", []string{
			"AWS_ENDPOINT_URL", "http://127.0.0.1:1",
			"AWS_ENDPOINT_URL_APPCONFIGDATA", "http://127.0.0.1:2",
		}, "127.0.0.1:2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := append([]string{
				"AWS_ROLE_ARN", "", "AWS_WEB_IDENTITY_TOKEN_FILE", "", "AWS_ACCESS_KEY_ID", "AKIAFAKE",
				"AWS_SECRET_ACCESS_KEY", "not-a-real-key",
			}, test.env...)
			getenv, _ := pod(t, env...)
			asked := ""
			cfg, err := workload.Config(t.Context(), workload.Options{
				Getenv: getenv, AllowStatic: true,
				HTTPClient: network(func(r *http.Request) (*http.Response, error) {
					asked = r.URL.Host
					return answer(400, "{}")
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = appconfigdata.NewFromConfig(cfg).GetLatestConfiguration(t.Context(),
				&appconfigdata.GetLatestConfigurationInput{ConfigurationToken: aws.String("t")})
			if asked != test.want {
				t.Errorf("asked %s, want %s", asked, test.want)
			}
		})
	}
}
