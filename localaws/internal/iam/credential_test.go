package iam_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
)

func TestCredentialDoesNotPrint(t *testing.T) {
	f := newFixture(t)
	c := f.service.Issue(f.role("reader", trustAll, ""), "job", time.Hour, nil, "")
	if c.SecretAccessKey == "" || c.SessionToken == "" {
		t.Fatal("nothing to hide")
	}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&printed, verb+verb+verb, c, &c, []iam.Credential{c})
	}
	slog.New(slog.NewTextHandler(&printed, nil)).InfoContext(t.Context(), "x", slog.Any("credential", c))
	list := slog.Any("credentials", []iam.Credential{c})
	slog.New(slog.NewJSONHandler(&printed, nil)).InfoContext(t.Context(), "x", list)
	if err := json.NewEncoder(&printed).Encode(map[string]any{"credential": c}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{c.SecretAccessKey, c.SessionToken, fmt.Sprintf("%x", c.SecretAccessKey)} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%q is printed:\n%s", secret, printed.String())
		}
	}
	if !strings.Contains(printed.String(), c.AccessKeyID) {
		t.Error("the access key id is not printed, which tells credentials apart")
	}
}

func TestCredentials(t *testing.T) {
	f := newFixture(t)
	if c, ok := f.service.Credential(rootKey); !ok || !c.Expires.IsZero() || c.Principal.ARN != rootARN {
		t.Errorf("root: %v, %t", c, ok)
	}
	for _, id := range []string{"", "AKIAUNKNOWN"} {
		if _, ok := f.service.Credential(id); ok {
			t.Errorf("a credential for %q", id)
		}
	}
	if _, ok := newFixture(t, func(c *iam.Config) { c.RootKey = "" }).service.Credential(""); ok {
		t.Error("a root without a key can be called without one")
	}
	role := f.role("reader", trustAll, "")
	first := f.service.Issue(role, "job", time.Hour, nil, "")
	if want := start.Add(time.Hour); !first.Expires.Equal(want) {
		t.Errorf("expires %s, want %s", first.Expires, want)
	}
	second := f.service.Issue(role, "job", time.Hour, nil, "")
	if first.AccessKeyID == second.AccessKeyID || first.SecretAccessKey == second.SecretAccessKey ||
		first.SessionToken == second.SessionToken {
		t.Error("two sessions share a key")
	}
	f.now = f.now.Add(2 * time.Hour)
	f.service.Issue(role, "job", time.Hour, nil, "")
	if _, ok := f.service.Credential(first.AccessKeyID); !ok {
		t.Error("an expired session is forgotten before its caller could learn that it expired")
	}
	f.now = f.now.Add(48 * time.Hour)
	f.service.Issue(role, "job", time.Hour, nil, "")
	if _, ok := f.service.Credential(first.AccessKeyID); ok {
		t.Error("an expired session is held for ever")
	}
}
