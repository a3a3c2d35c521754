package sts

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/versity/versitygw/iamapi/policy"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/oidc"
)

const (
	minToken = 4 // characters
	maxToken = 20_000
)

func (s *Service) assumeRoleWithWebIdentity(c *api.Call, form url.Values) (any, *api.Error) {
	r, err := readRequest(form)
	if err != nil {
		return nil, err
	}
	identity, err := s.verify(c.Request.Context(), form.Get("WebIdentityToken"))
	if err != nil {
		return nil, err
	}
	identity.RoleSessionName = r.sessionName
	denied := api.Errorf("AccessDenied", http.StatusForbidden, "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	role, ok := s.directory.Role(r.roleARN)
	if !ok {
		return nil, denied
	}
	provider, ok := s.directory.AllowWebIdentity(c, role, identity)
	if !ok {
		return nil, denied
	}
	if err := r.within(role); err != nil {
		return nil, err
	}
	result := newResult(r, s.directory.Issue(role, r.sessionName, r.duration, nil, r.policy))
	result.SubjectFromWebIdentityToken = identity.Subject
	result.Provider = provider
	result.Audience = identity.Audience
	return result, nil
}

// verify checks a token entirely and gives what a trust policy may ask about it.
func (s *Service) verify(ctx context.Context, raw string) (policy.WebIdentityContext, *api.Error) {
	var none policy.WebIdentityContext
	if len(raw) < minToken || len(raw) > maxToken {
		return none, validationError("1 validation error detected: Value at 'webIdentityToken' failed to satisfy "+
			"constraint: Member must have length between %d and %d", minToken, maxToken)
	}
	token, err := jwt.ParseSigned(raw, oidc.Algorithms)
	if err != nil {
		return none, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an " +
			"Access Token)")
	}
	var claims jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return none, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an " +
			"Access Token)")
	}
	provider, ok := s.directory.Provider(claims.Issuer)
	if !ok {
		return none, invalidToken("No OpenIDConnect provider found in your account for " + claims.Issuer)
	}
	others, refusal := s.checkSignature(ctx, token, claims.Issuer)
	if refusal != nil {
		return none, refusal
	}
	if err := checkClaims(claims, s.clock()); err != nil {
		return none, err
	}
	_, host, _ := strings.Cut(claims.Issuer, "://")
	identity := policy.WebIdentityContext{ProviderURL: host, Subject: claims.Subject, Claims: textClaims(others)}
	if err := setAudience(&identity, claims.Audience, others["azp"]); err != nil {
		return none, err
	}
	if !slices.Contains(provider.ClientIDs, identity.Audience) {
		return none, invalidToken("Incorrect token audience")
	}
	return identity, nil
}

// checkSignature gives all claims of a token that one of the issuer's keys has signed.
func (s *Service) checkSignature(
	ctx context.Context, token *jwt.JSONWebToken, issuer string,
) (map[string]any, *api.Error) {
	claims, err := s.keys.Claims(ctx, token, issuer)
	switch {
	case errors.Is(err, oidc.ErrUnreachable):
		return nil, api.Errorf("IDPCommunicationError", http.StatusBadRequest, "The identity provider could not be "+
			"reached because of a temporary problem: %v", err)
	case errors.Is(err, oidc.ErrSignature):
		return nil, invalidToken("The signature of the web identity token could not be verified")
	case err != nil:
		return nil, invalidToken("Couldn't retrieve verification key from your identity provider, please reference " +
			"AssumeRoleWithWebIdentity documentation for requirements: " + err.Error())
	}
	return claims, nil
}

// checkClaims asks for the claims that AWS requires and checks the times, without any leeway.
func checkClaims(claims jwt.Claims, now time.Time) *api.Error {
	for _, required := range []struct {
		name    string
		present bool
	}{
		{"sub", claims.Subject != ""},
		{"aud", len(claims.Audience) > 0},
		{"exp", claims.Expiry != nil},
		{"iat", claims.IssuedAt != nil},
	} {
		if !required.present {
			return invalidToken("Missing a required claim: " + required.name)
		}
	}
	switch err := claims.ValidateWithLeeway(jwt.Expected{Time: now}, 0); {
	case errors.Is(err, jwt.ErrExpired):
		return api.Errorf("ExpiredTokenException", http.StatusBadRequest, "Token expired: current date/time %d must be "+
			"before the expiration date/time %d", now.Unix(), claims.Expiry.Time().Unix())
	case err != nil:
		return api.Errorf("IDPRejectedClaim", http.StatusForbidden, "The token is not valid yet: its nbf or iat is in "+
			"the future")
	}
	return nil
}

// setAudience follows AWS's rule for aud and azp: when azp is present it is the audience, and aud becomes oaud;
// otherwise the token must have one audience.
func setAudience(identity *policy.WebIdentityContext, audience jwt.Audience, azp any) *api.Error {
	party, _ := azp.(string)
	switch {
	case party != "":
		identity.Audience, identity.OriginalAudience = party, audience
	case len(audience) > 1:
		return invalidToken("Token audience contains more than one audience while authorized party is not present")
	default:
		identity.Audience = audience[0]
	}
	return nil
}

// textClaims gives the claims that conditions can name: texts and lists of texts. Those that the evaluator sets by
// itself are left out.
func textClaims(claims map[string]any) map[string][]string {
	texts := map[string][]string{}
	for name, value := range claims {
		switch strings.ToLower(name) {
		case "aud", "sub", "oaud":
			continue
		}
		switch value := value.(type) {
		case string:
			texts[name] = []string{value}
		case []any:
			if list, ok := textList(value); ok {
				texts[name] = list
			}
		}
	}
	return texts
}

func textList(values []any) ([]string, bool) {
	list := make([]string, 0, len(values))
	for _, value := range values {
		text, ok := value.(string)
		if !ok {
			return nil, false
		}
		list = append(list, text)
	}
	return list, true
}

func invalidToken(message string) *api.Error {
	return api.Errorf("InvalidIdentityToken", http.StatusBadRequest, "%s", message)
}
