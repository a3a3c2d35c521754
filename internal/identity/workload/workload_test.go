package workload_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/internal/identity/workload"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	role    = "arn:aws:iam::111122223333:role/otel"
	issuer  = "https://oidc.example.com/id/A1"
	subject = "system:serviceaccount:otel:otel-agent"
	canary  = "CANARYSIGNATURE"
)

// token is as a cluster's: what is in it may be shown, the whole may not.
func token(payload string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." + canary
}

const payload = `{"iss":"` + issuer + `","sub":"` + subject + `","aud":["sts.amazonaws.com"],` +
	`"iat":1700000000,"exp":1700086400,"pod":"CANARYPOD"}`

// network answers requests without a network, so that retries take no time in a bubble.
type network func(*http.Request) (*http.Response, error)

func (n network) Do(r *http.Request) (*http.Response, error) { return n(r) }

func answer(status int, body string) (*http.Response, error) {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}},
		Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

func refuse(status int, code, message string) network {
	return func(*http.Request) (*http.Response, error) {
		return answer(status, fmt.Sprintf(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>`+
			`<Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, code, message))
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pod is the environment that EKS's webhook makes, changed by more.
func pod(t *testing.T, more ...string) (getenv func(string) string, tokenFile string) {
	t.Helper()
	tokenFile = filepath.Join(t.TempDir(), "token")
	write(t, tokenFile, token(payload)+"\n")
	env := map[string]string{
		"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": tokenFile, "AWS_REGION": "eu-west-1",
		"AWS_ROLE_SESSION_NAME": "pod-1",
	}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return func(name string) string { return env[name] }, tokenFile
}

func TestExchange(t *testing.T) {
	getenv, file := pod(t)
	var sent []string
	cfg, err := workload.Config(t.Context(), workload.Options{
		Getenv: getenv,
		HTTPClient: network(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "sts.eu-west-1.amazonaws.com" || r.Header.Get("Authorization") != "" {
				t.Errorf("asked %s, signed %q", r.URL, r.Header.Get("Authorization"))
			}
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			sent = append(sent, r.PostForm.Get("RoleArn")+" "+r.PostForm.Get("RoleSessionName")+" "+
				r.PostForm.Get("WebIdentityToken"))
			expired := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
			return answer(200, `<R><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAFAKE</AccessKeyId>`+
				`<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>`+expired+`</Expiration>`+
				`</Credentials></AssumeRoleWithWebIdentityResult></R>`)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := cfg.Credentials.Retrieve(t.Context()); err != nil || c.AccessKeyID != "ASIAFAKE" {
		t.Fatalf("credentials %q, %v", c.AccessKeyID, err)
	}
	second := token(`{"sub":"renewed"}`)
	write(t, file, second)
	if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{role + " pod-1 " + token(payload), role + " pod-1 " + second}
	if fmt.Sprint(sent) != fmt.Sprint(want) {
		t.Errorf("sent %q, want %q: the token file is read at each exchange", sent, want)
	}
}

func TestExchangeFails(t *testing.T) {
	const who = "sub " + subject + " and aud sts.amazonaws.com of issuer " + issuer
	tests := []struct {
		name    string
		network network
		spoil   func(t *testing.T, file string)
		text    string // of the error
		hint    string
		kind    problem.Kind // Denied when zero
	}{
		{
			name:    "trust policy",
			network: refuse(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
			text:    "assuming role " + role + ": AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
			hint:    "trust policy of " + role + " must allow " + who,
		},
		{
			name: "expired token", network: refuse(400, "ExpiredTokenException", "Token expired"),
			text: "ExpiredTokenException: Token expired",
			hint: "expired at 2023-11-15T22:13:20Z; mount it as a projected volume",
		},
		{
			name: "invalid token", network: refuse(400, "InvalidIdentityToken", "No OpenIDConnect provider found"),
			text: "InvalidIdentityToken: No OpenIDConnect provider",
			hint: "create the IAM OIDC provider of issuer " + issuer + " in the account of " + role,
		},
		{
			name: "clock skew", network: refuse(400, "InvalidIdentityToken", "Token used before issued"),
			text: "InvalidIdentityToken",
			hint: "a wrong clock on this node or the issuer shows as this, too (sub " + subject +
				", aud sts.amazonaws.com, issued at 2023-11-14T22:13:20Z)",
		},
		{
			name: "audience", network: refuse(403, "IDPRejectedClaim", "rejected"), text: "IDPRejectedClaim",
			hint: "add aud sts.amazonaws.com to the audiences of the IAM OIDC provider of issuer " + issuer,
		},
		{
			name: "issuer unreachable", network: refuse(400, "IDPCommunicationError", "timeout"),
			text: "IDPCommunicationError", hint: "STS must reach " + issuer + "/.well-known/openid-configuration",
		},
		{
			name: "region", network: refuse(403, "RegionDisabledException", "off"), text: "RegionDisabledException",
			hint: "activate STS in region eu-west-1",
		},
		{
			name: "role name", network: refuse(400, "ValidationError", "bad"), text: "ValidationError",
			hint: "check that AWS_ROLE_ARN",
		},
		{
			name: "something else", network: refuse(400, "PackedPolicyTooLarge", "big"), text: "PackedPolicyTooLarge",
			hint: "the token has " + who,
		},
		{name: "STS unreachable", network: func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
		}, text: "no route to host", hint: "com.amazonaws.eu-west-1.sts", kind: problem.Failed},
		{name: "STS does not resolve", network: func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: &net.DNSError{Err: "no such host"}}
		}, text: "no such host", hint: "let this process reach sts.eu-west-1.amazonaws.com: ", kind: problem.Failed},
		{
			name: "no token file", spoil: func(t *testing.T, file string) { _ = os.Remove(file) },
			text: "reading the web identity token of role " + role + ": open ", hint: "names a file that is not mounted",
		},
		{
			name: "empty token file", spoil: func(t *testing.T, file string) { write(t, file, "\n") },
			text: "token is empty", hint: "projected volume",
		},
		{
			name: "not a token", network: refuse(403, "AccessDenied", "no"),
			spoil: func(t *testing.T, file string) { write(t, file, canary) },
			text:  "AccessDenied", hint: "/token does not hold a token",
		},
		{
			name: "garbage", network: refuse(400, "ValidationError", "1 validation error detected"),
			spoil: func(t *testing.T, file string) { write(t, file, "a."+canary+".c") },
			text:  "ValidationError", hint: "check AWS_WEB_IDENTITY_TOKEN_FILE and the pod's projected volume",
		},
		{
			name: "wrong audience", network: refuse(400, "InvalidIdentityToken", "Incorrect token audience"),
			text: "Incorrect token audience",
			hint: "the token has aud sts.amazonaws.com; mount one with the audience that the IAM OIDC provider of issuer " +
				issuer + " in the account of " + role + " and the trust policy of the role want",
		},
		{name: "hostile claims", network: refuse(403, "AccessDenied", "no"), spoil: func(t *testing.T, file string) {
			write(t, file, token(`{"sub":"a\nhint: b","aud":"`+strings.Repeat("x", 1000)+`","iss":"i"}`))
		}, text: "AccessDenied", hint: `must allow sub "a\nhint: b" and aud "xxx`},
		{name: "claims of other types", network: refuse(403, "AccessDenied", "no"), spoil: func(t *testing.T, file string) {
			write(t, file, token(`{"sub":1,"aud":{},"iss":[]}`))
		}, text: "AccessDenied", hint: "sub (unknown)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				getenv, file := pod(t)
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
				if !strings.Contains(err.Error(), test.text) || !strings.Contains(hint, test.hint) {
					t.Errorf("error %q\nhint  %q", err, hint)
				}
				if strings.Contains(err.Error()+hint, "CANARY") || strings.Contains(err.Error()+hint, "\n") {
					t.Errorf("the token, or a line end: %q, %q", err, hint)
				}
			})
		})
	}
}

// A peer that takes the connection and never answers does not hold a call for ever.
func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		getenv, _ := pod(t, "AWS_ENDPOINT_URL", "http://127.0.0.1:1")
		cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv})
		if err != nil {
			t.Fatal(err)
		}
		client := cfg.HTTPClient.(*awshttp.BuildableClient).WithTransportOptions(func(tr *http.Transport) {
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, there) }()
				return here, nil
			}
		})
		cfg.HTTPClient, cfg.RetryMaxAttempts = client, 1
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAFAKE", SecretAccessKey: "not-a-real-key"}, nil
		})
		start := time.Now()
		_, err = workload.WhoAmI(t.Context(), cfg)
		if took := time.Since(start); err == nil || took != 15*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestTokenFileThatComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		getenv, file := pod(t)
		_ = os.Remove(file)
		cfg, err := workload.Config(t.Context(),
			workload.Options{Getenv: getenv, HTTPClient: refuse(403, "AccessDenied", "no")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = cfg.Credentials.Retrieve(t.Context()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without the file: %v", err)
		}
		write(t, file, token(payload))
		if _, err = cfg.Credentials.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("with the file: %v", err)
		}
	})
}

func TestSessionName(t *testing.T) {
	for hostname, want := range map[string]string{
		"otel-agent-x7k2p":       "otel-agent-x7k2p",
		"a/b c:é":                "a-b-c--",
		strings.Repeat("x", 100): strings.Repeat("x", 64),
	} {
		getenv, _ := pod(t, "AWS_ROLE_SESSION_NAME", "", "HOSTNAME", hostname)
		if got := exchanged(t, getenv).Get("RoleSessionName"); got != want {
			t.Errorf("%s: %q, want %q", hostname, got, want)
		}
	}
	getenv, _ := pod(t, "HOSTNAME", "other")
	if got := exchanged(t, getenv).Get("RoleSessionName"); got != "pod-1" {
		t.Errorf("AWS_ROLE_SESSION_NAME does not count: %q", got)
	}
	for _, hostname := range []string{"", "x"} { // too short for STS, so the SDK chooses
		getenv, _ := pod(t, "AWS_ROLE_SESSION_NAME", "", "HOSTNAME", hostname)
		if got := exchanged(t, getenv).Get("RoleSessionName"); len(got) < 2 {
			t.Errorf("%q: %q", hostname, got)
		}
	}
}

// exchanged is the form that asks for a session.
func exchanged(t *testing.T, getenv func(string) string) url.Values {
	t.Helper()
	var form url.Values
	cfg, err := workload.Config(t.Context(), workload.Options{
		Getenv: getenv,
		HTTPClient: network(func(r *http.Request) (*http.Response, error) {
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			form = r.PostForm
			return refuse(403, "AccessDenied", "no")(r)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = cfg.Credentials.Retrieve(t.Context())
	return form
}

func TestExplain(t *testing.T) {
	tests := map[string]string{
		"RequestTimeTooSkewed":  "set this machine's clock",
		"ExpiredTokenException": "the credentials have expired",
		"InvalidClientTokenId":  "the credentials are not known",
		"SignatureDoesNotMatch": "the secret key does not belong",
		"ThrottlingException":   "",
	}
	for code, hint := range tests {
		cause := &smithy.GenericAPIError{Code: code, Message: "no"}
		err := workload.Explain(fmt.Errorf("reading: %w", cause))
		if !strings.HasPrefix(problem.HintOf(err), hint) || !errors.Is(err, cause) {
			t.Errorf("%s: hint %q", code, problem.HintOf(err))
		}
		if want := hint != ""; (problem.KindOf(err) == problem.Denied) != want {
			t.Errorf("%s: kind %d", code, problem.KindOf(err))
		}
	}
	skewed := &smithy.GenericAPIError{Code: "InvalidSignatureException", Message: "Signature expired: 1 is before 2"}
	if got := problem.HintOf(workload.Explain(skewed)); !strings.Contains(got, "clock") {
		t.Errorf("hint %q", got)
	}
	explained := problem.New(problem.Failed, "done", "x: %w", skewed)
	for _, err := range []error{explained, context.Canceled, nil} {
		if got := workload.Explain(err); got != err { //nolint:errorlint // the very same error
			t.Errorf("%v became %v", err, got)
		}
	}
}
