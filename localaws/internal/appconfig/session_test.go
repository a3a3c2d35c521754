package appconfig

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	actypes "github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	acd "github.com/aws/aws-sdk-go-v2/service/appconfigdata"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata/types"
	"github.com/google/go-cmp/cmp"
)

func (s *scene) session(profile string) *acd.StartConfigurationSessionInput {
	return &acd.StartConfigurationSessionInput{
		ApplicationIdentifier: &s.app, EnvironmentIdentifier: &s.env, ConfigurationProfileIdentifier: &profile,
	}
}

// problem is what a token error says of the token.
func problem(err error) types.InvalidParameterProblem {
	var bad *types.BadRequestException
	if !errors.As(err, &bad) || bad.Reason != types.BadRequestReasonInvalidParameters {
		return ""
	}
	details, ok := bad.Details.(*types.BadRequestDetailsMemberInvalidParameters)
	if !ok {
		return ""
	}
	return details.Value["ConfigurationToken"].Problem
}

func TestPolling(t *testing.T) {
	s := newScene(t)
	v, err := s.root.CreateHostedConfigurationVersion(t.Context(), &ac.CreateHostedConfigurationVersionInput{
		ApplicationId: &s.app, ConfigurationProfileId: &s.profile, Content: []byte(`{"a":1}`),
		ContentType: aws.String("application/json"), VersionLabel: aws.String("v1"),
	})
	must(t, v, err)
	s.deployed("v1")

	in := s.session("settings")
	in.ApplicationIdentifier, in.EnvironmentIdentifier = aws.String("telemetry"), aws.String("uat") // names, not ids
	out, err := s.data.StartConfigurationSession(t.Context(), in)
	c := &client{s: s, token: must(t, out, err).InitialConfigurationToken}
	first, err := c.get()
	must(t, first, err)
	if string(first.Configuration) != `{"a":1}` || *first.ContentType != "application/json" ||
		*first.VersionLabel != "v1" || first.NextPollIntervalInSeconds != 60 {
		t.Errorf("first answer: %+v", first)
	}
	s.turn(60 * time.Second)
	second, err := c.get()
	must(t, second, err)
	if len(second.Configuration) != 0 || second.VersionLabel != nil || *second.ContentType != "application/octet-stream" {
		t.Errorf("unchanged answer: %+v", second)
	}
	s.deployed(s.host(`{"a":2}`))
	if got := c.poll(); got != `{"a":2}` {
		t.Errorf("after a deployment: %s", got)
	}
	s.deployed("2") // the same version again is nothing new
	if out, err := c.get(); err != nil || len(out.Configuration) != 0 {
		t.Errorf("the same version again: %v %v", out, err)
	}
	if got := s.open(s.profile).poll(); got != `{"a":2}` {
		t.Errorf("a new session: %s", got)
	}
}

func TestTokens(t *testing.T) {
	s := newScene(t)
	s.deployed(s.host("1"))
	c := s.open(s.profile)
	spent := c.token
	c.poll()

	if _, err := (&client{s: s, token: spent}).get(); problem(err) != "Corrupted" {
		t.Errorf("a spent token: %v", err)
	}
	for _, text := range []string{"nonsense", *c.token + "A", "A" + (*c.token)[1:], (*c.token)[:40]} {
		if _, err := (&client{s: s, token: &text}).get(); problem(err) != "Corrupted" {
			t.Errorf("token %.12s…: %v", text, err)
		}
	}
	s.turn(15*time.Second - time.Millisecond)
	for range 3 { // refusing does not spend
		if _, err := c.get(); problem(err) != types.InvalidParameterProblemPollIntervalNotSatisfied {
			t.Errorf("an early poll: %v", err)
		}
	}
	s.turn(time.Millisecond)
	c.poll()

	s.turn(24*time.Hour - time.Millisecond)
	c.poll()
	s.turn(24 * time.Hour)
	if _, err := c.get(); problem(err) != types.InvalidParameterProblemExpired {
		t.Errorf("a token of a day ago: %v", err)
	}
	s.open(s.profile) // forgets the sessions of yesterday
	if _, err := c.get(); problem(err) != types.InvalidParameterProblemExpired || len(s.sessions) != 1 {
		t.Errorf("after the sweep: %v, %d sessions", err, len(s.sessions))
	}
}

func TestLenientTokens(t *testing.T) {
	s := newBenchWith(t, true).scene()
	s.deployed(s.host("1"))
	c := s.open(s.profile)
	first := c.token
	c.poll()
	second := c.token
	s.turn(time.Minute)
	c.poll()
	for name, tc := range map[string]struct {
		token *string
		full  int
	}{"the first token held nothing": {first, 1}, "the second held version 1": {second, 0}} {
		again := &client{s: s, token: tc.token}
		if _, err := again.get(); err != nil || again.full != tc.full {
			t.Errorf("%s: %d bodies, %v", name, again.full, err)
		}
	}
}

func TestNoDeployment(t *testing.T) {
	s := newScene(t)
	missing := func(err error) types.ResourceType {
		var notFound *types.ResourceNotFoundException
		if !errors.As(err, &notFound) {
			return types.ResourceType(code(err))
		}
		return notFound.ResourceType
	}
	start := func(change func(*acd.StartConfigurationSessionInput)) error {
		in := s.session(s.profile)
		change(in)
		_, err := s.data.StartConfigurationSession(t.Context(), in)
		return err
	}
	none := aws.String("none")
	for want, change := range map[types.ResourceType]func(*acd.StartConfigurationSessionInput){
		"Application":          func(in *acd.StartConfigurationSessionInput) { in.ApplicationIdentifier = none },
		"Environment":          func(in *acd.StartConfigurationSessionInput) { in.EnvironmentIdentifier = none },
		"ConfigurationProfile": func(in *acd.StartConfigurationSessionInput) { in.ConfigurationProfileIdentifier = none },
		"Deployment":           func(*acd.StartConfigurationSessionInput) {},
		"BadRequestException": func(in *acd.StartConfigurationSessionInput) {
			in.RequiredMinimumPollIntervalInSeconds = aws.Int32(14)
		},
	} {
		if got := missing(start(change)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	// a first deployment reaches a session only with its percentage, and until then there is nothing to give
	out, err := s.start(s.profile, s.host("1"), s.makeStrategy(actypes.GrowthTypeLinear, 100, 2, 0))
	must(t, out, err)
	c := s.open(s.profile)
	if _, err := c.get(); missing(err) != types.ResourceTypeDeployment {
		t.Errorf("before the first step: %v", err)
	}
	s.turn(time.Minute)
	if got := c.poll(); got != "1" {
		t.Errorf("after it: %q", got)
	}
}

// TestWireFormat reads the raw answers, on which SDKs other than Go's depend.
func TestWireFormat(t *testing.T) {
	s := newScene(t)
	s.deployed(s.host("obviously-fake"))
	c := s.open(s.profile)
	get := func(token string) *http.Response {
		u := s.url + "/configuration?configuration_token=" + url.QueryEscape(token)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
		must(t, req, err)
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=root/x, checked by the server")
		res, err := http.DefaultClient.Do(req)
		must(t, res, err)
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	first := *c.token
	c.poll()
	s.turn(time.Minute)
	res := get(*c.token)
	if res.StatusCode != 200 || res.ContentLength != 0 || res.Header.Get("Next-Poll-Interval-In-Seconds") != "15" ||
		res.Header.Get("Next-Poll-Configuration-Token") == "" || res.Header.Values("Version-Label") != nil {
		t.Errorf("unchanged: %d %v", res.StatusCode, res.Header)
	}
	res = get(first)
	got := []string{res.Status, res.Header.Get("X-Amzn-ErrorType"), res.Header.Get("Content-Type")}
	if diff := cmp.Diff([]string{"400 Bad Request", "BadRequestException", "application/json"}, got); diff != "" {
		t.Error(diff)
	}
}
