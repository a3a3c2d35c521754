package loopback_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/loopback"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// Past its maximum age an item is not given by any protocol, within a second; the others are, and it comes back.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var old atomic.Bool
		var asked atomic.Int64
		s := filled(t, loopback.Config{Stale: func(item string) (string, bool) {
			asked.Add(1)
			return "not confirmed for 2h0m0s, at most 1h0m0s are allowed", old.Load() && item == "flags"
		}})
		requests := map[string]func() int{
			"configuration": func() int { return get(s, "/applications/abc1234/environments/env1234/configurations/pro1234").Code },
			"flag": func() int {
				return get(s, "/applications/shop/environments/prod/configurations/team%2Fflags?flag=search").Code
			},
			"agent":    func() int { return get(s, "/v1/flags").Code },
			"service":  func() int { return call(s, "secretsmanager.GetSecretValue", `{"SecretId":"flags"}`).Code },
			"describe": func() int { return call(s, "secretsmanager.DescribeSecret", `{"SecretId":"flags"}`).Code },
		}
		want := func(status int) {
			t.Helper()
			for name, request := range requests {
				if got := request(); got != status {
					t.Errorf("%s: %d, want %d", name, got, status)
				}
			}
		}
		want(http.StatusOK)
		old.Store(true)
		time.Sleep(time.Second)
		want(http.StatusServiceUnavailable)
		w := get(s, "/v1/flags")
		const why = `{"__type":"ServiceUnavailable","message":"item flags is past its maximum age: not confirmed for 2h0m0s, at ` +
			`most 1h0m0s are allowed"}`
		if w.Body.String() != why || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s %v", w.Body, w.Header())
		}
		batch := call(s, "secretsmanager.BatchGetSecretValue", `{"SecretIdList":["flags","cert"]}`)
		if got := batch.Body.String(); batch.Code != 200 || strings.Contains(got, "checkout") ||
			!strings.Contains(got, `"ErrorCode":"ServiceUnavailable"`) || !strings.Contains(got, `"Name":"cert"`) {
			t.Errorf("%d %s", batch.Code, got)
		}
		if w := get(s, text); w.Code != http.StatusOK {
			t.Errorf("an item that is not stale: %d", w.Code)
		}
		old.Store(false)
		time.Sleep(time.Second)
		want(http.StatusOK)
		before := asked.Load()
		for range 1000 {
			get(s, "/v1/flags")
		}
		if n := asked.Load() - before; n != 0 {
			t.Errorf("the engine was asked %d times by requests within a second", n)
		}
	})
}

// refreshNow asks the source once for all who come meanwhile, and waits for the new value.
func TestRefreshNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *loopback.Sink
		var calls atomic.Int64
		s = filled(t, loopback.Config{Refresh: func(_ context.Context, item string) error {
			if calls.Add(1); item != "key" {
				t.Errorf("item %s was refreshed", item)
			}
			time.Sleep(3 * time.Second)
			changed := items()
			changed[2].Value = secret.FromString("new")
			return s.Apply(t.Context(), snapshot(t, changed...))
		}})
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if w := get(s, key+"&refreshNow=true"); !strings.Contains(w.Body.String(), `"SecretString":"new"`) {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		time.Sleep(time.Second)
		if w := get(s, key); !strings.Contains(w.Body.String(), canary) {
			t.Errorf("a reader waited, or has %s", w.Body)
		}
		group.Wait()
		for range 10 {
			get(s, key+"&refreshNow=true")
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("the source was asked %d times", n)
		}
		time.Sleep(5 * time.Second)
		get(s, key+"&refreshNow=true")
		get(s, "/v1/nothing?refreshNow=true")
		if n := calls.Load(); n != 2 {
			t.Errorf("the source was asked %d times, want 2", n)
		}
	})
}

// A refresh that fails is said to whoever asked for it, as AWS's agent does; others go on with the last good value.
func TestRefreshFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := func(context.Context) error { return errors.New("secretsmanager: AccessDeniedException") }
		s := filled(t, loopback.Config{Refresh: func(ctx context.Context, _ string) error { return fail(ctx) }})
		const failed = `{"__type":"ConnectionError","message":"refreshing item key: secretsmanager: AccessDeniedException"}`
		for range 2 { // the second shares the outcome
			if w := get(s, key+"&refreshNow=true"); w.Code != http.StatusBadGateway || w.Body.String() != failed {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		time.Sleep(5 * time.Second)
		fail = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		w := get(s, key+"&refreshNow=true")
		if w.Code != http.StatusGatewayTimeout || w.Body.String() != `{"__type":"TimeoutError","message":"Timeout"}` {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("gave up after %v", took)
		}
		if w := get(s, key); w.Code != http.StatusOK {
			t.Errorf("the last good value: %d", w.Code)
		}
	})
}

// Somebody who does not wait for a refresh takes it from nobody else.
func TestRefreshOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := filled(t, loopback.Config{Refresh: func(ctx context.Context, _ string) error {
			select {
			case <-time.After(2 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		var group sync.WaitGroup
		group.Go(func() {
			r := httptest.NewRequest(http.MethodGet, key+"&refreshNow=true", nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			r.Host = "localhost"
			r.Header.Set("X-Aws-Parameters-Secrets-Token", token)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r.WithContext(ctx))
			if w.Code != http.StatusGatewayTimeout {
				t.Errorf("who left: %d", w.Code)
			}
		})
		synctest.Wait()
		if w := get(s, key+"&refreshNow=true"); w.Code != http.StatusOK {
			t.Errorf("who waited: %d %s", w.Code, w.Body)
		}
		group.Wait()
	})
}
