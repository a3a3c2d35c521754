package workload_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pinnace-dev/pinnace/internal/identity/workload"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	agentURL    = "http://169.254.170.23/v1/credentials"
	podPayload  = `{"iss":"` + issuer + `","sub":"` + subject + `","aud":["pods.eks.amazonaws.com"],` + `"iat":1700000000,"exp":1700086400}`
	credentials = `{"AccessKeyId":"ASIAFAKE","SecretAccessKey":"CANARYSECRET","Token":"CANARYSESSION","AccountId":"111122223333","Expiration":"2030-01-02T03:04:05Z"}`
)

// associated is the environment that EKS's webhook makes for a pod identity association, changed by more.
func associated(t *testing.T, more ...string) (getenv func(string) string, tokenFile string) {
	t.Helper()
	tokenFile = filepath.Join(t.TempDir(), "eks-pod-identity-token")
	write(t, tokenFile, token(podPayload)+"\n")
	env := map[string]string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI":     agentURL,
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": tokenFile,
		"AWS_REGION":                             "eu-west-1",
		"HOSTNAME":                               "pod-1",
	}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return func(name string) string { return env[name] }, tokenFile
}

// says is an agent of Pod Identity that gives one answer.
func says(status int, body string) network {
	return func(*http.Request) (*http.Response, error) { return answer(status, body) }
}

// endless is white space without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	if len(p) > 1<<20 {
		return 0, errors.New("somebody reads it all")
	}
	return len(p), nil
}

func TestPodIdentity(t *testing.T) {
	getenv, file := associated(t)
	var sent []string
	cfg, err := workload.Config(t.Context(), workload.Options{
		Getenv: getenv,
		HTTPClient: network(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
			return answer(200, strings.Replace(credentials, "2030", "2020", 1)) // so each use exchanges anew
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || c.AccessKeyID != "ASIAFAKE" || c.SecretAccessKey != "CANARYSECRET" || c.AccountID != "111122223333" ||
		c.SessionToken != "CANARYSESSION" || !c.CanExpire ||
		time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC).Sub(c.Expires).Truncate(5*time.Minute) != 0 {
		t.Fatalf("credentials %s until %v, %v", c.AccessKeyID, c.Expires, err)
	}
	renewed := token(`{"sub":"renewed"}`)
	write(t, file, renewed)
	if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET " + agentURL + " " + token(podPayload), "GET " + agentURL + " " + renewed}
	if fmt.Sprint(sent) != fmt.Sprint(want) {
		t.Errorf("sent %q, want %q: the token file is read at each exchange", sent, want)
	}
}

func TestPodIdentityFails(t *testing.T) {
	const who = "service account otel-agent in namespace otel"
	auth := func(status int, code, text string) network {
		return says(status, "[f00d]: ("+code+"): "+text+", fault: client\n")
	}
	without := func(field string) network {
		_, rest, _ := strings.Cut(credentials, `"`+field+`":"`)
		_, rest, _ = strings.Cut(rest, `"`)
		before, _, _ := strings.Cut(credentials, `"`+field+`"`)
		return says(200, strings.Replace(before+strings.TrimPrefix(rest, ","), ",}", "}", 1))
	}
	tests := []struct {
		name    string
		network network
		spoil   func(t *testing.T, file string)
		text    string // of the error
		hint    string
		kind    problem.Kind // Denied when zero
	}{
		{
			name: "no association", network: auth(404, "ResourceNotFoundException", "No association found"),
			text: "asking the pod identity agent at 169.254.170.23 for credentials: ResourceNotFoundException: No association",
			hint: "associate a role with " + who + " in this cluster",
		},
		{
			name: "trust policy", network: auth(400, "AccessDeniedException", "Unauthorized Exception!"),
			text: "AccessDeniedException: Unauthorized Exception!",
			hint: "trust policy of the role that is associated with " + who + " must allow both sts:AssumeRole and sts:TagSession",
		},
		{
			name: "node's role", network: auth(400, "AccessDeniedException",
				"User: node is not authorized to perform: eks-auth:AssumeRoleForPodIdentity on resource: x"),
			text: "AccessDeniedException", hint: "the node's role needs eks-auth:AssumeRoleForPodIdentity",
		},
		{
			name: "expired token", network: auth(400, "ExpiredTokenException", "gone"), text: "ExpiredTokenException: gone",
			hint: "expired at 2023-11-15T22:13:20Z; mount it as a projected volume",
		},
		{
			name:    "expired token, in the agent's words",
			network: says(400, "Service account token failed basic claim validations: token is expired\n"),
			text:    "status 400: Service account token failed", hint: "expired at 2023-11-15T22:13:20Z",
		},
		{
			name: "token from the future", network: says(400, "token is not valid yet"), text: "status 400",
			hint: "set the node's clock: the token was issued at 2023-11-14T22:13:20Z",
		},
		{
			name: "another cluster's token", network: auth(400, "InvalidTokenException", "no"), text: "InvalidTokenException",
			hint: "the token (sub " + subject + ", issuer " + issuer + ") must be one that this node's cluster issued",
		},
		{
			name: "a token for STS", network: auth(400, "InvalidTokenException", "no"), text: "InvalidTokenException",
			spoil: func(t *testing.T, file string) { write(t, file, token(payload)) },
			hint:  "the token has aud sts.amazonaws.com; mount one with the audience pods.eks.amazonaws.com",
		},
		{
			name: "wrong address", network: says(403, "Access Denied. Called agent through invalid address"),
			text: "status 403: Access Denied.", hint: "AWS_CONTAINER_CREDENTIALS_FULL_URI must have the agent's own address",
		},
		{
			name: "something else", network: auth(400, "InvalidRequestException", "no"), text: "InvalidRequestException",
			hint: "the token has sub " + subject,
		},
		{
			name: "throttled", network: auth(429, "ThrottlingException", "slow down"), text: "ThrottlingException: slow down",
			hint: "nothing is wrong with this pod", kind: problem.Failed,
		},
		{
			name: "EKS Auth is down", network: says(500, "unable to fetch credentials"), text: "status 500: unable to fetch",
			hint: "nothing is wrong with this pod", kind: problem.Failed,
		},
		{
			name: "no agent", network: func(r *http.Request) (*http.Response, error) {
				return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: &net.OpError{
					Op: "dial", Net: "tcp", Err: errors.New("connection refused"),
				}}
			},
			text: "no answer from 169.254.170.23", hint: "is the EKS Pod Identity Agent running on this node",
			kind: problem.Failed,
		},
		{
			name: "no token file", spoil: func(t *testing.T, file string) { _ = os.Remove(file) },
			text: "reading the pod identity token: open ",
			hint: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names a file that is not mounted",
		},
		{
			name: "empty token file", spoil: func(t *testing.T, file string) { write(t, file, " \n") },
			text: "is empty", hint: "projected volume",
		},
		{
			name: "another file", spoil: func(t *testing.T, file string) { write(t, file, "CANARY") },
			network: func(*http.Request) (*http.Response, error) { panic("what is no token was sent") },
			text:    "does not hold a token", hint: "check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		},
		{name: "no JSON", network: says(200, "<CANARY>"), text: "not the JSON of credentials", hint: "is not the EKS Pod Identity Agent"},
		{name: "a string for a time", network: says(200, strings.Replace(credentials, "2030", "CANARY", 1)), text: "not the JSON"},
		{name: "no key id", network: without("AccessKeyId"), text: "AccessKeyId is missing"},
		{name: "no key", network: without("SecretAccessKey"), text: "SecretAccessKey is missing"},
		{name: "no session token", network: without("Token"), text: "Token is missing"},
		{name: "no end", network: without("Expiration"), text: "Expiration is missing"},
		{name: "no account number", network: says(200, strings.Replace(credentials, "1111", "CANARY", 1)), text: "AccountId is not"},
		{name: "too much", network: func(*http.Request) (*http.Response, error) {
			response, err := answer(200, "")
			response.Body = io.NopCloser(io.MultiReader(strings.NewReader(credentials), endless{}))
			return response, err
		}, text: "more than 65536 bytes"},
		{name: "redirect", network: says(307, ""), text: "it is a redirect, which is not followed"},
		{
			name: "a client that followed one", network: func(r *http.Request) (*http.Response, error) {
				response, err := answer(200, credentials)
				response.Request = r.Clone(r.Context())
				response.Request.URL = &url.URL{Scheme: "http", Host: "elsewhere.example"}
				return response, err
			}, text: "it is a redirect, which is not followed",
		},
		{name: "the token comes back", network: func(r *http.Request) (*http.Response, error) {
			return answer(400, "bad token "+r.Header.Get("Authorization"))
		}, text: "status 400: (not shown, since it repeats the token)"},
		{name: "a long refusal of many lines", network: says(400, strings.Repeat("no\n", 200)), text: "status 400: no no no"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				getenv, file := associated(t)
				if test.spoil != nil {
					test.spoil(t, file)
				}
				cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv, HTTPClient: test.network})
				if err != nil {
					t.Fatal(err)
				}
				_, err = workload.WhoAmI(t.Context(), cfg)
				if want := cmp.Or(test.kind, problem.Denied); problem.KindOf(err) != want {
					t.Errorf("kind %d, want %d", problem.KindOf(err), want)
				}
				hint := problem.HintOf(err)
				if hint == "" || !strings.Contains(err.Error(), test.text) || !strings.Contains(hint, test.hint) {
					t.Errorf("error %q\nhint  %q", err, hint)
				}
				if all := err.Error() + hint; strings.Contains(all, "CANARY") || strings.Contains(all, "\n") || len(all) > 1500 {
					t.Errorf("the token, a line end, or too long: %q, %q", err, hint)
				}
			})
		})
	}
}

// The agent is started with the node, as the pod is, and throttles where many pods start at once.
func TestPodIdentityIsPatient(t *testing.T) {
	tests := []struct {
		name  string
		first network
		calls int
		fails bool
	}{
		{"down at first", func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}
		}, 3, false},
		{"throttles at first", says(429, "Too Many Requests. "), 3, false},
		{"fails at first", says(503, "[x]: (ServiceUnavailableException): no, fault: server"), 3, false},
		{"refuses", says(404, "[x]: (ResourceNotFoundException): no, fault: client"), 1, true},
		{"talks nonsense", says(200, "{}"), 1, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				getenv, _ := associated(t)
				calls := 0
				cfg, err := workload.Config(t.Context(), workload.Options{
					Getenv: getenv,
					HTTPClient: network(func(r *http.Request) (*http.Response, error) {
						if calls++; calls < 3 {
							return test.first(r)
						}
						return answer(200, credentials)
					}),
				})
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				_, err = cfg.Credentials.Retrieve(t.Context())
				if (err != nil) != test.fails || calls != test.calls || time.Since(begun) > 5*time.Second {
					t.Errorf("%d calls in %v, %v", calls, time.Since(begun), err)
				}
			})
		})
	}
}

// The client of our own follows no redirect on a real connection.
func TestPodIdentityOnTheWire(t *testing.T) {
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return
		}
		_, _ = w.Write([]byte(strings.Replace(credentials, "2030", "2020", 1)))
	}))
	defer server.Close()
	getenv, _ := associated(t, "AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL+"/v1/credentials")
	cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.Credentials.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("got %v", err)
	}
}

// A token file that disappears, as it does when a volume is mounted anew, is an error that passes.
func TestPodTokenFileThatDisappears(t *testing.T) {
	getenv, file := associated(t)
	cfg, err := workload.Config(t.Context(), workload.Options{
		Getenv: getenv, HTTPClient: says(200, strings.Replace(credentials, "2030", "2020", 1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, fs.ErrNotExist, nil} {
		switch want {
		case nil:
			write(t, file, token(podPayload))
		default:
			_ = os.Remove(file)
		}
		if _, err := cfg.Credentials.Retrieve(t.Context()); !errors.Is(err, want) {
			t.Errorf("round %d: %v, want %v", i, err, want)
		}
	}
}

func TestPodIdentityEnvironment(t *testing.T) {
	const uri, fileVariable = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	shared := filepath.Join(t.TempDir(), "credentials")
	write(t, shared, "[default]\naws_access_key_id = AKIASHARED\naws_secret_access_key = CANARY\n")
	tests := []struct {
		name  string
		env   []string
		text  string // of the error; none when empty
		hint  string
		usage bool // the kind; else Denied
		by    workload.Mechanism
	}{
		{name: "as the webhook sets it", by: workload.PodIdentity},
		{name: "version 6", env: []string{uri, "http://[fd00:ec2::23]/v1/credentials"}, by: workload.PodIdentity},
		{name: "here", env: []string{uri, "http://127.0.0.1:4566/v1/credentials"}, by: workload.PodIdentity},
		{name: "here, version 6", env: []string{uri, "http://[::1]:4566/v1/credentials"}, by: workload.PodIdentity},
		{
			name: "ECS's address", env: []string{uri, "http://169.254.170.2/v1/credentials"},
			text: "would send the token to 169.254.170.2, which is not the agent", hint: "http://169.254.170.23/v1/credentials",
		},
		{name: "the node's metadata", env: []string{uri, "http://169.254.169.254/latest"}, text: "is not the agent"},
		{name: "another host", env: []string{uri, "https://evil.example/v1/credentials"}, text: "send the token to evil.example"},
		{name: "a name that looks like it", env: []string{uri, "http://169.254.170.23.evil.example/"}, text: "is not the agent"},
		{name: "user of another", env: []string{uri, "http://169.254.170.23@evil.example/"}, text: "is not a URL", usage: true},
		{name: "no URL", env: []string{uri, "169.254.170.23"}, text: "is not a URL", hint: "webhook", usage: true},
		{name: "another scheme", env: []string{uri, "file://localhost/etc"}, text: "is not a URL", usage: true},
		{name: "no token file", env: []string{fileVariable, ""}, text: fileVariable + " is not", hint: "create-pod-identity-association"},
		{
			name: "a token that nobody renews", env: []string{fileVariable, "", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "CANARY"},
			text: "AWS_CONTAINER_AUTHORIZATION_TOKEN is refused",
		},
		{name: "no address", env: []string{uri, ""}, text: uri + " is not", hint: "create-pod-identity-association"},
		{
			name: "ECS", env: []string{uri, "", fileVariable, "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"},
			text: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is refused", hint: "either annotate",
		},
		{
			name: "ECS, too", env: []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"},
			text: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is refused",
		},
		{
			name: "both", env: []string{"AWS_ROLE_ARN", role, "AWS_WEB_IDENTITY_TOKEN_FILE", "/none"},
			by: workload.WebIdentity,
		},
		{
			name: "half a web identity", env: []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "/none"},
			text: "AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not",
		},
		{name: "a role beside", env: []string{"AWS_ROLE_ARN", role}, by: workload.PodIdentity},
		{name: "static keys beside", env: []string{"AWS_ACCESS_KEY_ID", "AKIAFAKE"}, by: workload.PodIdentity},
		{
			name: "shared files", env: []string{
				uri, "", fileVariable, "", "AWS_PROFILE", "default", "AWS_SHARED_CREDENTIALS_FILE", shared,
			},
			text: "no identity: neither web identity", hint: "either annotate it",
		},
		{
			name: "a profile says that it does not count", env: []string{uri, "", fileVariable, "", "AWS_PROFILE", "x"},
			text: "AWS_PROFILE is not used for a workload",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", shared) // what the process itself has must not count either
			getenv, _ := associated(t, test.env...)
			cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv, HTTPClient: identify(t)})
			if test.text != "" {
				if err == nil || !strings.Contains(err.Error(), test.text) || !strings.Contains(problem.HintOf(err), test.hint) ||
					problem.HintOf(err) == "" || (problem.KindOf(err) == problem.Usage) != test.usage ||
					strings.Contains(err.Error(), "CANARY") {
					t.Errorf("error %v of kind %d, hint %q", err, problem.KindOf(err), problem.HintOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			cfg.Credentials = fixed{}
			who, err := workload.WhoAmI(t.Context(), cfg)
			if err != nil || who.Mechanism != test.by {
				t.Errorf("by %q, want %q; %v", who.Mechanism, test.by, err)
			}
		})
	}
}

// A pod that is told to end is not kept waiting, and has not been denied anything.
func TestPodIdentityEnds(t *testing.T) {
	getenv, _ := associated(t)
	ctx, cancel := context.WithCancel(t.Context())
	cfg, err := workload.Config(ctx, workload.Options{Getenv: getenv, HTTPClient: says(503, "no")})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err = cfg.Credentials.Retrieve(ctx); !errors.Is(err, context.Canceled) || problem.HintOf(err) != "" {
		t.Errorf("got %v", err)
	}
}
