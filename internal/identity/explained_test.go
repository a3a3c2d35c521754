package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// A process that is told to end has not been denied anything.
func TestDoneContextIsNotDenied(t *testing.T) {
	provider := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (explained{provider}).Retrieve(ctx)
	if !errors.Is(err, context.Canceled) || problem.KindOf(err) != problem.Failed || problem.HintOf(err) != "" {
		t.Errorf("error %v of kind %d, hint %q", err, problem.KindOf(err), problem.HintOf(err))
	}
}

// A person's keys do not print either; the SDK's own cache shows them for %s.
func TestPersonPrintsNoKeys(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "CANARYSECRET")
	t.Setenv("AWS_SESSION_TOKEN", "CANARYSESSION")
	cfg, err := Person(t.Context(), Options{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := cfg.Credentials.Retrieve(t.Context()); err != nil || c.SecretAccessKey != "CANARYSECRET" {
		t.Fatal("the canary is not there", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if text := fmt.Sprintf(verb, cfg.Credentials); strings.Contains(text, "CANARY") {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}
