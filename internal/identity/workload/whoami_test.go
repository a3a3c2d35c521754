package workload_test

import (
	"bytes"
	cmpor "cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/identity/workload"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const target = "arn:aws:iam::444455556666:role/shared/keys"

// fixed are credentials that need no exchange.
type fixed struct{}

func (fixed) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIAFAKE", SecretAccessKey: "not-a-real-key"}, nil
}

// cloud is an agent of Pod Identity and an STS that take everybody, and remember the forms that STS got.
type cloud struct {
	forms    []string
	sessions int
	refuse   map[string]network // by action
	end      time.Time
}

func (c *cloud) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return answer(200, credentials)
	}
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	action := r.PostForm.Get("Action")
	signer, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/")
	c.forms = append(c.forms, fmt.Sprintf("%s %s %s %s %s by %s", action, r.PostForm.Get("RoleArn"),
		r.PostForm.Get("RoleSessionName"), r.PostForm.Get("ExternalId"), r.PostForm.Get("DurationSeconds"), signer))
	if refuse := c.refuse[action]; refuse != nil {
		return refuse(r)
	}
	if action == "GetCallerIdentity" {
		return answer(200, `<R><GetCallerIdentityResult><Account>111122223333</Account><UserId>AROAFAKE:pod-1</UserId>`+
			`<Arn>arn:aws:sts::111122223333:assumed-role/otel/pod-1</Arn></GetCallerIdentityResult></R>`)
	}
	c.sessions++
	end := c.end
	if end.IsZero() {
		end = time.Now().Add(time.Hour)
	}
	return answer(200, fmt.Sprintf(`<R><%[1]sResult><Credentials><AccessKeyId>ASIAFAKE%[2]d</AccessKeyId>`+
		`<SecretAccessKey>CANARYSECRET</SecretAccessKey><SessionToken>CANARYSESSION</SessionToken>`+
		`<Expiration>%[3]s</Expiration></Credentials></%[1]sResult></R>`, action, c.sessions,
		end.UTC().Format(time.RFC3339)))
}

func identify(t *testing.T) network {
	t.Helper()
	return (&cloud{}).Do
}

func TestWhoAmI(t *testing.T) {
	expires := time.Unix(1700086400, 0).UTC()
	whole := workload.Caller{
		Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/otel/pod-1", UserID: "AROAFAKE:pod-1",
		Region: "eu-west-1", Endpoint: "https://sts.eu-west-1.amazonaws.com",
		Mechanism: workload.WebIdentity, Role: role,
		Token: &workload.Token{Subject: subject, Audience: []string{"sts.amazonaws.com"}, Issuer: issuer, Expires: &expires},
	}
	tests := []struct {
		name   string
		env    func(*testing.T) (func(string) string, string)
		assume bool
		change func(*workload.Caller)
	}{
		{"web identity", func(t *testing.T) (func(string) string, string) { return pod(t) }, false, nil},
		{
			"pod identity", func(t *testing.T) (func(string) string, string) { return associated(t) }, false,
			func(c *workload.Caller) {
				c.Mechanism, c.Token.Audience = workload.PodIdentity, []string{"pods.eks.amazonaws.com"}
			},
		},
		{
			"assumed", func(t *testing.T) (func(string) string, string) { return pod(t) }, true,
			func(c *workload.Caller) { c.Role, c.From = target, role },
		},
		{
			"assumed by pod identity", func(t *testing.T) (func(string) string, string) { return associated(t) }, true,
			func(c *workload.Caller) {
				c.Mechanism, c.Token.Audience = workload.PodIdentity, []string{"pods.eks.amazonaws.com"}
				c.Role, c.From = target, "the role of the pod identity association"
			},
		},
		{
			"static", func(t *testing.T) (func(string) string, string) {
				getenv, _ := pod(t, "AWS_ROLE_ARN", "", "AWS_WEB_IDENTITY_TOKEN_FILE", "", "AWS_ACCESS_KEY_ID", "AKIAFAKE",
					"AWS_SECRET_ACCESS_KEY", "CANARYKEY")
				return getenv, ""
			}, false, func(c *workload.Caller) { c.Mechanism, c.Token = workload.Static, nil },
		},
		{
			"endpoint", func(t *testing.T) (func(string) string, string) {
				return pod(t, "AWS_ENDPOINT_URL", "http://127.0.0.1:1", "AWS_ENDPOINT_URL_STS", "http://127.0.0.1:2")
			}, false, func(c *workload.Caller) { c.Endpoint = "http://127.0.0.1:2" },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			getenv, file := test.env(t)
			want := whole
			token := *whole.Token
			want.Token = &token
			want.Token.File = file
			if test.change != nil {
				test.change(&want)
			}
			cfg, err := workload.Config(t.Context(), workload.Options{
				Getenv: getenv, HTTPClient: &cloud{}, AllowStatic: true,
			})
			if err == nil && test.assume {
				cfg, err = workload.Assume(cfg, workload.Role{ARN: target})
			}
			if err != nil {
				t.Fatal(err)
			}
			who, err := workload.WhoAmI(t.Context(), cfg)
			if diff := cmp.Diff(want, who); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			data, err := json.Marshal(who)
			if err != nil || strings.Contains(string(data), "CANARY") || !strings.Contains(string(data), `"region":"eu-west-1"`) {
				t.Errorf("%s, %v", data, err)
			}
		})
	}
}

func TestAssume(t *testing.T) {
	getenv, _ := pod(t)
	c := &cloud{}
	cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv, HTTPClient: c})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []workload.Role{
		{ARN: target},
		{ARN: target, ExternalID: "shared/1", SessionName: "keys", Duration: 15 * time.Minute},
	} {
		assumed, err := workload.Assume(cfg, r)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := assumed.Credentials.Retrieve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := []string{
		"AssumeRoleWithWebIdentity " + role + " pod-1   by ",
		"AssumeRole " + target + " pod-1  3600 by ASIAFAKE1",
		"AssumeRole " + target + " keys shared/1 900 by ASIAFAKE1",
	}
	if diff := cmp.Diff(want, c.forms); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestAssumeRefuses(t *testing.T) {
	getenv, _ := pod(t)
	cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv, HTTPClient: &cloud{}})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]workload.Role{
		"nothing":             {},
		"a name":              {ARN: "keys"},
		"a session":           {ARN: "arn:aws:sts::444455556666:assumed-role/keys/pod-1"},
		"a user":              {ARN: "arn:aws:iam::444455556666:user/keys"},
		"no account":          {ARN: "arn:aws:iam::4444:role/keys"},
		"two lines":           {ARN: target + "\nhint: x"},
		"external id":         {ARN: target, ExternalID: "a b"},
		"long external id":    {ARN: target, ExternalID: strings.Repeat("x", 1225)},
		"session name":        {ARN: target, SessionName: "a/b"},
		"more than an hour":   {ARN: target, Duration: time.Hour + 1},
		"less than a quarter": {ARN: target, Duration: time.Minute},
	} {
		_, err := workload.Assume(cfg, r)
		if problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v of kind %d, hint %q", name, err, problem.KindOf(err), problem.HintOf(err))
		}
	}
	if _, err := workload.Assume(aws.Config{}, workload.Role{ARN: target}); err == nil {
		t.Error("a configuration of somebody else was taken")
	}
}

func TestAssumeFails(t *testing.T) {
	user := "User: arn:aws:sts::111122223333:assumed-role/otel/pod-1 is not authorized to perform: sts:AssumeRole on resource: " + target
	tests := []struct {
		name   string
		refuse network
		role   workload.Role
		pod    bool // pod identity instead of web identity
		hint   string
		not    string // in the hint
		kind   problem.Kind
	}{
		{
			name: "AWS does not say why", refuse: refuse(403, "AccessDenied", user),
			hint: "the policy of " + role + " must allow sts:AssumeRole on " + target + ", and the trust policy of " + target +
				" must allow sts:AssumeRole to " + role + "; if it asks for sts:ExternalId, give the external id, for none is " +
				"given; AWS says the same of a role that does not exist, so check the ARN",
		},
		{
			name:   "the caller's policy",
			refuse: refuse(403, "AccessDenied", user+" because no identity-based policy allows the sts:AssumeRole action"),
			hint:   "the policy of " + role + " must allow sts:AssumeRole on " + target, not: "trust",
		},
		{
			name:   "the trust policy",
			refuse: refuse(403, "AccessDenied", user+" because no resource-based policy allows the sts:AssumeRole action"),
			hint:   "the trust policy of " + target + " must allow sts:AssumeRole to " + role + "; if it asks for", not: "and",
		},
		{
			name:   "external id",
			refuse: refuse(403, "AccessDenied", user+" because no resource-based policy allows the sts:AssumeRole action"),
			role:   workload.Role{ExternalID: "mine"}, hint: "that must be the external id that is given", not: "mine",
		},
		{
			name: "tags of pod identity", pod: true,
			refuse: refuse(403, "AccessDenied", strings.Replace(user, "sts:AssumeRole", "sts:TagSession", 1)),
			hint:   "must allow sts:TagSession beside sts:AssumeRole to the role of the pod identity association",
		},
		{
			name: "denied", refuse: refuse(403, "AccessDenied", user+" with an explicit deny in an identity-based policy"),
			hint: "a Deny in the policy of " + role,
		},
		{
			name: "denied there", refuse: refuse(403, "AccessDenied", user+" with an explicit deny in a resource-based policy"),
			hint: "a Deny in the trust policy of " + target,
		},
		{
			name: "denied above", refuse: refuse(403, "AccessDenied", user+" with an explicit deny in a service control policy"),
			hint: "a Deny of the organisation",
		},
		{
			name: "too long", refuse: refuse(400, "ValidationError", "The requested DurationSeconds exceeds the"),
			hint: "raise MaxSessionDuration of " + target,
		},
		{name: "malformed", refuse: refuse(400, "ValidationError", "x is invalid"), hint: "check the role's ARN"},
		{
			name: "the pod's own session ended", refuse: refuse(403, "ExpiredToken", "expired"),
			hint: "the session of " + role + " has ended",
		},
		{name: "region", refuse: refuse(403, "RegionDisabledException", "off"), hint: "activate STS in region eu-west-1"},
		{name: "clock", refuse: refuse(403, "SignatureDoesNotMatch", "Signature expired"), hint: "set this machine's clock"},
		{name: "something else", refuse: refuse(400, "PackedPolicyTooLarge", "big"), hint: "compare the trust policy of " + target},
		{name: "not STS", refuse: says(200, "<html>"), hint: "what answers may not be STS", kind: problem.Failed},
		{name: "unreachable", refuse: func(*http.Request) (*http.Response, error) {
			return nil, &netError{}
		}, hint: "com.amazonaws.eu-west-1.sts", kind: problem.Failed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				getenv, _ := pod(t)
				if test.pod {
					getenv, _ = associated(t)
				}
				cfg, err := workload.Config(t.Context(), workload.Options{
					Getenv: getenv, HTTPClient: &cloud{refuse: map[string]network{"AssumeRole": test.refuse}},
				})
				if err != nil {
					t.Fatal(err)
				}
				test.role.ARN = target
				if cfg, err = workload.Assume(cfg, test.role); err != nil {
					t.Fatal(err)
				}
				_, err = workload.WhoAmI(t.Context(), cfg)
				hint := problem.HintOf(err)
				if !strings.Contains(err.Error(), "assuming role "+target+": ") || !strings.HasPrefix(hint, test.hint) &&
					!strings.Contains(hint, test.hint) || test.not != "" && strings.Contains(hint, test.not) {
					t.Errorf("error %q\nhint  %q", err, hint)
				}
				if want := cmpor.Or(test.kind, problem.Denied); problem.KindOf(err) != want {
					t.Errorf("kind %d, want %d", problem.KindOf(err), want)
				}
			})
		})
	}
}

// netError is what a dialler reports.
type netError struct{}

func (*netError) Error() string   { return "no route to host" }
func (*netError) Timeout() bool   { return false }
func (*netError) Temporary() bool { return false }

// What is wrong with the pod's own identity is said in its own words, with its own hint.
func TestAssumeWithoutOwnCredentials(t *testing.T) {
	getenv, _ := pod(t)
	c := &cloud{refuse: map[string]network{"AssumeRoleWithWebIdentity": refuse(403, "AccessDenied", "no")}}
	cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv, HTTPClient: c})
	if err != nil {
		t.Fatal(err)
	}
	if cfg, err = workload.Assume(cfg, workload.Role{ARN: target}); err != nil {
		t.Fatal(err)
	}
	_, err = cfg.Credentials.Retrieve(t.Context())
	if !strings.Contains(fmt.Sprint(err), "assuming role "+target+": assuming role "+role+": AccessDenied: no") ||
		!strings.HasPrefix(problem.HintOf(err), "trust policy of "+role) || problem.KindOf(err) != problem.Denied {
		t.Errorf("error %v, hint %q", err, problem.HintOf(err))
	}
}

// A dead session of the pod must not be mistaken for one of the assumed role, and the other way round.
func TestRenewalOfAssumedRoles(t *testing.T) {
	expired := refuse(403, "ExpiredToken", "The security token included in the request is expired")
	denied := refuse(403, "AccessDenied", "User: x is not authorized")
	tests := []struct {
		name    string
		action  string // that is refused
		refuse  network
		rounds  int
		want    []string // what is asked in the round after
		service bool
	}{
		{"the role's session ended", "GetCallerIdentity", expired, 1, []string{"AssumeRole"}, true},
		{"the pod's session ended", "AssumeRole", expired, 1, []string{"AssumeRoleWithWebIdentity", "AssumeRole"}, false},
		{"denied twice", "GetCallerIdentity", denied, 2, nil, true},
		{
			"denied thrice", "GetCallerIdentity", denied, 3, []string{"AssumeRoleWithWebIdentity", "AssumeRole"}, true,
		},
		{"may not assume, twice", "AssumeRole", denied, 2, []string{"AssumeRole"}, false},
		{"may not assume, thrice", "AssumeRole", denied, 3, []string{"AssumeRoleWithWebIdentity", "AssumeRole"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				getenv, _ := pod(t)
				c := &cloud{refuse: map[string]network{test.action: test.refuse}}
				cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv, HTTPClient: c})
				if err != nil {
					t.Fatal(err)
				}
				if cfg, err = workload.Assume(cfg, workload.Role{ARN: target}); err != nil {
					t.Fatal(err)
				}
				var renewal workload.Renewal
				for range test.rounds {
					_, err := workload.WhoAmI(t.Context(), cfg)
					if err == nil {
						t.Fatal("it was not refused")
					}
					renewal.After(cfg, err)
				}
				c.forms, c.refuse = nil, nil
				if _, err := workload.WhoAmI(t.Context(), cfg); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, form := range c.forms {
					action, _, _ := strings.Cut(form, " ")
					got = append(got, action)
				}
				if diff := cmp.Diff(append(test.want, "GetCallerIdentity"), got); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Neither tokens nor keys print, whatever is printed of a configuration.
func TestNothingPrintsCredentials(t *testing.T) {
	static := []string{
		"AWS_ROLE_ARN", "", "AWS_WEB_IDENTITY_TOKEN_FILE", "", "AWS_ACCESS_KEY_ID", "AKIAFAKE",
		"AWS_SECRET_ACCESS_KEY", "CANARYSECRET", "AWS_SESSION_TOKEN", "CANARYSESSION",
	}
	for name, env := range map[string]func(*testing.T) (func(string) string, string){
		"web identity": func(t *testing.T) (func(string) string, string) { return pod(t) },
		"pod identity": func(t *testing.T) (func(string) string, string) { return associated(t) },
		"static":       func(t *testing.T) (func(string) string, string) { return pod(t, static...) },
	} {
		t.Run(name, func(t *testing.T) {
			getenv, _ := env(t)
			cfg, err := workload.Config(t.Context(), workload.Options{
				Getenv: getenv, AllowStatic: true, HTTPClient: &cloud{},
			})
			if err != nil {
				t.Fatal(err)
			}
			assumed, err := workload.Assume(cfg, workload.Role{ARN: target})
			if err != nil {
				t.Fatal(err)
			}
			if c, err := assumed.Credentials.Retrieve(t.Context()); err != nil || c.SecretAccessKey != "CANARYSECRET" {
				t.Fatal("the canary is not there", err)
			}
			who, err := workload.WhoAmI(t.Context(), assumed)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			for _, v := range []any{
				cfg, &cfg, cfg.Credentials, cfg.ConfigSources, cfg.HTTPClient, assumed, assumed.Credentials,
				assumed.ConfigSources, who, &who, assumed.Copy(),
				struct{ C aws.Config }{cfg},
			} {
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x"} {
					if text := fmt.Sprintf(verb, v); strings.Contains(text, "CANARY") {
						t.Errorf("%s of %T shows it: %s", verb, v, text)
					}
				}
				slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("v", v))
				slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("v", v))
			}
			if strings.Contains(log.String(), "CANARY") {
				t.Errorf("a log shows it: %s", log.String())
			}
		})
	}
}
