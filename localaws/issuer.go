package localaws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/pinnace-dev/pinnace/localaws/internal/podidentity"
)

// Issuer is an OpenID Connect issuer on its own loopback port, such as a cluster or a pipeline is: it serves a
// discovery document and keys, and signs tokens (ES256). AWS asks for https; a loopback issuer is served over http,
// which localaws accepts from loopback alone. It is safe for concurrent use.
type Issuer struct {
	now      func() time.Time
	signer   jose.Signer
	keys     jose.JSONWebKeySet
	listener net.Listener
	http     *http.Server
}

// StartIssuer starts an issuer with a fresh key on a free loopback port. A nil now means time.Now.
func StartIssuer(now func() time.Time) (*Issuer, error) {
	if now == nil {
		now = time.Now //nolint:forbidigo // the default of the injected clock
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the issuer's key: %w", err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: rand.Text(), Algorithm: string(jose.ES256), Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, nil)
	if err != nil {
		return nil, fmt.Errorf("making the issuer's signer: %w", err)
	}
	i := &Issuer{now: now, signer: signer, keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}}
	if i.listener, err = listenLoopback("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("starting the issuer: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.serveDiscovery)
	mux.HandleFunc("GET /keys", i.serveKeys)
	i.http = serveOn(i.listener, mux, slog.New(slog.DiscardHandler))
	return i, nil
}

// URL is the issuer's identifier, the iss claim of its tokens.
func (i *Issuer) URL() string { return "http://" + i.listener.Addr().String() }

// Host is the URL without its scheme: the prefix of the condition keys in trust policies (HOST:sub, HOST:aud).
func (i *Issuer) Host() string { return i.listener.Addr().String() }

// Close stops serving the keys.
func (i *Issuer) Close() error { return i.http.Close() }

// Token signs a token for a subject and an audience that is valid from now for ttl, with further claims.
func (i *Issuer) Token(subject, audience string, ttl time.Duration, claims map[string]any) (string, error) {
	now := i.now()
	all := map[string]any{
		"iss": i.URL(), "sub": subject, "aud": []string{audience},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(ttl).Unix(),
	}
	maps.Copy(all, claims)
	return jwt.Signed(i.signer).Claims(all).Serialize()
}

// ServiceAccountToken signs the token that a kubelet projects into a pod for IRSA: a day long, for sts.amazonaws.com.
func (i *Issuer) ServiceAccountToken(namespace, serviceAccount string) (string, error) {
	return i.Token("system:serviceaccount:"+namespace+":"+serviceAccount, "sts.amazonaws.com", 24*time.Hour,
		map[string]any{"kubernetes.io": map[string]any{
			"namespace": namespace, "serviceaccount": map[string]string{"name": serviceAccount},
		}})
}

// PodIdentityToken signs the token that a kubelet projects into a pod for EKS Pod Identity: a day long, bound to the
// pod, for pods.eks.amazonaws.com.
func (i *Issuer) PodIdentityToken(namespace, serviceAccount, pod string) (string, error) {
	return i.Token("system:serviceaccount:"+namespace+":"+serviceAccount, podidentity.Audience, 24*time.Hour,
		map[string]any{"kubernetes.io": map[string]any{
			"namespace": namespace, "serviceaccount": map[string]string{"name": serviceAccount},
			"pod": map[string]string{"name": pod, "uid": rand.Text()},
		}})
}

func (i *Issuer) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{
		"issuer": i.URL(), "jwks_uri": i.URL() + "/keys",
		"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(jose.ES256)},
	})
}

func (i *Issuer) serveKeys(w http.ResponseWriter, _ *http.Request) { writeJSON(w, i.keys) }

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller is gone when this fails
}
