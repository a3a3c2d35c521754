// Package oidc verifies tokens against the keys that their issuer publishes, as OpenID Connect Discovery 1.0 says.
package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
)

const (
	keysLive     = 5 * time.Minute // on the emulated clock
	fetchTimeout = 5 * time.Second
	maxDiscovery = 1 << 20 // bytes, of either document
	maxRedirects = 3
)

// Algorithms are those that AWS takes: signatures by public keys. "none" and keyed hashes are not among them.
var Algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// ErrUnreachable means that asking again later may help: no connection, a timeout, or a failure of the issuer.
var ErrUnreachable = errors.New("identity provider unreachable")

// ErrSignature means that none of the issuer's keys has signed the token.
var ErrSignature = errors.New("the signature could not be verified")

var errRedirect = errors.New("refusing a redirect")

// Keyring holds the public keys of issuers, fetched as OpenID Connect Discovery 1.0 says: the document at
// <issuer>/.well-known/openid-configuration names the issuer itself and jwks_uri, where the keys are. It is safe for
// concurrent use.
type Keyring struct {
	client *http.Client
	clock  api.Clock

	mu   sync.Mutex
	sets map[string]keySet // by issuer
}

type keySet struct {
	keys    []jose.JSONWebKey
	fetched time.Time
}

// NewKeyring makes an empty Keyring. A nil client means one of its own; redirects are followed only to URLs that an
// issuer may have.
func NewKeyring(client *http.Client, clock api.Clock) *Keyring {
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fmt.Errorf("%w: too many", errRedirect)
		}
		if err := iam.CheckIssuer(r.URL); err != nil {
			return fmt.Errorf("%w: %w", errRedirect, err)
		}
		return nil
	}
	return &Keyring{client: &own, clock: clock, sets: map[string]keySet{}}
}

// Claims gives all claims of a token that one of the issuer's keys has signed. It checks nothing else about them. The
// error is ErrSignature, ErrUnreachable when asking again may help, or another when the issuer does not publish keys as
// it should.
func (k *Keyring) Claims(ctx context.Context, token *jwt.JSONWebToken, issuer string) (map[string]any, error) {
	header := token.Headers[0]
	keys, err := k.find(ctx, issuer, header.KeyID)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		var claims map[string]any
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if token.Claims(key.Key, &claims) == nil {
			return claims, nil
		}
	}
	return nil, ErrSignature
}

// find gives the keys of an issuer that a token's kid may mean: all of them when it has none. Keys that are held are
// used for some minutes, and fetched again at once when the kid is not among them, for issuers rotate their keys.
func (k *Keyring) find(ctx context.Context, issuer, kid string) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	held, ok := k.sets[issuer]
	k.mu.Unlock()
	if ok && k.clock().Sub(held.fetched) < keysLive {
		if keys := held.named(kid); len(keys) > 0 {
			return keys, nil
		}
	}
	fresh, err := k.fetch(ctx, issuer)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.sets[issuer] = fresh
	k.mu.Unlock()
	return fresh.named(kid), nil
}

func (s keySet) named(kid string) []jose.JSONWebKey {
	if kid == "" {
		return s.keys
	}
	var named []jose.JSONWebKey
	for _, key := range s.keys {
		if key.KeyID == kid {
			named = append(named, key)
		}
	}
	return named
}

func (k *Keyring) fetch(ctx context.Context, issuer string) (keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var discovery struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	address := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	if err := k.get(ctx, address, &discovery); err != nil {
		return keySet{}, fmt.Errorf("fetching the discovery document of %s: %w", issuer, err)
	}
	if discovery.Issuer != issuer {
		return keySet{}, fmt.Errorf("the discovery document of %s names another issuer, %q", issuer, discovery.Issuer)
	}
	var published struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := k.get(ctx, discovery.KeysURL, &published); err != nil {
		return keySet{}, fmt.Errorf("fetching the keys of %s: %w", issuer, err)
	}
	return keySet{keys: signingKeys(published.Keys), fetched: k.clock()}, nil
}

// signingKeys leaves out keys of kinds that go-jose does not know, as RFC 7517 asks, and those for encryption.
func signingKeys(published []json.RawMessage) []jose.JSONWebKey {
	var keys []jose.JSONWebKey
	for _, raw := range published {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && key.Use != "enc" {
			keys = append(keys, key)
		}
	}
	return keys
}

// get reads a JSON document of bounded size into v.
func (k *Keyring) get(ctx context.Context, address string, v any) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("parsing the URL: %w", err)
	}
	if err := iam.CheckIssuer(u); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	response, err := k.client.Do(request)
	switch {
	case errors.Is(err, errRedirect):
		return fmt.Errorf("asking for %s: %w", address, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("%w: %s answered %s", ErrUnreachable, address, response.Status)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answered %s", address, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDiscovery+1))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if len(body) > maxDiscovery {
		return fmt.Errorf("%s answered more than %d bytes", address, maxDiscovery)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("parsing the answer of %s: %w", address, err)
	}
	return nil
}
