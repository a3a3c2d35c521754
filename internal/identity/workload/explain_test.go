package workload

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

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

// An agent that takes the connection and never answers does not hold a pod for ever. It is dialled itself: a proxy would
// see the token, and could not reach the node.
func TestPodIdentityIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte("e30.e30.c2ln"), 0o600); err != nil {
			t.Fatal(err)
		}
		client := agentClient().(*http.Client)
		transport := client.Transport.(*http.Transport)
		if transport.Proxy != nil {
			t.Error("a proxy would be used")
		}
		transport.DialContext = func(_ context.Context, _, address string) (net.Conn, error) {
			if address != "169.254.170.23:80" {
				t.Errorf("dialled %s", address)
			}
			here, there := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, there) }()
			return here, nil
		}
		provider := &podProvider{client: client, url: "http://169.254.170.23/v1/credentials", token: tokenFile{path: file}}
		begun := time.Now()
		_, err := provider.Retrieve(t.Context())
		tries := agentAttempts * agentTimeout
		if took := time.Since(begun); err == nil || took < tries || took > tries+(agentAttempts-1)*agentDelay {
			t.Errorf("after %v: %v", took, err)
		}
	})
}
