package identity_test

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/identity"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

type refusingClient struct{ t *testing.T }

func (c refusingClient) Do(r *http.Request) (*http.Response, error) {
	c.t.Errorf("asked %s", r.URL)
	return nil, http.ErrServerClosed
}

// isolate takes the AWS settings of the machine away from the SDK.
func isolate(t *testing.T) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CA_BUNDLE",
	} {
		t.Setenv(name, "")
	}
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
}

func TestPersonByEnvironment(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-key")
	cfg, err := identity.Person(t.Context(), identity.Options{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || c.AccessKeyID != "AKIAFAKE" || cfg.Region != "eu-west-1" {
		t.Errorf("%q in %q, %v", c.AccessKeyID, cfg.Region, err)
	}
}

// Without credentials nothing is asked, the instance metadata service included, and the error says what to do.
func TestPersonWithoutCredentials(t *testing.T) {
	isolate(t)
	cfg, err := identity.Person(t.Context(), identity.Options{Region: "eu-west-1", HTTPClient: refusingClient{t}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = identity.WhoAmI(t.Context(), cfg)
	if problem.KindOf(err) != problem.Denied || !strings.Contains(problem.HintOf(err), "aws sso login") {
		t.Errorf("error %v, hint %q", err, problem.HintOf(err))
	}
}

func TestPersonRefuses(t *testing.T) {
	isolate(t)
	if _, err := identity.Person(t.Context(), identity.Options{}); problem.KindOf(err) != problem.Usage {
		t.Errorf("without a region: %v", err)
	}
	_, err := identity.Person(t.Context(), identity.Options{Region: "eu-west-1", Profile: "none"})
	if problem.KindOf(err) != problem.Denied || !strings.Contains(err.Error(), "none") {
		t.Errorf("with a profile that is not there: %v", err)
	}
}

// unreachable is a network that is not there.
type unreachable struct{}

func (unreachable) Do(r *http.Request) (*http.Response, error) {
	return nil, &url.Error{Op: r.Method, URL: r.URL.String(), Err: errors.New("no route to host")}
}

// Without a network nobody was denied anything.
func TestPersonWithoutNetwork(t *testing.T) {
	isolate(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("not-a-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pipeline")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	cfg, err := identity.Person(t.Context(), identity.Options{Region: "eu-west-1", HTTPClient: unreachable{}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = identity.WhoAmI(t.Context(), cfg)
	if problem.KindOf(err) != problem.Failed || !strings.Contains(problem.HintOf(err), "reach sts.") {
		t.Errorf("error %v of kind %d, hint %q", err, problem.KindOf(err), problem.HintOf(err))
	}
}
