package appconfig

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
)

const (
	version1 = "00000000-0000-0000-0000-000000000001"
	version2 = "00000000-0000-0000-0000-000000000002"
)

// TestSecretIsPinned: what a deployment copied is served until another deployment, whatever becomes of the secret.
func TestSecretIsPinned(t *testing.T) {
	s := newScene(t)
	s.secrets[version1] = "obviously-fake-canary-1"
	p := s.addProfile("key", "secretsmanager://team/key", reader)
	out, err := s.start(p, version1, "AppConfig.AllAtOnce")
	must(t, out, err)
	if *out.ConfigurationVersion != version1 || *out.ConfigurationLocationUri != "secretsmanager://team/key" {
		t.Errorf("started as %+v", out)
	}
	s.turn(10 * time.Minute)
	c := s.open(p)
	if got := c.poll(); got != "obviously-fake-canary-1" {
		t.Errorf("first value: %q", got)
	}
	s.secrets[version2] = "obviously-fake-canary-2"
	delete(s.secrets, version1)
	s.turn(time.Minute)
	if again, err := c.get(); err != nil || len(again.Configuration) != 0 {
		t.Errorf("the secret moved on and the client was told: %v", err)
	}
	if got := s.open(p).poll(); got != "obviously-fake-canary-1" {
		t.Errorf("a new session: %q", got)
	}
	s.turn(time.Minute)
	out, err = s.start(p, version2, "AppConfig.AllAtOnce")
	must(t, out, err)
	if got := c.poll(); got != "obviously-fake-canary-2" {
		t.Errorf("after a deployment: %q", got)
	}
	if strings.Contains(s.logs.String(), "canary") {
		t.Error("the value is in the logs")
	}
}

func TestRetrievalRefused(t *testing.T) {
	s := newScene(t)
	s.secrets[version1] = `"obviously-fake-canary"`
	for name, tc := range map[string]struct{ uri, role, version, text string }{
		"role without trust": {"secretsmanager://team/key", stranger, version1, "does not trust appconfig.amazonaws.com"},
		"another secret":     {"secretsmanager://team/other", reader, version1, "may not read team/other"},
		"unknown version":    {"secretsmanager://team/key", reader, version2, "ResourceNotFoundException"},
	} {
		p := s.addProfile("key", tc.uri, tc.role)
		_, err := s.start(p, tc.version, "AppConfig.AllAtOnce")
		if code(err) != "BadRequestException" || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: deployed with %v", name, err)
		}
		_, err = s.root.ValidateConfiguration(t.Context(), &ac.ValidateConfigurationInput{
			ApplicationId: &s.app, ConfigurationProfileId: &p, ConfigurationVersion: aws.String(tc.version),
		})
		if code(err) != "BadRequestException" {
			t.Errorf("%s: validated with %v", name, err)
		}
	}
	p := s.addProfile("key", "secretsmanager://team/key", reader, schemaOf(`{"type":"object"}`))
	_, err := s.start(p, version1, "AppConfig.AllAtOnce")
	if len(invalid(t, err)) != 1 || strings.Contains(err.Error(), "canary") {
		t.Errorf("a secret that its schema refuses: %v", err)
	}
}
