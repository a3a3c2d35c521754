package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A session is renewed before its end, so that STS or the agent may fail for minutes and nobody notices; not at the
// same moment by all the pods that were started at the same moment; and, while that fails, not at each call.
const (
	renewWindow = 5 * time.Minute
	renewJitter = 0.5 // of the window, by which it may be shorter
	renewPause  = 30 * time.Second
)

// explained are credentials whose failures say what to do.
type explained struct {
	provider aws.CredentialsProvider
	explain  func(error) error

	mu   sync.Mutex
	last time.Time // end of the session that was made last
}

// Retrieve makes errors of kind Denied, or Failed when no answer came, unless ctx is done.
func (e *explained) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := e.provider.Retrieve(ctx)
	if err == nil {
		e.mu.Lock()
		e.last = c.Expires
		e.mu.Unlock()
		return c, nil
	}
	if ctx.Err() != nil {
		return c, err
	}
	return c, &exchangeError{e.explain(err)}
}

func (e *explained) end() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// HandleFailToRefresh keeps a session that was to be renewed early until its end, and looks again after a while.
func (e *explained) HandleFailToRefresh(_ context.Context, c aws.Credentials, err error) (aws.Credentials, error) {
	now, end := time.Now(), e.end() //nolint:forbidigo // the cache goes by the machine's clock as well
	if !c.HasKeys() || !now.Before(end) {
		return aws.Credentials{}, err
	}
	c.Expires = now.Add(renewPause)
	if c.Expires.After(end) {
		c.Expires = end
	}
	return c, nil
}

// AdjustExpiresBy makes the cache renew a new session early; one that was kept has its time already.
func (e *explained) AdjustExpiresBy(c aws.Credentials, d time.Duration) (aws.Credentials, error) {
	if c.Expires.Equal(e.end()) {
		c.Expires = c.Expires.Add(d)
	}
	return c, nil
}

// exchangeError marks an error that came before there were credentials.
type exchangeError struct{ error }

func (e *exchangeError) Unwrap() error { return e.error }

// RetryableError tells the SDK not to try the call again that needed the credentials: the exchange has been tried three
// times, and would be nine times, at a moment when STS throttles or is down.
func (e *exchangeError) RetryableError() bool { return false }

// held are credentials in a cache, which prints without them: the SDK's own shows its keys for some verbs.
type held struct{ cache *aws.CredentialsCache }

// Cache keeps the credentials of a provider until they expire, and prints without them, in every format.
func Cache(provider aws.CredentialsProvider) aws.CredentialsProvider {
	return &held{aws.NewCredentialsCache(provider)}
}

// hold is Cache for the providers of this package, whose sessions are renewed early.
func hold(provider aws.CredentialsProvider) *held {
	return &held{aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow, o.ExpiryWindowJitterFrac = renewWindow, renewJitter
	})}
}

// Retrieve gives what is cached, or exchanges the token anew.
func (h *held) Retrieve(ctx context.Context) (aws.Credentials, error) { return h.cache.Retrieve(ctx) }

// Invalidate makes the next Retrieve exchange the token anew.
func (h *held) Invalidate() { h.cache.Invalidate() }

// ProviderSources is for the SDK's user agent.
func (h *held) ProviderSources() []aws.CredentialSource { return h.cache.ProviderSources() }

const shownCredentials = "[credentials]"

// Format never shows a key, whatever the verb.
func (h *held) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, shownCredentials) }

// LogValue never shows a key.
func (h *held) LogValue() slog.Value { return slog.StringValue(shownCredentials) }

// MarshalJSON never shows a key.
func (h *held) MarshalJSON() ([]byte, error) { return json.Marshal(shownCredentials) }
