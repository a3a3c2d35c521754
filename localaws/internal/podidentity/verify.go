package podidentity

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/oidc"
)

// pod is what a verified token says.
type pod struct{ issuer, namespace, serviceAccount, name, uid string }

// claims are those of a token that a kubelet has asked for. go-jose minds the case of names.
type claims struct {
	jwt.Claims
	Kubernetes struct {
		Namespace      string `json:"namespace"`
		ServiceAccount struct {
			Name string `json:"name"`
		} `json:"serviceaccount"`
		Pod struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"pod"`
	} `json:"kubernetes.io"`
}

// verify checks a token entirely: first as the agent does, which reads it without its signature, then as EKS Auth does.
func (s *Service) verify(ctx context.Context, raw string) (pod, *api.Error) {
	c, token, refusal := read(raw, s.cfg.Clock())
	if refusal != nil {
		return pod{}, refusal
	}
	p := pod{
		issuer: c.Issuer, namespace: c.Kubernetes.Namespace, serviceAccount: c.Kubernetes.ServiceAccount.Name,
		name: c.Kubernetes.Pod.Name, uid: c.Kubernetes.Pod.UID,
	}
	if !s.knows(c.Issuer) {
		return pod{}, invalidToken("The token was not issued by a cluster of this account")
	}
	_, err := s.keys.Claims(ctx, token, c.Issuer)
	switch {
	case errors.Is(err, oidc.ErrUnreachable):
		return pod{}, api.Errorf("ServiceUnavailableException", http.StatusServiceUnavailable,
			"The keys of the cluster could not be read")
	case err != nil:
		return pod{}, invalidToken("The signature of the token could not be verified")
	case !slices.Contains(c.Audience, Audience):
		return pod{}, invalidToken("The audience of the token is not " + Audience)
	case p.name == "" || p.uid == "" || c.Subject != "system:serviceaccount:"+p.namespace+":"+p.serviceAccount:
		return pod{}, invalidToken("The token is not bound to a pod")
	}
	return p, nil
}

// read is what the agent itself looks at before it asks EKS Auth.
func read(raw string, now time.Time) (claims, *jwt.JSONWebToken, *api.Error) {
	var c claims
	if raw == "" {
		return c, nil, refused("Service account token cannot be empty")
	}
	token, err := jwt.ParseSigned(raw, oidc.Algorithms)
	if err == nil {
		err = token.UnsafeClaimsWithoutVerification(&c)
	}
	if err != nil {
		return c, nil, refused("Service account token cannot be parsed: token is malformed")
	}
	if c.Expiry == nil {
		return c, nil, refused("Service account token failed basic claim validations: token has no expiry")
	}
	switch err := c.ValidateWithLeeway(jwt.Expected{Time: now}, 0); {
	case errors.Is(err, jwt.ErrExpired):
		return c, nil, refused("Service account token failed basic claim validations: token has invalid claims: " +
			"token is expired")
	case err != nil:
		return c, nil, refused("Service account token failed basic claim validations: token has invalid claims: " +
			"token is not valid yet")
	}
	return c, token, nil
}

// refused is a refusal of the agent's own.
func refused(text string) *api.Error { return api.Errorf("", http.StatusBadRequest, "%s", text) }

func invalidToken(text string) *api.Error {
	return api.Errorf("InvalidTokenException", http.StatusBadRequest, "%s", text)
}
