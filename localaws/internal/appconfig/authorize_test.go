package appconfig

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	acd "github.com/aws/aws-sdk-go-v2/service/appconfigdata"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// TestEveryOperationIsAuthorised sends a stranger's call to every route.
func TestEveryOperationIsAuthorised(t *testing.T) {
	s := newScene(t)
	s.deployed(s.host("1"))
	fill := strings.NewReplacer("{app}", s.app, "{env}", s.env, "{profile}", s.profile, "{version}", "1",
		"{strategy}", "AppConfig.AllAtOnce", "{deployment}", "1", "{arn}", "arn:aws:appconfig:x", "{configuration}", "c",
		"{extension}", "e")
	session := `{"ApplicationIdentifier":"a","EnvironmentIdentifier":"e","ConfigurationProfileIdentifier":"p"}`
	for _, r := range routes {
		path := fill.Replace(r.path)
		if r.action == "GetLatestConfiguration" {
			path += "?configuration_token=" + *s.open(s.profile).token
		}
		req := httptest.NewRequestWithContext(t.Context(), r.method, path, nil)
		c := &api.Call{Request: req, Principal: api.Principal{Kind: api.Session, ARN: "stranger"}}
		if r.action == "StartConfigurationSession" {
			c.Body = []byte(session)
		}
		if got := s.Action(c); got != "appconfig:"+r.action {
			t.Errorf("%s %s is %s, want %s", r.method, path, got, r.action)
		}
		w := httptest.NewRecorder()
		s.Serve(w, c)
		if w.Code != 403 || w.Header().Get("X-Amzn-ErrorType") != "AccessDeniedException" ||
			!strings.Contains(w.Body.String(), "appconfig:"+r.action) {
			t.Errorf("%s for a stranger: %d %s", r.action, w.Code, w.Body)
		}
	}
	c := &api.Call{Request: httptest.NewRequestWithContext(t.Context(), "PUT", "/applications", nil)}
	w := httptest.NewRecorder()
	if s.Serve(w, c); s.Action(c) != "" || w.Code != 404 {
		t.Errorf("an unknown operation: %q %d", s.Action(c), w.Code)
	}
}

func TestDataPlaneResource(t *testing.T) {
	s := newScene(t)
	s.deployed(s.host("1"))
	resource := arnPrefix + "application/" + s.app + "/environment/" + s.env + "/configuration/" + s.profile
	pod := s.dataAs("pod")
	start := func(app string) (*acd.StartConfigurationSessionOutput, error) {
		return pod.StartConfigurationSession(t.Context(), &acd.StartConfigurationSessionInput{
			ApplicationIdentifier: &app, EnvironmentIdentifier: aws.String("uat"),
			ConfigurationProfileIdentifier: aws.String("settings"),
		})
	}
	s.access.grants = []grant{{"pod", "appconfig:StartConfigurationSession", resource}}
	out, err := start("telemetry") // by name, though the policy has ids
	must(t, out, err)
	if _, err := start("unknown"); code(err) != "AccessDeniedException" {
		t.Errorf("an unknown name: %v", err)
	}
	get := func() error {
		_, err := pod.GetLatestConfiguration(t.Context(), &acd.GetLatestConfigurationInput{
			ConfigurationToken: out.InitialConfigurationToken,
		})
		return err
	}
	if err := get(); code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), resource) {
		t.Errorf("polling without permission: %v", err)
	}
	s.access.grants = append(s.access.grants, grant{"pod", "appconfig:GetLatestConfiguration", resource})
	if err := get(); err != nil { // being denied did not spend the token
		t.Errorf("polling with permission: %v", err)
	}
}

// TestStartDeploymentNeedsEach removes each permission and sees the deployment refused.
func TestStartDeploymentNeedsEach(t *testing.T) {
	s := newScene(t)
	version := s.host("1")
	app := arnPrefix + "application/" + s.app
	need := []grant{
		{"deployer", "appconfig:StartDeployment", app},
		{"deployer", "appconfig:StartDeployment", app + "/environment/" + s.env},
		{"deployer", "appconfig:StartDeployment", app + "/configurationprofile/" + s.profile},
		{"deployer", "appconfig:StartDeployment", arnPrefix + "deploymentstrategy/AppConfig.AllAtOnce"},
	}
	start := func() error {
		_, err := s.as("deployer").StartDeployment(t.Context(), &ac.StartDeploymentInput{
			ApplicationId: &s.app, EnvironmentId: &s.env, ConfigurationProfileId: &s.profile,
			ConfigurationVersion: &version, DeploymentStrategyId: aws.String("AppConfig.AllAtOnce"),
		})
		return err
	}
	for i, missing := range need {
		s.access.grants = append(append([]grant{}, need[:i]...), need[i+1:]...)
		if err := start(); code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), missing.resource) {
			t.Errorf("without %s: %v", missing.resource, err)
		}
	}
	s.access.grants = need
	if err := start(); err != nil {
		t.Errorf("with all: %v", err)
	}
}

func TestPassRole(t *testing.T) {
	s := newScene(t)
	s.access.grants = []grant{{"author", "appconfig:*", "*"}}
	create := func() error {
		_, err := s.as("author").CreateConfigurationProfile(t.Context(), &ac.CreateConfigurationProfileInput{
			ApplicationId: &s.app, Name: aws.String("p"), LocationUri: aws.String("secretsmanager://s"),
			RetrievalRoleArn: aws.String(reader),
		})
		return err
	}
	if err := create(); code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "iam:PassRole") {
		t.Errorf("without iam:PassRole: %v", err)
	}
	s.access.grants = append(s.access.grants, grant{"author", "iam:PassRole", reader})
	if err := create(); err != nil {
		t.Errorf("with it: %v", err)
	}
	want := map[string][]string{"iam:PassedToService": {"appconfig.amazonaws.com"}}
	if diff := cmp.Diff(want, s.access.asked[len(s.access.asked)-1].Condition); diff != "" {
		t.Error(diff)
	}
}
