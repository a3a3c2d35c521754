package workload

import (
	"context"
	"errors"
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
	_, err := (&explained{provider: provider, explain: facts{role: "r", region: "eu-west-1"}.explainWebIdentity}).Retrieve(ctx)
	if !errors.Is(err, context.Canceled) || problem.KindOf(err) != problem.Failed || problem.HintOf(err) != "" {
		t.Errorf("error %v of kind %d, hint %q", err, problem.KindOf(err), problem.HintOf(err))
	}
}
