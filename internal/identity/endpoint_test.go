package identity_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/identity"
)

// A person's calls of STS go where the settings of all or of this service say.
func TestPersonAtEndpoint(t *testing.T) {
	const (
		all, own   = "http://all.example:4566", "http://sts.example:4566"
		web        = "role_arn = arn:aws:iam::111122223333:role/pipeline\nweb_identity_token_file = TOKEN\n"
		role       = "role_arn = arn:aws:iam::111122223333:role/admin\nsource_profile = keys\n"
		keys       = "[profile keys]\naws_access_key_id = AKIAFAKE\naws_secret_access_key = not-a-real-key\n"
		amazon     = "sts.eu-west-1.amazonaws.com"
		endpoint   = "AWS_ENDPOINT_URL"
		ofSTS      = "AWS_ENDPOINT_URL_STS"
		ignored    = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
		allHost    = "all.example:4566"
		ownHost    = "sts.example:4566"
		fromConfig = "endpoint_url = " + all + "\n"
	)
	for name, test := range map[string]struct {
		env     map[string]string
		profile string // empty: the token is in the environment
		want    string
	}{
		"token, nothing set":          {nil, "", amazon},
		"token, all":                  {map[string]string{endpoint: all}, "", allHost},
		"token, STS":                  {map[string]string{ofSTS: own}, "", ownHost},
		"token, both":                 {map[string]string{endpoint: all, ofSTS: own}, "", ownHost},
		"token, ignored":              {map[string]string{endpoint: all, ignored: "true"}, "", amazon},
		"token of a profile, all":     {map[string]string{endpoint: all}, web, allHost},
		"token of a profile, its own": {nil, web + fromConfig, allHost},
		"role of a profile, nothing":  {nil, role, amazon},
		"role of a profile, all":      {map[string]string{endpoint: all}, role, allHost},
		"role of a profile, STS":      {map[string]string{ofSTS: own}, role, ownHost},
		"role of a profile, both":     {map[string]string{endpoint: all, ofSTS: own}, role, ownHost},
		"role of a profile, its own":  {nil, role + fromConfig, allHost},
		"role of a profile, ignored":  {map[string]string{endpoint: all, ignored: "true"}, role, amazon},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			token := filepath.Join(t.TempDir(), "token")
			file := filepath.Join(t.TempDir(), "config")
			profile := strings.ReplaceAll("[profile p]\n"+test.profile+keys, "TOKEN", token)
			for path, body := range map[string]string{token: "not-a-token", file: profile} {
				if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("AWS_CONFIG_FILE", file)
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			options := identity.Options{Region: "eu-west-1", Profile: "p"}
			if test.profile == "" {
				options.Profile = ""
				t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pipeline")
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
			}
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			var asked []string
			options.HTTPClient = answers(func(r *http.Request) { asked = append(asked, r.URL.Host) })
			cfg, err := identity.Person(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			c, err := cfg.Credentials.Retrieve(t.Context())
			if err != nil || c.AccessKeyID != "ASIAFAKE" {
				t.Errorf("%q, %v", c.AccessKeyID, err)
			}
			if len(asked) != 1 || asked[0] != test.want {
				t.Errorf("asked %q, want %q", asked, test.want)
			}
		})
	}
}

// answers is an STS that takes everybody for everything, and sees what it is asked.
type answers func(*http.Request)

func (see answers) Do(r *http.Request) (*http.Response, error) {
	see(r)
	form, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	action := "AssumeRole"
	if strings.Contains(string(form), "Action=AssumeRoleWithWebIdentity") {
		action = "AssumeRoleWithWebIdentity"
	}
	body := "<" + action + "Response><" + action + "Result><Credentials><AccessKeyId>ASIAFAKE</AccessKeyId>" +
		"<SecretAccessKey>not-a-real-key</SecretAccessKey><SessionToken>not-a-token</SessionToken>" +
		"<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></" + action + "Result></" + action + "Response>"
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}
